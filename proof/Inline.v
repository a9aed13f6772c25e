(* SPDX-License-Identifier: Apache-2.0 *)
(* The inline switch, for both architectures: ACO_EXCHANGE_CONTROL_, if it is
   there, and ACO_JUMP_, in whatever code has these instructions. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Steps.
Import ListNotations.
Open Scope Z_scope.

(* Memory at a register plus an offset. *)
Definition at_ (r : reg) (d : Z) := Ea (Some r) None d.

(* Instructions and their lengths. *)
Definition listing := list (instr * Z).
Fixpoint size (l : listing) : Z := match l with [] => 0 | (_, n) :: l => n + size l end.

(* The code at p is l. *)
Fixpoint code_is (code : Z -> option (instr * Z)) (p : Z) (l : listing) : Prop :=
  match l with
  | [] => True
  | (i, n) :: l => code p = Some (i, n) /\ code_is code (p + n) l
  end.

Lemma code_is_app code l1 : forall p l2,
  code_is code p (l1 ++ l2) <-> code_is code p l1 /\ code_is code (p + size l1) l2.
Proof.
  induction l1 as [|(i, n) l1]; intros p l2; cbn [app code_is size].
  - rewrite Z.add_0_r. tauto.
  - rewrite IHl1, Z.add_assoc. tauto.
Qed.

Lemma size_app l1 : forall l2, size (l1 ++ l2) = size l1 + size l2.
Proof.
  induction l1 as [|(i, n) l1]; intros l2; cbn [app size]; [reflexivity|].
  rewrite IHl1. lia.
Qed.

(* The code at p is l, in the space of addresses and in ins. *)
Definition lies (X : arch) code (ins : state -> Prop) p (l : listing) :=
  code_is code p l /\ 0 <= p /\ p + size l <= W X /\
  forall s, p <= pc s < p + size l -> ins s.

Lemma lies_app X code ins p l1 l2 : 0 <= size l1 -> 0 <= size l2 ->
  lies X code ins p (l1 ++ l2) ->
  lies X code ins p l1 /\ lies X code ins (p + size l1) l2.
Proof.
  intros S1 S2 (C & P & R & I). apply code_is_app in C. rewrite size_app in *.
  unfold lies. intuition (try lia); apply I; lia.
Qed.

Section Inline.
Variable X : arch.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.
Variable ins : state -> Prop.
Variables a_switch a_value : Z. (* in form *)
Variable a_entry : bool -> Z.
Notation gets := (gets X code ext prot ins).
Notation inline_spec := (inline_spec X a_switch a_value a_entry code ext prot).

(* ACO_EXCHANGE_CONTROL_ lies at p, and ends at q; it uses scratch. *)
Definition exchange_spec exch (at_x : Z -> Z -> Prop) (scratch : reg) : Prop :=
  forall s p q ta tb r0,
    let mine := range (ta + o_ctl X) (o_ctl2 X + 2 - o_ctl X) in
    at_x p q -> pc s = p ->
    rf s (inl_from X) = ta -> rf s (creg X) = tb -> rf s RSP = r0 -> ranged X (rf s) ->
    0 <= ta -> ta + used X <= W X -> 0 <= tb -> tb + used X <= W X ->
    apart2 ta (used X) tb (used X) ->
    (forall s1, rf s1 RSP = r0 ->
       forall a, range ta (used X) a \/ range tb (used X) a -> prot s1 a) ->
    words_ok X (mm s) tb -> can_exchange X exch s ta ->
    gets (fun s => rf s RSP = r0) mine
      (fun s' => pc s' = q /\ (forall r, r <> scratch -> rf s' r = rf s r) /\
         ranged X (rf s') /\ same_rest s s' /\ exchanged X exch ta tb s s') s.

(* The offsets are where the proofs below expect them. *)
Definition sane (scratch : reg) :=
  0 < w X /\ 4 * w X <= o_ctl X /\ o_ctl X + 4 <= o_ctl2 X /\ o_ctl2 X + 2 <= used X /\
  scratch <> inl_from X /\ scratch <> creg X /\ scratch <> RSP /\ scratch <> RBP /\
  scratch <> bx X.

(* First the one, then the other. *)
Lemma exchange_jump exch at_x at_p scratch with_bx n :
  exch <> Neither -> sane scratch -> 0 <= n ->
  exchange_spec exch at_x scratch -> inline_spec at_p ins Neither with_bx n ->
  inline_spec (fun p land => exists q, at_x p q /\ at_p q land) ins
    exch with_bx n.
Proof.
  intros EN (w0 & c1 & c2 & c3 & Sf & Sc & Ssp & Sbp & Sbx) n0 EX J.
  intros s p land ta tb r0 sb (q & Hx & Hp) Hpc Hta Htb Hsp R Hsb SB A P OK C.
  specialize (OK EN).
  replace (out_T X exch) with (o_ctl2 X + 2) by (destruct exch; [destruct EN|..]; reflexivity).
  pose proof A as (A1 & A2 & A3 & A4 & A5 & A6 & A7 & A8 & A9).
  unfold out_prot, out_place in P.
  assert (RB : forall s1, rf s1 RSP = r0 ->
    forall a, range ta (used X) a \/ range tb (used X) a -> prot s1 a)
    by (intros s1 E; apply (proj1 (P s1 ltac:(lia)))).
  eapply gets_gets.
  { eapply gets_mono; [| |intros s' H _; exact H |
      exact (EX s p q ta tb r0 Hx Hpc Hta Htb Hsp R A1 A2 A3 A4 A7 RB OK C)].
    - cbv beta. intros s1 E. left. lia.
    - intros a H. left. unfold range in *. lia. }
  cbv beta. intros s1 (Q1 & Q2 & Q3 & Q4 & Q5) K.
  (* the memory of B is as it was *)
  assert (KB : forall k a, tb <= a -> a + Z.of_nat k <= tb + used X ->
    load k (mm s1) a = load k (mm s) a).
  { intros k a L H. apply load_ext. intros x Hx1. apply K.
    - unfold out_mine, range, apart2 in *. lia.
    - intros s2 Ps. apply (proj1 (P s2 Ps)). right. unfold range. lia. }
  assert (L : load (Z.to_nat (w X)) (mm s1) (tb + w X) = sb)
    by (rewrite KB, Hsb by (unfold used in *; lia); reflexivity).
  rewrite <- (Q2 (inl_from X)) in Hta by auto.
  rewrite <- (Q2 (creg X)) in Htb by auto.
  rewrite <- (Q2 RSP) in Hsp by auto.
  eapply gets_mono; [intros s2 H; exact H | | |
    exact (J s1 q land ta tb r0 sb Hp Q1 Hta Htb Hsp Q3 L SB A P
      (fun H => False_ind _ (H eq_refl)) I)].
  { intros a [H|H]; [left|right; exact H]. cbn [out_T] in H. unfold range in *. lia. }
  cbv beta. intros s2 ((B1 & B2 & B3 & B4) & F & (D1 & D2) & (E1 & E2)) K2.
  rewrite !KB in B1, B2, B3 by (unfold used in *; lia).
  (* and so are the control words that A has saved *)
  assert (KA : forall k a, ta + 4 * w X <= a -> a + Z.of_nat k <= ta + used X ->
    load k (mm s2) a = load k (mm s1) a).
  { intros k a H1 H2. apply load_ext. intros x Hx2. apply K2.
    - unfold out_mine, out_T, range, apart2 in *. lia.
    - intros s3 Ps. apply (proj1 (P s3 Ps)). left. unfold range. lia. }
  destruct F as (F1 & F2 & F3 & F4).
  unfold arrives, form, same_rest in *.
  cbn [s_rf s_sp s_ret kept_sp] in *.
  rewrite Q2 in F3 by auto. rewrite Q2 in F4 by auto.
  unfold exchanged, words_saved, words_loaded in *.
  destruct exch; [destruct (EN eq_refl)|..]; rewrite (KA 4%nat), (KA 2%nat) by lia;
    intuition congruence.
Qed.
End Inline.

(* ---- tactics ------------------------------------------------------------------ *)

(* A contract in numbers; unfold_: what is the architecture's. *)
Ltac contract_in unfold_ :=
  unfold_;
  cbv beta iota zeta delta
    [exchange_spec inline_spec inline_landing_spec arrives form back rest_kept
     words_kept s_rf s_sp s_ret
     kept_sp lies size code_is at_ app
     words_ok words_saved words_loaded can_exchange exchanged out_T same_rest same_words ranged range apart2 sb_apart
     out_apart out_prot out_place out_mine nothing
     used b64 w W creg inl_from bx o_ctl o_ctl2 o_flags o_fp];
  fold amd64; fold i386;
  cbn [pc rf mm zf cf df mx cw rest]; compute_numbers; norm_pc;
  change (Z.to_nat 8) with 8%nat; change (Z.to_nat 4) with 4%nat.

Ltac conj_code :=
  repeat match goal with H : _ = Some _ /\ _ |- _ => destruct H end.

(* One instruction, where its bytes are not known, but what it is. *)
Ltac ins_of := idtac;
  match goal with H : forall s, _ <= pc s < _ -> _ |- _ => apply H; cbn [pc]; arith end.
Ltac code_of := idtac;
  match goal with H : ?code ?p = Some _ |- context [?code ?p] => rewrite H end.
Ltac prots_of := idtac;
  let x := fresh in let Hx := fresh in intros x Hx;
  match goal with
  | H : forall s : state, _ -> forall a : Z, _ |- _ =>
    apply H; [look; arith | look; arith ..]
  end.
Ltac one := one_step code_of ins_of arith prots_of.

Lemma lxor_of_words a b : mx_ok a = true -> mx_ok b = true ->
  0 <= Z.lxor a b < 4294967296.
Proof.
  intros A B. apply mx_ok_range in A, B.
  apply (lxor_range 32); [lia | change (2 ^ 32) with 4294967296; lia..].
Qed.

(* After the exchange. *)
Ltac have_words := apply goes_done; subst; cbn [pc rf mm zf cf df mx cw rest];
  repeat match goal with |- _ /\ _ => split end; try assumption; try reflexivity;
  try match goal with
  | |- forall r, r <> _ -> _ => intros [] ?; cbn [upd reg_eqb]; congruence
  | |- forall r, _ => intros []; cbn [upd reg_eqb]; auto; arith
  end;
  try (apply same_control; rewrite (trunc4 (Z.lxor _ _)) by arith; assumption);
  try (apply same_x87; assumption || arith).

(* After the jump. *)
Ltac jumped := apply goes_done; subst; cbn [pc rf mm zf cf df mx cw rest upd reg_eqb];
  repeat match goal with |- _ /\ _ => split end; intros;
  try match goal with H : load ?n ?m ?a = _ |- load ?n ?m ?a = _ => rewrite H end;
  first [reflexivity | assumption | discriminate | arith].
