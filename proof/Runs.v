(* SPDX-License-Identifier: Apache-2.0 *)
(* Any number of switches, with whatever the program does in between. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain Place.
Import ListNotations.
Open Scope Z_scope.

(* ---- every state on the way --------------------------------------------------- *)

Section Passes.
Variable b64 : bool.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.

(* An execution from s gets to a state through states of which inside is true. *)
Inductive passes (inside : state -> Prop) (s : state) : state -> Prop :=
  | ps_here : inside s -> passes inside s s
  | ps_step s1 s2 : inside s -> one_step b64 code ext prot s s1 ->
      passes inside s1 s2 -> passes inside s s2.

Lemma reach_passes (inside good : state -> Prop) mine Q s s2 :
  reach b64 code ext prot good mine Q s -> (forall s, Q s -> ~ inside s) ->
  passes inside s s2 -> good s2 /\ exists s3, one_step b64 code ext prot s2 s3.
Proof.
  intros H HQ. induction H as [s Hs | s s1 Hg Hst Hm HR IH | s f n Hg Hc He HR IH];
    intros P.
  - destruct P as [Hi|t s2 Hi _ _]; destruct (HQ s Hs Hi).
  - destruct P as [Hi|t s2 Hi Ho P].
    + split; [exact Hg|]. exists (with_mem s1 (pc s1) (mm s1)). constructor; auto.
    + destruct Ho as [s1' m Hst' Hp|f n s1' Hc' _].
      * rewrite Hst in Hst'. injection Hst' as <-. eapply IH; eauto.
      * rewrite (call_is_no_step _ _ _ _ _ Hc') in Hst. discriminate.
  - destruct P as [Hi|t s2 Hi Ho P].
    + split; [exact Hg|]. destruct He as [s1 He]. exists s1. eapply one_call; eauto.
    + destruct Ho as [s1' m Hst' Hp|f' n' s1' Hc' He'].
      * rewrite (call_is_no_step _ _ _ _ _ Hc) in Hst'. discriminate.
      * rewrite Hc in Hc'. injection Hc' as <- <-. eapply IH; eauto.
Qed.
End Passes.

(* A C function is known by its contract, which it need keep only where the execution
   calls it. *)
Lemma reach_calls b64 code ext ext0 prot (inside good : state -> Prop) mine Q s :
  reach b64 code ext0 prot good mine Q s -> (forall s, good s -> inside s) ->
  (forall s1 f n, passes b64 code ext prot inside s s1 ->
     code (pc s1) = Some (CallX f, n) -> (exists s2, ext0 f s1 (pc s1 + n) s2) ->
     (exists s2, ext f s1 (pc s1 + n) s2) /\
     forall s2, ext f s1 (pc s1 + n) s2 -> ext0 f s1 (pc s1 + n) s2) ->
  reach b64 code ext prot good mine Q s.
Proof.
  intros H HG. induction H as [s Hs | s s1 Hg Hst Hm HR IH | s f n Hg Hc He HR IH];
    intros C.
  - apply r_done. exact Hs.
  - eapply r_step; [exact Hg | exact Hst | exact Hm |]. intros m E. apply IH; [exact E|].
    intros s2 f n PS. apply C.
    eapply ps_step; [exact (HG _ Hg) | apply one_instr; eassumption | exact PS].
  - destruct (C s f n (ps_here _ _ _ _ _ _ (HG _ Hg)) Hc He) as [HE HI].
    eapply r_call; [exact Hg | exact Hc | exact HE |]. intros s1 X. apply IH; [auto|].
    intros s2 f' n' PS. apply C.
    eapply ps_step; [exact (HG _ Hg) | eapply one_call; eassumption | exact PS].
Qed.

(* A piece of code that ends at a call: its path is that up to there. *)
Lemma reach_path_call b64 code ext prot (inside good : state ->
  Prop) mine Q s s' p f n :
  reach b64 code (fun _ _ _ _ => False) prot good mine Q s ->
  code p = Some (CallX f, n) ->
  (forall s, good s -> inside s) -> (forall s, Q s -> pc s = p) ->
  path b64 code ext prot (fun s => inside s /\ pc s <> p) s s' -> Q s'.
Proof.
  intros H HC HG HQ. induction H as [s Hs | s s1 Hg Hst Hm HR IH
    | s g m Hg Hc [s1 []] HR IH].
  intros R. - destruct R as [s _ | s s1 s2 [_ N] _ _]; [exact Hs|].
    destruct N. apply HQ. exact Hs.
  - intros R. destruct R as [s N | s t s2 Hi Ho R].
    + exfalso. apply N. split; [apply HG; exact Hg|]. intros E.
      rewrite <- E in HC. rewrite (call_is_no_step _ _ _ _ _ HC) in Hst. discriminate.
    + destruct Ho as [s1' m Hst' Hp | g m s1' Hc' _].
      * rewrite Hst in Hst'. injection Hst' as <-. eapply IH; eauto.
      * rewrite (call_is_no_step _ _ _ _ _ Hc') in Hst. discriminate.
Qed.

Lemma reach_no_call b64 code ext prot good mine Q s :
  reach b64 code (fun _ _ _ _ => False) prot good mine Q s ->
  reach b64 code ext prot good mine Q s.
Proof.
  intros H. induction H as [s Hs | s s1 Hg Hst Hm HR IH | s g m Hg Hc [s1 []] HR IH];
    [apply r_done | eapply r_step]; eauto.
Qed.

(* There is an execution. *)
Lemma reach_ends b64 code ext prot (inside good : state -> Prop) mine Q s :
  reach b64 code ext prot good mine Q s ->
  (forall s, good s -> inside s) -> (forall s, Q s -> ~ inside s) ->
  exists s', path b64 code ext prot inside s s' /\ Q s'.
Proof.
  intros H HG HQ. induction H as [s Hs | s s1 Hg Hst Hm HR IH
    | s f n Hg Hc [s1 He] HR IH].
  - exists s. split; [apply p_end; auto | exact Hs].
  - destruct (IH (mm s1)) as (s' & P & Q'); [reflexivity|]. exists s'. split;
    [|exact Q'].
    eapply p_step; [auto | | exact P]. constructor; auto.
  - destruct (IH s1 He) as (s' & P & Q'). exists s'. split; [|exact Q'].
    eapply p_step; [auto | | exact P]. eapply one_call; eauto.
Qed.

(* ---- any number of switches ---------------------------------------------------- *)

Section Runs.
Variable P : setting.
Variable L : in_place.
Variable ways : way -> Prop.
Local Notation X := (X P).
Local Notation ctx := (ctx P).
Local Notation world := (world P).
Local Notation path := (path (b64 X) (code P) (ext P)).
Local Notation passes := (passes (b64 X) (code P) (ext P)).

Hypothesis X_ok : X = amd64 \/ X = i386.
Hypothesis ways_ok : forall y, ways y -> way_ok P y.
Hypothesis lands_ok : forall k, land_ok P k.
Hypothesis place_ok : pieces_ok P L.

(* From s on B, which has left l, goes on.  If it is a new co that begins in
   aco_entry_tools, this calls aco_tools_entered(), which keeps its contract. *)
Definition entered_ok (l : leaving) prot s := l_kind l = Entry true ->
  forall s1 n, let f := x_aco_tools_entered in
  passes prot (inside P) s s1 -> code P (pc s1) = Some (CallX f, n) ->
  (exists s2, ext P f s1 (pc s1 + n) s2) /\
  forall s2, ext P f s1 (pc s1 + n) s2 -> entered X prot f s1 (pc s1 + n) s2.

(* B, which waits on another stack, is about to go on. *)
Definition switches u y B l ret :=
  ways y /\ gh u B = Some l /\ owns u B /\ stk P B <> stk P (cur u) /\
    leaves P u y B ret /\ entered_ok l (sw_prot P u y B) (st u).

(* B waits for A's stack, which is about to call aco_leave_place in s1. *)
Definition enters_place (u : world) B l s1 :=
  gh u B = Some l /\ enters P L u B /\
  path (pl_prot P u) (fun s => inside P s /\ pc s <> a_call L) (st u) s1.

Inductive event :=
  | Ran                                    (* the program *)
  | Switched (u : world) (exch : control) (B : ctx) (l : leaving) (s' : state)
  | Failed (u u2 : world) (s' : state).    (* in place: no memory to keep A *)

Inductive runs : world -> list event -> world -> Prop :=
  | runs_nil u : runs u [] u
  | runs_program u u' es u'' :
      ran u u' -> runs u' es u'' -> runs u (Ran :: es) u''
  | runs_switch u y B l ret s' es u'' :
      switches u y B l ret ->
      path (sw_prot P u y B) (inside P) (st u) s' ->
      runs (switched P u y B ret s') es u'' ->
      runs u (Switched u (y_exch y) B l s' :: es) u''
  | runs_exit u y B l ret s' es u'' :
      (* the same, but nobody will resume A again *)
      switches u y B l ret ->
      path (sw_prot P u y B) (inside P) (st u) s' ->
      runs (ended (switched P u y B ret s') (cur u)) es u'' ->
      runs u (Switched u (y_exch y) B l s' :: es) u''
  | runs_place u B l s1 u2 s4 es u'' :
      enters_place u B l s1 ->
      ext P x_aco_leave_place s1 (a_after L) (st u2) ->
      call_left P L (with_st u s1) B l (leaving_A P (st u)) u2 ->
      entered_ok l (pl_prot2 P u2 B l (rf s1 RSP)) (st u2) ->
      path (pl_prot2 P u2 B l (rf s1 RSP)) (inside P) (st u2) s4 ->
      runs (placed P u2 B s4) es u'' ->
      runs u (Switched u2 Neither B l s4 :: es) u''
  | runs_fails u B l s1 u2 s3 es u'' :
      enters_place u B l s1 ->
      ext P x_aco_leave_place s1 (a_after L) (st u2) ->
      call_failed P L (with_st u s1) u2 ->
      path (pl_prot P u2) (inside P) (st u2) s3 ->
      runs (with_st u2 s3) es u'' ->
      runs u (Failed u u2 s3 :: es) u''.

Definition right e := match e with
  | Ran => True
  | Switched u exch B l s' => found P u exch B l s'
  | Failed u u2 s' => failed P u u2 s' end.

Lemma by_contract l prot good mine Q s : entered_ok l prot s ->
  reach (b64 X) (code P) (calls P (l_kind l) prot) prot good mine Q s ->
  (forall s, good s -> inside P s) ->
  reach (b64 X) (code P) (ext P) prot good mine Q s.
Proof.
  intros OK H HG. eapply reach_calls; [exact H | exact HG |].
  unfold entered_ok in OK. unfold calls.
  destruct (l_kind l) as [| | |[]]; intros s1 f n PS HC [s2 E]; try destruct E.
  subst f. exact (OK eq_refl s1 n PS HC).
Qed.

Lemma does_switch u y B l ret : inv u -> switches u y B l ret ->
  reach (b64 X) (code P) (ext P) (sw_prot P u y B) (valid P u y B l) (may_write P u y l)
    (fun s' => found P u (y_exch y) B l s' /\ inv (switched P u y B ret s')) (st u).
Proof.
  intros HI (W & HB & HO & HS & HL & OK).
  eapply by_contract; [exact OK | eapply switch_correct; eauto |]. intros s [Hi _].
  exact Hi.
Qed.

Lemma does_place u B l s1 u2 : inv u -> gh u B = Some l -> enters P L u B ->
  at_call P L u B s1 -> call_left P L (with_st u s1) B l (leaving_A P (st u)) u2 ->
  let prot := pl_prot2 P u2 B l (rf (st u) RSP - room P L) in
  entered_ok l prot (st u2) ->
  reach (b64 X) (code P) (ext P) prot (pl_valid P L u B l)
    (fun a => range (lowest P l) (hi P (stk P B) - lowest P l) a \/
       land_mine P (l_kind l) (l_snap l) a)
    (fun s4 => found P u2 Neither B l s4 /\ inv (placed P u2 B s4)) (st u2).
Proof.
  intros HI HB EN AC CL prot OK.
  eapply by_contract; [exact OK | eapply place_left; eauto |]. intros s [Hi _].
  exact Hi.
Qed.

(* ---- each event ---------------------------------------------------------------- *)

Lemma found_outside u exch B l s' : inv u \/ goes_on P (l_kind l) (l_snap l) ->
  (inv u -> gh u B = Some l) -> found P u exch B l s' -> ~ inside P s'.
Proof.
  intros H HB (F & _). assert (G : goes_on P (l_kind l) (l_snap l)).
  { destruct H as [H|H]; [|exact H].
    destruct (inv_waits P u H B l (HB H)) as (_ & _ & _ & _ & G & _). exact G. }
  destruct G as [G _]. apply G. destruct F as (_ & _ & F).
  unfold cont. destruct (l_kind l); apply F.
Qed.

Lemma after_switch u y B l ret s' : inv u -> switches u y B l ret ->
  path (sw_prot P u y B) (inside P) (st u) s' ->
  found P u (y_exch y) B l s' /\ inv (switched P u y B ret s').
Proof.
  intros HI S R. pose proof S as (_ & HB & _).
  pattern s'. eapply reach_path; [| | | exact R].
  - eapply does_switch; eauto.
  - intros s [Hi _]. exact Hi.
  - intros s [F _]. eapply found_outside; [left; exact HI | intros _;
    exact HB | exact F].
Qed.

Lemma at_the_call u B l s1 : inv u -> enters_place u B l s1 -> at_call P L u B s1.
Proof.
  intros HI (HB & EN & R). destruct (pk_code P L place_ok) as (n & HC & _).
  pattern s1. eapply reach_path_call; [| exact HC | | | exact R].
  - eapply place_call; eauto.
  - intros s [Hi _]. exact Hi.
  - intros s AC. apply AC.
Qed.

Lemma after_place u B l s1 u2 s4 : inv u -> enters_place u B l s1 ->
  call_left P L (with_st u s1) B l (leaving_A P (st u)) u2 ->
  entered_ok l (pl_prot2 P u2 B l (rf s1 RSP)) (st u2) ->
  path (pl_prot2 P u2 B l (rf s1 RSP)) (inside P) (st u2) s4 ->
  found P u2 Neither B l s4 /\ inv (placed P u2 B s4).
Proof.
  intros HI E CL OK R. pose proof (at_the_call u B l s1 HI E) as AC.
  destruct E as (HB & EN & _). rewrite (ac_sp P L _ _ _ AC) in OK, R.
  pattern s4. eapply reach_path; [| | | exact R].
  - eapply does_place; eauto.
  - intros s [Hi _]. exact Hi.
  - intros s [F _]. eapply found_outside; [right | | exact F].
    + destruct (inv_waits P u HI B l HB) as (_ & _ & _ & _ & G & _). exact G.
    + intros _. exact (cl_B _ _ _ _ _ _ _ CL).
Qed.

Lemma after_failure u B l s1 u2 s3 : inv u -> enters_place u B l s1 ->
  call_failed P L (with_st u s1) u2 ->
  path (pl_prot P u2) (inside P) (st u2) s3 ->
  failed P u u2 s3 /\ inv (with_st u2 s3).
Proof.
  intros HI E CF R. pose proof (at_the_call u B l s1 HI E) as AC.
  destruct E as (HB & EN & _).
  assert (Q : failed P u u2 s3 /\ ran u2 (with_st u2 s3)).
  { pattern s3. eapply reach_path; [| | | exact R].
    - eapply place_fails; eauto.
    - intros s [Hi _]. exact Hi.
    - intros s [F _]. destruct (en_goes_on P L _ _ EN) as [G _]. apply G. apply F. }
  destruct Q as [F R2]. split; [exact F|].
  assert (HI2 : inv u2).
  { eapply ran_inv; [exact X_ok | | exact (cf_ran _ _ _ _ CF)].
    eapply ran_inv; [exact X_ok | exact HI | exact (ac_ran P L _ _ _ AC)]. }
  exact (ran_inv P X_ok _ _ HI2 R2).
Qed.

Lemma cur_other u y B l ret s' : inv u -> switches u y B l ret ->
  cur u <> cur (switched P u y B ret s').
Proof.
  intros HI (_ & HB & _) E. cbn in E. pose proof (inv_cur P u HI). congruence.
Qed.

(* The context that goes on finds what it left, after any number of switches. *)
Theorem always_back u es u' : inv u -> runs u es u' -> inv u' /\ Forall right es.
Proof.
  intros HI H.
  induction H as [u | u u1 es u' R H IH | u y B l ret s' es u' S R H IH
    | u y B l ret s' es u' S R H IH | u B l s1 u2 s4 es u' E X2 CL OK R H IH
    | u B l s1 u2 s3 es u' E X2 CF R H IH].
  - split; [exact HI | constructor].
  - destruct IH as [I1 I2]; [exact (ran_inv P X_ok _ _ HI R)|].
    split; [exact I1 | constructor; [exact I | exact I2]].
  - destruct (after_switch _ _ _ _ _ _ HI S R) as [F HI2].
    destruct (IH HI2) as [I1 I2].
    split; [exact I1 | constructor; [exact F | exact I2]].
  - destruct (after_switch _ _ _ _ _ _ HI S R) as [F HI2]. destruct IH as [I1 I2].
    { apply ended_inv; [exact X_ok | exact HI2
      | exact (cur_other _ _ _ _ _ _ HI S)]. }
    split; [exact I1 | constructor; [exact F | exact I2]].
  - destruct (after_place _ _ _ _ _ _ HI E CL OK R) as [F HI2].
    destruct (IH HI2) as [I1 I2].
    split; [exact I1 | constructor; [exact F | exact I2]].
  - destruct (after_failure _ _ _ _ _ _ HI E CF R) as [F HI2].
    destruct (IH HI2) as [I1 I2].
    split; [exact I1 | constructor; [exact F | exact I2]].
Qed.

(* ---- on the way ---------------------------------------------------------------- *)

(* A piece of code of the switch that is about to run from s through states of
   region; what signal handlers leave alone; what holds in each state. *)
Inductive piece (u : world) : (state -> Z -> Prop) -> state -> (state -> Prop) ->
    (state -> Prop) -> Prop :=
  | pc_switch y B l ret : switches u y B l ret ->
      piece u (sw_prot P u y B) (st u) (inside P) (valid P u y B l)
  | pc_enters B l : gh u B = Some l -> enters P L u B ->
      piece u (pl_prot P u) (st u) (fun s => inside P s /\ pc s <> a_call L)
        (fun s => inside P s /\ lo P (stk P (cur u)) < rf s RSP <= rf (st u) RSP)
  | pc_left B l s1 u2 : enters_place u B l s1 ->
      call_left P L (with_st u s1) B l (leaving_A P (st u)) u2 ->
      entered_ok l (pl_prot2 P u2 B l (rf s1 RSP)) (st u2) ->
      piece u (pl_prot2 P u2 B l (rf s1 RSP)) (st u2) (inside P) (pl_valid P L u B l)
  | pc_failed B l s1 u2 : enters_place u B l s1 ->
      call_failed P L (with_st u s1) u2 ->
      piece u (pl_prot P u2) (st u2) (inside P)
        (fun s => inside P s /\ lo P (stk P (cur u)) < rf s RSP <= rf (st u) RSP + w
          X).

(* Wherever it is, whatever signal handlers have written: the stack pointer is
   valid, and there is a next step. *)
Theorem goes_on_from u prot s region good s2 :
  inv u -> piece u prot s region good -> passes prot region s s2 ->
  good s2 /\ exists s3, one_step (b64 X) (code P) (ext P) prot s2 s3.
Proof.
  intros HI PI R.
  destruct PI as [y B l ret S | B l HB EN | B l s1 u2 E CL OK | B l s1 u2 E CF].
  - pose proof S as (_ & HB & _).
    eapply reach_passes; [eapply does_switch; eauto | | exact R].
    intros s [F _]. eapply found_outside; [left; exact HI | intros _;
      exact HB | exact F].
  - eapply reach_passes with (good := fun s => inside P s /\
      lo P (stk P (cur u)) < rf s RSP <= rf (st u) RSP);
        [eapply reach_no_call, reach_mono;
      [| intros a Ha; exact Ha | intros s Hs; exact Hs | eapply place_call;
        eauto] | | exact R].
    + intros s [Hi Hr]. pose proof (en_room P L _ _ EN). split; [exact Hi|]. lia.
    + intros s AC [_ N]. apply N. apply AC.
  - pose proof (at_the_call u B l s1 HI E) as AC. destruct E as (HB & EN & _).
    rewrite (ac_sp P L _ _ _ AC) in OK, R |- *.
    eapply reach_passes; [eapply does_place; eauto | | exact R].
    intros s [F _]. eapply found_outside; [right | | exact F].
    + destruct (inv_waits P u HI B l HB) as (_ & _ & _ & _ & G & _). exact G.
    + intros _. exact (cl_B _ _ _ _ _ _ _ CL).
  - pose proof (at_the_call u B l s1 HI E) as AC. destruct E as (HB & EN & _).
    eapply reach_passes with (good := fun s => inside P s /\
      lo P (stk P (cur u)) < rf s RSP <= rf (st u) RSP + w X); [eapply reach_mono;
      [| intros a Ha; exact Ha | intros s Hs; exact Hs | eapply place_fails;
        eauto] | | exact R].
    + intros s [Hi Hr]. pose proof (en_room P L _ _ EN). split; [exact Hi|]. lia.
    + intros s [F _]. destruct (en_goes_on P L _ _ EN) as [G _]. apply G. apply F.
Qed.

Corollary always_goes_on u es u' prot s region good s2 :
  inv u -> runs u es u' -> piece u' prot s region good -> passes prot region s s2 ->
  good s2 /\ exists s3, one_step (b64 X) (code P) (ext P) prot s2 s3.
Proof. intros HI R. apply goes_on_from. exact (proj1 (always_back u es u' HI R)). Qed.

Corollary there_is_a_run u y B l ret : inv u -> switches u y B l ret ->
  exists s', runs u [Switched u (y_exch y) B l s'] (switched P u y B ret s').
Proof.
  intros HI S. pose proof S as (_ & HB & _).
  destruct (reach_ends _ _ _ _ (inside P) _ _ _ _ (does_switch u y B l ret HI S))
    as (s' & R & _).
  - intros s [Hi _]. exact Hi.
  - intros s [F _]. eapply found_outside; [left; exact HI | intros _;
    exact HB | exact F].
  - exists s'. eapply runs_switch; [exact S | exact R | apply runs_nil].
Qed.

Corollary there_is_a_run_in_place u B l s1 u2 : inv u -> enters_place u B l s1 ->
  ext P x_aco_leave_place s1 (a_after L) (st u2) ->
  call_left P L (with_st u s1) B l (leaving_A P (st u)) u2 ->
  entered_ok l (pl_prot2 P u2 B l (rf s1 RSP)) (st u2) ->
  exists s4, runs u [Switched u2 Neither B l s4] (placed P u2 B s4).
Proof.
  intros HI E X2 CL OK. pose proof (at_the_call u B l s1 HI E) as AC.
  pose proof E as (HB & EN & _). pose proof OK as OK2.
  rewrite (ac_sp P L _ _ _ AC) in OK2.
  destruct (reach_ends _ _ _ _ (inside P) _ _ _ _
    (does_place u B l s1 u2 HI HB EN AC CL OK2)) as (s4 & R & _).
  - intros s [Hi _]. exact Hi.
  - intros s [F _]. eapply found_outside; [right | | exact F].
    + destruct (inv_waits P u HI B l HB) as (_ & _ & _ & _ & G & _). exact G.
    + intros _. exact (cl_B _ _ _ _ _ _ _ CL).
  - exists s4. rewrite <- (ac_sp P L _ _ _ AC) in R.
    eapply runs_place; [exact E | exact X2 | exact CL | exact OK | exact R | apply runs_nil].
Qed.

(* In place it goes on after the call if aco_leave_place() keeps its contract. *)
Definition leave_place_ok := forall u B l s1,
  inv u -> gh u B = Some l -> enters P L u B -> at_call P L u B s1 ->
  (exists s2, ext P x_aco_leave_place s1 (a_after L) s2) /\
  forall s2, ext P x_aco_leave_place s1 (a_after L) s2 -> exists u2, st u2 = s2 /\
    (call_failed P L (with_st u s1) u2 \/
     call_left P L (with_st u s1) B l (leaving_A P (st u)) u2 /\
     entered_ok l (pl_prot2 P u2 B l (rf s1 RSP)) (st u2)).

Corollary place_goes_on u B l s1 : leave_place_ok -> inv u -> enters_place u B l s1 ->
  exists e u', runs u [e] u'.
Proof.
  intros OK HI E. pose proof (at_the_call u B l s1 HI E) as AC.
  pose proof E as (HB & EN & _).
  destruct (OK u B l s1 HI HB EN AC) as [[s2 X2] C].
  destruct (C s2 X2) as (u2 & <- & [CF|[CL EO]]).
  - destruct (reach_ends _ _ _ _ (inside P) _ _ _ _
      (place_fails P L X_ok u B s1 u2 place_ok HI EN AC CF)) as (s3 & R & _).
    + intros s [Hi _]. exact Hi.
    + intros s [F _]. destruct (en_goes_on P L _ _ EN) as [G _]. apply G. apply F.
    + exists (Failed u u2 s3), (with_st u2 s3).
      eapply runs_fails; [exact E | exact X2 | exact CF | exact R | apply runs_nil].
  - destruct (there_is_a_run_in_place u B l s1 u2 HI E X2 CL EO) as [s4 R]. eauto.
Qed.
End Runs.
