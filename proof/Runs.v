(* SPDX-License-Identifier: Apache-2.0 *)
(* Any number of switches, with whatever the program does in between. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts World Chain.
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
