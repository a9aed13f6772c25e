(* SPDX-License-Identifier: Apache-2.0 *)
(* aco_switch_in_place on i386, from its bytes. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Steps InPlace Text32.
Import ListNotations.
Open Scope Z_scope.

Section InPlace32.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.
Variable inside : state -> Prop.
Variable base : Z. (* where the text of context.S is *)
Hypothesis c_range : 0 <= base /\ base + Z.of_nat (length C32.text) <= 2 ^ 32.
Hypothesis c_code : forall k x, decode false C32.text C32.relocs k = Some x ->
  code (base + k) = Some x.
Hypothesis c_inside : forall s,
  base <= pc s < base + Z.of_nat (length C32.text) -> inside s.

Let size := Eval vm_compute in Z.of_nat (length C32.text).
Let c_range_n : 0 <= base /\ base + size <= 4294967296 := c_range.
Let c_inside_n : forall s, base <= pc s < base + size -> inside s := c_inside.

(* The call of aco_leave_place, and what follows. *)
Definition call := Eval vm_compute in fst (hd (0, 0) C32.relocs) - 1.
Lemma call_is : code (base + call) = Some (CallX x_aco_leave_place, 5).
Proof. apply c_code. vm_compute. reflexivity. Qed.

Ltac ins_of := apply c_inside_n; cbn [pc]; unfold size; arith.
Ltac prots_of := idtac;
  let x := fresh in let Hx := fresh in intros x Hx;
  match goal with
  | H : forall s : state, _ -> forall a : Z, _ |- _ =>
    apply H; [look; arith | look; arith ..]
  end.
Ltac one := one_step ltac:(code_at c_code) ins_of arith prots_of.

Lemma in_place_call_32 :
  in_place_call_spec i386 code ext inside prot 20 RBX RCX
    (base + C32.aco_switch_in_place) (base + call).
Proof.
  intros [p f m0 z c d x k r] ta tb r0. in_place_contract. unfold C32.aco_switch_in_place, call.
  intros -> HA HB HSP R (A1 & A2 & B1 & B2 & S1 & S2 & AB & AS & BS) P.
  assert (P1 := fun s H => proj1 (P s H)); assert (P2 := fun s H => proj2 (P s H)).
  clear P; cbv beta in P1, P2.
  pose proof (R RBX); pose proof (R RBP); pose proof (R RSI); pose proof (R RDI).
  pose proof (R RSP); pose proof (R RDX).
  remember (load 4 m0 r0) as ret eqn:LR; symmetry in LR.
  match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  destruct c_range_n; unfold size in *.
  apply goes_start; intros m E; copy_loads m0 m E; clear E.
  do 9 one. finish Q.
Qed.

Lemma in_place_fails_32 :
  in_place_fails_spec i386 code ext inside prot 20 RBX (base + (call + 5)).
Proof.
  intros [p f m0 z c d x k r] [fg sp ret] rc. unfold call. in_place_contract.
  cbn [s_rf s_sp s_ret].
  intros -> HAX HSP EC R RG RS (F1 & F2 & _) F5 A1 A2 P1. subst rc.
  assert (RSI_ : f RSI = fg RSI) by (apply RS; intuition discriminate).
  assert (RBP_ : f RBP = fg RBP) by (apply RS; intuition discriminate).
  destruct c_range_n; unfold size in *.
  match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  apply goes_start; intros m E; copy_loads m0 m E; clear E.
  one. branch Z1; one; [apply low_zero in Z1; lia|].
  do 4 one. finish Q.
Qed.

(* ---- the copy --------------------------------------------------------------------- *)

(* Where the loops of context.S start. *)
Definition zeros := Eval vm_compute in call + 35.    (* 1: *)
Definition zeros_done := Eval vm_compute in call + 47. (* 2: *)
Definition words := Eval vm_compute in call + 65.    (* 3: *)
Definition string := Eval vm_compute in call + 78.   (* 4: *)
Definition copied := Eval vm_compute in call + 80.   (* 5: *)

Section Copy.
Variables (m0 : mem) (Q : state -> Prop).
Variables tb rc sb e from nw nz : Z.
Variables (x k r : Z).
Let dst := e - (nw + nz) * 4.

Hypothesis tb_range : 0 <= tb /\ tb + 48 <= 4294967296.
Hypothesis counts : 0 <= nw /\ 0 <= nz.
Hypothesis e_range : 0 <= dst /\ e + 4 <= 4294967296.
Hypothesis from_range : 0 <= from /\ from + nw * 4 <= 4294967296.
Hypothesis tb_apart : tb + 48 <= dst \/ e <= tb.
Hypothesis from_apart : from + nw * 4 <= dst \/ e <= from.

(* What is to be there. *)
Definition F (a : Z) := if a <? dst + nw * 4 then m0 (from + (a - dst)) mod 256 else 0.

Definition place (s : state) := rf s RSP = rc \/ rf s RSP = sb.
Definition mine (a : Z) := dst <= a < e.
Hypothesis P1 : forall s, place s -> forall a,
  tb <= a < tb + 48 \/ from <= a < from + nw * 4 -> prot s a.
Hypothesis P2 : forall s, rf s RSP = sb -> forall a, dst <= a < e -> prot s a.
Hypothesis P3 : forall s, rf s RSP = rc -> forall a, rc <= a < rc + 16 -> prot s a.
Hypothesis rc_range : 0 <= rc /\ rc + 16 <= 4294967296.
Hypothesis Q_done : forall f m z c, bytes m dst e F ->
  f RSP = sb -> f RBP = load 4 m0 (tb + 8) -> f RDX = tb ->
  Q (mk (load 4 m0 tb) f m z c false x k r).

Notation goes := (goes i386 code ext prot inside place mine m0 Q).
Notation at_ p f m z c := (goes (mk (base + p) f m z c false x k r)).

(* One instruction.  What is written so far goes on to be known. *)
Ltac place_of := unfold place; look; arith.
Ltac spares := idtac;
  let x := fresh in let Hx := fresh in intros x Hx;
  first [apply P1; [place_of | arith] | apply P2; [look; arith | arith] |
         apply P3; [look; arith | arith]].
Ltac next_with m' E :=
  match goal with |- Steps.goes _ _ _ _ _ _ _ _ _ (mk _ _ ?m _ _ _ _ _ _) =>
    stepping ltac:(code_at c_code) ins_of place_of; intros m' E;
    carry_bytes spares m m' E; carry_loads spares m m' E
  end.
Ltac next := let m' := fresh "m" in let E := fresh "E" in next_with m' E; clear E.

(* What is where nobody writes. *)
Ltac spared a :=
  apply (goes_known _ _ _ _ _ _ _ 4 a); unfold mine;
  [intros; arith | intros; apply P1; [assumption | arith] | ]; cbn [mm].
Ltac begin := destruct c_range_n; unfold size in *; unfold mine; compute_numbers.

(* What a store has written is as it is to be. *)
Lemma copied_word m b a j : 0 <= j < nw -> b = dst + j * 4 -> a = from + j * 4 ->
  bytes (store 4 m b (load 4 m0 a)) b (b + 4) F.
Proof.
  intros J -> ->. apply (bytes_stored 4). intros i Hi. unfold F.
  replace (dst + j * 4 + i <? dst + nw * 4) with true by lia. f_equal. f_equal. lia.
Qed.

Lemma zero_word m b : dst + nw * 4 <= b -> bytes (store 4 m b 0) b (b + 4) F.
Proof.
  intros J. apply (bytes_stored_zero 4). intros i Hi. unfold F.
  replace (b + i <? dst + nw * 4) with false by lia. reflexivity.
Qed.
Ltac written m b E lemma_ :=
  assert (bytes m b (b + 4) F) by
    (eapply (carried_bytes _ _ _ _ _ _ _ _ E);
     [spares | reflexivity | lemma_; arith]).

(* 5: into B *)
Lemma at_copied f m z c :
  f RDX = tb -> f RSP = sb -> bytes m dst e F -> at_ copied f m z c.
Proof.
  intros HDX HSP B. unfold copied. begin.
  spared tb; intros L1. spared (tb + 8); intros L2.
  do 2 next. apply goes_done. apply Q_done; auto.
Qed.

(* In an induction on n: how many words are left. *)
Ltac left_is q Hq :=
  match goal with H : ?f RCX = ?v |- _ => remember v as q eqn:Hq end.

(* 4: what is left is copied, one word a round; below dst + (nw - n) * 4 it is. *)
Lemma at_string n : forall f m z c,
  f RDX = tb -> f RSP = sb -> f RCX = Z.of_nat (S n) -> Z.of_nat (S n) <= nw ->
  f RSI = from + (nw - Z.of_nat (S n)) * 4 -> f RDI = dst + (nw - Z.of_nat (S n)) * 4 ->
  bytes m dst (dst + (nw - Z.of_nat (S n)) * 4) F -> bytes m (dst + nw * 4) e F ->
  at_ string f m z c.
Proof.
  induction n as [|n IH]; intros f m z c HDX HSP HCX L HSI HDI Lo Hi; unfold string; begin.
  all: left_is q Hq.
  all: spared (from + (nw - q) * 4); intros L1.
  all: assert (N : (q =? 0) = false) by lia.
  - assert (N1 : (q - 1 =? 0) = true) by lia.
    next_with m' E.
    written m' (dst + (nw - q) * 4) E ltac:(apply copied_word with (j := nw - q)). clear E.
    apply at_copied; cbn [upd reg_eqb]; auto.
    eapply bytes_app; [eassumption|]. eapply bytes_app; [eassumption|].
    replace (dst + (nw - q) * 4 + 4) with (dst + nw * 4) by lia. assumption.
  - assert (N1 : (q - 1 =? 0) = false) by lia.
    next_with m' E.
    written m' (dst + (nw - q) * 4) E ltac:(apply copied_word with (j := nw - q)). clear E.
    apply IH; cbn [upd reg_eqb]; auto; try arith.
    replace (dst + (nw - Z.of_nat (S n)) * 4) with (dst + (nw - q) * 4 + 4) by lia.
    eapply bytes_app; eassumption.
Qed.

(* 3: what is left is copied, the highest word first. *)
Lemma at_words n : forall f m z c,
  f RDX = tb -> f RSP = sb -> f RCX = Z.of_nat (S n) -> Z.of_nat (S n) <= nw ->
  f RSI = from -> f RDI = dst -> bytes m (dst + Z.of_nat (S n) * 4) e F ->
  at_ words f m z c.
Proof.
  induction n as [|n IH]; intros f m z c HDX HSP HCX L HSI HDI B; unfold words; begin.
  all: left_is q Hq.
  all: spared (from + q * 4 + -4); intros L1.
  all: next; next_with m' E.
  all: written m' (dst + q * 4 + -4) E ltac:(apply copied_word with (j := q - 1)); clear E.
  all: replace (dst + q * 4 + -4 + 4) with (dst + q * 4) in * by lia.
  - assert (N1 : (q - 1 =? 0) = true) by lia.
    do 3 next. apply at_copied; cbn [upd reg_eqb]; auto.
    replace dst with (dst + q * 4 + -4) by lia. eapply bytes_app; eassumption.
  - assert (N1 : (q - 1 =? 0) = false) by lia.
    do 2 next. apply IH; cbn [upd reg_eqb]; auto; try arith.
    replace (dst + Z.of_nat (S n) * 4) with (dst + q * 4 + -4) by lia.
    eapply bytes_app; eassumption.
Qed.

(* what is not copied by a string instruction *)
Lemma at_few f m z c :
  f RDX = tb -> f RSP = sb -> f RCX = nw -> f RSI = from -> f RDI = dst ->
  bytes m (dst + nw * 4) e F -> at_ (words - 4) f m z c.
Proof.
  intros HDX HSP HCX HSI HDI B. unfold words. begin.
  next. branch Hz; next; [apply Z.eqb_eq in Hz | apply Z.eqb_neq in Hz].
  - apply at_copied; cbn [upd reg_eqb]; auto.
    replace dst with (dst + nw * 4) by lia. assumption.
  - apply (at_words (Z.to_nat (nw - 1))); cbn [upd reg_eqb]; auto; try arith.
    replace (Z.of_nat (S (Z.to_nat (nw - 1)))) with nw by lia. assumption.
Qed.

(* 2: the zeros are there. *)
Lemma at_zeros_done f m z c :
  f RDX = tb -> f RSP = sb -> f RCX = nw -> f RSI = from -> f RDI = dst + nw * 4 ->
  bytes m (dst + nw * 4) e F -> at_ zeros_done f m z c.
Proof.
  intros HDX HSP HCX HSI HDI B. unfold zeros_done. begin.
  do 3 next. branch_above Hz Hc; next.
  1-3: apply at_few; cbn [upd reg_eqb]; auto; arith.
  apply (at_string (Z.to_nat (nw - 1))); cbn [upd reg_eqb]; auto; try arith.
  replace (nw - Z.of_nat (S (Z.to_nat (nw - 1)))) with 0 by lia.
  replace (dst + 0 * 4) with dst by lia. apply bytes_empty.
Qed.

(* 1: what is left is zeroed. *)
Lemma at_zeros n : forall f m z c,
  f RDX = tb -> f RSP = sb -> f RCX = nw -> f RSI = from ->
  f RAX = Z.of_nat (S n) -> f RDI = dst + nw * 4 + Z.of_nat (S n) * 4 -> Z.of_nat (S n) <= nz ->
  bytes m (dst + nw * 4 + Z.of_nat (S n) * 4) e F -> at_ zeros f m z c.
Proof.
  induction n as [|n IH]; intros f m z c HDX HSP HCX HSI HAX HDI L B; unfold zeros; begin.
  all: match goal with H : _ RAX = ?v |- _ => remember v as q eqn:Hq end.
  all: next; next_with m' E.
  all: written m' (dst + nw * 4 + q * 4 - 4) E ltac:(apply zero_word); clear E.
  all: replace (dst + nw * 4 + q * 4 - 4 + 4) with (dst + nw * 4 + q * 4) in * by lia.
  - assert (N1 : (q - 1 =? 0) = true) by lia.
    do 2 next. apply at_zeros_done; cbn [upd reg_eqb]; auto; try arith.
    replace (dst + nw * 4) with (dst + nw * 4 + q * 4 - 4) by lia.
    eapply bytes_app; eassumption.
  - assert (N1 : (q - 1 =? 0) = false) by lia.
    do 2 next. apply IH; cbn [upd reg_eqb]; auto; try arith.
    replace (dst + nw * 4 + Z.of_nat (S n) * 4) with (dst + nw * 4 + q * 4 - 4) by lia.
    eapply bytes_app; eassumption.
Qed.

(* From the return of aco_leave_place on. *)
Lemma at_return f m z c : m = m0 ->
  f RAX mod 4294967296 = 0 -> f RSP = rc -> f RBX = tb ->
  (forall q, 0 <= f q < 4294967296) ->
  load 4 m0 rc = e -> load 4 m0 (rc + 4) = from -> load 4 m0 (rc + 8) = nw ->
  load 4 m0 (rc + 12) = nz -> load 4 m0 (tb + 4) = sb -> at_ (call + 5) f m z c.
Proof.
  intros M HAX HSP HB R L1 L2 L3 L4 L5. unfold call. begin. copy_loads m0 m M. clear M.
  pose proof (R RBX).
  next. branch Hz; next; [|apply low_zero in Hz; lia].
  do 8 next. branch Hn; next; [apply Z.eqb_eq in Hn | apply Z.eqb_neq in Hn].
  - apply at_zeros_done; cbn [upd reg_eqb]; auto; try arith.
    replace (dst + nw * 4) with e by (unfold dst; lia). apply bytes_empty.
  - apply (at_zeros (Z.to_nat (nz - 1))); cbn [upd reg_eqb]; auto; try arith. 
    replace (dst + nw * 4 + Z.of_nat (S (Z.to_nat (nz - 1))) * 4) with e
      by (unfold dst; lia). apply bytes_empty.
Qed.
End Copy.

Lemma in_place_copy_32 : in_place_copy_spec i386 code ext inside prot RBX (base + (call + 5)).
Proof.
  intros [p f m0 z c d x k r] tb rc sb e from nw nz. in_place_contract.
  intros -> HAX HSP HB R -> L1 L2 L3 L4 L5 T1 T2 C1 C2 E1 E2 F1 F2 AT AF P1 P3 P2.
  replace (e - (nw + nz) * 4 + (nw + nz) * 4) with e in * by lia.
  assert (0 <= nw) by (subst nw; apply load_range).
  assert (0 <= nz) by (subst nz; apply load_range).
  apply goes_start. intros m M.
  apply at_return with (tb := tb) (rc := rc) (sb := sb) (e := e) (from := from) (nw := nw)
    (nz := nz); auto; try arith.
  clear - E1 L5 H H0. intros f m z c B HSP HBP HDI. cbn [pc rf mm zf cf df mx cw rest].
  repeat match goal with |- _ /\ _ => split end; auto; try congruence.
  - intros a Ha. rewrite B by lia. unfold F.
    replace (a <? _) with false by lia. reflexivity.
  - intros i Hi. rewrite B by lia. unfold F.
    replace (_ <? _) with true by lia. f_equal. f_equal. lia.
Qed.
End InPlace32.
