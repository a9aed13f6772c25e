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
Local Notation edge i := (hi P (stk P i) + w).
Local Notation bottom i := (lo P (stk P i)).
Local Notation no_ext := (fun (_ : Z) (_ : state) (_ : Z) (_ : state) => False).
Hypothesis X_ok : X = amd64 \/ X = i386.

(* ---- what is known of the pieces ----------------------------------------------- *)

Record pieces_ok : Prop := {
  pk_gap : 4 * w <= gap L;
  pk_breg : In (breg L) (pushed X);
  pk_call prot : in_place_call_spec X (code P) no_ext (inside P) prot (gap L)
    (breg L) (mreg L) (a_in_place L) (a_call L);
  pk_copy ext prot : in_place_copy_spec X (code P) ext (inside P) prot (breg L)
    (a_after L);
  pk_fails prot : in_place_fails_spec X (code P) (ext P) (inside P) prot (gap L)
    (breg L) (a_after L);
  pk_code : exists n, code P (a_call L) = Some (CallX x_aco_leave_place, n) /\
    a_call L + n = a_after L
}.

(* ---- A is about to leave ------------------------------------------------------- *)

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
  unfold view. split; intros H; [|intros a];
    destruct (owns_dec (with_st u s) i) as [H2|H2];
    try reflexivity; [destruct (H2 H) | destruct (H H2)].
Qed.

Lemma ran_st (u : world) s :
  inv u ->
  (forall i a, alive u i -> i <> cur u -> range (T i) used a ->
    mm s a = mm (st u) a) ->
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
  - exact (inv_cur P u HI).
  - exact (inv_own P u HI).
  - intros i li H. left. change (gh u i = Some li) in H.
    destruct (GA i li H) as [Ha N].
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
    + intros a Hf. cbn [st with_st]. rewrite (KT i);
      auto. unfold fixed, range in *. lia.
    + intros a Hr. apply VW. lia.
    + exact K.
    + intros EV. change (sent (with_st u s) i) with (sent u i). rewrite <- (E EV).
      apply (word_same P X_ok). intros a Hr. apply VW.
      unfold red_ok in R. destruct FT as [_ FT]. rewrite EV in *.
      cbn [kept_sp land_to] in *. lia.
  - apply spaces_st. exact (inv_spaces P u HI).
  - intros i Hi. unfold words_ok. cbn [st with_st]. destruct (W4 i Hi) as [-> ->].
    exact (inv_words P u HI i Hi).
  - intros i Hi. unfold has_words. cbn [st wd with_st].
    destruct (W4 i (or_intror Hi)) as [-> ->]. exact (inv_wd P u HI i Hi).
Qed.

(* ---- to the call --------------------------------------------------------------- *)

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
  intros PK HI HB EN. pose proof (offsets P X_ok) as O. destruct EN.
  pose proof (pk_gap PK) as GP.
  pose proof (inv_spaces P u HI) as SP. set (A := cur u) in *.
  set (r0 := rf (st u) RSP) in *.
  assert (HA : alive u A) by (left; reflexivity).
  assert (HBA : alive u B) by (right; congruence).
  assert (AB : A <> B). { intros E. pose proof (inv_cur P u HI). fold A in H.
  congruence. }
  pose proof (sp_T P u SP A HA) as TA. pose proof (sp_T P u SP B HBA) as TB.
  pose proof (sp_TT P u SP A B HA HBA AB) as TT.
  pose proof (sp_TS P u SP A A HA HA) as TSA.
  pose proof (sp_TS P u SP B A HBA HA) as TSB.
  pose proof (sp_stk P u SP A HA) as SA. unfold apart2 in *.
  assert (MINE : forall a, T A + 4 * w <= a < T A + used \/ r0 <= a < top A ->
    ~ out_mine (T A) (4 * w) r0 (np X * w) a).
  { intros a Ha. unfold out_mine, range, room in *. lia. }
  eapply reach_mono; [| | |apply (pk_call PK (pl_prot u) (st u) (T A) (T B) r0)].
  - intros s [Hi Hp]. split; [exact Hi|]. unfold out_place, room in *. lia.
  - intros a Ha. exact Ha.
  - cbv beta. intros s (Q & K).
    destruct Q as (Q1 & Q2 & Q3 & Q4 & Q5 & Q6 & Q7 & Q8 & Q9 & Q10 & Q11 & Q12 & Q13
      & Q14 & Q15).
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
      * intros a Ha. apply PR; [|apply MINE; auto]. left. exists A. split;
        [exact HA|].
        unfold range. fold A in Ha. lia.
      * intros i li a Hi Ho Ha. apply PR; [right; left; eauto|].
        assert (N : i <> A) by (intros ->; pose proof (inv_cur P u HI) as C;
          fold A in C; congruence).
        assert (NS : stk P i <> stk P A).
        { intros E. apply N. pose proof (inv_own P u HI) as H. fold A in H.
          unfold owns in *. rewrite E in Ho. congruence. }
        assert (Hl : alive u i) by (right; congruence).
        pose proof (sp_SS P u SP i A Hl HA NS). pose proof (sp_TS P u SP A i HA Hl).
        destruct (inv_waits P u HI i li Hi) as (_ & _ & R & [F _] & _).
        pose proof (places P X_ok li R) as PL. cbv zeta in PL.
        unfold apart2, out_mine, range, room in *. lia.
      * intros i a Hi Ho Ha. apply PR; [right; right; left; eauto|].
        pose proof (sp_VT P u SP i A Hi Ho HA).
        pose proof (sp_VS P u SP i A Hi Ho HA).
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

(* ---- the call ------------------------------------------------------------------ *)

Definition keeps_registers s1 s2 :=
  pc s2 = a_after L /\ rf s2 RSP = rf s1 RSP /\ ranged X (rf s2) /\
  (forall r, In r (saved X) -> rf s2 r = rf s1 r) /\ df s2 = false.

(* aco_leave_place() has returned something else than 0: it has changed nothing
   that anybody needs.  u1 is the world at the call, u2 after it. *)
Record call_failed (u1 u2 : world) : Prop := {
  cf_regs : keeps_registers (st u1) (st u2);
  cf_rax : rf (st u2) RAX mod 2 ^ 32 <> 0;
  cf_stack a : rf (st u1) RSP + gap L <= a < top (cur u1) ->
    mm (st u2) a = mm (st u1) a;
  cf_cur : cur u2 = cur u1;
  cf_ran : ran u1 u2
}.

(* It has returned 0: A, which has left lA, waits elsewhere, and what lies where
   rsp points says where B's bytes are. *)
Record call_left (u1 : world) B l lA (u2 : world) : Prop := {
  cl_regs : keeps_registers (st u1) (st u2);
  cl_rax : rf (st u2) RAX mod 2 ^ 32 = 0;
  cl_cur : cur u2 = cur u1;
  cl_A : gh u2 (cur u1) = Some lA;
  cl_B : gh u2 B = Some l;
  cl_gh i li : gh u2 i = Some li -> i <> cur u1 ->
    gh u1 i = Some li /\ stays u1 u2 i li /\ words_stay u1 u2 i;
  cl_own i : owns u2 i -> stk P i <> stk P B;
  cl_ip : word (mm (st u2)) (T (cur u1)) = a_switch P;
  cl_T a : range (T (cur u1) + w) (3 * w) a -> mm (st u2) a = mm (st u1) a;
  cl_bytes : same_bytes (lowest P lA) (top B) (view u2 (cur u1)) (mm (st u1));
  cl_kept : kept_apart u2 (cur u1) lA;
  cl_move : let m := mm (st u2) in let rc := rf (st u1) RSP in let v := sv u2 B in
    word m rc = top B /\ word m (rc + w) = v_from v /\
    word m (rc + 2 * w) = v_words v /\ word m (rc + 3 * w) = v_zeros v;
  cl_spaces : spaces u2;
  cl_words i : alive u2 i -> words_ok X (mm (st u2)) (T i);
  cl_wd i : gh u2 i <> None -> has_words u2 i;
  cl_wdA : wd u2 (cur u1) = now_words P (mm (st u1)) (T (cur u1)) \/
    wd u2 (cur u1) = (mx (st u1), cw (st u1)) \/
    wd u2 (cur u1) = (fst (now_words P (mm (st u1)) (T (cur u1))), cw (st u1))
}.

(* ---- it has failed ------------------------------------------------------------- *)

(* A goes on, as after a call of any function. *)
Definition failed (u u2 : world) s3 :=
  let s := st u in let r0 := rf s RSP in
  pc s3 = ret_of s /\ rf s3 RSP = r0 + w /\
  (forall r, In r (saved X) -> rf s3 r = rf s r) /\ rf s3 RAX = rf (st u2) RAX /\
  same_rest (st u2) s3 /\ same_words (st u2) s3 /\
  (forall a, r0 + w <= a < top (cur u) -> mm s3 a = mm s a).

Theorem place_fails u B s1 u2 : pieces_ok -> inv u -> enters u B -> at_call u B s1 ->
  call_failed (with_st u s1) u2 ->
  reach (b64 X) (code P) (ext P) (pl_prot u2)
    (fun s => inside P s /\ rf (st u) RSP - room <= rf s RSP <= rf (st u) RSP + w)
    nothing
    (fun s3 => failed u u2 s3 /\ ran u2 (with_st u2 s3)) (st u2).
Proof.
  intros PK HI EN AC CF. pose proof (offsets P X_ok) as O.
  pose proof (pk_gap PK) as GP.
  destruct EN, AC, CF. cbn [st with_st cur] in *.
  destruct cf_regs0 as (C1 & C2 & C3 & C4 & C5).
  pose proof (ran_inv P X_ok _ _ HI ac_ran0) as HI1.
  pose proof (ran_inv P X_ok _ _ HI1 cf_ran0) as HI2.
  assert (CU : cur u2 = cur u) by exact cf_cur0.
  pose proof (sp_stk P u (inv_spaces P u HI) (cur u) (or_introl eq_refl)) as SA.
  set (r0 := rf (st u) RSP) in *.
  destruct ac_form0 as (A1 & A2 & A3 & A4).
  assert (STK : forall a, r0 - np X * w <= a < top (cur u) -> mm (st u2) a = mm s1 a).
  { intros a Ha. apply cf_stack0. rewrite ac_sp0. fold r0. unfold room. lia. }
  eapply reach_mono; [| | |apply (pk_fails PK (pl_prot u2) (st u2)
    (left_by (st u) (ret_of (st u))) (r0 - room))];
    cbn [left_by s_sp s_ret s_rf]; try fold r0; try assumption.
  - intros s [Hi Hp]. split; [exact Hi|]. exact Hp.
  - intros a [].
  - intros s3 ((Q1 & Q2 & Q3 & Q4 & Q5 & Q6) & K).
    assert (PR : forall a, (exists i, alive u2 i /\ range (T i) used a) \/
      (exists i li, gh u2 i = Some li /\ owns u2 i /\ lowest P li <= a < top i) \/
      (exists i, gh u2 i <> None /\ ~ owns u2 i /\
        range (v_from (sv u2 i)) (v_words (sv u2 i) * w) a) \/
      r0 + w <= a < top (cur u) -> mm s3 a = mm (st u2) a).
    { intros a Ha. apply K; [intros []|]. intros s Hp. unfold land_place in Hp.
      unfold pl_prot. rewrite CU. destruct Ha as [H|[H|[H|H]]]; auto.
      right. right. right. lia. }
    split.
    + unfold failed. fold r0. repeat split; try assumption; try apply Q5;
      try apply Q6.
      intros a Ha. rewrite PR by auto. rewrite STK by lia. apply ac_stack0. lia.
    + apply ran_st; [exact HI2 | | | |].
      * intros i a Hi _ Ha. apply PR. eauto.
      * intros a Ha. apply PR. left. exists (cur u2). split; [left; reflexivity|].
        unfold range. lia.
      * intros i li a Hi Ho Ha. apply PR. right. left. eauto.
      * intros i a Hi Ho Ha. apply PR. right. right. left. eauto.
  - rewrite C2, ac_sp0. reflexivity.
  - unfold room. lia.
  - intros r Hr N NP. rewrite C4 by exact Hr. apply ac_saved0; assumption.
  - eapply (pushes_same P X_ok); [|exact A4]. intros a Ha. rewrite STK;
    [reflexivity|].
    unfold np in *. lia.
  - unfold ret_of. fold r0. apply (word_same P X_ok). intros a Ha.
    rewrite STK, ac_stack0 by lia. reflexivity.
  - lia.
  - lia.
  - intros s Hp a Ha. right. right. right. rewrite CU. lia.
Qed.

(* ---- it has not ---------------------------------------------------------------- *)

(* Signal handlers leave alone, until B has arrived: *)
Definition pl_prot2 (u2 : world) B l rc s a :=
  let k := l_kind l in let g := l_snap l in
  (exists i, alive u2 i /\ range (T i) used a) \/
  (exists i li, gh u2 i = Some li /\ owns u2 i /\ lowest P li <= a < top i) \/
  (exists i, gh u2 i <> None /\ ~ owns u2 i /\
     range (v_from (sv u2 i)) (v_words (sv u2 i) * w) a) \/
  (rf s RSP = rc /\ rc <= a < top B) \/
  (land_from P k g <= rf s RSP <= land_to P k g /\ rf s RSP - l_red l <= a < edge B).

Definition placed (u2 : world) B s4 : world :=
  {| st := s4; cur := B;
     gh := fun i => if ctx_dec P i B then None else gh u2 i;
     own := fun k => if stack_dec P k (stk P B) then Some B else own u2 k;
     sv := sv u2; wd := wd u2; sent := sent u2 |}.

Section Left.
Variables (u : world) (B : ctx) (l : leaving) (s1 : state) (u2 : world).
Hypothesis PK : pieces_ok.
Hypothesis HD : land_ok P (l_kind l).
Hypothesis HI : inv u.
Hypothesis HB : gh u B = Some l.
Hypothesis EN : enters u B.
Hypothesis AC : at_call u B s1.
Let lA := leaving_A (st u).
Hypothesis CL : call_left (with_st u s1) B l lA u2.
Let A := cur u.
Let s0 := st u.
Let r0 := rf (st u) RSP.
Let rc := r0 - room.
Let k := l_kind l.
Let g := l_snap l.

Lemma HI1 : inv (with_st u s1).
Proof. exact (ran_inv P X_ok _ _ HI (ac_ran _ _ _ AC)). Qed.

Lemma pAB : A <> B.
Proof. intros E. pose proof (inv_cur P u HI) as C. fold A in C. rewrite E in C.
congruence. Qed.

Lemma gh2A : gh u2 A = Some lA. Proof. exact (cl_A _ _ _ _ _ CL). Qed.
Lemma gh2B : gh u2 B = Some l. Proof. exact (cl_B _ _ _ _ _ CL). Qed.
Lemma alive2 i : gh u2 i <> None -> alive u2 i.
Proof. intros H. right. exact H. Qed.
Lemma alive2A : alive u2 A.
Proof. apply alive2. rewrite gh2A. discriminate. Qed.
Lemma alive2B : alive u2 B.
Proof. apply alive2. rewrite gh2B. discriminate. Qed.

Lemma not_own i : stk P i = stk P B -> ~ owns u2 i.
Proof. intros E H. exact (cl_own _ _ _ _ _ CL i H E). Qed.

Lemma roomA : bottom A < r0 - room /\ r0 + w <= top A /\ stk P B = stk P A /\
  0 <= bottom A /\ top A <= W X - w /\ room = np X * w + gap L /\ 4 * w <= gap L.
Proof.
  destruct EN. pose proof (sp_stk P u (inv_spaces P u HI) A (or_introl eq_refl)).
  pose proof (pk_gap PK). pose proof (offsets P X_ok).
  unfold A, r0, room in *. repeat split;
    solve [assumption | lia].
Qed.

Lemma waits2_A : waits u2 A lA.
Proof.
  pose proof (offsets P X_ok) as O. pose proof roomA as (R1 & R2 & R3 & R4 & R5 & R6
    & R7).
  destruct AC, CL. cbn [st with_st cur] in *.
  destruct ac_form0 as (F1 & F2 & F3 & F4).
  fold A r0 in ac_stack0, cl_ip0, cl_T0, cl_bytes0, cl_kept0, F1, F2, F3, F4.
  rewrite R3 in cl_bytes0.
  assert (LO : lowest P lA = r0 - np X * w) by (unfold lowest, lA; cbn; fold r0; lia).
  rewrite LO in cl_bytes0.
  assert (WT : forall d, w <= d -> d + w <= 4 * w ->
    word (mm (st u2)) (T A + d) = word (mm s1) (T A + d)).
  { intros d d0 d1. apply (word_same P X_ok). intros a Ha. rewrite cl_T0;
    [reflexivity|].
    unfold range. lia. }
  unfold waits, lA. cbn [leaving_A l_kind l_snap l_mem].
  split; [|split; [|split; [|split; [|split; [|split]]]]].
  - split; [rewrite WT by lia; exact F1|]. cbn [left_by s_rf s_sp s_ret]. fold r0.
    rewrite !WT by lia. repeat split; try assumption.
    + eapply (pushes_same P X_ok); [|exact F4]. intros a Ha. apply cl_bytes0.
      unfold np in *. lia.
    + unfold ret_of. fold r0. apply (word_same P X_ok). intros a Ha.
      rewrite cl_bytes0 by lia. rewrite ac_stack0 by lia. reflexivity.
  - intros a Ha. unfold first in Ha. cbn [leaving_A left_by l_snap l_red s_sp] in Ha.
    fold r0 in Ha.
    rewrite cl_bytes0 by lia. rewrite ac_stack0 by lia. reflexivity.
  - unfold red_ok. cbn. lia.
  - unfold fits. fold lA. rewrite LO. cbn. fold r0. lia.
  - exact (en_goes_on _ _ EN).
  - intros _. exact cl_kept0.
  - discriminate.
Qed.

Lemma waits2 i li : gh u2 i = Some li -> waits u2 i li.
Proof.
  intros H. destruct (ctx_dec P i A) as [->|N].
  - rewrite gh2A in H. injection H as <-. exact waits2_A.
  - destruct (cl_gh _ _ _ _ _ CL i li H N) as (H1 & H2 & _).
    eapply (stays_waits P X_ok); [|exact H2]. exact (inv_waits P _ HI1 i li H1).
Qed.

Lemma factsB : form X (a_switch P) (a_value P) (a_entry P) (mm (st u2)) (view u2 B)
  (T B) k g /\
  same_bytes (first l) (top B) (view u2 B) (l_mem l) /\ red_ok P l /\ fits P B l /\
  goes_on P k g /\ kept_apart u2 B l /\
  (k = Value -> word (view u2 B) (kept_sp X k g) = sent u2 B).
Proof.
  destruct (waits2 B l gh2B) as (F & V & R & FT & G & K & E).
  pose proof (K (not_own B eq_refl)). auto 10.
Qed.

(* What neither the copy nor the landing touches. *)
Definition safe2 a :=
  (exists i, alive u2 i /\ range (T i) used a) \/
  (exists i li, gh u2 i = Some li /\ owns u2 i /\ lowest P li <= a < top i) \/
  (exists i, gh u2 i <> None /\ ~ owns u2 i /\
     range (v_from (sv u2 i)) (v_words (sv u2 i) * w) a).

Lemma safe2_prot a s : safe2 a -> pl_prot2 u2 B l rc s a.
Proof. unfold safe2, pl_prot2. tauto. Qed.

Lemma safe2_off a : safe2 a -> ~ bottom B <= a < edge B.
Proof.
  pose proof (cl_spaces _ _ _ _ _ CL) as SP.
  pose proof (sp_stk P u2 SP B alive2B) as SB.
  intros [(i & Hi & R)|[(i & li & Hi & Ho & R)|(i & Hi & Ho & R)]].
  - pose proof (sp_TS P u2 SP i B Hi alive2B). unfold apart2, range in *. lia.
  - assert (Hl : alive u2 i) by (right; congruence).
    pose proof (sp_SS P u2 SP i B Hl alive2B (cl_own _ _ _ _ _ CL i Ho)).
    pose proof (offsets P X_ok) as O.
    destruct (waits2 i li Hi) as (_ & _ & RI & [F _] & _).
    pose proof (places P X_ok li RI) as PL. cbv zeta in PL. unfold apart2 in *. lia.
  - pose proof (sp_VS P u2 SP i B Hi Ho alive2B). unfold apart2, range in *. lia.
Qed.

Definition arrived s3 :=
  arrives X (mm (st u2)) (T B) s3 /\ same_rest (st u2) s3 /\ same_words (st u2) s3 /\
  same_bytes (lowest P l) (top B) (mm s3) (view u2 B) /\
  (forall a, safe2 a -> mm s3 a = mm (st u2) a).

Lemma copied : let prot := pl_prot2 u2 B l rc in
  reach (b64 X) (code P) (calls P k prot) prot
  (fun s => inside P s /\ (rf s RSP = rc \/ rf s RSP = kept_sp X k g))
  (range (lowest P l) (top B - lowest P l)) arrived (st u2).
Proof.
  intros prot. pose proof (offsets P X_ok) as O.
  pose proof roomA as (R1 & R2 & R3 & R4 & R5 & R6 & R7).
  pose proof factsB as (F & _ & RB & [FT1 FT2] & _ & KP & _).
  pose proof (places P X_ok l RB) as PL. cbv zeta in PL. fold k g in PL, FT1, FT2.
  pose proof (cl_spaces _ _ _ _ _ CL) as SP.
  pose proof (sp_T P u2 SP B alive2B) as TB.
  pose proof (sp_TS P u2 SP B B alive2B alive2B) as TS.
  assert (NB : gh u2 B <> None) by (rewrite gh2B; discriminate).
  pose proof (sp_VS P u2 SP B B NB (not_own B eq_refl) alive2B) as VS.
  destruct (cl_move _ _ _ _ _ CL) as (M1 & M2 & M3 & M4). cbv zeta in *.
  cbn [st with_st] in M1, M2, M3, M4.
  assert (RC : rf s1 RSP = rc) by exact (ac_sp _ _ _ AC).
  rewrite RC in M1, M2, M3, M4.
  destruct (cl_regs _ _ _ _ _ CL) as (C1 & C2 & C3 & C4 & C5).
  cbn [st with_st] in C2, C4.
  destruct KP as (K1 & K2 & K3 & K4 & K5).
  rewrite R3 in *.
  set (nw := v_words (sv u2 B)) in *. set (nz := v_zeros (sv u2 B)) in *.
  set (from := v_from (sv u2 B)) in *. set (e := hi P (stk P A)) in *.
  assert (NW : 0 <= nw * w) by lia. assert (NZ : 0 <= nz * w) by lia.
  assert (TOT : e - (nw + nz) * w = Z.min (lowest P l) e) by lia.
  assert (BR : In (breg L) (saved X)).
  { unfold saved. right. right. exact (pk_breg PK). }
  eapply reach_mono; [| | |apply (pk_copy PK (calls P k prot) prot (st u2) (T B) rc
    (kept_sp X k g) e from nw nz)]; try assumption; try rewrite TOT; try lia.
  - intros s [Hi Hp]. split; assumption.
  - intros a Ha. unfold range in *. lia.
  - intros s3 ((Q1 & Q2 & Q3 & Q4 & Q5) & K). cbv beta in *. split; [exact Q1|].
    split; [exact Q2|]. split; [exact Q3|]. split.
    + rewrite R3. intros a Ha. fold e in Ha. unfold view.
      destruct (owns_dec u2 B) as [Ho|_].
      { destruct (not_own B eq_refl Ho). }
      rewrite R3. fold e nz. destruct (e - nz * w <=? a) eqn:E.
      * rewrite Q4; [reflexivity|]. unfold range. lia.
      * unfold in_save. rewrite R3. fold e nz nw from.
        pose proof (Q5 (a - (e - (nw + nz) * w))) as Q.
        replace (Z.min (lowest P l) e + (a - (e - (nw + nz) * w))) with a in Q by lia.
        apply Q. lia.
    + intros a Ha. pose proof (safe2_off a Ha) as OFF. rewrite R3 in OFF.
      fold e in OFF.
      apply K; [unfold range; lia|]. intros s _. apply safe2_prot. exact Ha.
  - exact (cl_rax _ _ _ _ _ CL).
  - rewrite C4 by exact BR. exact (ac_breg _ _ _ AC).
  - destruct F as [F _]. exact F.
  - unfold apart2 in *. lia.
  - unfold apart2 in *. lia.
  - intros s _ a [Ha|Ha]; [left; exists B; split; [apply alive2B|exact Ha]|].
    right. right. left. exists B. split; [exact NB|]. split;
      [apply (not_own B eq_refl)|].
    exact Ha.
  - intros s Hs a Ha. right. right. right. left. split;
    [exact Hs|]. rewrite R3. fold e.
    unfold range, rc in *. lia.
  - intros s Hs a Ha. right. right. right. right. rewrite R3. fold e k g. rewrite Hs.
    unfold range in Ha. lia.
Qed.

Lemma landed s3 : arrived s3 ->
  reach (b64 X) (code P) (calls P k (pl_prot2 u2 B l rc)) (pl_prot2 u2 B l rc)
    (fun s => inside P s /\ land_place (land_from P k g) (land_to P k g) s)
    (land_mine P k g)
    (fun s4 => back X (a_entry_return P) (mm s3) k g (T B) s3 s4 /\
       (forall a, safe2 a -> mm s4 a = mm s3 a) /\
       (forall a, land_to P k g - l_red l <= a < top B -> mm s4 a = mm s3 a)) s3.
Proof.
  intros ((P1 & P2 & P3 & P4) & _ & _ & V3 & K3).
  pose proof (offsets P X_ok) as O.
  pose proof factsB as (F & _ & RB & [FT1 FT2] & (_ & G) & _).
  pose proof (places P X_ok l RB) as PL. cbv zeta in PL. fold k g in PL, FT1, FT2.
  pose proof (cl_spaces _ _ _ _ _ CL) as SP.
  pose proof (sp_T P u2 SP B alive2B) as TB.
  pose proof (sp_stk P u2 SP B alive2B) as SB.
  pose proof (sp_TS P u2 SP B B alive2B alive2B) as TS.
  assert (KB : forall a, range (T B) used a -> mm s3 a = mm (st u2) a).
  { intros a Ha. apply K3. left. exists B. split; [exact alive2B | exact Ha]. }
  assert (WB : forall d, 0 <= d -> d + w <= used ->
    word (mm s3) (T B + d) = word (mm (st u2)) (T B + d)).
  { intros d d0 d1. apply (word_same P X_ok). intros a Ha. rewrite KB; [reflexivity|].
    unfold range. lia. }
  pose proof (WB 0) as W0. rewrite Z.add_0_r in W0.
  assert (LM : forall a, land_mine P k g a ->
    bottom B <= a < land_to P k g - l_red l).
  { intros a [[tools E] R]. unfold red_ok in RB. fold k in RB. rewrite E in *.
    cbn [below above land_to kept_sp] in *. unfold range in R. lia. }
  assert (PR : forall a s, land_place (land_from P k g) (land_to P k g) s ->
    rf s RSP - l_red l <= a < edge B -> pl_prot2 u2 B l rc s a).
  { intros a s Hp Ha. right. right. right. right. split; [exact Hp|exact Ha]. }
  eapply reach_mono; [| | |apply (HD (pl_prot2 u2 B l rc) s3 (T B) g)]; cbv zeta.
  - intros s H1; exact H1.
  - intros a Ha; exact Ha.
  - intros s4 [Q K]. split; [exact Q|]. split.
    + intros a Ha. apply K; [|intros s _; apply safe2_prot; exact Ha].
      intros M%LM. apply (safe2_off a Ha). lia.
    + intros a Ha. apply K; [intros M%LM; lia|]. intros s Hp. apply PR; [exact Hp|].
      unfold land_place in Hp. fold k in Hp. lia.
  - unfold arrives. rewrite W0, !WB by lia. auto.
  - eapply (form_same P X_ok _ _ _ _ _ l F RB).
    + intros a Ha. rewrite KB; [reflexivity|]. unfold fixed, range in *. lia.
    + fold k g. intros a Ha. apply V3. lia.
  - exact G.
  - unfold land_apart. fold k. lia.
  - intros s Hs. split.
    + intros a Ra. left. exists B. split; [exact alive2B|exact Ra].
    + intros a Ra Hr. fold k in Ra. apply PR; [exact Hs|]. lia.
  - intros [tools E]. fold k in E. rewrite E in *.
    cbn [below above land_to kept_sp] in *. unfold apart2 in *. lia.
Qed.

Section Placed.
Variables s3 s4 : state.
Hypothesis H3 : arrived s3.
Hypothesis H4 : back X (a_entry_return P) (mm s3) k g (T B) s3 s4.
Hypothesis K4 : forall a, safe2 a -> mm s4 a = mm s3 a.
Hypothesis KB : forall a, land_to P k g - l_red l <= a < top B -> mm s4 a = mm s3 a.
Let u4 := placed u2 B s4.

Lemma K34 a : safe2 a -> mm s4 a = mm (st u2) a.
Proof. intros H. rewrite K4 by exact H. apply H3. exact H. Qed.

Lemma found_place : found P u2 Neither B l s4.
Proof.
  pose proof H3 as (_ & R3 & W3 & V3 & _). destruct H4 as (R4 & W4 & BK).
  pose proof factsB as (_ & V & RB & [FT1 FT2] & _ & _ & E).
  pose proof (places P X_ok l RB) as PL. cbv zeta in PL. fold k g in PL, FT1, FT2.
  pose proof (offsets P X_ok) as O.
  assert (WV : k = Value -> word (mm s3) (kept_sp X k g) = word (view u2 B) (kept_sp
    X k g)).
  { intros Ek. apply (word_same P X_ok). intros a Ha. apply V3.
    unfold red_ok in RB. fold k in RB. rewrite Ek in *. cbn [kept_sp land_to] in *.
    lia. }
  unfold found. fold k g. split; [|split; [|split; [|split]]].
  - destruct (kept_refl k s4). split; [assumption|]. split; [assumption|].
    destruct k; try exact BK. rewrite <- WV by reflexivity. exact BK.
  - intros Ek. rewrite <- (E Ek), <- (WV Ek). rewrite Ek in BK |- *. tauto.
  - exact (rest_then _ _ _ _ R3 R4).
  - exact (words_then _ _ _ _ W3 W4).
  - intros a Ha. rewrite KB by exact Ha. rewrite V3 by lia. apply V. lia.
Qed.

Lemma owns_placed i : owns u4 i <-> i = B \/ owns u2 i.
Proof.
  unfold owns, u4, placed. cbn [own]. destruct (stack_dec P (stk P i) (stk P B)) as
    [E|N].
  - split; [intros [= <-]; auto | intros [->|H]; [reflexivity|]].
    destruct (not_own i E H).
  - split; [auto | intros [->|H]; [destruct (N eq_refl)|exact H]].
Qed.

Lemma gh_placed i li : gh u4 i = Some li -> gh u2 i = Some li /\ i <> B.
Proof. unfold u4, placed. cbn [gh]. destruct (ctx_dec P i B);
  [discriminate|auto]. Qed.

Lemma gh_placed_some i : gh u4 i <> None -> gh u2 i <> None /\ i <> B.
Proof.
  unfold u4, placed. cbn [gh]. destruct (ctx_dec P i B); [intros [];
    reflexivity|auto].
Qed.

Lemma alive_placed i : alive u4 i -> alive u2 i.
Proof.
  intros [->|H]; [exact alive2B|]. apply alive2. apply gh_placed_some. exact H.
Qed.

Lemma waits_placed i li : gh u4 i = Some li -> waits u4 i li.
Proof.
  intros H. destruct (gh_placed i li H) as [H2 N]. pose proof (offsets P X_ok) as O.
  eapply (stays_waits P X_ok); [exact (waits2 i li H2)|].
  destruct (waits2 i li H2) as (_ & _ & R & [_ FT] & _ & K & E).
  pose proof (places P X_ok li R) as PL. cbv zeta in PL.
  assert (VW : same_bytes (lowest P li) (top i) (view u4 i) (view u2 i)).
  { intros a Ha. unfold view. change (in_save u4 i a) with (in_save u2 i a).
    change (sv u4) with (sv u2). change (mm (st u4)) with (mm s4).
    destruct (owns_dec u4 i) as [Ho|Ho], (owns_dec u2 i) as [Ho'|Ho'].
    - rewrite K34; [reflexivity|]. right. left. eauto.
    - apply owns_placed in Ho. tauto.
    - destruct Ho. apply owns_placed. auto.
    - destruct (_ <=? a) eqn:EQ; [reflexivity|]. rewrite K34; [reflexivity|].
      right. right. exists i. split; [congruence|]. split; [exact Ho'|].
      eapply in_save_range; [exact (K Ho') | lia | lia]. }
  split; [|split; [|split]].
  - intros a Ha. change (mm (st u4)) with (mm s4). rewrite K34; [reflexivity|]. left.
    exists i. split; [right; congruence|]. unfold fixed, range in *. lia.
  - intros a Ha. apply VW. lia.
  - intros Ho. apply K. intros H3'. apply Ho. apply owns_placed. auto.
  - intros EV. change (sent u4 i) with (sent u2 i). rewrite <- (E EV).
    apply (word_same P X_ok). intros a Ha. apply VW.
    unfold red_ok in R. rewrite EV in *. cbn [kept_sp land_to] in *. lia.
Qed.

Lemma inv_placed : inv u4.
Proof.
  pose proof (cl_spaces _ _ _ _ _ CL) as SP. pose proof (offsets P X_ok) as O.
  assert (AL := alive_placed).
  assert (NO : forall i, ~ owns u4 i -> ~ owns u2 i).
  { intros i H H2. apply H. apply owns_placed. auto. }
  assert (W : forall i, alive u2 i ->
    load 4 (mm s4) (T i + o_ctl X) = load 4 (mm (st u2)) (T i + o_ctl X) /\
    load 2 (mm s4) (T i + o_ctl2 X) = load 2 (mm (st u2)) (T i + o_ctl2 X)).
  { intros i Hi. split; apply load_same; intros a Ha; rewrite K34; try reflexivity;
      left; exists i; (split; [exact Hi|]); unfold range; lia. }
  constructor.
  - unfold u4, placed. cbn [gh cur]. destruct (ctx_dec P B B) as [|N]; [reflexivity|].
    destruct N. reflexivity.
  - apply owns_placed. left. reflexivity.
  - exact waits_placed.
  - constructor; intros.
    + apply (sp_T P u2 SP); auto.
    + apply (sp_stk P u2 SP); auto.
    + apply (sp_TT P u2 SP); auto.
    + apply (sp_TS P u2 SP); auto.
    + apply (sp_SS P u2 SP); auto.
    + apply (sp_VT P u2 SP); auto. apply gh_placed_some. assumption.
    + apply (sp_VS P u2 SP); auto. apply gh_placed_some. assumption.
  - intros i Hi%AL. unfold words_ok. cbn [st u4 placed]. destruct (W i Hi) as [-> ->].
    exact (cl_words _ _ _ _ _ CL i Hi).
  - intros i Hi. destruct (gh_placed_some i Hi) as [H2 _]. unfold has_words.
    cbn [st wd u4 placed]. destruct (W i (alive2 i H2)) as [-> ->].
    exact (cl_wd _ _ _ _ _ CL i H2).
Qed.
End Placed.

(* The stack pointer is where it has been in the call, or where B has it. *)
Definition pl_valid s :=
  inside P s /\
  (rf s RSP = rc \/
   land_from P k g <= rf s RSP <= land_to P k g) /\ bottom B < rf s RSP <= edge B.

Theorem place_left :
  reach (b64 X) (code P) (calls P k (pl_prot2 u2 B l rc)) (pl_prot2 u2 B l rc) pl_valid
    (fun a => range (lowest P l) (top B - lowest P l) a \/ land_mine P k g a)
    (fun s4 => found P u2 Neither B l s4 /\ inv (placed u2 B s4)) (st u2).
Proof.
  pose proof (offsets P X_ok) as O. pose proof roomA as (R1 & R2 & R3 & R4 & R5 & R6
    & R7).
  pose proof factsB as (_ & _ & RB & [FT1 FT2] & _).
  pose proof (places P X_ok l RB) as PL. cbv zeta in PL. fold k g in PL, FT1, FT2.
  eapply reach_trans.
  - eapply reach_mono; [| | |exact copied].
    + intros s [Hi Hp]. split; [exact Hi|]. rewrite R3 in *. unfold rc in *.
      destruct Hp as [Hp|Hp]; lia.
    + intros a Ha. left. exact Ha.
    + intros s Hs. exact Hs.
  - intros s3 H3. eapply reach_mono; [| | |exact (landed s3 H3)].
    + intros s [Hi Hp]. split; [exact Hi|]. unfold land_place in Hp. rewrite R3 in *.
      lia.
    + intros a Ha. right. exact Ha.
    + intros s4 (H4 & K4 & KB). split; [eapply found_place;
      eauto | eapply inv_placed; eauto].
Qed.
End Left.
End Place.
