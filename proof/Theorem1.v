(* SPDX-License-Identifier: Apache-2.0 *)
(* Theorem 1.

   Any number of contexts, on any number of stacks, switch any number of times, by
   any way out into any landing; between two switches the program does what it
   likes, and between any two instructions of a switch signal handlers do.

     inv u -> runs u es u' -> inv u' /\ every event of es is right

   right says, of the switch that left A and continued B:

     registers   the callee-saved ones, the stack pointer and the program counter
                 are what B left: it returns from its call, and with 0 or what was
                 sent to it (found, finds, back)
     stack       B's bytes, from its stack pointer to the top of its stack, are
                 those that it left, wherever they have been.  The word above
                 them in a share stack, to which the functions of cos return, is
                 no co's: aco_entry alone writes it, the same for all
     MXCSR, x87  the control words are those of before; or, if the way out
                 exchanges them, those that were last saved in B's aco_t.  Where
                 the C code exchanges them before a switch, that is not seen here.
                 Without SSE there is that of x87 alone
     the rest    is as before the instructions of the switch: direction flag, x87
                 stack, vector registers.  In a new co that begins in
                 aco_entry_tools only the direction flag and the control words are:
                 this calls a C function

   and goes_on_from: in each state on the way the stack pointer is on a valid stack,
   with nothing live below it, and there is a next step.

   What is assumed of the program, in the order of its definitions:

     spaces      the aco_t, stacks and save stacks of living contexts are apart
     ran         the program leaves alone what a waiting context needs: four words
                 of its aco_t, its control words, its bytes from the stack pointer
                 on; where the bytes lie may change (Theorem 2)
     leaves      who calls a switch has room on its stack for what is pushed, and
                 calls from outside the text of the switch
     sw_prot, pl_prot, pl_prot2
                 signal handlers leave alone each aco_t, each save stack and each
                 stack from its lowest live byte on
     call_left, call_failed
                 what aco_leave_place() does, if it returns 0, or anything else
     entered_ok  what aco_tools_entered() does, where such a co begins: it returns,
                 keeps what the ABI says, and writes nothing that signal handlers
                 leave alone

   ways lists the ways out, at_land the landings of inline switches.

   A world is what one thread sees.  While it switches, the others do what signal
   handlers may; between switches they may take contexts that wait, and leave
   others.  Example1.v and Example2.v meet the hypotheses. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain Place Runs Ways.
Require Text64 Text32 Switch64 Switch32 Inline Inline64 Inline32 InPlace64 InPlace32.
Import ListNotations.
Open Scope Z_scope.

(* ---- amd64 --------------------------------------------------------------------- *)

Section Amd64.
Import Text64.
(* The text of context.S and that of entry.S, wherever they are loaded; that of the
   inline switches is a part of the program's. *)
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variables cbase ebase : Z.
Variable inl_text : state -> Prop.
Hypothesis c_range : 0 <= cbase /\ cbase + Z.of_nat (length C64.text) < 2 ^ 64.
Hypothesis e_range : 0 <= ebase /\ ebase + Z.of_nat (length E64.text) < 2 ^ 64.
Hypothesis c_code : forall k x, decode true C64.text C64.relocs k = Some x ->
  code (cbase + k) = Some x.
Hypothesis e_code : forall k x, decode true E64.text E64.relocs k = Some x ->
  code (ebase + k) = Some x.

(* Contexts, stacks, and where they are. *)
Variables ctx stack : Type.
Variable ctx_dec : forall i j : ctx, {i = j} + {i <> j}.
Variable stack_dec : forall i j : stack, {i = j} + {i <> j}.
Variables (T : ctx -> Z) (stk : ctx -> stack) (lo hi : stack -> Z).

Definition program64 : setting := {|
  X := amd64; World.code := code; World.ext := ext;
  inside := fun s => Switch64.inside cbase ebase s \/ inl_text s;
  at_land := fun b p => Inline.lies amd64 code inl_text p (Inline64.landing b);
  a_switch := Switch64.a_switch cbase; a_value := Switch64.a_value cbase;
  a_entry := Switch64.a_entry ebase; a_entry_return := Switch64.a_entry_return ebase;
  World.ctx := ctx; World.stack := stack;
  World.ctx_dec := ctx_dec; World.stack_dec := stack_dec;
  World.T := T; World.stk := stk; World.lo := lo; World.hi := hi |}.

Inductive ways64 : way -> Prop :=
  | w_switch : ways64 (func program64 (cbase + C64.aco_switch) Neither Fun
      (Switch64.a_switch cbase))
  | w_fpenv : ways64 (func program64 (cbase + C64.aco_switch_fpenv) Both Fun
      (Switch64.a_switch cbase))
  | w_value : ways64 (func program64 (cbase + C64.aco_switch_value) Neither Value
      (Switch64.a_value cbase))
  | w_inline exch long with_bx red : 0 <= red <= 128 ->
      ways64 (inl program64 (Inline64.inline_at code inl_text exch long with_bx)
        (if exch then Both else Neither) with_bx 0 red).

Definition place64 : in_place := {|
  gap := 40; breg := R12; mreg := RDX;
  a_in_place := cbase + C64.aco_switch_in_place;
  a_call := cbase + InPlace64.call; a_after := cbase + (InPlace64.call + 5) |}.

Let X_ok : X program64 = amd64 \/ X program64 = i386 := or_introl eq_refl.
Let lib_inside s : Switch64.inside cbase ebase s ->
  inside program64 s := @or_introl _ _.
Let inl_inside s : inl_text s -> inside program64 s := @or_intror _ _.

Lemma ways64_ok y : ways64 y -> way_ok program64 y.
Proof.
  intros [| | |exch long b red R].
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch64.out_switch;
    assumption.
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch64.out_fpenv;
    assumption.
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch64.out_value;
    assumption.
  - apply (inl_ok _ X_ok _ inl_inside); [lia | exact R | auto |].
    intros ext0 prot. apply Inline64.inline_64.
Qed.

Lemma lands64_ok k : land_ok program64 k.
Proof.
  destruct k as [| |b|tools].
  - apply (fun_land_ok _ _ lib_inside);
    auto. intros ext0 prot. apply Switch64.land_switch; assumption.
  - apply (fun_land_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch64.land_value;
    assumption.
  - apply (inl_land_ok _ _ inl_inside). intros ext0 prot. apply Inline64.inline_landing_64.
  - apply (new_land_ok _ _ lib_inside). intros prot.
    destruct tools; [apply Switch64.land_tools | apply Switch64.land_entry]; assumption.
Qed.

Lemma pieces64_ok : pieces_ok program64 place64.
Proof.
  assert (R : 0 <= cbase /\ cbase + Z.of_nat (length C64.text) <= 2 ^ 64) by lia.
  assert (I : forall s, cbase <= pc s < cbase + Z.of_nat (length C64.text) ->
    Switch64.inside cbase ebase s) by (intros s Hs; left; exact Hs).
  apply (place_pieces _ _ lib_inside).
  - cbn. lia.
  - cbn. auto.
  - intros prot. apply InPlace64.in_place_call_64; assumption.
  - intros ext0 prot. apply InPlace64.in_place_copy_64; assumption.
  - intros prot. apply InPlace64.in_place_fails_64; assumption.
  - exists 5. split; [apply InPlace64.call_is; assumption | symmetry;
    apply Z.add_assoc].
Qed.

Theorem always_back64 u es u' :
  inv u -> runs program64 place64 ways64 u es u' ->
  inv u' /\ Forall (right program64) es.
Proof. exact (always_back _ _ _ X_ok ways64_ok lands64_ok pieces64_ok u es u'). Qed.

Theorem always_goes_on64 u es u' prot s region good s2 :
  inv u -> runs program64 place64 ways64 u es u' ->
  piece program64 place64 ways64 u' prot s region good ->
  passes true code ext prot region s s2 ->
  good s2 /\ exists s3, one_step true code ext prot s2 s3.
Proof.
  exact (always_goes_on _ _ _ X_ok ways64_ok lands64_ok pieces64_ok u es u' prot s
    region good s2).
Qed.

Theorem there_is_a_run64 u y B l ret :
  inv u -> switches program64 ways64 u y B l ret ->
  exists s', runs program64 place64 ways64 u [Switched program64 u (y_exch y) B l s']
    (switched program64 u y B ret s').
Proof. exact (there_is_a_run _ _ _ X_ok ways64_ok lands64_ok u y B l ret). Qed.

Theorem there_is_a_run_in_place64 u B l s1 u2 :
  inv u -> enters_place program64 place64 u B l s1 ->
  ext x_aco_leave_place s1 (a_after place64) (st u2) ->
  call_left program64 place64 (with_st u s1) B l (leaving_A program64 (st u)) u2 ->
  entered_ok program64 l (pl_prot2 program64 u2 B l (rf s1 RSP)) (st u2) ->
  exists s4, runs program64 place64 ways64 u
    [Switched program64 u2 Neither B l s4] (placed program64 u2 B s4).
Proof.
  exact (there_is_a_run_in_place _ _ _ X_ok lands64_ok pieces64_ok u B l s1 u2).
Qed.
End Amd64.

(* ---- i386 ---------------------------------------------------------------------- *)

Section I386.
Import Text32.
(* The text of context.S and that of entry.S, wherever they are loaded; that of the
   inline switches is a part of the program's. *)
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variables cbase ebase : Z.
Variable inl_text : state -> Prop.
Hypothesis c_range : 0 <= cbase /\ cbase + Z.of_nat (length C32.text) < 2 ^ 32.
Hypothesis e_range : 0 <= ebase /\ ebase + Z.of_nat (length E32.text) < 2 ^ 32.
Hypothesis c_code : forall k x, decode false C32.text C32.relocs k = Some x ->
  code (cbase + k) = Some x.
Hypothesis e_code : forall k x, decode false E32.text E32.relocs k = Some x ->
  code (ebase + k) = Some x.

(* Contexts, stacks, and where they are. *)
Variables ctx stack : Type.
Variable ctx_dec : forall i j : ctx, {i = j} + {i <> j}.
Variable stack_dec : forall i j : stack, {i = j} + {i <> j}.
Variables (T : ctx -> Z) (stk : ctx -> stack) (lo hi : stack -> Z).

Definition program32 : setting := {|
  X := i386; World.code := code; World.ext := ext;
  inside := fun s => Switch32.inside cbase ebase s \/ inl_text s;
  at_land := fun b p => Inline.lies i386 code inl_text p (Inline32.landing b);
  a_switch := Switch32.a_switch cbase; a_value := Switch32.a_value cbase;
  a_entry := Switch32.a_entry ebase; a_entry_return := Switch32.a_entry_return ebase;
  World.ctx := ctx; World.stack := stack;
  World.ctx_dec := ctx_dec; World.stack_dec := stack_dec;
  World.T := T; World.stk := stk; World.lo := lo; World.hi := hi |}.

Inductive ways32 : way -> Prop :=
  | i_switch : ways32 (func program32 (cbase + C32.aco_switch) Neither Fun
      (Switch32.a_switch cbase))
  | i_fpenv : ways32 (func program32 (cbase + C32.aco_switch_fpenv) Both Fun
      (Switch32.a_switch cbase))
  (* the same code, on a processor without SSE *)
  | i_fpenv_x87 : ways32 (func program32 (cbase + C32.aco_switch_fpenv) X87 Fun
      (Switch32.a_switch cbase))
  | i_value : ways32 (func program32 (cbase + C32.aco_switch_value) Neither Value
      (Switch32.a_value cbase))
  | i_inline exch long pic with_bx :
      let text := match exch with Neither => false | _ => true end in
      ways32 (inl program32 (Inline32.inline_at code inl_text text long pic with_bx)
        exch with_bx (if pic then 4 else 0) 0).

Definition place32 : in_place := {|
  gap := 20; breg := RBX; mreg := RCX;
  a_in_place := cbase + C32.aco_switch_in_place;
  a_call := cbase + InPlace32.call; a_after := cbase + (InPlace32.call + 5) |}.

Let X_ok : X program32 = amd64 \/ X program32 = i386 := or_intror eq_refl.
Let lib_inside s : Switch32.inside cbase ebase s ->
  inside program32 s := @or_introl _ _.
Let inl_inside s : inl_text s -> inside program32 s := @or_intror _ _.

Lemma ways32_ok y : ways32 y -> way_ok program32 y.
Proof.
  intros [| | | |exch long pic b].
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch32.out_switch;
    assumption.
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch32.out_fpenv;
    assumption.
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot.
    apply Switch32.out_fpenv_x87; assumption.
  - apply (func_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch32.out_value;
    assumption.
  - apply (inl_ok _ X_ok _ inl_inside); [destruct pic; lia | cbn; lia | auto |].
    intros ext0 prot. apply Inline32.inline_32.
Qed.

Lemma lands32_ok k : land_ok program32 k.
Proof.
  destruct k as [| |b|tools].
  - apply (fun_land_ok _ _ lib_inside);
    auto. intros ext0 prot. apply Switch32.land_switch; assumption.
  - apply (fun_land_ok _ _ lib_inside); auto. intros ext0 prot. apply Switch32.land_value;
    assumption.
  - apply (inl_land_ok _ _ inl_inside). intros ext0 prot. apply Inline32.inline_landing_32.
  - apply (new_land_ok _ _ lib_inside). intros prot.
    destruct tools; [apply Switch32.land_tools | apply Switch32.land_entry]; assumption.
Qed.

Lemma pieces32_ok : pieces_ok program32 place32.
Proof.
  assert (R : 0 <= cbase /\ cbase + Z.of_nat (length C32.text) <= 2 ^ 32) by lia.
  assert (I : forall s, cbase <= pc s < cbase + Z.of_nat (length C32.text) ->
    Switch32.inside cbase ebase s) by (intros s Hs; left; exact Hs).
  apply (place_pieces _ _ lib_inside).
  - cbn. lia.
  - cbn. auto.
  - intros prot. apply InPlace32.in_place_call_32; assumption.
  - intros ext0 prot. apply InPlace32.in_place_copy_32; assumption.
  - intros prot. apply InPlace32.in_place_fails_32; assumption.
  - exists 5. split; [apply InPlace32.call_is; assumption | symmetry;
    apply Z.add_assoc].
Qed.

Theorem always_back32 u es u' :
  inv u -> runs program32 place32 ways32 u es u' ->
  inv u' /\ Forall (right program32) es.
Proof. exact (always_back _ _ _ X_ok ways32_ok lands32_ok pieces32_ok u es u'). Qed.

Theorem always_goes_on32 u es u' prot s region good s2 :
  inv u -> runs program32 place32 ways32 u es u' ->
  piece program32 place32 ways32 u' prot s region good ->
  passes false code ext prot region s s2 ->
  good s2 /\ exists s3, one_step false code ext prot s2 s3.
Proof.
  exact (always_goes_on _ _ _ X_ok ways32_ok lands32_ok pieces32_ok u es u' prot s
    region good s2).
Qed.

Theorem there_is_a_run32 u y B l ret :
  inv u -> switches program32 ways32 u y B l ret ->
  exists s', runs program32 place32 ways32 u [Switched program32 u (y_exch y) B l s']
    (switched program32 u y B ret s').
Proof. exact (there_is_a_run _ _ _ X_ok ways32_ok lands32_ok u y B l ret). Qed.

Theorem there_is_a_run_in_place32 u B l s1 u2 :
  inv u -> enters_place program32 place32 u B l s1 ->
  ext x_aco_leave_place s1 (a_after place32) (st u2) ->
  call_left program32 place32 (with_st u s1) B l (leaving_A program32 (st u)) u2 ->
  entered_ok program32 l (pl_prot2 program32 u2 B l (rf s1 RSP)) (st u2) ->
  exists s4, runs program32 place32 ways32 u
    [Switched program32 u2 Neither B l s4] (placed program32 u2 B s4).
Proof.
  exact (there_is_a_run_in_place _ _ _ X_ok lands32_ok pieces32_ok u B l s1 u2).
Qed.
End I386.
