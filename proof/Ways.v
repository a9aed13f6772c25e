(* SPDX-License-Identifier: Apache-2.0 *)
(* From the contracts of the routines to what Runs.v asks for. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain Place.
Import ListNotations.
Open Scope Z_scope.

Section Ways.
Variable P : setting.
Local Notation X := (X P).
Local Notation w := (w X).
Local Notation word m a := (load (Z.to_nat w) m a).
Local Notation out ext prot ins :=
  (out_spec X (a_switch P) (a_value P) (a_entry P) (code P) ext ins prot).
Local Notation land ext prot ins := (land_spec X (a_switch P) (a_value P) (a_entry P)
  (a_entry_return P) (code P) ext ins prot).
Hypothesis X_ok : X = amd64 \/ X = i386.

(* The text of each contract is a part of that of all. *)
Variable ins : state -> Prop.
Hypothesis ins_inside : forall s, ins s -> inside P s.

(* aco_switch and the like *)
Definition func entry exch k land : way :=
  {| y_kind := k; y_exch := exch; y_red := 0;
     y_room := match k with Value => (np X + 1) * w | _ => np X * w end;
     y_start := fun s ta tb ret => pc s = entry /\ rf s (freg X) = ta /\
       rf s (treg X) = tb /\ rf s (lreg X) = land /\ ret = word (mm s) (rf s RSP) |}.

(* inline: its text lies at p, and lands at ret; who leaves keeps red bytes *)
Definition inl (at_p : Z -> Z -> Prop) exch with_bx n red : way :=
  {| y_kind := Inline with_bx; y_exch := exch; y_red := red; y_room := n;
     y_start := fun s ta tb ret => exists p, at_p p ret /\ pc s = p /\
       rf s (inl_from X) = ta /\ rf s (creg X) = tb |}.

Lemma func_ok entry exch k land : k = Fun \/ k = Value ->
  (forall ext prot, out ext prot ins entry exch k land) ->
  way_ok P (func entry exch k land).
Proof.
  intros K H. split.
  { unfold room_ok. destruct K as [-> | ->]; cbn; split; reflexivity. }
  intros ext prot s ta tb ret sb r0 n (S1 & S2 & S3 & S4 & ->) R Hsb SA AP PR WO CE.
  eapply reach_mono; [| | | apply (H ext prot s ta tb r0 sb)]; try assumption;
    try reflexivity.
  - intros s' [I1 I2]. split; [apply ins_inside; exact I1 | exact I2].
  - intros a Ha. exact Ha.
  - intros s' Q. exact Q.
  - intros _. exact WO.
Qed.

Lemma inl_ok at_p exch with_bx n red :
  0 <= n -> 0 <= red <= Contracts.red X -> n = 0 \/ red = 0 ->
  (forall ext prot, inline_spec X (a_switch P) (a_value P) (a_entry P) (code P) ext
     prot at_p ins exch with_bx n) ->
  way_ok P (inl at_p exch with_bx n red).
Proof.
  intros N0 R0 N1 H. split; [unfold room_ok; cbn; auto|].
  intros ext prot s ta tb ret sb r0 m (p & S1 & S2 & S3 & S4) R Hsb SA AP PR WO CE.
  assert (O : 4 <= w) by apply (offsets P X_ok).
  eapply reach_mono; [| | | apply (H ext prot s p ret ta tb r0 sb)]; try assumption;
    try reflexivity.
  - intros s' [I1 I2]. split; [apply ins_inside; exact I1 | exact I2].
  - intros a Ha. exact Ha.
  - intros s' ((Q1 & Q2 & Q3) & K). cbv beta. split; [|exact K].
    split; [exact Q1|]. split; [exact Q2|]. split; [discriminate | exact Q3].
  - unfold out_apart, apart2 in *. change m with n in *. lia.
  - intros s' Hs. destruct (PR s' Hs) as [P1 P2]. split; [exact P1|].
    intros a Ha. apply P2. change m with n. lia.
  - intros _. exact WO.
Qed.

Lemma fun_land_ok k : k = Fun \/ k = Value -> (forall ext prot, land ext prot ins k) ->
  land_ok P k.
Proof.
  intros K H prot s t g from to A F _ LA LP _.
  assert (E : from = low X k g /\ to = s_sp g + w)
    by (unfold from, to; destruct K as [-> | ->]; split; reflexivity).
  destruct E as [E1 E2]. rewrite E1, E2 in *.
  eapply reach_mono; [| | | destruct K as [-> | ->]; apply (H _ prot s t g);
    assumption].
  - intros s' [I1 I2]. split; [apply ins_inside; exact I1 | exact I2].
  - intros a [].
  - intros s' [Q KP]. split; [exact Q|]. intros a _ Hp. apply KP;
    [intros [] | exact Hp].
Qed.

Lemma new_land_ok tools : let k := Entry tools in
  (forall prot, land (calls P k prot) prot ins k) -> land_ok P k.
Proof.
  intros k H prot s t g from to A F _ LA LP AP.
  assert (N : is_new k) by (exists tools; reflexivity).
  eapply reach_mono; [| | | apply (H prot s t g); auto].
  - intros s' [I1 I2]. split; [apply ins_inside; exact I1 | exact I2].
  - intros a Ha. split; [exact N | exact Ha].
  - intros s' [Q KP]. split; [exact Q|]. intros a NM Hp. apply KP; [|exact Hp].
    intros Ha. apply NM. split; [exact N | exact Ha].
Qed.

Lemma inl_land_ok b :
  (forall ext prot, inline_landing_spec X (a_switch P) (a_value P) (a_entry P)
     (a_entry_return P) (code P) ext prot (at_land P b) ins b) ->
  land_ok P (Inline b).
Proof.
  intros H prot s t g from to A F G LA LP _.
  assert (E : from = s_sp g /\ to = s_sp g) by (split; reflexivity).
  destruct E as [E1 E2]. rewrite E1, E2 in *.
  unfold land_apart, land_prot, land_place in *.
  eapply reach_mono; [| | | apply (H _ prot s t g); auto].
  - intros s' [I1 I2]. split; [apply ins_inside; exact I1 | cbv beta in I2; lia].
  - intros a [].
  - intros s' [Q KP]. split; [exact Q|]. intros a _ Hp. apply KP; [intros []|].
    intros s2 E. apply Hp. lia.
  - lia.
  - intros s1 Hs. apply LP. lia.
Qed.

(* In place *)
Lemma place_pieces L :
  4 * w <= gap L -> In (breg L) (pushed X) ->
  (forall prot, in_place_call_spec X (code P) (fun _ _ _ _ => False) ins prot (gap L)
     (breg L) (mreg L) (a_in_place L) (a_call L)) ->
  (forall ext prot, in_place_copy_spec X (code P) ext ins prot (breg L) (a_after L))
    ->
  (forall prot, in_place_fails_spec X (code P) (ext P) ins prot (gap L) (breg L)
     (a_after L)) ->
  (exists n, code P (a_call L) = Some (CallX x_aco_leave_place, n) /\
     a_call L + n = a_after L) ->
  pieces_ok P L.
Proof.
  intros H1 H2 H3 H4 H5 H6. constructor; try assumption.
  all: intros; red; cbv zeta; intros.
  1: eapply reach_mono; [| | | eapply H3; eassumption].
  4: eapply reach_mono; [| | | eapply H4; eassumption].
  7: eapply reach_mono; [| | | eapply H5; eassumption].
  all: first [intros s' [I1 I2]; split; [apply ins_inside; exact I1 | exact I2]
             | intros x Hx; exact Hx].
Qed.
End Ways.
