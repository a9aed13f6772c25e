(* SPDX-License-Identifier: Apache-2.0 *)
(* Any number of contexts on any number of stacks: what there is at one moment,
   and what holds at each.

     own k = Some A           B's bytes while A's lie on the stack: sv B

          | return    |            | return    |  where the function of a co returns
     hi k +-----------+       hi k +- - - - - -+  to: the same for all users of k
          | A's bytes |            |   zeros   |  words of zeros that nobody keeps
          +-----------+ low        +- - - - - -+       +-------+
          :           :            |   words   |  <--  | words |  at from
     lo k '- - - - - -'            +- - - - - -+ low   +-------+

   hi is align_retptr: the word there is no user's, and aco_entry alone writes it. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts.
Import ListNotations.
Open Scope Z_scope.

(* ---- bytes ------------------------------------------------------------------ *)

(* Memory has integers in its places, of which the lowest 8 bits count. *)
Definition same_bytes (from to : Z) (m' m : mem) :=
  forall a, from <= a < to -> m' a mod 256 = m a mod 256.

Lemma load_same n : forall m m' a,
  same_bytes a (a + Z.of_nat n) m' m -> load n m' a = load n m a.
Proof.
  induction n; intros m m' a H; cbn [load]; [reflexivity|].
  rewrite (H a) by lia. rewrite (IHn m m' (a + 1)); [reflexivity|].
  intros x Hx; apply H; lia.
Qed.

(* ---- the program --------------------------------------------------------------- *)

Record setting := {
  X : arch;
  code : Z -> option (instr * Z);
  ext : Z -> state -> Z -> state -> Prop;
  inside : state -> Prop;       (* in the text of the switch, also where it is inline *)
  at_land : bool -> Z -> Prop;  (* where inline switches land; true: clang's *)
  a_switch : Z; a_value : Z; a_entry : bool -> Z; a_entry_return : Z;
  ctx : Type;                   (* contexts, living or not *)
  stack : Type;
  ctx_dec : forall i j : ctx, {i = j} + {i <> j};
  stack_dec : forall i j : stack, {i = j} + {i <> j};
  T : ctx -> Z;                 (* the address of its aco_t *)
  stk : ctx -> stack;
  lo : stack -> Z; hi : stack -> Z
}.

Section World.
Variable P : setting.
Local Notation X := (X P).
Local Notation w := (w X).
Local Notation word m a := (load (Z.to_nat w) m a).
Local Notation used := (used X).
Local Notation form := (form X (a_switch P) (a_value P) (a_entry P)).
Local Notation ctx := (ctx P).
Local Notation T := (T P).
Local Notation top i := (hi P (stk P i)).
Local Notation edge i := (hi P (stk P i) + w).
Local Notation bottom i := (lo P (stk P i)).

(* How a suspended context left, and the memory then. *)
Record leaving := {
  l_kind : kind; l_snap : snap;
  l_red : Z;  (* so many bytes below its stack pointer it needs: inline code may *)
  l_mem : mem
}.

(* Where the bytes of a suspended context lie that doesn't own its stack. *)
Record save := { v_from : Z; v_words : Z; v_zeros : Z }.

Record world := {
  st : state;
  cur : ctx;
  gh : ctx -> option leaving;     (* None: it runs, or is no more, or is not yet *)
  own : stack P -> option ctx;    (* whose bytes lie on the stack *)
  sv : ctx -> save;
  wd : ctx -> Z * Z;              (* the control words in its aco_t: MXCSR, x87's *)
  sent : ctx -> Z                 (* what was sent to it, if it waits for a value *)
}.

Definition alive u i := i = cur u \/ gh u i <> None.
Definition owns u i := own u (stk P i) = Some i.
Lemma owns_dec u i : {owns u i} + {~ owns u i}.
Proof.
  unfold owns. destruct (own u (stk P i)) as [j|]; [|right; discriminate].
  destruct (ctx_dec P j i); [left; congruence | right; congruence].
Qed.

(* The bytes on the stack of i, as i sees them when it runs. *)
Definition in_save (u : world) i a :=
  v_from (sv u i) + (a - (top i - (v_words (sv u i) + v_zeros (sv u i)) * w)).
Definition view u i a :=
  if owns_dec u i then mm (st u) a
  else if top i - v_zeros (sv u i) * w <=? a then 0
  else mm (st u) (in_save u i a).

(* ---- places of what a suspended context has left ------------------------------- *)

(* The lowest byte that it needs. *)
Definition lowest l := kept_sp X (l_kind l) (l_snap l) - l_red l.
(* Its own bytes begin here; below is what the switch has pushed. *)
Definition first l := s_sp (l_snap l) - l_red l.
(* Here begins what may not change: the sender of a value stores it below. *)
Definition keep_from l :=
  match l_kind l with Value => lowest l + w | _ => lowest l end.
Definition red_ok l :=
  0 <= l_red l <= match l_kind l with Inline _ => red X | _ => 0 end.
(* The bytes of its aco_t that the form speaks of. *)
Definition fixed k t a := range t (4 * w) a \/ is_new k /\ range (t + o_fp X) w a.
(* The landing, from where to where the stack pointer moves. *)
Definition land_from k g := match k with
  | Fun | Value | Inline _ => kept_sp X k g | Entry _ => s_sp g - w end.
Definition land_to k g := match k with
  | Fun | Value => s_sp g + w | Inline _ | Entry _ => s_sp g end.
(* Where it goes on after the landing. *)
Definition cont k g := match k with
  | Inline b => s_ret g + (if b then 4 + (if b64 X then 4 else 3) else 4)
  | _ => s_ret g end.
Definition goes_on k g :=
  (forall s, pc s = cont k g -> ~ inside P s) /\
  (forall b, k = Inline b -> at_land P b (s_ret g)).

(* Bytes that the landing writes below: where the function of a co returns to. *)
Definition below k := match k with Entry _ => w | _ => 0 end.
(* A new co begins above the word that it will return to. *)
Definition above k := match k with Entry _ => w | _ => 0 end.

(* All of it is on its stack. *)
Definition fits i l :=
  bottom i < lowest l - below (l_kind l) /\
  land_to (l_kind l) (l_snap l) <= top i + above (l_kind l).

(* ---- the invariant ------------------------------------------------------------- *)

(* A context that doesn't own its stack has its bytes in one place, but for
   zeros at the top. *)
Definition kept_apart u i l :=
  let s := sv u i in
  0 <= v_words s /\ 0 <= v_zeros s /\ 0 <= v_from s /\
  v_from s + v_words s * w <= W X /\
  Z.min (lowest l) (top i) = top i - (v_words s + v_zeros s) * w.

Definition waits u i l :=
  let k := l_kind l in let g := l_snap l in
  form (mm (st u)) (view u i) (T i) k g /\
  same_bytes (first l) (top i) (view u i) (l_mem l) /\
  red_ok l /\ fits i l /\ goes_on k g /\
  (~ owns u i -> kept_apart u i l) /\
  (k = Value -> word (view u i) (kept_sp X k g) = sent u i).

(* Things of living contexts are apart. *)
Record spaces u : Prop := {
  sp_T i : alive u i -> 0 <= T i /\ T i + used <= W X;
  sp_stk i : alive u i -> 0 <= bottom i /\ bottom i <= top i /\ edge i <= W X - w;
  sp_TT i j : alive u i -> alive u j -> i <> j -> apart2 (T i) used (T j) used;
  sp_TS i j : alive u i -> alive u j ->
    apart2 (T i) used (bottom j) (edge j - bottom j);
  sp_SS i j : alive u i -> alive u j -> stk P i <> stk P j ->
    apart2 (bottom i) (edge i - bottom i) (bottom j) (edge j - bottom j);
  sp_VT i j : gh u i <> None -> ~ owns u i -> alive u j ->
    apart2 (v_from (sv u i)) (v_words (sv u i) * w) (T j) used;
  sp_VS i j : gh u i <> None -> ~ owns u i -> alive u j ->
    apart2 (v_from (sv u i)) (v_words (sv u i) * w) (bottom j) (edge j - bottom j)
}.

Definition has_words u i :=
  load 4 (mm (st u)) (T i + o_ctl X) = fst (wd u i) /\
  load 2 (mm (st u)) (T i + o_ctl2 X) = snd (wd u i).

Record inv u : Prop := {
  inv_cur : gh u (cur u) = None;
  inv_own : owns u (cur u);
  inv_waits i l : gh u i = Some l -> waits u i l;
  inv_spaces : spaces u;
  inv_words i : alive u i -> words_ok X (mm (st u)) (T i);
  inv_wd i : gh u i <> None -> has_words u i
}.

(* ---- lemmas -------------------------------------------------------------------- *)

Hypothesis X_ok : X = amd64 \/ X = i386.

Lemma offsets : 4 <= w /\ 0 <= red X /\ 4 * w <= o_ctl X /\
  o_ctl X + 4 <= o_ctl2 X /\ o_ctl2 X + 2 <= o_fp X /\ used = o_fp X + w /\
    0 <= np X * w.
Proof. destruct X_ok as [-> | ->]; unfold Contracts.used, np; cbn; lia. Qed.

Lemma places l : red_ok l ->
  let k := l_kind l in let g := l_snap l in
  lowest l <= keep_from l <= first l /\
  kept_sp X k g <= s_sp g <= land_to k g /\ high X k g = land_to k g /\
  lowest l - below k <= land_from k g /\ 0 <= below k /\
  land_from k g <= kept_sp X k g <= land_to k g /\
  first l <= land_to k g - l_red l /\ 0 <= l_red l /\
  lowest l = kept_sp X k g - l_red l /\
  0 <= above k <= w /\ (above k = 0 \/ lowest l = land_to k g).
Proof.
  pose proof offsets. unfold red_ok, first, keep_from, lowest, high, below, above.
  destruct (l_kind l); cbn [kept_sp land_to land_from]; lia.
Qed.

Lemma word_same m m' a : same_bytes a (a + w) m' m -> word m' a = word m a.
Proof.
  intros H. apply load_same. rewrite Z2Nat.id by (pose proof offsets; lia). exact H.
Qed.

Lemma pushes_same v v' rs f : forall p,
  same_bytes (p - Z.of_nat (length rs) * w) p v' v ->
  pushes X v p rs f -> pushes X v' p rs f.
Proof.
  pose proof offsets as O.
  induction rs as [|r rs IH]; intros p H; [trivial|].
  cbn [pushes length] in *. intros [H1 H2]. split.
  - rewrite <- H1. apply word_same. intros a Ha. apply H.
    rewrite Nat2Z.inj_succ. lia.
  - apply IH; [|exact H2]. intros a Ha. apply H. rewrite Nat2Z.inj_succ. lia.
Qed.

(* A form stays while nobody changes what it speaks of. *)
Lemma form_same m m' v v' t l :
  let k := l_kind l in let g := l_snap l in
  form m v t k g -> red_ok l ->
  (forall a, fixed k t a -> m' a mod 256 = m a mod 256) ->
  same_bytes (keep_from l) (high X k g) v' v ->
  form m' v' t k g.
Proof.
  pose proof offsets as O. intros k g F HR HT HV.
  assert (WT : forall d, 0 <= d -> d + w <= 4 * w ->
    word m' (t + d) = word m (t + d)).
  { intros d d0 d1. apply word_same. intros a Ha. apply HT. left. unfold range. lia. }
  assert (WV : forall a, keep_from l <= a -> a + w <= high X k g ->
    word v' a = word v a).
  { intros a a0 a1. apply word_same. intros b Hb. apply HV. lia. }
  assert (W0 := WT 0). rewrite Z.add_0_r in W0.
  destruct F as [F1 F]. split; [rewrite WT by lia; exact F1|].
  unfold high, keep_from, lowest, red_ok in *. fold k g in HR, HV, WV.
  destruct k; cbn [kept_sp] in *; unfold np in *.
  - destruct F as (A & B & C & D & E).
    rewrite W0, !WT, WV by lia. repeat split; try assumption.
    eapply pushes_same; [|exact D]. intros a Ha. apply HV. lia.
  - destruct F as (A & B & C & D & E).
    rewrite W0, !WT, WV by lia. repeat split; try assumption.
    eapply pushes_same; [|exact D]. intros a Ha. apply HV. lia.
  - rewrite W0, !WT by lia. exact F.
  - rewrite W0 by lia. destruct F as [F2 F3]. split; [exact F2|].
    rewrite <- F3. apply word_same. intros a Ha. apply HT. right. split; [|exact Ha].
    eexists. reflexivity.
Qed.

Lemma view_owner u i : owns u i -> view u i = mm (st u).
Proof. intros H. unfold view. destruct (owns_dec u i);
  [reflexivity|contradiction]. Qed.

Lemma in_save_range u i l a : kept_apart u i l -> lowest l <= a ->
  a < top i - v_zeros (sv u i) * w ->
  range (v_from (sv u i)) (v_words (sv u i) * w) (in_save u i a).
Proof. unfold kept_apart, range, in_save. intros (A & B & C & D & E) F G. lia. Qed.

(* ---- what the program does between switches ------------------------------------ *)

(* The context goes on waiting: the bytes may move, but it doesn't see that. *)
Definition stays u u' i l :=
  let k := l_kind l in let g := l_snap l in
  (forall a, fixed k (T i) a -> mm (st u') a mod 256 = mm (st u) a mod 256) /\
  same_bytes (keep_from l) (top i) (view u' i) (view u i) /\
  (~ owns u' i -> kept_apart u' i l) /\
  (k = Value -> word (view u' i) (kept_sp X k g) = sent u' i).

(* The words in the aco_t are those of before, or of the processor, perhaps of x87
   alone: the library saves there what the resumer of a co is to find. *)
Definition words_stay u u' i :=
  wd u' i = wd u i \/ wd u' i = (mx (st u), cw (st u)) \/
  wd u' i = (fst (wd u i), cw (st u)).

(* The program runs, the C code of the library included.  It may make contexts,
   destroy those that wait, and move bytes, for which it has to make room.  Other
   threads may take contexts that wait, and leave others that do; and the running
   one may become another: a thread can have several main cos. *)
Record ran u u' : Prop := {
  rn_cur : gh u' (cur u') = None;
  rn_own : owns u' (cur u');
  rn_gh i l : gh u' i = Some l ->
    gh u i = Some l /\ stays u u' i l /\ words_stay u u' i \/
    gh u i = None /\ waits u' i l;
  rn_spaces : spaces u';
  rn_words i : alive u' i -> words_ok X (mm (st u')) (T i);
  rn_wd i : gh u' i <> None -> has_words u' i
}.

(* A context is no more. *)
Definition ended u i : world :=
  {| st := st u; cur := cur u;
     gh := fun j => if ctx_dec P j i then None else gh u j;
     own := fun k => match own u k with
       | Some j => if ctx_dec P j i then None else Some j | None => None end;
     sv := sv u; wd := wd u; sent := sent u |}.

Definition with_st u s : world :=
  {| st := s; cur := cur u; gh := gh u; own := own u; sv := sv u; wd := wd u;
     sent := sent u |}.

Lemma stays_waits u u' i l : waits u i l -> stays u u' i l -> waits u' i l.
Proof.
  intros (F & V & R & FT & G & _) (HT & HV & S & E).
  pose proof (places l R) as PL. cbv zeta in PL. destruct FT as [FT1 FT2].
  split; [|split; [|split; [|split; [split|split; [|split]]]]]; try assumption.
  - eapply form_same; [exact F | exact R | exact HT |].
    intros a Ha. apply HV. lia.
  - intros a Ha. rewrite HV by lia. apply V. exact Ha.
Qed.

Lemma ran_inv u u' : inv u -> ran u u' -> inv u'.
Proof.
  intros HI R. constructor.
  - exact (rn_cur _ _ R).
  - exact (rn_own _ _ R).
  - intros i l H. destruct (rn_gh _ _ R _ _ H) as [(H1 & H2 & _)|(_ & H1)];
    [|exact H1].
    apply (stays_waits u); [|exact H2]. apply (inv_waits u HI). exact H1.
  - apply (rn_spaces _ _ R).
  - apply (rn_words _ _ R).
  - apply (rn_wd _ _ R).
Qed.

Lemma ended_owns u i j : owns (ended u i) j <-> owns u j /\ j <> i.
Proof.
  unfold owns, ended; cbn [own]. destruct (own u (stk P j)) as [x|]; [|split;
    [|intros []]; discriminate].
  destruct (ctx_dec P x i) as [->|N].
  - split; [discriminate|]. intros [[= ->] N]. destruct (N eq_refl).
  - split; [intros [= ->]; auto | intros [E _]; exact E].
Qed.

Lemma ended_inv u i : inv u -> i <> cur u -> inv (ended u i).
Proof.
  intros HI N.
  assert (AL : forall j, alive (ended u i) j -> alive u j).
  { intros j. unfold alive, ended. cbn [gh cur]. destruct (ctx_dec P j i); tauto. }
  assert (GH : forall j l, gh (ended u i) j = Some l -> gh u j = Some l /\ j <> i).
  { intros j l. unfold ended. cbn [gh]. destruct (ctx_dec P j i);
    [discriminate|auto]. }
  assert (GN : forall j, gh (ended u i) j <> None -> gh u j <> None /\ j <> i).
  { intros j. unfold ended. cbn [gh]. destruct (ctx_dec P j i); [intros [];
    reflexivity|auto]. }
  assert (OW : forall j, j <> i -> ~ owns (ended u i) j -> ~ owns u j).
  { intros j Nj H1 H2. apply H1. apply ended_owns. auto. }
  assert (VW : forall j, j <> i -> view (ended u i) j = view u j).
  { intros j Nj. unfold view. destruct (owns_dec u j) as [O|O], (owns_dec (ended u i)
    j) as [O'|O'].
    - reflexivity.
    - destruct O'. apply ended_owns. auto.
    - apply ended_owns in O'. tauto.
    - reflexivity. }
  pose proof (inv_spaces u HI) as S.
  constructor.
  - unfold ended. cbn [gh cur]. destruct (ctx_dec P (cur u) i);
    [reflexivity | apply (inv_cur u HI)].
  - apply ended_owns. split; [apply (inv_own u HI) | intros E; exact (N (eq_sym E))].
  - intros j l H. destruct (GH j l H) as [H1 Nj].
    destruct (inv_waits u HI j l H1) as (F & V & R & FT & G & K & E).
    unfold waits. rewrite (VW j Nj). auto 10.
  - constructor; intros.
    + apply (sp_T u S); auto.
    + apply (sp_stk u S); auto.
    + apply (sp_TT u S); auto.
    + apply (sp_TS u S); auto.
    + apply (sp_SS u S); auto.
    + apply (sp_VT u S); auto; apply GN in H; [tauto|]. apply OW; tauto.
    + apply (sp_VS u S); auto; apply GN in H; [tauto|]. apply OW; tauto.
  - intros j Hj. apply (inv_words u HI). auto.
  - intros j Hj. apply (inv_wd u HI). apply GN in Hj. tauto.
Qed.
End World.
Arguments st {P}. Arguments cur {P}. Arguments gh {P}. Arguments own {P}.
Arguments sv {P}. Arguments wd {P}. Arguments sent {P}. Arguments alive {P}.
Arguments owns {P}.
Arguments owns_dec {P}. Arguments view {P}. Arguments in_save {P}.
Arguments kept_apart {P}. Arguments waits {P}. Arguments spaces {P}. Arguments inv
  {P}.
Arguments has_words {P}. Arguments stays {P}. Arguments words_stay {P}. Arguments ran
  {P}.
Arguments ended {P}. Arguments with_st {P}.
