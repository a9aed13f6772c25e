(* SPDX-License-Identifier: Apache-2.0 *)
(* Of aco_switch_in_place, what is the same on both architectures. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Steps.
Import ListNotations.
Open Scope Z_scope.

(* The bytes of m in [lo, hi) are those of F. *)
Definition bytes (m : mem) (lo hi : Z) (F : Z -> Z) :=
  forall a, lo <= a < hi -> m a mod 256 = F a.

Lemma bytes_empty m a F : bytes m a a F.
Proof. intros x H. lia. Qed.

Lemma bytes_app m a b c F : bytes m a b F -> bytes m b c F -> bytes m a c F.
Proof. intros H1 H2 x H. destruct (Z_lt_le_dec x b); [apply H1 | apply H2]; lia. Qed.

(* What handlers spare, and a store does not touch. *)
Lemma carried_bytes (prot : state -> Z -> Prop) s m m1 m' lo hi F :
  (forall x, prot s x -> m' x = m1 x) ->
  (forall x, lo <= x < hi -> prot s x) ->
  (forall x, lo <= x < hi -> m1 x = m x) ->
  bytes m lo hi F -> bytes m' lo hi F.
Proof. intros E P S H x Hx. rewrite E, S by auto. apply H, Hx. Qed.

(* The bytes of a store. *)
Lemma stored n : forall m b m2 a i, 0 <= i < Z.of_nat n ->
  store n m b (load n m2 a) (b + i) mod 256 = m2 (a + i) mod 256.
Proof.
  induction n; intros m b m2 a i H; [lia|]. cbn [load store].
  destruct (b + i =? b) eqn:E.
  - replace i with 0 by lia. rewrite Z.add_0_r, Z.mod_mod by lia.
    rewrite Z.mul_comm, Z.mod_add, Z.mod_mod by lia. reflexivity.
  - replace ((m2 a mod 256 + 256 * load n m2 (a + 1)) / 256) with (load n m2 (a + 1)).
    + replace (b + i) with (b + 1 + (i - 1)) by lia.
      rewrite IHn by lia. f_equal. f_equal. lia.
    + rewrite Z.mul_comm, Z.div_add by lia. rewrite (Z.div_small (m2 a mod 256));
        [lia | apply Z.mod_pos_bound; lia].
Qed.

Lemma stored_zero n : forall m b i, 0 <= i < Z.of_nat n -> store n m b 0 (b + i) mod 256 = 0.
Proof.
  induction n; intros m b i H; [lia|]. cbn [store].
  destruct (b + i =? b) eqn:E; [reflexivity|]. change (0 / 256) with 0.
  replace (b + i) with (b + 1 + (i - 1)) by lia. apply IHn. lia.
Qed.

(* What was stored is of F, if what was loaded is. *)
Lemma bytes_stored n m b m2 a F :
  (forall i, 0 <= i < Z.of_nat n -> m2 (a + i) mod 256 = F (b + i)) ->
  bytes (store n m b (load n m2 a)) b (b + Z.of_nat n) F.
Proof.
  intros H x Hx. replace x with (b + (x - b)) by lia. rewrite stored by lia. apply H. lia.
Qed.

Lemma bytes_stored_zero n m b F :
  (forall i, 0 <= i < Z.of_nat n -> F (b + i) = 0) ->
  bytes (store n m b 0) b (b + Z.of_nat n) F.
Proof.
  intros H x Hx. replace x with (b + (x - b)) by lia. rewrite stored_zero, H by lia. reflexivity.
Qed.

(* What has been written so far goes on to be known. *)
Ltac carry_bytes prots m m' E :=
  repeat match goal with
  | H : bytes m ?lo ?hi ?F |- _ =>
    assert (bytes m' lo hi F) by
      (apply (carried_bytes _ _ m _ _ _ _ _ E); [prots | | exact H];
       let x := fresh in let Hx := fresh in intros x Hx;
       first [reflexivity | apply store_other; arith]);
    clear H
  end.

(* What the text of an object is, at its place. *)
Ltac code_at C := idtac;
  match type of C with
  | forall k x, ?decode k = Some x -> _ =>
    match goal with |- context [_ (?b + ?k)] =>
      is_number k;
      let d := eval vm_compute in (decode k) in
      match d with Some ?x =>
        rewrite (C k x) by (vm_compute; reflexivity) end
    end
  end.

Ltac in_place_contract :=
  cbv beta iota zeta delta
    [in_place_call_spec in_place_copy_spec in_place_fails_spec arrives
     out_apart out_prot out_place out_mine land_place nothing range apart2 pushes saved
     same_rest same_words ranged used np amd64 i386 b64 w W creg freg treg bx pushed
     o_fp length Z.of_nat Pos.of_succ_nat Pos.succ];
  fold amd64; fold i386;
  cbn [pc rf mm zf cf df mx cw rest In]; compute_numbers; norm_pc; norm_sub;
  change (Z.to_nat 8) with 8%nat; change (Z.to_nat 4) with 4%nat.

(* About all registers, or the callee-saved ones. *)
Ltac each_reg := cbn [upd reg_eqb];
  match goal with
  | |- forall r, _ <= _ < _ => intros []; cbn [upd reg_eqb]; auto; arith
  | |- forall r, _ \/ _ -> _ =>
    let H := fresh in intros ? H; repeat destruct H as [<- | H]; try contradiction; intros;
    cbn [upd reg_eqb]; first [reflexivity | congruence | auto; fail]
  end.

Ltac finish Q := apply goes_done; subst Q; cbn [pc rf mm zf cf df mx cw rest];
  repeat match goal with |- _ /\ _ => split end; try assumption; try reflexivity;
  try each_reg.

(* test %eax, %eax *)
Lemma low_zero v b : (trunc 4 (trunc 4 v) =? 0) = b -> (v mod 4294967296 =? 0) = b.
Proof.
  unfold trunc. change (2 ^ (8 * 4)) with 4294967296. rewrite Z.mod_mod by lia. auto.
Qed.
