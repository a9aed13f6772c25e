(* SPDX-License-Identifier: Apache-2.0 *)
(* The inline switch on i386 (include/aco/arch/i386.h). *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Steps Inline.
Import ListNotations.
Open Scope Z_scope.

(* ACO_EXCHANGE_CONTROL_; long: clang -O0 makes all jumps so. *)
Definition exchange (long : bool) : listing :=
  let j := if long then 6 else 2 in
  [(TestB (at_ RAX 23) 4, 4); (Jcc CE 4, j); (Stmxcsr (at_ RAX 16), 4);
   (Fnstcw (at_ RAX 20), 3);
   (TestB (at_ RDX 23) 64, 4); (Jcc CE (20 + 2 * j), j);
   (Ld 4 RCX (at_ RAX 16), 3); (AluM Xor 4 RCX (at_ RDX 16), 3);
   (Alu Test 4 RCX (SI 0xffc0), 6); (Jcc CNE (8 + j), j);
   (Ld 2 RCX (at_ RAX 20), 4); (AluM Cmp 2 RCX (at_ RDX 20), 4); (Jcc CE (11 + j), j);
   (TestB (at_ RAX 23) 4, 4); (Jcc CE 4, j); (Ldmxcsr (at_ RDX 16), 4);
   (Fldcw (at_ RDX 20), 3)].

(* What wraps around to an address. *)
Lemma wrap_sx a : 0 <= a < 4294967296 -> wrap false (sx 4 a) = a.
Proof.
  intros H. unfold wrap, sx. change (2 ^ (8 * 4 - 1)) with 2147483648.
  change (2 ^ (8 * 4)) with (2 ^ 32).
  destruct (a <? 2147483648); [apply Z.mod_small; exact H|].
  rewrite <- (Z.mod_small a (2 ^ 32)) at 2 by exact H.
  replace (a - 2 ^ 32) with (a + (-1) * 2 ^ 32) by lia. apply Z.mod_add. lia.
Qed.

(* ACO_JUMP_ at p, with its landing at land; pic: -fPIC; with_bx: clang's. *)
Definition jump (pic with_bx : bool) (p land : Z) : listing :=
  (if pic then [(Call 0, 5); (Pop RCX, 1); (Lea 4 RCX (at_ RCX (land - (p + 5))), 6)]
   else [(Lea 4 RCX (Ea None None (sx 4 land)), 6)]) ++
  [(St 4 (at_ RAX 0) (SR RCX), 2); (St 4 (at_ RAX 4) (SR RSP), 3);
   (St 4 (at_ RAX 8) (SR RBP), 3)] ++
  (if with_bx then [(St 4 (at_ RAX 12) (SR RSI), 3)] else []) ++
  [(Ld 4 RSP (at_ RDX 4), 3); (Ld 4 RBP (at_ RDX 8), 3); (JmpM (at_ RDX 0), 2)].
Definition landing (with_bx : bool) : listing :=
  (Endbr, 4) :: if with_bx then [(Ld 4 RSI (at_ RDX 12), 3)] else [].

Section Inline32.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.
Variable ins : state -> Prop.
Variables a_switch a_value a_entry_return : Z.
Variable a_entry : bool -> Z.

Definition exchange_at (long : bool) (p q : Z) :=
  q = p + size (exchange long) /\ lies i386 code ins p (exchange long).

Ltac contract :=
  contract_in ltac:(unfold exchange_at, exchange, jump, landing, i386).

(* From the second test of the flag on. *)
Ltac load_words := one; let E := fresh "E" in branch E; [congruence|]; do 3 one; have_words.

Lemma exchange_32 long :
  exchange_spec i386 code ext prot ins Both (exchange_at long) RCX.
Proof.
  intros [p f m0 z c d x k r] p' q ta tb r0. destruct long; contract.
  all: intros [-> (C & P0 & P1 & I)] -> HA HB HSP R A1 A2 B1 B2 AB P (MB & CB) (MX & CW & FS).
  all: conj_code.
  all: destruct (mx_ok_range _ MX), (mx_ok_range _ MB), (cw_ok_range _ CW), (cw_ok_range _ CB).
  all: pose proof (lxor_of_words _ _ MX MB).
  all: remember (load 4 m0 (tb + 16)) as mb eqn:LM; symmetry in LM.
  all: remember (load 2 m0 (tb + 20)) as cb eqn:LC; symmetry in LC.
  all: specialize (FS eq_refl); apply (flag_set _ _ true) in FS; cbn [negb] in FS.
  all: remember (load 1 m0 (ta + 23)) as fa eqn:LA; symmetry in LA.
  all: remember (load 1 m0 (tb + 23)) as fl eqn:LF; symmetry in LF.
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  (* there is MXCSR *)
  all: one; branch Zs; [congruence|]; do 2 one.
  all: do 2 one; branch Z1; one; [load_words|].
  all: do 3 one; branch Z2; one; [|load_words].
  all: do 2 one; branch Z3; one; [have_words|load_words].
Qed.

(* The same, where there is no MXCSR. *)
Ltac load_word := one; let E := fresh "E" in branch E; [|congruence]; do 2 one; have_words.

Lemma exchange_32_x87 long :
  exchange_spec i386 code ext prot ins X87 (exchange_at long) RCX.
Proof.
  intros [p f m0 z c d x k r] p' q ta tb r0. destruct long; contract.
  all: intros [-> (C & P0 & P1 & I)] -> HA HB HSP R A1 A2 B1 B2 AB P (MB & CB) (CW & FS).
  all: conj_code.
  all: destruct (mx_ok_range _ MB), (cw_ok_range _ CW), (cw_ok_range _ CB).
  all: pose proof (load_range 4 m0 (ta + 16)) as MA;
    change (2 ^ (8 * Z.of_nat 4)) with 4294967296 in MA.
  all: pose proof (lxor_range 32 (load 4 m0 (ta + 16)) (load 4 m0 (tb + 16))
    ltac:(lia) ltac:(change (2 ^ 32) with 4294967296; lia)
    ltac:(change (2 ^ 32) with 4294967296; lia)) as XR;
    change (2 ^ 32) with 4294967296 in XR.
  all: remember (load 4 m0 (ta + 16)) as ma eqn:LV; symmetry in LV.
  all: remember (load 4 m0 (tb + 16)) as mb eqn:LM; symmetry in LM.
  all: remember (load 2 m0 (tb + 20)) as cb eqn:LC; symmetry in LC.
  all: apply (flag_set _ _ false) in FS; cbn [negb] in FS.
  all: remember (load 1 m0 (ta + 23)) as fa eqn:LA; symmetry in LA.
  all: remember (load 1 m0 (tb + 23)) as fl eqn:LF; symmetry in LF.
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  all: one; branch Zs; [|congruence]; do 2 one.
  all: do 1 one; branch Z1; one; [load_word|].
  all: do 3 one; branch Z2; one; [|load_word].
  all: do 2 one; branch Z3; one; [have_words|load_word].
Qed.

Definition jump_at (pic with_bx : bool) (p land : Z) :=
  lies i386 code ins p (jump pic with_bx p land) /\ 0 <= land < 2 ^ 32.

Ltac absolute land := idtac; code_of; cbn [exec]; unfold addr;
  rewrite !Z.add_0_l, (wrap_sx land) by arith.

Lemma jump_32 pic with_bx :
  inline_spec i386 a_switch a_value a_entry code ext prot (jump_at pic with_bx) ins
    Neither with_bx (if pic then 4 else 0).
Proof.
  intros [p f m0 z c d x k r] p' land ta tb r0 sb. unfold jump_at.
  destruct pic, with_bx; contract.
  all: intros ((C & I0 & I1 & I) & L) -> HA HB HSP R SB AP A P _ _.
  all: destruct A as (A1 & A2 & B1 & B2 & S1 & S2 & AB & AS & BS).
  all: conj_code.
  all: assert (P1 := fun s H => proj1 (P s H)); assert (P2 := fun s H => proj2 (P s H)).
  all: clear P; cbv beta in P1, P2.
  all: remember (load 4 m0 tb) as ip eqn:LI; symmetry in LI.
  all: remember (load 4 m0 (tb + 8)) as bp eqn:LB; symmetry in LB.
  all: assert (0 <= sb < 4294967296) by (subst sb; apply (load_range 4)).
  all: pose proof (R RSI); pose proof (R RBP); pose proof (R RSP).
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  (* the address of the landing *)
  1,2: do 3 one.
  3,4: one_step ltac:(absolute land) ins_of arith prots_of.
  1,3: one.
  all: do 6 one; jumped.
Qed.

Lemma inline_landing_32 with_bx :
  inline_landing_spec i386 a_switch a_value a_entry a_entry_return code ext prot
    (fun land => lies i386 code ins land (landing with_bx)) ins with_bx.
Proof.
  intros [p f m0 z c d x k r] ta [fs sp land]. destruct with_bx; contract.
  all: intros (C & I0 & I1 & I) (E1 & E2 & E3 & E4) (F1 & F2 & F3 & F4) (A1 & A2) P.
  all: rewrite F1 in E2; rewrite F2 in E1; rewrite F3 in E3; subst p; conj_code.
  all: try specialize (F4 eq_refl).
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  1: one.
  all: one; jumped.
Qed.

(* ---- all of it ------------------------------------------------------------------ *)

Definition template (exch long pic with_bx : bool) (p land : Z) : listing :=
  let x := if exch then exchange long else [] in x ++ jump pic with_bx (p + size x) land.

(* It lies at p, with its landing at land, in the text that ins speaks of. *)
Definition inline_at (exch long pic with_bx : bool) (p land : Z) :=
  lies i386 code ins p (template exch long pic with_bx p land) /\ 0 <= land < 2 ^ 32.

Lemma inline_exchanges exch long pic with_bx : exch <> Neither ->
  exchange_spec i386 code ext prot ins exch (exchange_at long) RCX ->
  inline_spec i386 a_switch a_value a_entry code ext prot
    (inline_at true long pic with_bx) ins exch with_bx (if pic then 4 else 0).
Proof.
  intros EN XS.
  assert (S : sane i386 RCX) by (unfold sane; cbn; intuition (discriminate || lia)).
  assert (N : 0 <= if pic then 4 else 0) by (destruct pic; lia).
  assert (J := exchange_jump _ _ _ _ _ _ _ _ _ _ _ _ _ _ EN S N XS (jump_32 pic with_bx)).
  intros s p land ta tb r0 sb [H L]. apply J.
  exists (p + size (exchange long)).
  apply lies_app in H as [H1 H2]; [| destruct long, pic, with_bx; cbv; discriminate..].
  split; split; [reflexivity | exact H1 | exact H2 | exact L].
Qed.

(* The text with the exchange exchanges both words, or that of x87 alone. *)
Theorem inline_32 exch long pic with_bx :
  let text := match exch with Neither => false | _ => true end in
  inline_spec i386 a_switch a_value a_entry code ext prot
    (inline_at text long pic with_bx) ins exch with_bx (if pic then 4 else 0).
Proof.
  destruct exch; cbv zeta iota.
  - intros s p land ta tb r0 sb [H L]. apply (jump_32 pic). split; [|exact L].
    unfold template in H. cbn [app size] in H. rewrite Z.add_0_r in H. exact H.
  - apply inline_exchanges; [discriminate | apply exchange_32].
  - apply inline_exchanges; [discriminate | apply exchange_32_x87].
Qed.
End Inline32.
