(* SPDX-License-Identifier: Apache-2.0 *)
(* Symbolic execution: one tactic call an instruction. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic.
Open Scope Z_scope.

Lemma wrap64 v : 0 <= v < 18446744073709551616 -> wrap true v = v.
Proof. intros; unfold wrap; apply Z.mod_small; exact H. Qed.
Lemma wrap32 v : 0 <= v < 4294967296 -> wrap false v = v.
Proof. intros; unfold wrap; apply Z.mod_small; exact H. Qed.
Lemma trunc8 v : 0 <= v < 18446744073709551616 -> trunc 8 v = v.
Proof. intros; unfold trunc; apply Z.mod_small; exact H. Qed.
Lemma trunc4 v : 0 <= v < 4294967296 -> trunc 4 v = v.
Proof. intros; unfold trunc; apply Z.mod_small; exact H. Qed.
Lemma acc64 a n : 0 <= a -> a + n <= 18446744073709551616 -> acc true a n = true.
Proof. intros; unfold acc. apply andb_true_intro; split; apply Z.leb_le; assumption. Qed.
Lemma acc32 a n : 0 <= a -> a + n <= 4294967296 -> acc false a n = true.
Proof. intros; unfold acc. apply andb_true_intro; split; apply Z.leb_le; assumption. Qed.

Lemma ranged_upd W (f : reg -> Z) r v :
  (forall q, 0 <= f q < W) -> 0 <= v < W -> forall q, 0 <= upd f r v q < W.
Proof. intros H Hv q. unfold upd. destruct (reg_eqb q r); auto. Qed.

Ltac norm_pc :=
  repeat match goal with
  | |- context [?b + ?x + ?y] =>
      is_pos x; is_lit y;
      rewrite <- (Z.add_assoc b x y);
      let z := eval vm_compute in (x + y) in change (x + y) with z
  end
with is_pos x := match x with Zpos _ => idtac | Z0 => idtac end
with is_lit x := match x with Zpos _ => idtac | Z0 => idtac | Zneg _ => idtac end.

Ltac look :=
  cbv beta iota delta [pc rf mm zf cf df mx cw rest with_pc with_reg with_mem val];
  cbn [upd reg_eqb].

(* Numbers: 2 ^ 64 as a literal, so that lia sees it. *)
Ltac arith := lia.
Ltac literals :=
  change (2 ^ 64) with 18446744073709551616 in *;
  change (2 ^ 32) with 4294967296 in *.

Ltac plain :=
  repeat (rewrite wrap64 by arith) ; repeat (rewrite wrap32 by arith);
  repeat (rewrite trunc8 by arith) ; repeat (rewrite trunc4 by arith).

(* What is known of the registers at the start. *)
Ltac known :=
  repeat match goal with
  | H : ?f ?r = _ |- context [?f ?r] =>
    match type of f with reg -> Z => rewrite H end
  end.

(* sums of something and numbers: with one number *)
Ltac norm_sub :=
  repeat match goal with
  | |- context [?b - ?x - ?y] =>
      is_num x; is_num y;
      rewrite <- (Z.sub_add_distr b x y);
      let z := eval vm_compute in (x + y) in change (x + y) with z
  | |- context [?b - ?x + ?y] =>
      is_num x; is_num y;
      let z := eval vm_compute in (x - y) in
      replace (b - x + y) with (b - z) by lia
  | |- context [?b + 0] => rewrite (Z.add_0_r b)
  | |- context [?b - 0] => rewrite (Z.sub_0_r b)
  end
with is_num x := match x with Zpos _ => idtac | Z0 => idtac | Zneg _ => idtac end.

Ltac tidy := look; known; rewrite ?Z.lxor_nilpotent; norm_pc; norm_sub;
  repeat (first [rewrite wrap64 by arith | rewrite wrap32 by arith |
                 rewrite trunc8 by arith | rewrite trunc4 by arith]);
  norm_pc; norm_sub.

Ltac loads :=
  repeat match goal with
  | H : load ?n ?m ?a = _ |- context [load ?n ?m ?a] => rewrite H
  | H : load ?n ?m ?a = _ |- context [load ?n ?m ?b] =>
      (* however the address is written *)
      replace b with a by lia; rewrite H
  end.

(* The same where the code is given by equations. *)
Ltac do_step_eq :=
  unfold step; cbn [pc];
  match goal with H : ?code ?p = Some _ |- context [?code ?p] => rewrite H end;
  cbn [exec]; unfold push, ld, st, addr; tidy;
  repeat (first [rewrite acc64 by arith | rewrite acc32 by arith]);
  change (Z.to_nat 8) with 8%nat; change (Z.to_nat 4) with 4%nat;
  change (Z.to_nat 2) with 2%nat;
  look; loads; reflexivity.

(* Goal: step ... = Some ?s. *)
Ltac do_step code_at :=
  unfold step; cbn [pc];
  match type of code_at with
  | forall k x, ?decode k = Some x -> _ =>
    match goal with |- context [_ (?b + ?k)] =>
      is_num k;
      let d := eval vm_compute in (decode k) in
      match d with Some ?x =>
        rewrite (code_at k x) by (vm_compute; reflexivity) end
    end
  end;
  cbn [exec]; unfold push, ld, st, addr; tidy;
  repeat (first [rewrite acc64 by arith | rewrite acc32 by arith]);
  change (Z.to_nat 8) with 8%nat; change (Z.to_nat 4) with 4%nat;
  change (Z.to_nat 2) with 2%nat;
  look; loads; reflexivity.
