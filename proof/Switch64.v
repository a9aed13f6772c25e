(* SPDX-License-Identifier: Apache-2.0 *)
(* amd64: the routines that suspend a context, and the landings. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Text64.
Open Scope Z_scope.

Section Switch.
(* The text of context.S and that of entry.S are where linker and loader put
   them. *)
Variable code : Z -> option (instr * Z).
Variables cbase ebase : Z.
Hypothesis c_range : 0 <= cbase /\ cbase + len C64.text < 2 ^ 64.
Hypothesis e_range : 0 <= ebase /\ ebase + len E64.text < 2 ^ 64.
Hypothesis c_code : forall k x, decode true C64.text C64.relocs k = Some x ->
  code (cbase + k) = Some x.
Hypothesis e_code : forall k x, decode true E64.text E64.relocs k = Some x ->
  code (ebase + k) = Some x.

Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.

Definition inside s := within cbase C64.text s \/ within ebase E64.text s.
Definition a_switch := cbase + C64.aco_switch_landing.
Definition a_value := cbase + C64.aco_value_landing.
Definition a_entry (tools : bool) :=
  ebase + if tools then E64.aco_entry_tools else E64.aco_entry.
Definition a_entry_return := ebase + E64.aco_entry_return.

Notation out := (out_spec amd64 a_switch a_value a_entry code ext inside prot).
Notation land_by ext :=
  (land_spec amd64 a_switch a_value a_entry a_entry_return code ext inside prot).
Notation land := (land_by ext).

Lemma out_switch : out (cbase + C64.aco_switch) Neither Fun a_switch.
Proof.
  unfold inside, C64.aco_switch. start_out amd64. repeat one c_code. finish.
Qed.

Lemma out_value : out (cbase + C64.aco_switch_value) Neither Value a_value.
Proof.
  unfold inside, C64.aco_switch_value. start_out amd64. repeat one c_code. finish.
Qed.

(* B may compare or not, and what it compares may be equal or not. *)
Lemma out_fpenv : out (cbase + C64.aco_switch_fpenv) Both Fun a_switch.
Proof.
  unfold inside, C64.aco_switch_fpenv. start_out amd64. start_words.
  repeat one c_code; finish.
Qed.

Lemma land_switch : land Fun.
Proof.
  unfold inside. start_land amd64. unfold a_switch, C64.aco_switch_landing.
  repeat one c_code. finish.
Qed.

Lemma land_value : land Value.
Proof.
  unfold inside. start_land amd64. unfold a_value, C64.aco_value_landing.
  repeat one c_code. finish.
Qed.

Lemma land_entry : land (Entry false).
Proof.
  text_below e_range.
  unfold inside. start_land amd64. unfold a_entry, E64.aco_entry.
  repeat one e_code. finish.
Qed.

Lemma land_tools : land_by (entered amd64 prot) (Entry true).
Proof.
  text_below e_range.
  unfold inside. start_land amd64. unfold a_entry, E64.aco_entry_tools.
  repeat one e_code. call_entered e_code. repeat one e_code. finish.
Qed.
End Switch.
