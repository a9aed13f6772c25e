(* SPDX-License-Identifier: Apache-2.0 *)
(* A switch in place, between two users of one stack: three pieces of code with a
   call of C between the first two.

     s0 --call--> s1 --aco_leave_place--> s2 --copy--> s3 --landing--> s4

     u: A runs        u2: nobody's bytes lie on the stack,        placed: B runs
                      A's are in a save stack, and so are B's *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain.
Import ListNotations.
Open Scope Z_scope.

(* What differs between architectures, and where the code is. *)
Record in_place := {
  gap : Z; breg : reg; mreg : reg;
  a_in_place : Z; a_call : Z; a_after : Z
}.

Section Place.
Variable P : setting.
Variable L : in_place.
Local Notation X := (X P).
Local Notation w := (w X).
Local Notation word m a := (load (Z.to_nat w) m a).
Local Notation used := (used X).
Local Notation ctx := (ctx P).
Local Notation world := (world P).
Local Notation T := (T P).
Local Notation top i := (hi P (stk P i)).
Local Notation bottom i := (lo P (stk P i)).
Local Notation no_ext := (fun (_ : Z) (_ : state) (_ : Z) (_ : state) => False).
Hypothesis X_ok : X = amd64 \/ X = i386.

(* ---- what is known of the pieces ------------------------------------------------- *)

Record pieces_ok : Prop := {
  pk_gap : 4 * w <= gap L;
  pk_breg : In (breg L) (pushed X);
  pk_call prot : in_place_call_spec X (code P) no_ext (inside P) prot (gap L)
    (breg L) (mreg L) (a_in_place L) (a_call L);
  pk_copy prot : in_place_copy_spec X (code P) (ext P) (inside P) prot (breg L) (a_after L);
  pk_fails prot : in_place_fails_spec X (code P) (ext P) (inside P) prot (gap L)
    (breg L) (a_after L);
  pk_code : exists n, code P (a_call L) = Some (CallX x_aco_leave_place, n) /\
    a_call L + n = a_after L
}.

(* ---- A is about to leave --------------------------------------------------------- *)

Definition ret_of s := word (mm s) (rf s RSP).
Definition leaving_A s :=
  {| l_kind := Fun; l_snap := left_by s (ret_of s); l_red := 0; l_mem := mm s |}.
Definition room := np X * w + gap L.

Record enters (u : world) B : Prop := {
  en_pc : pc (st u) = a_in_place L;
  en_from : rf (st u) (freg X) = T (cur u);
  en_to : rf (st u) (treg X) = T B;
  en_ranged : ranged X (rf (st u));
  en_df : df (st u) = false;
  en_room : bottom (cur u) < rf (st u) RSP - room;
  en_top : rf (st u) RSP + w <= top (cur u);
  en_goes_on : goes_on P Fun (left_by (st u) (ret_of (st u)));
  en_stk : stk P B = stk P (cur u)
}.

(* Signal handlers leave alone, while A runs: *)
Definition pl_prot (u : world) s a :=
  (exists i, alive u i /\ range (T i) used a) \/
  (exists i li, gh u i = Some li /\ owns u i /\ lowest P li <= a < top i) \/
  (exists i, gh u i <> None /\ ~ owns u i /\
     range (v_from (sv u i)) (v_words (sv u i) * w) a) \/
  rf s RSP <= a < top (cur u).

(* Nobody but A has seen a change. *)
Lemma spaces_st (u : world) s : spaces u -> spaces (with_st u s).
Proof. intros []. constructor; assumption. Qed.

Lemma view_st (u : world) s i : 
  (owns u i -> view (with_st u s) i = mm s) /\
  (~ owns u i -> forall a, view (with_st u s) i a =
     if top i - v_zeros (sv u i) * w <=? a then 0 else mm s (in_save u i a)).
Proof.
  unfold view. split; intros H; [|intros a]; destruct (owns_dec (with_st u s) i) as [H2|H2];
    try reflexivity; [destruct (H2 H) | destruct (H H2)].
Qed.

Lemma ran_st (u : world) s :
  inv u ->
  (forall i a, alive u i -> i <> cur u -> range (T i) used a -> mm s a = mm (st u) a) ->
  (forall a, T (cur u) + 4 * w <= a < T (cur u) + used -> mm s a = mm (st u) a) ->
  (forall i li a, gh u i = Some li -> owns u i -> lowest P li <= a < top i ->
     mm s a = mm (st u) a) ->
  (forall i a, gh u i <> None -> ~ owns u i ->
     range (v_from (sv u i)) (v_words (sv u i) * w) a -> mm s a = mm (st u) a) ->
  ran u (with_st u s).
Proof.
  intros HI KT KA KS KV. pose proof (offsets P X_ok) as O.
  assert (GA : forall i li, gh u i = Some li -> alive u i /\ i <> cur u).
  { intros i li H. split; [right; congruence|]. intros ->.
    rewrite (inv_cur P u HI) in H. discriminate. }
  assert (W : forall i a, alive u i ->
    range (T i + o_ctl X) 4 a \/ range (T i + o_ctl2 X) 2 a -> mm s a = mm (st u) a).
  { intros i a Hi Ha. destruct (ctx_dec P i (cur u)) as [->|N].
    - apply KA. unfold range in *. lia.
    - apply (KT i); auto. unfold range in *. lia. }
  assert (W4 : forall i, alive u i ->
    load 4 (mm s) (T i + o_ctl X) = load 4 (mm (st u)) (T i + o_ctl X) /\
    load 2 (mm s) (T i + o_ctl2 X) = load 2 (mm (st u)) (T i + o_ctl2 X)).
  { intros i Hi. split; apply load_same; intros a Ha; rewrite (W i); auto. }
  constructor.
  - reflexivity.
  - exact (inv_own P u HI).
  - intros i li H. left. change (gh u i = Some li) in H. destruct (GA i li H) as [Ha N].
    destruct (inv_waits P u HI i li H) as (F & V & R & FT & G & K & E).
    pose proof (places P X_ok li R) as PL. cbv zeta in PL.
    assert (VW : same_bytes (lowest P li) (top i) (view (with_st u s) i) (view u i)).
    { intros a Hr. destruct (view_st u s i) as [V1 V2]. unfold view at 2.
      destruct (owns_dec u i) as [Ho|Ho].
      - rewrite V1 by exact Ho. rewrite (KS i li a); auto.
      - rewrite V2 by exact Ho. destruct (_ <=? a) eqn:EQ; [reflexivity|].
        rewrite (KV i); auto; [congruence|].
        eapply in_save_range; [exact (K Ho) | lia | lia]. }
    split; [exact H|]. split; [|left; reflexivity]. split; [|split; [|split]].
    + intros a Hf. cbn [st with_st]. rewrite (KT i); auto. unfold fixed, range in *. lia.
    + intros a Hr. apply VW. lia.
    + exact K.
    + intros EV. change (sent (with_st u s) i) with (sent u i). rewrite <- (E EV). apply (word_same P X_ok). intros a Hr. apply VW.
      unfold red_ok in R. destruct FT as [_ FT]. rewrite EV in *.
      cbn [kept_sp land_to] in *. lia.
  - apply spaces_st. exact (inv_spaces P u HI).
  - intros i Hi. unfold words_ok. cbn [st with_st]. destruct (W4 i Hi) as [-> ->].
    exact (inv_words P u HI i Hi).
  - intros i Hi. unfold has_words. cbn [st wd with_st].
    destruct (W4 i (or_intror Hi)) as [-> ->]. exact (inv_wd P u HI i Hi).
Qed.

(* ---- to the call ----------------------------------------------------------------- *)

Record at_call (u : world) B s1 : Prop := {
  ac_pc : pc s1 = a_call L;
  ac_sp : rf s1 RSP = rf (st u) RSP - room;
  ac_from : rf s1 (freg X) = T (cur u);
  ac_to : rf s1 (treg X) = T B;
  ac_move : rf s1 (mreg L) = rf s1 RSP;
  ac_breg : rf s1 (breg L) = T B;
  ac_saved r : In r (saved X) -> r <> breg L -> rf s1 r = rf (st u) r;
  ac_form : let t := T (cur u) in let s := st u in
    word (mm s1) (t + w) = rf s RSP - np X * w /\
    word (mm s1) (t + 2 * w) = rf s RBP /\ word (mm s1) (t + 3 * w) = rf s (bx X) /\
    pushes X (mm s1) (rf s RSP) (pushed X) (rf s);
  ac_stack a : rf (st u) RSP <= a < top (cur u) -> mm s1 a = mm (st u) a;
  ac_ran : ran u (with_st u s1);
  ac_rest : same_rest (st u) s1;
  ac_words : same_words (st u) s1
}.

Theorem place_call u B l : pieces_ok -> inv u -> gh u B = Some l -> enters u B ->
  reach (b64 X) (code P) no_ext (pl_prot u)
    (fun s => inside P s /\ rf (st u) RSP - room <= rf s RSP <= rf (st u) RSP)
    (out_mine (T (cur u)) (4 * w) (rf (st u) RSP) (np X * w))
    (at_call u B) (st u).
Proof.
  intros PK HI HB EN. pose proof (offsets P X_ok) as O. destruct EN. pose proof (pk_gap PK) as GP.
  pose proof (inv_spaces P u HI) as SP. set (A := cur u) in *. set (r0 := rf (st u) RSP) in *.
  assert (HA : alive u A) by (left; reflexivity).
  assert (HBA : alive u B) by (right; congruence).
  assert (AB : A <> B). { intros E. pose proof (inv_cur P u HI). fold A in H. congruence. }
  pose proof (sp_T P u SP A HA) as TA. pose proof (sp_T P u SP B HBA) as TB.
  pose proof (sp_TT P u SP A B HA HBA AB) as TT.
  pose proof (sp_TS P u SP A A HA HA) as TSA. pose proof (sp_TS P u SP B A HBA HA) as TSB.
  pose proof (sp_stk P u SP A HA) as SA. unfold apart2 in *.
  assert (MINE : forall a, T A + 4 * w <= a < T A + used \/ r0 <= a < top A ->
    ~ out_mine (T A) (4 * w) r0 (np X * w) a).
  { intros a Ha. unfold out_mine, range, room in *. lia. }
  eapply reach_mono; [| | |apply (pk_call PK (pl_prot u) (st u) (T A) (T B) r0)].
  - intros s [Hi Hp]. split; [exact Hi|]. unfold out_place, room in *. lia.
  - intros a Ha. exact Ha.
  - cbv beta. intros s (Q & K).
    destruct Q as (Q1 & Q2 & Q3 & Q4 & Q5 & Q6 & Q7 & Q8 & Q9 & Q10 & Q11 & Q12 & Q13 & Q14 & Q15).
    assert (PR : forall a, (exists i, alive u i /\ range (T i) used a) \/
      (exists i li, gh u i = Some li /\ owns u i /\ lowest P li <= a < top i) \/
      (exists i, gh u i <> None /\ ~ owns u i /\
        range (v_from (sv u i)) (v_words (sv u i) * w) a) \/ r0 <= a < top A ->
      ~ out_mine (T A) (4 * w) r0 (np X * w) a -> mm s a = mm (st u) a).
    { intros a Ha N. apply K; [exact N|]. intros s' Hp. unfold out_place in Hp.
      unfold pl_prot. fold A. destruct Ha as [H|[H|[H|H]]]; auto.
      right. right. right. unfold room in *. lia. }
    constructor; try assumption.
    + rewrite Q2. exact Q6.
    + cbv zeta. auto.
    + intros a Ha. apply PR; [auto|]. apply MINE. auto.
    + apply ran_st; [exact HI | | | |].
      * intros i a Hi N Ha. apply PR; [left; eauto|].
        pose proof (sp_TT P u SP i A Hi HA N). pose proof (sp_TS P u SP i A Hi HA).
        unfold apart2, out_mine, range, room in *. lia.
      * intros a Ha. apply PR; [|apply MINE; auto]. left. exists A. split; [exact HA|].
        unfold range. fold A in Ha. lia.
      * intros i li a Hi Ho Ha. apply PR; [right; left; eauto|].
        assert (N : i <> A) by (intros ->; pose proof (inv_cur P u HI) as C; fold A in C; congruence).
        assert (NS : stk P i <> stk P A).
        { intros E. apply N. pose proof (inv_own P u HI) as H. fold A in H.
          unfold owns in *. rewrite E in Ho. congruence. }
        assert (Hl : alive u i) by (right; congruence).
        pose proof (sp_SS P u SP i A Hl HA NS). pose proof (sp_TS P u SP A i HA Hl).
        destruct (inv_waits P u HI i li Hi) as (_ & _ & R & [F _] & _).
        pose proof (places P X_ok li R) as PL. cbv zeta in PL.
        unfold apart2, out_mine, range, room in *. lia.
      * intros i a Hi Ho Ha. apply PR; [right; right; left; eauto|].
        pose proof (sp_VT P u SP i A Hi Ho HA). pose proof (sp_VS P u SP i A Hi Ho HA).
        unfold apart2, out_mine, range, room in *. lia.
  - assumption.
  - assumption.
  - assumption.
  - reflexivity.
  - assumption.
  - unfold out_apart, apart2, room in *. lia.
  - intros s Hp. unfold out_place in Hp. split.
    + intros a [Ha|Ha]; left; eauto.
    + intros a Ha Hr. right. right. right. fold A. unfold room in *. lia.
Qed.
End Place.
