(* SPDX-License-Identifier: Apache-2.0 *)
(* What it is for a piece of code to be right, when a signal may come between
   any two instructions; and lemmas about memory. *)
Require Import ZArith List Bool Lia.
Require Import X86.
Open Scope Z_scope.

(* ---- memory --------------------------------------------------------------- *)

Lemma load_ext n : forall m m' a,
  (forall x, a <= x < a + Z.of_nat n -> m' x = m x) -> load n m' a = load n m a.
Proof.
  induction n; intros m m' a H; cbn [load]; [reflexivity|].
  rewrite (H a) by lia. rewrite (IHn m m' (a + 1)); [reflexivity|].
  intros; apply H; lia.
Qed.

Lemma store_other n : forall m a v x,
  ~ (a <= x < a + Z.of_nat n) -> store n m a v x = m x.
Proof.
  induction n; intros m a v x H; cbn [store]; [reflexivity|].
  destruct (x =? a) eqn:E; [lia|]. apply IHn; lia.
Qed.

Lemma load_store_other n k m a b v :
  a + Z.of_nat n <= b \/ b + Z.of_nat k <= a ->
  load n (store k m b v) a = load n m a.
Proof. intros; apply load_ext; intros; apply store_other; lia. Qed.

Lemma load_store n : forall m a v,
  0 <= v < 2 ^ (8 * Z.of_nat n) -> load n (store n m a v) a = v.
Proof.
  induction n; intros m a v H; cbn [load store]; [cbn in H; lia|].
  rewrite Z.eqb_refl, Z.mod_mod by lia.
  replace (load n _ (a + 1)) with (v / 256).
  - pose proof (Z.div_mod v 256); lia.
  - symmetry. rewrite load_ext with (m := store n m (a + 1) (v / 256)).
    + apply IHn. split; [apply Z.div_pos; lia|].
      apply Z.div_lt_upper_bound; [lia|].
      replace (256 * 2 ^ (8 * Z.of_nat n)) with (2 ^ (8 * Z.of_nat (S n))); [lia|].
      replace (8 * Z.of_nat (S n)) with (8 + 8 * Z.of_nat n) by lia.
      rewrite Z.pow_add_r by lia. reflexivity.
    + intros x Hx. destruct (x =? a) eqn:E; [lia|reflexivity].
Qed.

Lemma load_range n : forall m a, 0 <= load n m a < 2 ^ (8 * Z.of_nat n).
Proof.
  induction n; intros; cbn [load]; [lia|].
  specialize (IHn m (a + 1)). pose proof (Z.mod_pos_bound (m a) 256).
  replace (8 * Z.of_nat (S n)) with (8 + 8 * Z.of_nat n) by lia.
  rewrite Z.pow_add_r by lia. change (2 ^ 8) with 256. lia.
Qed.

(* ---- execution ------------------------------------------------------------ *)

Section Run.
Variable b64 : bool.
Variable code : Z -> option (instr * Z). (* the text of all that is loaded *)

(* What a call of a C function does, from the call to its return: the symbol,
   the state before the call, the return address, the state after it. *)
Variable ext : Z -> state -> Z -> state -> Prop.

Definition step (s : state) : option state :=
  match code (pc s) with
  | Some (i, n) => exec b64 i (pc s + n) s
  | None => None
  end.

(* Signal handlers, and what they call, may write everything but this. *)
Variable prot : state -> Z -> Prop.
(* The stack pointer is valid. *)
Variable good : state -> Prop.
(* What the code itself may write. *)
Variable mine : Z -> Prop.

(* From s on, every execution reaches Q; each state on the way is good. *)
Inductive reach (Q : state -> Prop) : state -> Prop :=
  | r_done s : Q s -> reach Q s
  | r_step s s1 :
      good s -> step s = Some s1 ->
      (forall a, ~ mine a -> mm s1 a = mm s a) ->
      (forall m, (forall a, prot s1 a -> m a = mm s1 a) ->
                 reach Q (with_mem s1 (pc s1) m)) ->
      reach Q s
  | r_call s f n :
      good s -> code (pc s) = Some (CallX f, n) ->
      (exists s1, ext f s (pc s + n) s1) ->
      (forall s1, ext f s (pc s + n) s1 -> reach Q s1) ->
      reach Q s.

Lemma reach_trans P Q s :
  reach P s -> (forall s', P s' -> reach Q s') -> reach Q s.
Proof.
  intros H HPQ. induction H; [auto | eapply r_step; eauto | eapply r_call; eauto].
Qed.
End Run.

Lemma reach_mono b64 code ext prot (good good' : state -> Prop) (mine mine' : Z -> Prop) (P Q : state -> Prop) s :
  (forall s, good s -> good' s) -> (forall a, mine a -> mine' a) ->
  (forall s, P s -> Q s) ->
  reach b64 code ext prot good mine P s -> reach b64 code ext prot good' mine' Q s.
Proof.
  intros Hg Hm HQ H. induction H;
    [apply r_done; auto | eapply r_step; eauto | eapply r_call; eauto].
Qed.

(* What reach says, in terms of executions: a path is any execution, with
   whatever signal handlers do between its steps. *)
Section Paths.
Variable b64 : bool.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.

Inductive one_step (s : state) : state -> Prop :=
  | one_instr s1 m :
    step b64 code s = Some s1 -> (forall a, prot s1 a -> m a = mm s1 a) ->
    one_step s (with_mem s1 (pc s1) m)
  | one_call f n s1 :
    code (pc s) = Some (CallX f, n) -> ext f s (pc s + n) s1 -> one_step s s1.

(* through states of which inside is true, to one of which it isn't *)
Inductive path (inside : state -> Prop) : state -> state -> Prop :=
  | p_end s : ~ inside s -> path inside s s
  | p_step s s1 s2 : inside s -> one_step s s1 -> path inside s1 s2 ->
                     path inside s s2.

Lemma call_is_no_step s f n :
  code (pc s) = Some (CallX f, n) -> step b64 code s = None.
Proof. intros H. unfold step. rewrite H. reflexivity. Qed.

Lemma reach_path (inside good : state -> Prop) mine Q s s' :
  reach b64 code ext prot good mine Q s ->
  (forall s, good s -> inside s) -> (forall s, Q s -> ~ inside s) ->
  path inside s s' -> Q s'.
Proof.
  intros H HG HQ. induction H as [s Hs | s s1 Hg Hst Hm HR IH | s f n Hg Hc He HR IH];
    intros P.
  - destruct P as [s _ | s s1 s2 Hi _ _]; [assumption|].
    exfalso; exact (HQ _ Hs Hi).
  - destruct P as [s Ho | s t s2 Hi Ho P]; [exfalso; auto|].
    destruct Ho as [s1' m Hst' Hp | f n s1' Hc' _].
    + rewrite Hst in Hst'. injection Hst'; intros <-. eapply IH; eauto.
    + rewrite (call_is_no_step _ _ _ Hc') in Hst. discriminate.
  - destruct P as [s Ho | s t s2 Hi Ho P]; [exfalso; auto|].
    destruct Ho as [s1' m Hst' Hp | f' n' s1' Hc' He'].
    + rewrite (call_is_no_step _ _ _ Hc) in Hst'. discriminate.
    + rewrite Hc in Hc'. injection Hc'; intros <- <-. eapply IH; eauto.
Qed.
End Paths.

