(* SPDX-License-Identifier: Apache-2.0 *)
(* i386: the routines that suspend a context, and the landings. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Text32.
Open Scope Z_scope.

Section Switch.
(* The text of context.S and that of entry.S are where linker and loader put
   them. *)
Variable code : Z -> option (instr * Z).
Variables cbase ebase : Z.
Hypothesis c_range : 0 <= cbase /\ cbase + len C32.text < 2 ^ 32.
Hypothesis e_range : 0 <= ebase /\ ebase + len E32.text < 2 ^ 32.
Hypothesis c_code : forall k x, decode false C32.text C32.relocs k = Some x ->
  code (cbase + k) = Some x.
Hypothesis e_code : forall k x, decode false E32.text E32.relocs k = Some x ->
  code (ebase + k) = Some x.

Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.

Definition inside s := within cbase C32.text s \/ within ebase E32.text s.
Definition a_switch := cbase + C32.aco_switch_landing.
Definition a_value := cbase + C32.aco_value_landing.
Definition a_entry (tools : bool) :=
  ebase + if tools then E32.aco_entry_tools else E32.aco_entry.
Definition a_entry_return := ebase + E32.aco_entry_return.

Notation out := (out_spec i386 a_switch a_value a_entry code ext inside prot).
Notation land_by ext :=
  (land_spec i386 a_switch a_value a_entry a_entry_return code ext inside prot).
Notation land := (land_by ext).

Lemma out_switch : out (cbase + C32.aco_switch) Neither Fun a_switch.
Proof.
  unfold inside, C32.aco_switch. start_out i386. repeat one c_code. finish.
Qed.

Lemma out_value : out (cbase + C32.aco_switch_value) Neither Value a_value.
Proof.
  unfold inside, C32.aco_switch_value. start_out i386. repeat one c_code. finish.
Qed.

(* B may compare or not, and what it compares may be equal or not. *)
Lemma out_fpenv : out (cbase + C32.aco_switch_fpenv) Both Fun a_switch.
Proof.
  unfold inside, C32.aco_switch_fpenv. start_out i386. start_words.
  repeat one c_code; finish.
Qed.

(* On a processor without SSE. *)
Lemma out_fpenv_x87 : out (cbase + C32.aco_switch_fpenv) X87 Fun a_switch.
Proof.
  unfold inside, C32.aco_switch_fpenv. start_out i386. start_words.
  repeat one c_code; finish.
Qed.

Lemma land_switch : land Fun.
Proof.
  unfold inside. start_land i386. unfold a_switch, C32.aco_switch_landing.
  repeat one c_code. finish.
Qed.

Lemma land_value : land Value.
Proof.
  unfold inside. start_land i386. unfold a_value, C32.aco_value_landing.
  repeat one c_code. finish.
Qed.

Lemma land_entry : land (Entry false).
Proof.
  text_below e_range.
  unfold inside. start_land i386. unfold a_entry, E32.aco_entry.
  repeat one e_code. finish.
Qed.

Lemma land_tools : land_by (entered i386 prot) (Entry true).
Proof.
  text_below e_range.
  unfold inside. start_land i386. unfold a_entry, E32.aco_entry_tools.
  repeat one e_code. call_entered e_code. repeat one e_code. finish.
Qed.
End Switch.
