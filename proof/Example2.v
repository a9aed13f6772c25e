(* SPDX-License-Identifier: Apache-2.0 *)
(* That a switch in place can be made: main calls aco_switch_in_place to a co that
   has not run yet, and to which its stack is given.

     0x10000 aco_t of main    0x30000 .. 0x31000 the stack, rsp 0x30ff0
     0x20000 aco_t of the co  0x50000 where aco_leave_place() keeps main's bytes *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain Place Runs Theorem1 Example1.
Require Text64 Text32 InPlace64 InPlace32.
Import ListNotations.
Open Scope Z_scope.

Definition unit_dec (x y : unit) : {x = y} + {x <> y}.
Proof. left. destruct x, y. reflexivity. Defined.

(* ---- to compute an execution --------------------------------------------------- *)

Section Go.
Variable b64 : bool.
Variable code : Z -> option (instr * Z).
Variables from to call : Z. (* from <= pc < to, but not call *)

Fixpoint go (n : nat) (s : state) : option state :=
  match n with
  | O => Some s
  | S n => if (from <=? pc s) && (pc s <? to) && negb (pc s =? call) then
      match step b64 code s with Some s1 => go n s1 | None => None end else None
  end.

Lemma go_path ext prot (region : state -> Prop) n : forall s s',
  (forall s, from <= pc s < to /\ pc s <> call -> region s) ->
  go n s = Some s' -> ~ region s' -> path b64 code ext prot region s s'.
Proof.
  induction n; intros s s' R G N; cbn [go] in G.
  - injection G as <-. apply p_end. exact N.
  - destruct ((from <=? pc s) && (pc s <? to) && negb (pc s =? call)) eqn:I;
    [|discriminate].
    destruct (step b64 code s) as [s1|] eqn:E; [|discriminate].
    assert (W : with_mem s1 (pc s1) (mm s1) = s1) by (destruct s1; reflexivity).
    eapply p_step; [apply R; lia | | apply (IHn s1 s' R G N)].
    rewrite <- W. apply one_instr; [exact E | reflexivity].
Qed.
End Go.

Definition got (o : option state) d := match o with Some s => s | None => d end.
Lemma got_it o d : match o with Some _ => true
  | None => false end = true -> o = Some (got o d).
Proof. destruct o; [reflexivity | discriminate]. Qed.

(* to prove something of each address in a range by computing it *)
Definition each (from : Z) (n : nat) (f : Z -> bool) :=
  forallb (fun i => f (from + Z.of_nat i)) (seq 0 n).
Lemma each_in from n f : each from n f = true ->
  forall a, from <= a < from + Z.of_nat n -> f a = true.
Proof.
  intros H a Ha. unfold each in H. rewrite forallb_forall in H.
  specialize (H (Z.to_nat (a - from))).
  replace (from + Z.of_nat (Z.to_nat (a - from))) with a in H by lia.
  apply H. apply in_seq. lia.
Qed.

(* ---- the world before and after the call --------------------------------------- *)

Definition top := 0x31000.
Definition r0 := 0x30ff0.
Definition kept_at := 0x50000.
Definition live := 6. (* words *)


Section State.
Variable X : arch.
Variable entry : Z.
Variable a_entry : bool -> Z.
Definition pm0 : mem :=
  let m := words X (words X (fun _ => 4) (T false)) (T true) in
  put X (put X (put X (put X m (T true) (a_entry false)) (T true + w X) (top + w X))
    (T true + o_fp X) function) r0 main.
Definition pf0 r := if reg_eqb r RSP then r0 else if reg_eqb r (freg X) then T false
  else if reg_eqb r (treg X) then T true else 0.
Definition ps0 := mk entry pf0 pm0 false false false 0x1f80 0x37f 0.
Definition pnew := {| l_kind := Entry false;
  l_snap := {| s_rf := fun _ => 0; s_sp := top + w X; s_ret := function |};
  l_red := 0; l_mem := pm0 |}.

(* What aco_leave_place() makes of s1. *)
Variables after a_switch : Z.
Variable s1 : state.
Definition pm2 : mem :=
  let low := r0 - np X * w X in let rc := rf s1 RSP in
  let m := fun a => if (kept_at <=? a) && (a <? kept_at + live * w X)
    then mm s1 (low + (a - kept_at)) else mm s1 a in
  put X (put X (put X (put X (put X m rc top) (rc + w X) kept_at) (rc + 2 * w X) 0)
    (rc + 3 * w X) 0) (T false) a_switch.
Definition ps2 := mk after (upd (rf s1) RAX 0) pm2 false false false (mx s1) (cw s1)
  0.
End State.

Ltac numbers := unfold apart2, used; cbn; unfold top, kept_at, live; lia.
(* a new co has left no byte *)
Ltac none a Ha := unfold keep_from, first, lowest in Ha; cbn in Ha;
  unfold top in Ha; lia.
Ltac kept := repeat split; vm_compute; first [reflexivity | discriminate].

(* ---- the proofs, for both architectures ---------------------------------------- *)

Ltac apart := constructor;
  [ intros [|] _; numbers | intros [|] _; numbers
  | intros [|] [|] _ _ N; first [destruct N; reflexivity | numbers]
  | intros [|] [|] _ _; numbers
  | intros i j _ _ N; destruct N; reflexivity
  | intros [|] [|] _ _ _; numbers
  | intros [|] [|] _ _ _; numbers ].

Ltac waiting := unfold waits;
  split; [|split; [|split; [|split; [|split; [|split]]]]];
  [ split; [|split]; vm_compute; reflexivity
  | intros a Ha; none a Ha
  | split; vm_compute; discriminate
  | split; vm_compute; [reflexivity | discriminate]
  | split; [outside | discriminate]
  | intros _; kept
  | discriminate ].

Ltac enters := constructor;
  [ reflexivity | reflexivity | reflexivity
  | intros r; destruct r; (split; vm_compute; [discriminate | reflexivity])
  | reflexivity | vm_compute; reflexivity | vm_compute; discriminate
  | split; [outside | discriminate]
  | reflexivity ].

Ltac by_bytes lo n f a R := apply Z.eqb_eq; refine (each_in lo n f _ a R);
  vm_compute; reflexivity.

(* n: bytes of a word; main has 6 words from low on *)
Ltac keeps u2 s1 n used low := constructor;
  [ split; [reflexivity|]; split; [vm_compute; reflexivity|]; split; [|split;
    [|reflexivity]];
    [ intros r; destruct r; (split; vm_compute; [discriminate | reflexivity])
    | intros r H; repeat destruct H as [<-|H]; try (vm_compute; reflexivity);
      destruct H ]
  | vm_compute; reflexivity | reflexivity | reflexivity | reflexivity
  | intros [|] li H N; [injection H as <- | destruct N; reflexivity];
    split; [reflexivity|]; split; [|left; reflexivity];
    split; [|split; [intros a Ha; none a Ha
                    |split; [intros _; kept | discriminate]]];
    intros a Ha;
    assert (R : 0x20000 <= a < 0x20000 + Z.of_nat used)
      by (destruct Ha as [Ha|[_ Ha]]; unfold range in Ha; cbn in Ha |- *; lia);
    by_bytes 0x20000 used (fun a => mm (st u2) a mod 256 =? mm s1 a mod 256) a R
  | intros i H; discriminate H
  | vm_compute; reflexivity
  | intros a Ha; by_bytes (0x10000 + Z.of_nat n) (3 * n)%nat
      (fun a => mm (st u2) a =? mm s1 a) a Ha
  | intros a Ha; unfold view;
    match goal with |- context [owns_dec ?x ?i] =>
      destruct (owns_dec x i) as [O|_]; [discriminate O|] end;
    by_bytes low (6 * n)%nat (fun a => (if top - 0 * Z.of_nat n <=? a then 0
      else mm (st u2) (in_save u2 false a)) mod 256 =? mm s1 a mod 256) a Ha
  | kept
  | repeat split; vm_compute; reflexivity
  | apart
  | intros [|] _; split; vm_compute; reflexivity
  | intros [|] _; split; vm_compute; reflexivity
  | left; vm_compute; reflexivity ].

(* ---- amd64 --------------------------------------------------------------------- *)

Module Place64.
Import Text64 Example64.
Definition leave (f : Z) (s : state) (ret : Z) (s1 : state) :=
  s1 = ps2 amd64 ret (c_at + C64.aco_switch_landing) s.
Definition P : setting := program64 code leave c_at e_at no_inline bool unit bool_dec
  unit_dec T (fun _ => tt) (fun _ => 0x30000) (fun _ => top).
Definition ways := ways64 code leave c_at e_at no_inline bool unit bool_dec unit_dec
  T (fun _ => tt) (fun _ => 0x30000) (fun _ => top).
Definition L := place64 c_at.
Definition start := ps0 amd64 (a_in_place L) (a_entry P).
Definition co := pnew amd64 (a_entry P).
Definition sv (i : bool) :=
  {| v_from := kept_at; v_words := if i then 0 else live; v_zeros := 0 |}.
Definition u : world P := Build_world P start false
  (fun i : bool => if i then Some co else None)
  (fun _ => Some false) sv (fun _ => (0x1f80, 0x37f)) (fun _ => 0).

Lemma holds : inv u.
Proof.
  constructor; [reflexivity | reflexivity | | apart | |].
  - intros [|] l; [intros [= <-]; waiting | discriminate].
  - intros [|] _; split; vm_compute; reflexivity.
  - intros [|] _; split; vm_compute; reflexivity.
Qed.

(* at the call *)
Definition s1 :=
  got (go true code c_at (c_at + Tactics.len C64.text) (a_call L) 11 start) start.

Lemma to_the_call : enters_place P L u true co s1.
Proof.
  split; [reflexivity|]. split; [enters|].
  apply (go_path true code c_at (c_at + Tactics.len C64.text) (a_call L)) with (n :=
    11%nat).
  - intros s [Hs N]. split; [left; left; exact Hs | exact N].
  - apply got_it. vm_compute. reflexivity.
  - intros [_ N]. apply N. vm_compute. reflexivity.
Qed.

(* after it *)
Definition u2 : world P := Build_world P (ps2 amd64 (a_after L) (a_switch P) s1) false
  (fun i : bool => Some (if i then co else leaving_A P start))
  (fun _ => None) sv (fun _ => (0x1f80, 0x37f)) (fun _ => 0).

Lemma main_is_kept : call_left P L (with_st u s1) true co (leaving_A P start) u2.
Proof. keeps u2 s1 8%nat 80%nat 0x30fd0. Qed.

(* It arrives in the function of the co, on the stack where main's bytes were. *)
Example arrives : exists s, pc s = function /\ rf s RSP = top /\
  runs P L ways u [Switched P u2 Neither true co s] (placed P u2 true s).
Proof.
  destruct (there_is_a_run_in_place64 _ leave _ _ no_inline c_range e_range c_code
    e_code
    _ _ _ _ _ _ _ _ u true co s1 u2 holds to_the_call) as [s R];
    [reflexivity | exact main_is_kept | discriminate |].
  exists s. split; [|split]; [| |exact R].
  all: destruct (always_back64 _ leave _ _ no_inline c_range e_range c_code e_code
    _ _ _ _ _ _ _ _ u _ _ holds R) as [_ F].
  all: apply Forall_inv in F; destruct F as [(_ & _ & F1 & F2 & _) _]; assumption.
Qed.
End Place64.

(* ---- i386 ---------------------------------------------------------------------- *)

Module Place32.
Import Text32 Example32.
Definition leave (f : Z) (s : state) (ret : Z) (s1 : state) :=
  s1 = ps2 i386 ret (c_at + C32.aco_switch_landing) s.
Definition P : setting := program32 code leave c_at e_at no_inline bool unit bool_dec
  unit_dec T (fun _ => tt) (fun _ => 0x30000) (fun _ => top).
Definition ways := ways32 code leave c_at e_at no_inline bool unit bool_dec unit_dec
  T (fun _ => tt) (fun _ => 0x30000) (fun _ => top).
Definition L := place32 c_at.
Definition start := ps0 i386 (a_in_place L) (a_entry P).
Definition co := pnew i386 (a_entry P).
Definition sv (i : bool) :=
  {| v_from := kept_at; v_words := if i then 0 else live; v_zeros := 0 |}.
Definition u : world P := Build_world P start false
  (fun i : bool => if i then Some co else None)
  (fun _ => Some false) sv (fun _ => (0x1f80, 0x37f)) (fun _ => 0).

Lemma holds : inv u.
Proof.
  constructor; [reflexivity | reflexivity | | apart | |].
  - intros [|] l; [intros [= <-]; waiting | discriminate].
  - intros [|] _; split; vm_compute; reflexivity.
  - intros [|] _; split; vm_compute; reflexivity.
Qed.

(* at the call *)
Definition s1 :=
  got (go false code c_at (c_at + Tactics.len C32.text) (a_call L) 9 start) start.

Lemma to_the_call : enters_place P L u true co s1.
Proof.
  split; [reflexivity|]. split; [enters|].
  apply (go_path false code c_at (c_at + Tactics.len C32.text) (a_call L)) with (n :=
    9%nat).
  - intros s [Hs N]. split; [left; left; exact Hs | exact N].
  - apply got_it. vm_compute. reflexivity.
  - intros [_ N]. apply N. vm_compute. reflexivity.
Qed.

(* after it *)
Definition u2 : world P := Build_world P (ps2 i386 (a_after L) (a_switch P) s1) false
  (fun i : bool => Some (if i then co else leaving_A P start))
  (fun _ => None) sv (fun _ => (0x1f80, 0x37f)) (fun _ => 0).

Lemma main_is_kept : call_left P L (with_st u s1) true co (leaving_A P start) u2.
Proof. keeps u2 s1 4%nat 48%nat 0x30fe8. Qed.

(* It arrives in the function of the co, on the stack where main's bytes were. *)
Example arrives : exists s, pc s = function /\ rf s RSP = top /\
  runs P L ways u [Switched P u2 Neither true co s] (placed P u2 true s).
Proof.
  destruct (there_is_a_run_in_place32 _ leave _ _ no_inline c_range e_range c_code
    e_code
    _ _ _ _ _ _ _ _ u true co s1 u2 holds to_the_call) as [s R];
    [reflexivity | exact main_is_kept | discriminate |].
  exists s. split; [|split]; [| |exact R].
  all: destruct (always_back32 _ leave _ _ no_inline c_range e_range c_code e_code
    _ _ _ _ _ _ _ _ u _ _ holds R) as [_ F].
  all: apply Forall_inv in F; destruct F as [(_ & _ & F1 & F2 & _) _]; assumption.
Qed.
End Place32.
