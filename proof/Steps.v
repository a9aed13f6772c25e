(* SPDX-License-Identifier: Apache-2.0 *)
(* Proofs of gets, one instruction at a time.

   What is known of the memory is in hypotheses  load n m a = v.  An instruction
   and the signal handlers that come after it make m another memory: the tactic
   carries over what the handlers spare, and forgets the rest. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics.
Open Scope Z_scope.

Section Goes.
Variable X : arch.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.
Variables ins place : state -> Prop.
Variable mine : Z -> Prop.

(* gets, of an execution that began with m0 *)
Definition goes (m0 : mem) (Q : state -> Prop) (s : state) :=
  kept prot place mine m0 (mm s) ->
  reach (b64 X) code ext prot (fun s => ins s /\ place s) mine
    (fun s' => Q s' /\ kept prot place mine m0 (mm s')) s.

Lemma goes_start (Q : state -> Prop) p f m0 z c d x k r :
  (forall m, m = m0 -> goes m0 Q (mk p f m z c d x k r)) ->
  gets X code ext prot ins place mine Q (mk p f m0 z c d x k r).
Proof. intros H. apply (H m0 eq_refl). intros a _ _. reflexivity. Qed.

Lemma goes_done m0 (Q : state -> Prop) s : Q s -> goes m0 Q s.
Proof. intros H K. apply r_done. split; assumption. Qed.

Lemma goes_step m0 (Q : state -> Prop) s p f m1 z c d x k r :
  ins s -> place s ->
  step (b64 X) code s = Some (mk p f m1 z c d x k r) ->
  place (mk p f m1 z c d x k r) ->
  (forall a, ~ mine a -> m1 a = mm s a) ->
  (forall m, (forall a, prot (mk p f m1 z c d x k r) a -> m a = m1 a) ->
     goes m0 Q (mk p f m z c d x k r)) ->
  goes m0 Q s.
Proof.
  intros I P S P1 F H K. eapply r_step; [split; assumption | exact S | exact F |].
  intros m E. apply H; [exact E|].
  intros a N A. cbn [mm with_mem]. rewrite E by (apply A, P1).
  cbn [mm]. rewrite F by exact N. apply K; assumption.
Qed.

(* What nobody writes is as it was at the start. *)
Lemma goes_known k a m0 (Q : state -> Prop) s :
  (forall x, a <= x < a + Z.of_nat k -> ~ mine x) ->
  (forall x, a <= x < a + Z.of_nat k -> forall s1, place s1 -> prot s1 x) ->
  (load k (mm s) a = load k m0 a -> goes m0 Q s) -> goes m0 Q s.
Proof.
  intros N P H K. apply H; [|exact K]. apply load_ext. intros x Hx. apply K; auto.
Qed.

(* Two parts, one after the other. *)
Lemma gets_gets (P Q : state -> Prop) s :
  gets X code ext prot ins place mine P s ->
  (forall s', P s' -> kept prot place mine (mm s) (mm s') ->
     gets X code ext prot ins place mine Q s') ->
  gets X code ext prot ins place mine Q s.
Proof.
  intros G H. eapply reach_trans; [exact G|]. intros s' [HP HK].
  specialize (H s' HP HK). unfold gets in H.
  eapply reach_mono; [ | | | exact H]; auto.
  intros s2 [HQ HK2]. split; [exact HQ|].
  intros a N A. rewrite HK2, HK by assumption. reflexivity.
Qed.
End Goes.

Lemma gets_mono X code ext prot (ins place place' : state -> Prop) (mine mine' : Z -> Prop)
    (P Q : state -> Prop) s :
  (forall s, place s -> place' s) -> (forall a, mine a -> mine' a) ->
  (forall s', P s' -> kept prot place mine (mm s) (mm s') -> Q s') ->
  gets X code ext prot ins place mine P s -> gets X code ext prot ins place' mine' Q s.
Proof.
  intros HP HM HQ. apply reach_mono; [intuition | exact HM |].
  intros s' [H K]. split; [auto|]. intros a N A. apply K; [auto|]. intros s1 H1. auto.
Qed.

(* What handlers spare is as it was. *)
Lemma carried (prot : state -> Z -> Prop) s n m m' a v :
  (forall x, prot s x -> m' x = m x) ->
  (forall x, a <= x < a + Z.of_nat n -> prot s x) ->
  load n m a = v -> load n m' a = v.
Proof. intros E P <-. apply load_ext. auto. Qed.

(* Sums and products of numbers. *)
Ltac compute_numbers :=
  repeat match goal with
  | |- context [?o ?x ?y] =>
      is_number x; is_number y;
      lazymatch o with Z.add => idtac | Z.sub => idtac | Z.mul => idtac | Z.pow => idtac end;
      let z := eval vm_compute in (o x y) in change (o x y) with z
  end
with is_number x := match x with Zpos _ => idtac | Z0 => idtac | Zneg _ => idtac end.

(* Facts about m0 for m, which is equal. *)
Ltac copy_loads m0 m E :=
  repeat match goal with
  | H : load ?n m0 ?a = ?v |- _ =>
    lazymatch goal with
    | _ : load n m a = v |- _ => fail
    | _ => assert (load n m a = v) by (rewrite E; exact H)
    end
  end.

(* E: m' is m1 where handlers spare it, and m1 is m, perhaps with a store. *)
Ltac carry_loads prots m m' E :=
  repeat match goal with
  | H : load ?n m ?a = ?v |- _ =>
    try assert (load n m' a = v) by
      (apply (carried _ _ _ _ _ _ _ E); [prots|];
       first [exact H | rewrite load_store_other by arith; exact H]);
    clear H
  end;
  try match type of E with
  | forall a, _ -> m' a = store ?n _ ?b ?v a =>
    assert (load n m' b = v) by
      (apply (carried _ _ _ _ _ _ _ E); [prots|]; apply load_store; arith)
  end;
  try clear m.

(* What does not wrap around, from the inside to the outside. *)
Ltac small :=
  repeat match goal with
  | |- context [wrap true ?v] => rewrite (wrap64 v) by arith
  | |- context [wrap false ?v] => rewrite (wrap32 v) by arith
  | |- context [trunc 8 ?v] => rewrite (trunc8 v) by arith
  | |- context [trunc 4 ?v] => rewrite (trunc4 v) by arith
  end; norm_pc; norm_sub.

(* Goal: step ... = Some ?s; code finds the instruction. *)
Ltac step_by code :=
  unfold step; cbn [pc]; change (b64 amd64) with true; change (b64 i386) with false;
  code; cbn [exec]; unfold push, ld, st, addr, holds; rewrite ?Z.land_diag;
  tidy; small; cbn [negb andb];
  repeat (first [rewrite acc64 by arith | rewrite acc32 by arith]);
  change (Z.to_nat 8) with 8%nat; change (Z.to_nat 4) with 4%nat;
  change (Z.to_nat 2) with 2%nat; change (Z.to_nat 1) with 1%nat;
  look; loads;
  repeat match goal with
  | H : mx_ok ?v = true |- context [mx_ok ?v] => rewrite H
  | H : cw_ok ?v = true |- context [cw_ok ?v] => rewrite H
  | H : (?x =? ?y) = _ |- context [?x =? ?y] => rewrite H
  end; cbn [negb andb]; reflexivity.

(* One instruction, and what signal handlers do after it; ins and place are
   tactics for the goals of that kind. *)
Ltac stepping code ins place :=
  eapply goes_step;
  [ ins | look; place | step_by code | look; place
  | let a := fresh in let Ha := fresh in intros a Ha; look;
    first [reflexivity | apply store_other; arith]
  | cbn [pc rf mm zf cf df mx cw rest upd reg_eqb]; known; norm_pc; norm_sub ].

(* The same, with what is known of the memory after it; prots: what handlers
   spare. *)
Ltac one_step code ins place prots :=
  match goal with |- goes _ _ _ _ _ _ _ _ _ (mk _ _ ?m _ _ _ _ _ _) =>
    let E := fresh "E" in let m' := fresh "m" in
    stepping code ins place; intros m' E; carry_loads prots m m' E; clear E
  end.

(* Before a conditional jump: both ways. *)
Ltac branch Z :=
  match goal with |- goes _ _ _ _ _ _ _ _ _ (mk _ _ _ ?z _ _ _ _ _) => destruct z eqn:Z end.

Ltac branch_above Z C :=
  branch Z; match goal with
  |- goes _ _ _ _ _ _ _ _ _ (mk _ _ _ _ ?c _ _ _ _) => destruct c eqn:C end.

(* ---- control words ---------------------------------------------------------- *)

Lemma mx_ok_range v : mx_ok v = true -> 0 <= v < 65536.
Proof. unfold mx_ok. intros H. apply andb_prop in H as [H1 H2]. lia. Qed.

Lemma cw_ok_range v : cw_ok v = true -> 0 <= v < 65536.
Proof.
  unfold cw_ok. intros H. apply andb_prop in H as [H _]. apply andb_prop in H as [H1 H2]. lia.
Qed.

Lemma lxor_range n a b : 0 <= n -> 0 <= a < 2 ^ n -> 0 <= b < 2 ^ n ->
  0 <= Z.lxor a b < 2 ^ n.
Proof.
  intros N A B. pose proof (Z.lxor_nonneg a b) as L.
  split; [apply L; lia|].
  destruct (Z.eq_dec (Z.lxor a b) 0) as [E|E]; [rewrite E; lia|].
  apply Z.log2_lt_pow2; [lia|].
  destruct (Z.eq_dec n 0) as [->|N0]; [cbn in *; replace a with 0 in * by lia;
    replace b with 0 in * by lia; cbn in E; lia|].
  assert (forall v, 0 <= v < 2 ^ n -> Z.log2 v < n) as LT.
  { intros v V. destruct (Z.eq_dec v 0) as [->|]; [cbn; lia|]. apply Z.log2_lt_pow2; lia. }
  pose proof (Z.log2_lxor a b ltac:(lia) ltac:(lia)). pose proof (LT a A). pose proof (LT b B).
  lia.
Qed.
