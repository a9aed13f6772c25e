(* SPDX-License-Identifier: Apache-2.0 *)
(* One switch between two stacks: any way out, any landing.

     A's stack             B's stack
     | A's bytes |         | B's bytes |
     |-----------| r0      |-----------| land_to: rsp when all is done
     | pushed    |         | pushed    |
     '-- rsp, before ---   '-- rsp, after A's is left *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World.
Import ListNotations.
Open Scope Z_scope.

(* A way out; start s ta tb ret: in s it is about to be taken, by the context at ta
   to the one at tb, to go on at ret one day. *)
Record way := {
  y_kind : kind;
  y_exch : control; (* the control words that it exchanges *)
  y_room : Z;       (* bytes of the stack that it writes *)
  y_red : Z;        (* bytes below the stack pointer that it keeps *)
  y_start : state -> Z -> Z -> Z -> Prop
}.

(* What a landing keeps. *)
Lemma kept_refl k s : rest_kept k s s /\ words_kept k s s.
Proof. destruct k as [| | |[]]; repeat split. Qed.

Lemma rest_then k s s1 s2 : same_rest s s1 -> rest_kept k s1 s2 -> rest_kept k s s2.
Proof.
  intros [A B]. destruct k as [| | |[]]; cbn; [intros [C D]; split.. | |
    intros [C D]; split]; congruence.
Qed.

Lemma words_then k s s1 s2 :
  same_words s s1 -> words_kept k s1 s2 -> words_kept k s s2.
Proof. intros [A B]. destruct k as [| | |[]]; cbn; intros [C D]; split; congruence. Qed.

Lemma words_control k s s' : words_kept k s s' ->
  mx_control (mx s') = mx_control (mx s) /\ cw s' = cw s.
Proof. destruct k as [| | |[]]; cbn; intros [A B]; split; congruence. Qed.

Section Chain.
Variable P : setting.
Local Notation X := (X P).
Local Notation w := (w X).
Local Notation word m a := (load (Z.to_nat w) m a).
Local Notation used := (used X).
Local Notation form := (form X (a_switch P) (a_value P) (a_entry P)).
Local Notation back := (back X (a_entry_return P)).
Local Notation gets ext := (gets X (code P) ext).
Local Notation ctx := (ctx P).
Local Notation world := (world P).
Local Notation T := (T P).
Local Notation top i := (hi P (stk P i)).
Local Notation edge i := (hi P (stk P i) + w).
Local Notation bottom i := (lo P (stk P i)).
Hypothesis X_ok : X = amd64 \/ X = i386.

(* ---- what is known of each half ------------------------------------------------ *)

Definition left_by (s : state) ret := {| s_rf := rf s; s_sp := rf s RSP;
  s_ret := ret |}.
Definition leaving_by y s ret := {| l_kind := y_kind y; l_snap := left_by s ret;
  l_red := y_red y; l_mem := mm s |}.
Definition y_T y := out_T X (y_exch y).
Definition room_ok y := match y_kind y with
  | Fun => y_room y = np X * w /\ y_red y = 0
  | Value => y_room y = (np X + 1) * w /\ y_red y = 0
  | Inline _ => 0 <= y_room y /\ 0 <= y_red y <= red X /\
    (y_room y = 0 \/ y_red y = 0)
  | Entry _ => False end.

Definition way_ok y : Prop := room_ok y /\
  forall ext prot s ta tb ret sb,
    let r0 := rf s RSP in let n := y_room y in
    y_start y s ta tb ret -> ranged X (rf s) ->
    word (mm s) (tb + w) = sb -> sb_apart r0 n sb ->
    out_apart X ta tb r0 n w -> out_prot X prot ta tb r0 n w sb ->
    words_ok X (mm s) tb -> can_exchange X (y_exch y) s ta ->
    gets ext prot (inside P) (out_place r0 n sb) (out_mine ta (y_T y) r0 n)
      (fun s' => arrives X (mm s) tb s' /\
         form (mm s') (mm s') ta (y_kind y) (left_by s ret) /\
         (y_kind y = Value -> word (mm s') (r0 - n) = 0) /\
         same_rest s s' /\ exchanged X (y_exch y) ta tb s s') s.

(* The C function that a landing calls, if it is aco_entry_tools. *)
Definition calls k prot f s to s1 :=
  match k with Entry true => entered X prot f s to s1 | _ => False end.

Definition land_mine k g a := is_new k /\ range (s_sp g - w) w a.
Definition land_ok k : Prop := forall prot s t g,
  let from := land_from P k g in let to := land_to P k g in
  arrives X (mm s) t s -> form (mm s) (mm s) t k g ->
  (forall b, k = Inline b -> at_land P b (s_ret g)) ->
  land_apart X t from to -> land_prot X prot t from to ->
  (is_new k -> apart2 t used (s_sp g - w) w) ->
  gets (calls k prot) prot (inside P) (land_place from to) (land_mine k g)
    (back (mm s) k g t s) s.

(* ---- the two together ---------------------------------------------------------- *)

(* The running context is about to leave; it has room on its stack. *)
Record leaves (u : world) y B ret : Prop := {
  lv_start : y_start y (st u) (T (cur u)) (T B) ret;
  lv_ranged : ranged X (rf (st u));
  lv_room : bottom (cur u) < rf (st u) RSP - y_room y;
  lv_red : bottom (cur u) < rf (st u) RSP - y_red y;
  lv_top : rf (st u) RSP + w <= top (cur u);
  lv_goes_on : goes_on P (y_kind y) (left_by (st u) ret);
  lv_exch : can_exchange X (y_exch y) (st u) (T (cur u))
}.

(* What B finds: its registers, its bytes on the stack, and the rest of the
   state, through which all contexts see each other's changes. *)
Definition finds k g (m0 : mem) t s' := back m0 k g t s' s'.
Definition found (u : world) (exch : control) B l s' :=
  let k := l_kind l in let g := l_snap l in
  finds k g (view u B) (T B) s' /\ (k = Value -> rf s' RAX = sent u B) /\
  rest_kept k (st u) s' /\
  match exch with
  | Neither => words_kept k (st u) s'
  | Both => mx_control (mx s') = mx_control (fst (wd u B)) /\ cw s' = snd (wd u B)
  | X87 => mx_control (mx s') = mx_control (mx (st u)) /\ cw s' = snd (wd u B)
  end /\
  same_bytes (land_to P k g - l_red l) (top B) (mm s') (l_mem l).

Definition now_words (m : mem) t := (load 4 m (t + o_ctl X), load 2 m (t + o_ctl2 X)).

(* The world after it. *)
Definition switched (u : world) y B ret s' : world :=
  {| st := s'; cur := B;
     gh := fun i => if ctx_dec P i B then None
       else if ctx_dec P i (cur u) then
         Some (leaving_by y (st u) ret)
       else gh u i;
     own := own u; sv := sv u;
     wd := fun i => if ctx_dec P i (cur u) then
         match y_exch y with
         | Neither => now_words (mm (st u)) (T i)
         | Both => (mx (st u), cw (st u))
         | X87 => (fst (now_words (mm (st u)) (T i)), cw (st u))
         end
       else wd u i;
     sent := fun i => if ctx_dec P i (cur u) then 0 else sent u i |}.

(* Signal handlers leave alone: each aco_t, each save stack, and each stack from
   its floor on. *)
Definition on_A (u : world) y s : bool :=
  (rf (st u) RSP - y_room y <=? rf s RSP) && (rf s RSP <=? rf (st u) RSP).
Definition floor (u : world) y B s i : Z :=
  if ctx_dec P i (cur u) then
    if on_A u y s then rf s RSP - y_red y
    else rf (st u) RSP - Z.max (y_room y) (y_red y)
  else match gh u i with
  | None => top i
  | Some l => if ctx_dec P i B then
      if on_A u y s then lowest P l
      else rf s RSP - l_red l
    else lowest P l
  end.
Definition sw_prot (u : world) y B s a :=
  (exists i, alive u i /\ range (T i) used a) \/
  (exists i, alive u i /\ owns u i /\ floor u y B s i <= a < edge i) \/
  (exists i, gh u i <> None /\ ~ owns u i /\
     range (v_from (sv u i)) (v_words (sv u i) * w) a).

(* The stack pointer is on a stack, and what is live there is not below it. *)
Definition valid (u : world) y B l s :=
  let g := l_snap l in let k := l_kind l in
  inside P s /\
  ((rf (st u) RSP - y_room y <= rf s RSP <= rf (st u) RSP /\
    bottom (cur u) < rf s RSP < top (cur u)) \/
   (land_from P k g <= rf s RSP <= land_to P k g /\
    bottom B < rf s RSP <= edge B)).

Definition may_write (u : world) y l a :=
  out_mine (T (cur u)) (y_T y) (rf (st u) RSP) (y_room y) a \/
  land_mine (l_kind l) (l_snap l) a.

Section OneSwitch.
Variable u : world.
Variable y : way.
Variables (B : ctx) (l : leaving) (ret : Z).
Hypothesis HI : inv u.
Hypothesis HB : gh u B = Some l.
Hypothesis HO : owns u B.
Hypothesis HS : stk P B <> stk P (cur u).
Hypothesis HL : leaves u y B ret.
Hypothesis HW : way_ok y.
Hypothesis HD : land_ok (l_kind l).

Let A := cur u.
Let s0 := st u.
Let r0 := rf (st u) RSP.
Let n := y_room y.
Let k := l_kind l.
Let g := l_snap l.
Let prot := sw_prot u y B.

Lemma AB : A <> B.
Proof. unfold A. intros E. apply HS. rewrite E. reflexivity. Qed.
Lemma aliveA : alive u A. Proof. left. reflexivity. Qed.
Lemma aliveB : alive u B. Proof. right. rewrite HB. discriminate. Qed.
Lemma gh_alive i li : gh u i = Some li -> alive u i /\ i <> A.
Proof.
  intros H. split; [right; congruence|]. intros ->. unfold A in H.
  rewrite (inv_cur P u HI) in H. discriminate.
Qed.

Lemma fitsB : bottom B < lowest P l - below P k /\ land_to P k g <= top B + above P k.
Proof. destruct (inv_waits P u HI B l HB) as (_ & _ & _ & H & _). exact H. Qed.
Lemma red_B : red_ok P l.
Proof. destruct (inv_waits P u HI B l HB) as (_ & _ & H & _). exact H. Qed.
Lemma placesB : lowest P l <= keep_from P l <= first l /\
  kept_sp X k g <= s_sp g <= land_to P k g /\ high X k g = land_to P k g /\
  lowest P l - below P k <= land_from P k g /\ 0 <= below P k /\
  land_from P k g <= kept_sp X k g <= land_to P k g /\
  first l <= land_to P k g - l_red l /\ 0 <= l_red l /\
  lowest P l = kept_sp X k g - l_red l /\
  0 <= above P k <= w /\ (above P k = 0 \/ lowest P l = land_to P k g).
Proof. exact (places P X_ok l red_B). Qed.

Lemma kept_fits i li : gh u i = Some li -> bottom i < lowest P li.
Proof.
  intros H. destruct (inv_waits P u HI i li H) as (_ & _ & R & [F _] & _).
  pose proof (places P X_ok li R) as PL. cbv zeta in PL. lia.
Qed.

(* The stacks of A and B are apart. *)
Lemma stacks : r0 < bottom B /\ r0 - n < r0 + w <= bottom B \/ edge B < r0 - n.
Proof.
  destruct HL as [_ _ R1 R2 R3 _ _]. fold A s0 r0 in R1, R2, R3. unfold s0 in *.
  fold r0 in R1, R2, R3.
  pose proof (sp_SS P u (inv_spaces P u HI) A B aliveA aliveB (not_eq_sym HS)) as S.
  pose proof (sp_stk P u (inv_spaces P u HI) A aliveA).
  pose proof (sp_stk P u (inv_spaces P u HI) B aliveB).
  pose proof (offsets P X_ok). unfold apart2 in S. destruct HW as [HR _].
  assert (0 <= n). { unfold room_ok, n in *. destruct (y_kind y); lia. }
  lia.
Qed.

Lemma n_ok : 0 <= n /\ ~ is_new (y_kind y) /\ (n = 0 \/ y_red y = 0) /\
  0 <= y_red y /\
  lowest P (leaving_by y s0 ret) >= r0 - Z.max n (y_red y).
Proof.
  destruct HW as [HR _]. pose proof (offsets P X_ok). unfold room_ok in HR.
  fold n in HR.
  unfold s0, r0, lowest. cbn [leaving_by l_kind l_snap l_red].
  destruct (y_kind y); cbn [lowest leaving_by l_kind l_snap l_red kept_sp left_by
    s_sp]; repeat split;
    try (intros [? E]; discriminate E); try tauto; lia.
Qed.

(* What the code of the way out leaves alone: others' aco_t, the rest of A's ... *)
Definition safe_out a := ~ out_mine (T A) (y_T y) r0 n a /\
  forall s, out_place r0 n (kept_sp X k g) s -> prot s a.

Lemma y_T_used : y_T y <= used.
Proof. pose proof (offsets P X_ok). unfold y_T, out_T. destruct (y_exch y); lia. Qed.

Lemma out_off_A s : out_place r0 n (kept_sp X k g) s ->
  on_A u y s = true /\ r0 - n <= rf s RSP <= r0 \/
  on_A u y s = false /\ rf s RSP = kept_sp X k g.
Proof.
  intros H. unfold on_A. fold r0 n.
  pose proof placesB. pose proof fitsB as [F1 F2].
  pose proof stacks. destruct H; lia.
Qed.

Lemma room_A : bottom A < r0 - n /\ bottom A < r0 - y_red y /\ r0 + w <= top A.
Proof. destruct HL as [_ _ R1 R2 R3 _ _]. auto. Qed.

Lemma safe_T i a : alive u i -> i <> A -> range (T i) used a -> safe_out a.
Proof.
  intros Hi N R. split.
  - pose proof (sp_TT P u (inv_spaces P u HI) i A Hi aliveA N).
    pose proof (sp_TS P u (inv_spaces P u HI) i A Hi aliveA).
    pose proof y_T_used. pose proof room_A. pose proof (offsets P X_ok).
    unfold apart2, out_mine, range in *. lia.
  - intros s _. left. eauto.
Qed.

Lemma safe_TA a : y_T y <= a - T A < used -> safe_out a.
Proof.
  intros R. assert (0 <= y_T y).
  { pose proof (offsets P X_ok). unfold y_T, out_T. destruct (y_exch y); lia. }
  split.
  - pose proof (sp_TS P u (inv_spaces P u HI) A A aliveA aliveA).
    pose proof room_A. pose proof (offsets P X_ok).
    unfold apart2, out_mine, range in *. lia.
  - intros s _. left. exists A. split; [apply aliveA|]. unfold range. lia.
Qed.

Lemma safe_A a : r0 - y_red y <= a < top A -> safe_out a.
Proof.
  intros R. pose proof room_A. pose proof n_ok. pose proof (offsets P X_ok). split.
  - pose proof (sp_TS P u (inv_spaces P u HI) A A aliveA aliveA). pose proof y_T_used.
    unfold apart2, out_mine, range in *. lia.
  - intros s Hs. right. left. exists A. split; [apply aliveA|].
    split; [apply (inv_own P u HI)|]. unfold floor.
    destruct (ctx_dec P A (cur u)) as [_|E]; [|destruct E; reflexivity].
    fold r0 n. destruct (out_off_A s Hs) as [[-> Hr] | [-> Hr]]; lia.
Qed.

Lemma owner_stk i : owns u i -> i <> A -> stk P i <> stk P A.
Proof.
  intros Ho N E. apply N. pose proof (inv_own P u HI) as HA. fold A in HA.
  unfold owns in *. rewrite E in Ho. congruence.
Qed.

Lemma safe_S i li a : gh u i = Some li -> owns u i ->
  lowest P li <= a < top i -> safe_out a.
Proof.
  intros Hi Ho R. destruct (gh_alive i li Hi) as [Ha N]. split.
  - pose proof (sp_SS P u (inv_spaces P u HI) i A Ha aliveA (owner_stk i Ho N)).
    pose proof (sp_TS P u (inv_spaces P u HI) A i aliveA Ha). pose proof y_T_used.
    pose proof room_A. pose proof (offsets P X_ok).
    pose proof (kept_fits i li Hi) as F.
    unfold apart2, out_mine, range in *. lia.
  - intros s Hs. right. left. exists i. split; [exact Ha|]. split; [exact Ho|].
    unfold floor. rewrite Hi.
    destruct (ctx_dec P i (cur u)) as [E|_]; [destruct (N E)|].
    pose proof (offsets P X_ok).
    destruct (ctx_dec P i B) as [->|_]; [|lia].
    rewrite HB in Hi. injection Hi as <-. fold k g in R |- *.
    destruct (out_off_A s Hs) as [[-> Hr] | [-> Hr]]; [lia|].
    pose proof placesB. unfold k, g in *. lia.
Qed.

Lemma safe_V i a : gh u i <> None -> ~ owns u i ->
  range (v_from (sv u i)) (v_words (sv u i) * w) a -> safe_out a.
Proof.
  intros Hi Ho R. split.
  - pose proof (sp_VT P u (inv_spaces P u HI) i A Hi Ho aliveA).
    pose proof (sp_VS P u (inv_spaces P u HI) i A Hi Ho aliveA).
    pose proof y_T_used. pose proof room_A. pose proof (offsets P X_ok).
    unfold apart2, out_mine, range in *. lia.
  - intros s _. right. right. eauto.
Qed.

(* ... and what the landing does. *)
Definition safe_land a := ~ land_mine k g a /\
  forall s, land_place (land_from P k g) (land_to P k g) s -> prot s a.

Lemma land_off_A s : land_place (land_from P k g) (land_to P k g) s ->
  on_A u y s = false.
Proof.
  intros H. unfold on_A, land_place in *. fold r0 n.
  pose proof placesB. pose proof fitsB as [F1 F2].
  pose proof stacks. lia.
Qed.

Lemma lmine a : land_mine k g a -> bottom B <= a < edge B /\ a < land_to P k g.
Proof.
  pose proof fitsB as [F1 F2]. pose proof (offsets P X_ok). pose proof placesB.
  intros [[tools E] R]. rewrite E in *. cbn [below above land_to kept_sp] in *.
  unfold range in R. lia.
Qed.

Lemma land_T i a : alive u i -> range (T i) used a -> safe_land a.
Proof.
  intros Hi R. split; [|intros s _; left; eauto].
  intros M%lmine. pose proof (sp_TS P u (inv_spaces P u HI) i B Hi aliveB).
  unfold apart2, range in *. lia.
Qed.

Lemma land_A a : r0 - Z.max n (y_red y) <= a < top A -> safe_land a.
Proof.
  intros R. pose proof room_A. pose proof (offsets P X_ok). split.
  - intros M%lmine.
    pose proof (sp_SS P u (inv_spaces P u HI) A B aliveA aliveB (not_eq_sym HS)).
    unfold apart2 in *. lia.
  - intros s Hs. right. left. exists A. split; [apply aliveA|].
    split; [apply (inv_own P u HI)|]. unfold floor.
    destruct (ctx_dec P A (cur u)) as [_|E]; [|destruct E; reflexivity].
    rewrite (land_off_A s Hs). lia.
Qed.

Lemma land_S i li a : gh u i = Some li -> owns u i -> i <> B ->
  lowest P li <= a < top i -> safe_land a.
Proof.
  intros Hi Ho N R. destruct (gh_alive i li Hi) as [Ha NA].
  pose proof (offsets P X_ok). split.
  - assert (NS : stk P i <> stk P B).
    { intros E. apply N. unfold owns in *. rewrite E in Ho. congruence. }
    intros M%lmine.
    pose proof (sp_SS P u (inv_spaces P u HI) i B Ha aliveB NS).
    pose proof (kept_fits i li Hi) as F.
    unfold apart2 in *. lia.
  - intros s Hs. right. left. exists i. split; [exact Ha|]. split; [exact Ho|].
    unfold floor. rewrite Hi.
    destruct (ctx_dec P i (cur u)) as [E|_]; [destruct (NA E)|].
    destruct (ctx_dec P i B) as [E|_]; [destruct (N E)|lia].
Qed.

Lemma land_B a : land_to P k g - l_red l <= a < top B -> safe_land a.
Proof.
  intros R. pose proof (offsets P X_ok). split.
  - pose proof placesB. pose proof red_B as RB. unfold red_ok in RB. fold k in RB.
    intros [[tools E] R2]. rewrite E in *. cbn [land_to] in *. unfold range in R2. lia.
  - intros s Hs. right. left. exists B. split; [apply aliveB|]. split; [exact HO|].
    unfold floor. rewrite HB.
    destruct (ctx_dec P B (cur u)) as [E|_]; [destruct (AB (eq_sym E))|].
    destruct (ctx_dec P B B) as [_|E]; [|destruct E; reflexivity].
    rewrite (land_off_A s Hs). unfold land_place in Hs. fold k. lia.
Qed.

Lemma land_V i a : gh u i <> None -> ~ owns u i ->
  range (v_from (sv u i)) (v_words (sv u i) * w) a -> safe_land a.
Proof.
  intros Hi Ho R. split; [|intros s _; right; right; eauto].
  intros M%lmine. pose proof (sp_VS P u (inv_spaces P u HI) i B Hi Ho aliveB).
  unfold apart2, range in *. lia.
Qed.

Definition half s' :=
  arrives X (mm s0) (T B) s' /\
  form (mm s') (mm s') (T A) (y_kind y) (left_by s0 ret) /\
  (y_kind y = Value -> word (mm s') (r0 - n) = 0) /\
  same_rest s0 s' /\
  exchanged X (y_exch y) (T A) (T B) s0 s' /\
  (forall a, safe_out a -> mm s' a = mm s0 a).

Lemma first_half : reach (b64 X) (code P) (calls k prot) prot
  (fun s => inside P s /\ out_place r0 n (kept_sp X k g) s)
  (out_mine (T A) (y_T y) r0 n) half s0.
Proof.
  destruct HW as [_ HW2]. pose proof room_A. pose proof (offsets P X_ok).
  destruct (inv_waits P u HI B l HB) as ((F1 & _) & _).
  pose proof (inv_spaces P u HI) as SP.
  eapply reach_mono; [| | |apply (HW2 (calls k prot) prot s0 (T A) (T B) ret
    (kept_sp X k g))].
  - intros s H1; exact H1.
  - intros a Ha; exact Ha.
  - intros s ((A1 & A2 & AV & A3 & A4) & K). unfold half.
    repeat (split; [assumption|]). intros a [S1 S2]. apply K; assumption.
  - exact (lv_start _ _ _ _ HL).
  - exact (lv_ranged _ _ _ _ HL).
  - exact F1.
  - unfold sb_apart. fold r0 n. unfold s0. fold r0. pose proof placesB.
    pose proof fitsB as [G1 G2]. pose proof stacks. lia.
  - pose proof (sp_T P u SP A aliveA). pose proof (sp_T P u SP B aliveB).
    pose proof (sp_TT P u SP A B aliveA aliveB AB).
    pose proof (sp_TS P u SP A A aliveA aliveA).
    pose proof (sp_TS P u SP B A aliveB aliveA).
    pose proof (sp_stk P u SP A aliveA).
    unfold out_apart, apart2 in *. unfold s0. fold r0 n. lia.
  - intros s Hs. split.
    + intros a [Ra|Ra]; left; [exists A | exists B]; (split; [|exact Ra]);
        [apply aliveA | apply aliveB].
    + intros a Ra Hr. right. left. exists A. split; [apply aliveA|].
      split; [apply (inv_own P u HI)|]. unfold floor.
      destruct (ctx_dec P A (cur u)) as [_|E]; [|destruct E; reflexivity].
      pose proof n_ok. fold r0 n. unfold s0 in Ra. fold r0 n in Ra.
      unfold s0 in Hs. fold r0 n in Hs.
      destruct (out_off_A s Hs) as [[E Hr2] | [E Hr2]]; rewrite E; [|lia].
      destruct Hs as [_|Hs]; [|].
      * destruct Hr as [Hr|Hr]; [lia|]. exfalso.
        pose proof placesB. pose proof fitsB as [G1 G2]. pose proof stacks.
        lia.
      * exfalso. pose proof placesB. pose proof fitsB as [G1 G2].
        pose proof stacks. lia.
  - apply (inv_words P u HI B aliveB).
  - exact (lv_exch _ _ _ _ HL).
Qed.

(* A form in memory that is safe. *)
Lemma form_stays m' i li : gh u i = Some li ->
  (forall a, range (T i) used a -> m' a = mm s0 a) ->
  forall v', same_bytes (keep_from P li)
    (high X (l_kind li) (l_snap li)) v' (view u i) ->
  form m' v' (T i) (l_kind li) (l_snap li).
Proof.
  intros Hi HT v' HV. destruct (inv_waits P u HI i li Hi) as (F & _ & R & _).
  eapply form_same; [exact X_ok | exact F | exact R | | exact HV].
  intros a Ha. rewrite HT; [reflexivity|]. pose proof (offsets P X_ok).
  unfold fixed, range in *. lia.
Qed.

Lemma high_top i li : red_ok P li -> fits P i li ->
  high X (l_kind li) (l_snap li) <= keep_from P li \/
  high X (l_kind li) (l_snap li) <= top i.
Proof.
  intros R [_ F]. pose proof (places P X_ok li R) as PL. cbv zeta in PL. lia.
Qed.

Lemma view_B : view u B = mm s0.
Proof. unfold view. destruct (owns_dec u B); [reflexivity|contradiction]. Qed.

Lemma second_half s1 : half s1 ->
  reach (b64 X) (code P) (calls k prot) prot
    (fun s => inside P s /\ land_place (land_from P k g) (land_to P k g) s)
    (land_mine k g)
    (fun s2 => back (mm s1) k g (T B) s1 s2 /\
       forall a, safe_land a -> mm s2 a = mm s1 a) s1.
Proof.
  intros ((P1 & P2 & P3 & P4) & _ & _ & _ & _ & K).
  pose proof (inv_spaces P u HI) as SP. pose proof (offsets P X_ok).
  assert (KB : forall a, range (T B) used a -> mm s1 a = mm s0 a).
  { intros a Ha. apply K. apply (safe_T B);
    [apply aliveB | apply (not_eq_sym AB) | exact Ha]. }
  assert (WB : forall d, 0 <= d -> d + w <= used ->
    word (mm s1) (T B + d) = word (mm s0) (T B + d)).
  { intros d d0 d1. apply (word_same P X_ok). intros a Ha. rewrite KB; [reflexivity|].
    unfold range. lia. }
  pose proof (WB 0) as W0. rewrite Z.add_0_r in W0.
  eapply reach_mono; [| | |apply (HD prot s1 (T B) g)]; cbv zeta.
  - intros s H1; exact H1.
  - intros a Ha; exact Ha.
  - intros s [Q1 Q2]. split; [exact Q1|]. intros a [S1 S2]. apply Q2; assumption.
  - unfold arrives. rewrite W0, !WB by lia. auto.
  - apply (form_stays (mm s1) B l HB KB). intros a Ha. rewrite view_B.
    rewrite K; [reflexivity|]. apply (safe_S B l a HB HO).
    pose proof (high_top B l red_B fitsB). pose proof placesB. unfold k, g in *. lia.
  - destruct (inv_waits P u HI B l HB) as (_ & _ & _ & _ & (_ & G) & _). exact G.
  - pose proof (sp_T P u SP B aliveB). pose proof (sp_stk P u SP B aliveB).
    pose proof fitsB as [G1 G2]. pose proof placesB.
    unfold land_apart. fold k. lia.
  - intros s Hs. split.
    + intros a Ra. left. exists B. split; [apply aliveB|exact Ra].
    + intros a Ra Hr. right. left. exists B. split; [apply aliveB|]. split;
      [exact HO|].
      unfold floor. rewrite HB.
      destruct (ctx_dec P B (cur u)) as [E|_]; [destruct (AB (eq_sym E))|].
      destruct (ctx_dec P B B) as [_|E]; [|destruct E; reflexivity].
      rewrite (land_off_A s Hs). pose proof fitsB as [G1 G2].
      pose proof placesB. fold k. fold k in Ra. lia.
  - intros [tools E]. fold k in E. pose proof (sp_TS P u SP B B aliveB aliveB).
    pose proof fitsB as [G1 G2]. pose proof placesB.
    rewrite E in *. cbn [below above land_to kept_sp] in *. unfold apart2 in *. lia.
Qed.

(* ---- and all that holds afterwards --------------------------------------------- *)

Section Whole.
Variables s1 s2 : state.
Hypothesis H1 : half s1.
Hypothesis H2 : back (mm s1) k g (T B) s1 s2.
Hypothesis K2 : forall a, safe_land a -> mm s2 a = mm s1 a.
Let u2 := switched u y B ret s2.

Lemma K1 a : safe_out a -> mm s1 a = mm s0 a.
Proof. destruct H1 as (_ & _ & _ & _ & _ & K). apply K. Qed.
Lemma K12 a : safe_out a -> safe_land a -> mm s2 a = mm s0 a.
Proof. intros. rewrite K2, K1; auto. Qed.

Lemma now_T i : alive u i -> i <> A -> forall a, range (T i) used a ->
  mm s2 a = mm s0 a.
Proof. intros Hi N a Ha. apply K12; [eapply safe_T | eapply land_T]; eauto. Qed.

Lemma now_S i li : gh u i = Some li -> i <> B ->
  same_bytes (lowest P li) (top i) (view u2 i) (view u i).
Proof.
  intros Hi N a Ha. unfold view. change (in_save u2 i a) with (in_save u i a).
  change (mm (st u2)) with (mm s2). change (sv u2) with (sv u).
  destruct (owns_dec u2 i) as [Ho|Ho];
    change (owns u i) in Ho || change (~ owns u i) in Ho;
    destruct (owns_dec u i) as [Ho'|Ho']; try contradiction.
  - rewrite K12; [reflexivity | eapply safe_S | eapply land_S]; eauto.
  - destruct (top i - v_zeros (sv u i) * w <=? a) eqn:E; [reflexivity|].
    destruct (inv_waits P u HI i li Hi) as (_ & _ & _ & _ & _ & V & _).
    specialize (V Ho).
    assert (R : range (v_from (sv u i)) (v_words (sv u i) * w) (in_save u i a)).
    { eapply in_save_range; [exact V | lia | lia]. }
    assert (NN : gh u i <> None) by congruence.
    rewrite K12; [reflexivity | eapply safe_V | eapply land_V]; eauto.
Qed.

Lemma found_B : found u (y_exch y) B l s2.
Proof.
  destruct H1 as (_ & _ & _ & R1 & W1 & _). pose proof H2 as (R2 & W2 & BK).
  unfold found. fold k g s0.
  assert (E : k = Value ->
    word (mm s1) (kept_sp X k g) = word (mm s0) (kept_sp X k g)).
    { intros Ek. apply (word_same P X_ok). intros a Ha. rewrite K1; [reflexivity|].
      apply (safe_S B l a HB HO). pose proof fitsB as [G1 G2].
      pose proof placesB. pose proof (offsets P X_ok).
      
      pose proof red_B as RB. unfold red_ok in RB. fold k in RB.
      rewrite Ek in *. cbn [kept_sp land_to] in *. lia. }
  split; [|split; [|split; [|split]]].
  - destruct (kept_refl k s2). split; [assumption|]. split; [assumption|].
    rewrite view_B. destruct k; try exact BK. rewrite <- E by reflexivity. exact BK.
  - intros Ek. destruct (inv_waits P u HI B l HB) as (_ & _ & _ & _ & _ & _ & V).
    rewrite <- (V Ek), view_B. fold k g. rewrite <- E by exact Ek.
    rewrite Ek in BK |- *. tauto.
  - exact (rest_then _ _ _ _ R1 R2).
  - assert (NB : gh u B <> None) by (rewrite HB; discriminate).
    destruct (inv_wd P u HI B NB) as [D1 D2]. fold s0 in D1, D2.
    pose proof (words_control _ _ _ W2) as [W3 W4].
    destruct (y_exch y).
    + exact (words_then _ _ _ _ W1 W2).
    + destruct W1 as [_ [L1 L2]]. rewrite W3, W4, L1, L2, D1, D2. auto.
    + destruct W1 as (L1 & _ & _ & L2). rewrite W3, W4, L1, L2, D2. auto.
  - intros a Ha. destruct (inv_waits P u HI B l HB) as (_ & V & _).
    pose proof placesB. rewrite <- V by (fold k g; lia). rewrite view_B.
    rewrite K12; [reflexivity | | apply land_B; exact Ha].
    apply (safe_S B l a HB HO). fold k g. lia.
Qed.

Lemma owns_switched i : owns u2 i <-> owns u i.
Proof. reflexivity. Qed.

Lemma alive_switched i : alive u2 i -> alive u i.
Proof.
  unfold alive, u2, switched. cbn [cur gh]. intros [->|H]; [right; congruence|].
  destruct (ctx_dec P i B) as [->|_]; [right; congruence|].
  destruct (ctx_dec P i (cur u)) as [->|_]; [left; reflexivity | right; exact H].
Qed.

Lemma gh_switched i li : gh u2 i = Some li ->
  i <> B /\ (i = A /\ li = (leaving_by y s0 ret) \/
             i <> A /\ gh u i = Some li).
Proof.
  unfold u2, switched. cbn [gh]. destruct (ctx_dec P i B) as [|N]; [discriminate|].
  intros H. split; [exact N|]. destruct (ctx_dec P i (cur u)) as [E|NA].
  - left. injection H as <-. split; [exact E|reflexivity].
  - right. split; assumption.
Qed.

Lemma gh_was i : gh u2 i <> None -> gh u i <> None \/ i = A.
Proof.
  destruct (gh u2 i) as [li|] eqn:E; [|congruence]. intros _.
  destruct (gh_switched i li E) as (_ & [[H _]|[_ H]]); [right; exact H | left;
    congruence].
Qed.

Lemma waits_A : waits u2 A
  (leaving_by y s0 ret).
Proof.
  destruct H1 as (_ & F & _). pose proof n_ok as N. pose proof room_A as R.
  pose proof (offsets P X_ok) as O.
  assert (RA : red_ok P (leaving_by y s0 ret)).
  { pose proof HW as [HR _]. unfold red_ok, room_ok in *.
    cbn [leaving_by l_kind l_red].
    destruct (y_kind y); lia. }
  pose proof (places P X_ok (leaving_by y s0 ret) RA) as PL. cbv zeta in PL.
  assert (VA : view u2 A = mm s2).
  { unfold view. destruct (owns_dec u2 A) as [|NO]; [reflexivity|].
    destruct NO. exact (inv_own P u HI). }
  assert (FT : fits P A (leaving_by y s0 ret)).
  { unfold fits, below, above. cbn [leaving_by l_kind l_snap].
    destruct (y_kind y) eqn:EK;
      try (destruct N as (_ & NE & _); destruct NE; eexists; reflexivity).
    all: cbn [land_to left_by s_sp]; unfold s0 at 2; fold r0; lia. }
  unfold waits. cbn [leaving_by l_kind l_snap l_mem]. rewrite VA.
  cbn [st u2 switched].
  split; [|split; [|split; [exact RA|split; [exact FT|split; [|split]]]]].
  - eapply (form_same P X_ok _ _ _ _ _ (leaving_by y s0 ret));
    [exact F | exact RA | |].
    + intros a Ha. rewrite K2; [reflexivity|]. apply (land_T A); [apply aliveA|].
      unfold fixed, range in *. lia.
    + intros a Ha. rewrite K2; [reflexivity|]. apply land_A.
      pose proof (high_top A (leaving_by y s0 ret) RA FT). lia.
  - intros a Ha. unfold first in Ha. cbn [leaving_by l_snap l_red left_by s_sp] in Ha.
    unfold s0 in Ha. fold r0 in Ha.
    rewrite K12; [reflexivity | apply safe_A; lia | apply land_A; lia].
  - exact (lv_goes_on _ _ _ _ HL).
  - intros NO. destruct NO. exact (inv_own P u HI).
  - intros E. rewrite E. cbn [sent switched u2 kept_sp left_by s_sp].
    destruct (ctx_dec P A (cur u)) as [_|NE]; [|destruct NE; reflexivity].
    destruct H1 as (_ & _ & Z0 & _). rewrite <- (Z0 E).
    pose proof HW as [HR _]. unfold room_ok in HR. rewrite E in HR. fold n in HR.
    destruct HR as [HR _]. unfold s0. fold r0. rewrite <- HR.
    apply (word_same P X_ok). intros a Ha.
    rewrite K2; [reflexivity|]. apply land_A. lia.
Qed.

Lemma waits_other i li : gh u i = Some li -> i <> A -> i <> B -> waits u2 i li.
Proof.
  intros Hi NA NB. destruct (gh_alive i li Hi) as [Ha _].
  destruct (inv_waits P u HI i li Hi) as (F & V & RI & FT & G & S & SV).
  pose proof (places P X_ok li RI) as PL; cbv zeta in PL.
  pose proof (high_top i li RI FT). pose proof (now_S i li Hi NB) as NS.
  split; [|split; [|split; [exact RI|split; [exact FT|split; [exact G|split;
    [exact S|]]]]]].
  - apply form_stays; [exact Hi | apply now_T; assumption|].
    intros a Hr. apply NS. lia.
  - intros a Hr. rewrite NS by lia. apply V. exact Hr.
  - intros E. cbn [sent switched u2].
    destruct (ctx_dec P i (cur u)) as [E'|_]; [destruct (NA E')|]. rewrite <- (SV E).
    apply (word_same P X_ok). intros a Hr. apply NS. pose proof (offsets P X_ok).
    destruct FT as [_ FT]. unfold red_ok in RI. rewrite E in *.
    cbn [above kept_sp land_to] in *. lia.
Qed.

Lemma spaces_switched : spaces u2.
Proof.
  pose proof (inv_spaces P u HI) as S.
  assert (NV : forall i, gh u2 i <> None -> ~ owns u2 i -> gh u i <> None).
  { intros i Hi Ho. destruct (gh_was i Hi) as [|E]; [assumption|].
    rewrite E in Ho. destruct Ho. exact (inv_own P u HI). }
  assert (AL := alive_switched). constructor; intros.
  - apply (sp_T P u S); auto.
  - apply (sp_stk P u S); auto.
  - apply (sp_TT P u S); auto.
  - apply (sp_TS P u S); auto.
  - apply (sp_SS P u S); auto.
  - apply (sp_VT P u S); auto.
  - apply (sp_VS P u S); auto.
Qed.

Lemma ctl_range t a : range (t + o_ctl X) 4 a \/ range (t + o_ctl2 X) 2 a ->
  range t used a.
Proof. pose proof (offsets P X_ok). unfold range. lia. Qed.

(* The control words of all: A's may be written. *)
Lemma words_now i : alive u i -> (i = A -> y_exch y = Neither) ->
  load 4 (mm s2) (T i + o_ctl X) = load 4 (mm s0) (T i + o_ctl X) /\
  load 2 (mm s2) (T i + o_ctl2 X) = load 2 (mm s0) (T i + o_ctl2 X).
Proof.
  intros Hi HA. pose proof (offsets P X_ok).
  assert (K : forall a, range (T i + o_ctl X) 4 a \/ range (T i + o_ctl2 X) 2 a ->
    mm s2 a = mm s0 a).
  { intros a Ha. pose proof (ctl_range _ _ Ha) as Hu.
    destruct (ctx_dec P i A) as [->|N].
    - apply K12; [|eapply land_T; eauto]. apply safe_TA. unfold y_T, out_T.
      rewrite HA by reflexivity.
      unfold range in *. lia.
    - apply (now_T i); assumption. }
  split; apply load_same; intros a Ha; rewrite K; auto.
Qed.

Lemma words_A : y_exch y <> Neither ->
  load 4 (mm s2) (T A + o_ctl X) = match y_exch y with
    Both => mx s0 | _ => load 4 (mm s0) (T A + o_ctl X) end /\
  load 2 (mm s2) (T A + o_ctl2 X) = cw s0.
Proof.
  intros E. destruct H1 as (_ & _ & _ & _ & W1 & _). pose proof (offsets P X_ok).
  assert (K : load 4 (mm s2) (T A + o_ctl X) = load 4 (mm s1) (T A + o_ctl X) /\
    load 2 (mm s2) (T A + o_ctl2 X) = load 2 (mm s1) (T A + o_ctl2 X)).
  { split; apply load_same; intros a Ha; rewrite K2; auto;
      apply (land_T A); try apply aliveA; unfold range; lia. }
  destruct K as [-> ->]. destruct (y_exch y); [destruct (E eq_refl)|..].
  - destruct W1 as [[W1 W2] _]. auto.
  - destruct W1 as (_ & W1 & W2 & _). auto.
Qed.

Lemma inv_switched : inv u2.
Proof.
  constructor.
  - unfold u2, switched. cbn [gh cur]. destruct (ctx_dec P B B) as [|N];
    [reflexivity|].
    destruct N. reflexivity.
  - exact HO.
  - intros i li Hi. destruct (gh_switched i li Hi) as (N & [[-> ->]|[NA H]]).
    + exact waits_A.
    + apply waits_other; assumption.
  - exact spaces_switched.
  - intros i Hi%alive_switched. unfold words_ok. cbn [st u2 switched].
    pose proof (inv_words P u HI A aliveA) as WA. pose proof (lv_exch _ _ _ _ HL) as CE.
    destruct (ctx_dec P i A) as [->|N]; [destruct (y_exch y) eqn:E|].
    + destruct (words_now A aliveA (fun _ => E)) as [-> ->]. exact WA.
    + destruct words_A as [-> ->]; [congruence|]. rewrite E. destruct CE as (M1 & M2 & _).
      split; assumption.
    + destruct words_A as [-> ->]; [congruence|]. rewrite E. destruct CE as [M2 _].
      split; [exact (proj1 WA) | exact M2].
    + destruct (words_now i Hi) as [-> ->]; [intros; contradiction|].
      exact (inv_words P u HI i Hi).
  - intros i Hi. unfold has_words. cbn [st wd u2 switched].
    destruct (gh_was i Hi) as [Hg|E].
    + destruct (ctx_dec P i (cur u)) as [E|N].
      { destruct Hg. rewrite E. exact (inv_cur P u HI). }
      destruct (words_now i) as [-> ->].
      * right. exact Hg.
      * intros; contradiction.
      * exact (inv_wd P u HI i Hg).
    + destruct (ctx_dec P i (cur u)) as [_|N]; [|destruct (N E)]. rewrite E.
      destruct (y_exch y) eqn:Ey.
      { destruct (words_now A aliveA (fun _ => Ey)) as [-> ->]. split; reflexivity. }
      all: destruct words_A as [-> ->]; [congruence|]; rewrite Ey; split; reflexivity.
Qed.
End Whole.

Theorem switch_correct :
  reach (b64 X) (code P) (calls (l_kind l) (sw_prot u y B)) (sw_prot u y B)
    (valid u y B l) (may_write u y l)
    (fun s' => found u (y_exch y) B l s' /\ inv (switched u y B ret s')) (st u).
Proof.
  pose proof fitsB as [G1 G2]. pose proof placesB as PL. pose proof room_A as RA.
  pose proof (offsets P X_ok) as O. pose proof n_ok as N.
  eapply reach_trans.
  - eapply reach_mono; [| | |exact first_half].
    + intros s [Hi Hp]. split; [exact Hi|]. fold r0 n k g.
      destruct (out_off_A s Hp) as [[_ R]|[_ R]]; [left|right]; fold A; [lia|].
      lia.
    + intros a Ha. left. exact Ha.
    + intros s Hs. exact Hs.
  - intros s1 H1. eapply reach_mono; [| | |exact (second_half s1 H1)].
    + intros s [Hi Hp]. split; [exact Hi|]. right. fold k g. unfold land_place in Hp.
      lia.
    + intros a Ha. right. exact Ha.
    + intros s2 [H2 K2]. split; [eapply found_B; eauto | eapply inv_switched; eauto].
Qed.
End OneSwitch.
End Chain.
