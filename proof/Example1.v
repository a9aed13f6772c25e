(* SPDX-License-Identifier: Apache-2.0 *)
(* That the hypotheses of theorem 1 can be met: a context and a co that has not run
   yet, with numbers for everything, and a call of aco_switch from the one to the
   other; on i386 it is aco_switch_fpenv, with SSE or without.  The co begins in
   aco_entry or, if tools, in aco_entry_tools, whose call of C returns at once.

     0x10000 aco_t of main       0x30000 .. 0x31000 its stack; rsp 0x30f00
     0x20000 aco_t of the co     0x40000 .. 0x41000 its stack, empty
     0x1000 context.S  0x2000 entry.S  0x500000 main  0x600000 the co's function *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain Runs Ways Theorem1.
Require Text64 Text32 Switch64 Switch32.
Import ListNotations.
Open Scope Z_scope.

(* ---- two texts in memory ------------------------------------------------------- *)

Section Texts.
Variable b : bool.
Variables (ct : list Z) (cr : list (Z * Z)) (et : list Z) (er : list (Z * Z)).

Definition c_at := 0x1000.
Definition e_at := 0x2000.
Definition both p :=
  if p <? e_at then decode b ct cr (p - c_at) else decode b et er (p - e_at).

Lemma decode_within text relocs o x :
  decode b text relocs o = Some x -> 0 <= o < Z.of_nat (length text).
Proof.
  unfold decode. destruct (o <? 0) eqn:N; [discriminate|]. intros H. split; [lia|].
  destruct (Z_lt_le_dec o (Z.of_nat (length text))) as [L|L]; [exact L|].
  rewrite skipn_all2 in H by lia. cbn in H. discriminate.
Qed.

Lemma c_both k x : c_at + Z.of_nat (length ct) <= e_at ->
  decode b ct cr k = Some x -> both (c_at + k) = Some x.
Proof.
  intros L H. pose proof (decode_within _ _ _ _ H). unfold both.
  replace (c_at + k <? e_at) with true by lia.
  replace (c_at + k - c_at) with k by lia.
  exact H.
Qed.

Lemma e_both k x : decode b et er k = Some x -> both (e_at + k) = Some x.
Proof.
  intros H. pose proof (decode_within _ _ _ _ H). unfold both.
  replace (e_at + k <? e_at) with false by lia.
  replace (e_at + k - e_at) with k by lia.
  exact H.
Qed.
End Texts.

(* ---- two contexts: false is main, true the co ---------------------------------- *)

Definition T (i : bool) := if i then 0x20000 else 0x10000.
Definition lo (k : bool) := if k then 0x40000 else 0x30000.
Definition hi (k : bool) := if k then 0x41000 else 0x31000.
Definition sp := 0x30f00.
Definition returns (f : Z) (s : state) (ret : Z) (s1 : state) := s1 = with_pc s ret.
Definition no_inline (s : state) := False.
Definition main := 0x500000.
Definition function := 0x600000.

Section State.
Variable X : arch.
Variables entry land : Z.
Variable a_entry : bool -> Z.
Variable tools : bool. (* the co begins in aco_entry_tools *)
Variable flags : Z.    (* of each aco_t, and in all bytes of which nothing is said *)
Definition put m a v := store (Z.to_nat (w X)) m a v.
Definition words m t := store 2 (store 4 m (t + o_ctl X) 0x1f80) (t + o_ctl2 X) 0x37f.
Definition m0 : mem :=
  let m := words (words (fun _ => flags) (T false)) (T true) in
  put (put (put (put m (T true) (a_entry tools)) (T true + w X) (hi true + w X))
    (T true + o_fp X) function) sp main.
Definition f0 r := if reg_eqb r RSP then sp else if reg_eqb r (freg X) then T false
  else if reg_eqb r (treg X) then T true else if reg_eqb r (lreg X) then land else 0.
Definition s0 := mk entry f0 m0 false false false 0x1f80 0x37f 0.
Definition new_co := {| l_kind := Entry tools;
  l_snap := {| s_rf := fun _ => 0; s_sp := hi true + w X; s_ret := function |};
  l_red := 0; l_mem := m0 |}.
End State.

Ltac outside := let s := fresh in let E := fresh in let H := fresh in
  intros s E [[H|H]|[]]; unfold Tactics.within, Tactics.len in H; rewrite E in H;
  destruct H as [_ H]; vm_compute in H; discriminate H.
Ltac numbers := unfold apart2, used; cbn; lia.
Ltac waiting := unfold waits; rewrite view_owner by reflexivity;
  split; [|split; [|split; [|split; [|split; [|split]]]]];
  [ split; [|split]; vm_compute; reflexivity
  | intros a _; reflexivity
  | split; vm_compute; discriminate
  | split; vm_compute; [reflexivity | discriminate]
  | split; [outside | discriminate]
  | intros N; destruct N; reflexivity
  | discriminate ].
Ltac apart := constructor;
  [ intros [|] _; numbers | intros [|] _; numbers
  | intros [|] [|] _ _ N; first [destruct N; reflexivity | numbers]
  | intros [|] [|] _ _; numbers
  | intros [|] [|] _ _ N; first [destruct N; reflexivity | numbers]
  | intros [|] j _ N; destruct N; reflexivity
  | intros [|] j _ N; destruct N; reflexivity ].
Ltac calls way := split; [apply way |]; split; [reflexivity|]; split; [reflexivity|];
  split; [discriminate|]; split; [constructor|];
  [ repeat split; vm_compute; reflexivity
  | intros r; destruct r; (split; vm_compute; [discriminate | reflexivity])
  | vm_compute; reflexivity | vm_compute; reflexivity | vm_compute; discriminate
  | split; [outside | discriminate]
  | first [exact I | repeat split; intros; vm_compute; reflexivity]
  | intros _ s1 n f _ _; split; [eexists; reflexivity | intros s2 ->; repeat split] ].
Ltac meets := constructor;
  [ reflexivity | reflexivity
  | intros [|] l; [intros [= <-]; waiting | discriminate]
  | apart
  | intros [|] _; split; vm_compute; reflexivity
  | intros [|] _; split; vm_compute; reflexivity ].

(* ---- amd64 --------------------------------------------------------------------- *)

Module Example64.
Import Text64.
Definition code := both true C64.text C64.relocs E64.text E64.relocs.
Lemma c_range : 0 <= c_at /\ c_at + Z.of_nat (length C64.text) < 2 ^ 64.
Proof. split; vm_compute; [discriminate | reflexivity]. Qed.
Lemma e_range : 0 <= e_at /\ e_at + Z.of_nat (length E64.text) < 2 ^ 64.
Proof. split; vm_compute; [discriminate | reflexivity]. Qed.
Lemma c_code k x : decode true C64.text C64.relocs k = Some x ->
  code (c_at + k) = Some x.
Proof. apply c_both. vm_compute. discriminate. Qed.
Lemma e_code k x : decode true E64.text E64.relocs k = Some x ->
  code (e_at + k) = Some x.
Proof. apply e_both. Qed.

Definition P : setting := program64 code returns c_at e_at
  no_inline bool bool bool_dec bool_dec T (fun i => i) lo hi.
Definition u tools : world P := Build_world P
  (s0 amd64 (c_at + C64.aco_switch) (a_switch P) (a_entry P) tools 0) false
  (fun i : bool => if i then Some (new_co amd64 (a_entry P) tools 0) else None)
  (fun k : bool => Some k) (fun _ => {| v_from := 0; v_words := 0; v_zeros := 0 |})
  (fun _ => (0x1f80, 0x37f)) (fun _ => 0).
Definition y := func P (c_at + C64.aco_switch) Neither Fun (a_switch P).
Definition ways := ways64 code returns c_at e_at no_inline bool bool bool_dec
  bool_dec
  T (fun i => i) lo hi.

Lemma holds tools : inv (u tools).
Proof. destruct tools; meets. Qed.

Lemma is_called tools :
  switches P ways (u tools) y true (new_co amd64 (a_entry P) tools 0) main.
Proof. destruct tools; calls w_switch. Qed.

(* It arrives in the function of the co. *)
Example arrives tools : exists s, pc s = function /\ rf s RSP = hi true /\
  runs P (place64 c_at) ways (u tools)
    [Switched P (u tools) Neither true (new_co amd64 (a_entry P) tools 0) s]
    (switched P (u tools) y true main s).
Proof.
  destruct (there_is_a_run64 _ returns _ _ no_inline c_range e_range c_code e_code
    _ _ _ _ _ _ _ _ (u tools) y _ _ _ (holds tools) (is_called tools)) as [s R].
  exists s. split; [|split]; [| |exact R].
  all: destruct (always_back64 _ returns _ _ no_inline c_range e_range c_code e_code
    _ _ _ _ _ _ _ _ (u tools) _ _ (holds tools) R) as [_ F].
  all: apply Forall_inv in F; destruct F as [(_ & _ & F1 & F2 & _) _]; assumption.
Qed.
End Example64.

(* ---- i386 ---------------------------------------------------------------------- *)

Module Example32.
Import Text32.
Definition code := both false C32.text C32.relocs E32.text E32.relocs.
Lemma c_range : 0 <= c_at /\ c_at + Z.of_nat (length C32.text) < 2 ^ 32.
Proof. split; vm_compute; [discriminate | reflexivity]. Qed.
Lemma e_range : 0 <= e_at /\ e_at + Z.of_nat (length E32.text) < 2 ^ 32.
Proof. split; vm_compute; [discriminate | reflexivity]. Qed.
Lemma c_code k x : decode false C32.text C32.relocs k = Some x ->
  code (c_at + k) = Some x.
Proof. apply c_both. vm_compute. discriminate. Qed.
Lemma e_code k x : decode false E32.text E32.relocs k = Some x ->
  code (e_at + k) = Some x.
Proof. apply e_both. Qed.

Definition P : setting := program32 code returns c_at e_at
  no_inline bool bool bool_dec bool_dec T (fun i => i) lo hi.
Definition co tools (sse : bool) := new_co i386 (a_entry P) tools (if sse then 4 else 0).
Definition u tools (sse : bool) : world P := Build_world P
  (s0 i386 (c_at + C32.aco_switch_fpenv) (a_switch P) (a_entry P) tools
    (if sse then 4 else 0)) false
  (fun i : bool => if i then Some (co tools sse) else None)
  (fun k : bool => Some k) (fun _ => {| v_from := 0; v_words := 0; v_zeros := 0 |})
  (fun _ => (0x1f80, 0x37f)) (fun _ => 0).
Definition exch (sse : bool) := if sse then Both else X87.
Definition y sse := func P (c_at + C32.aco_switch_fpenv) (exch sse) Fun (a_switch P).
Definition ways := ways32 code returns c_at e_at no_inline bool bool bool_dec
  bool_dec
  T (fun i => i) lo hi.

Lemma holds tools sse : inv (u tools sse).
Proof. destruct tools, sse; meets. Qed.

Lemma is_called tools sse :
  switches P ways (u tools sse) (y sse) true (co tools sse) main.
Proof. destruct tools, sse; first [calls i_fpenv | calls i_fpenv_x87]. Qed.

(* It arrives in the function of the co. *)
Example arrives tools sse : exists s, pc s = function /\ rf s RSP = hi true /\
  runs P (place32 c_at) ways (u tools sse)
    [Switched P (u tools sse) (exch sse) true (co tools sse) s]
    (switched P (u tools sse) (y sse) true main s).
Proof.
  destruct (there_is_a_run32 _ returns _ _ no_inline c_range e_range c_code e_code
    _ _ _ _ _ _ _ _ (u tools sse) (y sse) _ _ _ (holds tools sse)
    (is_called tools sse)) as [s R].
  exists s. split; [|split]; [| |exact R].
  all: destruct (always_back32 _ returns _ _ no_inline c_range e_range c_code e_code
    _ _ _ _ _ _ _ _ (u tools sse) _ _ (holds tools sse) R) as [_ F].
  all: apply Forall_inv in F; destruct F as [(_ & _ & F1 & F2 & _) _]; assumption.
Qed.
End Example32.

