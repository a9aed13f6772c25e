(* SPDX-License-Identifier: Apache-2.0 *)
(* The inline switch on amd64 (include/aco/arch/amd64.h). *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts Tactics Steps Inline.
Import ListNotations.
Open Scope Z_scope.

(* ACO_EXCHANGE_CONTROL_; long: clang -O0 makes all jumps so. *)
Definition exchange (long : bool) : listing :=
  let j := if long then 6 else 2 in
  [(Stmxcsr (at_ RSI 32), 4); (Fnstcw (at_ RSI 36), 3);
   (TestB (at_ RDI 39) 64, 4); (Jcc CE (19 + 2 * j), j);
   (Ld 4 RAX (at_ RSI 32), 3); (AluM Xor 4 RAX (at_ RDI 32), 3);
   (Alu Test 4 RAX (SI 0xffc0), 5); (Jcc CNE (8 + j), j);
   (Ld 2 RAX (at_ RSI 36), 4); (AluM Cmp 2 RAX (at_ RDI 36), 4); (Jcc CE 7, j);
   (Ldmxcsr (at_ RDI 32), 4); (Fldcw (at_ RDI 36), 3)].

(* ACO_JUMP_ at p, with its landing at land; with_bx: clang's. *)
Definition jump (with_bx : bool) (p land : Z) : listing :=
  [(Lea 8 RAX (Rip (land - (p + 7))), 7); (St 8 (at_ RSI 0) (SR RAX), 3);
   (St 8 (at_ RSI 8) (SR RSP), 4); (St 8 (at_ RSI 16) (SR RBP), 4)] ++
  (if with_bx then [(St 8 (at_ RSI 24) (SR RBX), 4)] else []) ++
  [(Ld 8 RSP (at_ RDI 8), 4); (Ld 8 RBP (at_ RDI 16), 4); (JmpM (at_ RDI 0), 2)].
Definition landing (with_bx : bool) : listing :=
  (Endbr, 4) :: if with_bx then [(Ld 8 RBX (at_ RDI 24), 4)] else [].

Section Inline64.
Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable prot : state -> Z -> Prop.
Variable ins : state -> Prop.
Variables a_switch a_value a_entry_return : Z.
Variable a_entry : bool -> Z.

Definition exchange_at (long : bool) (p q : Z) :=
  q = p + size (exchange long) /\ lies amd64 code ins p (exchange long).

Ltac contract :=
  contract_in ltac:(unfold exchange_at, exchange, jump, landing, amd64).

Lemma exchange_64 long :
  exchange_spec amd64 code ext prot ins Both (exchange_at long) RAX.
Proof.
  intros [p f m0 z c d x k r] p' q ta tb r0. destruct long; contract.
  all: intros [-> (C & P0 & P1 & I)] -> HA HB HSP R A1 A2 B1 B2 AB P (MB & CB) (MX & CW & _).
  all: conj_code.
  all: destruct (mx_ok_range _ MX), (mx_ok_range _ MB), (cw_ok_range _ CW), (cw_ok_range _ CB).
  all: pose proof (lxor_of_words _ _ MX MB).
  all: remember (load 4 m0 (tb + 32)) as mb eqn:LM; symmetry in LM.
  all: remember (load 2 m0 (tb + 36)) as cb eqn:LC; symmetry in LC.
  all: remember (load 1 m0 (tb + 39)) as fl eqn:LF; symmetry in LF.
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  all: do 3 one; branch Z1; one; [do 2 one; have_words |].
  all: do 3 one; branch Z2; one; [| do 2 one; have_words].
  all: do 2 one; branch Z3; one; [have_words | do 2 one; have_words].
Qed.

Definition jump_at (with_bx : bool) (p land : Z) :=
  lies amd64 code ins p (jump with_bx p land) /\ 0 <= land < 2 ^ 64.

Lemma jump_64 with_bx :
  inline_spec amd64 a_switch a_value a_entry code ext prot (jump_at with_bx) ins
    Neither with_bx 0.
Proof.
  intros [p f m0 z c d x k r] p' land ta tb r0 sb. unfold jump_at. destruct with_bx; contract.
  all: intros ((C & I0 & I1 & I) & L) -> HA HB HSP R SB AP A P _ _.
  all: destruct A as (A1 & A2 & B1 & B2 & S1 & S2 & AB & AS & BS).
  all: conj_code.
  all: assert (PP := fun s H => proj1 (P s H)); clear P; cbv beta in PP.
  all: remember (load 8 m0 tb) as ip eqn:LI; symmetry in LI.
  all: remember (load 8 m0 (tb + 16)) as bp eqn:LB; symmetry in LB.
  all: assert (0 <= sb < 18446744073709551616) by (subst sb; apply (load_range 8)).
  all: pose proof (R RBX); pose proof (R RBP); pose proof (R RSP).
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  1: one.
  all: do 7 one; jumped.
Qed.

Lemma inline_landing_64 with_bx :
  inline_landing_spec amd64 a_switch a_value a_entry a_entry_return code ext prot
    (fun land => lies amd64 code ins land (landing with_bx)) ins with_bx.
Proof.
  intros [p f m0 z c d x k r] ta [fs sp land]. destruct with_bx; contract.
  all: intros (C & I0 & I1 & I) (E1 & E2 & E3 & E4) (F1 & F2 & F3 & F4) (A1 & A2) P.
  all: rewrite F1 in E2; rewrite F2 in E1; rewrite F3 in E3; subst p; conj_code.
  all: try specialize (F4 eq_refl).
  all: match goal with |- gets _ _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.
  all: apply goes_start; intros m E; copy_loads m0 m E; clear E.
  1: one.
  all: one; jumped.
Qed.

(* ---- all of it ------------------------------------------------------------------ *)

Definition template (exch long with_bx : bool) (p land : Z) : listing :=
  let x := if exch then exchange long else [] in x ++ jump with_bx (p + size x) land.

(* It lies at p, with its landing at land, in the text that ins speaks of. *)
Definition inline_at (exch long with_bx : bool) (p land : Z) :=
  lies amd64 code ins p (template exch long with_bx p land) /\ 0 <= land < 2 ^ 64.

Theorem inline_64 exch long with_bx :
  inline_spec amd64 a_switch a_value a_entry code ext prot
    (inline_at exch long with_bx) ins (if exch then Both else Neither) with_bx 0.
Proof.
  destruct exch.
  - assert (S : sane amd64 RAX) by (unfold sane; cbn; intuition (discriminate || lia)).
    assert (J := exchange_jump _ _ _ _ _ _ _ _ Both _ _ _ _ _ ltac:(discriminate) S (Z.le_refl 0)
      (exchange_64 long) (jump_64 with_bx)).
    intros s p land ta tb r0 sb [H L]. apply J.
    exists (p + size (exchange long)).
    apply lies_app in H as [H1 H2]; [| destruct long, with_bx; cbv; discriminate..].
    split; split; [reflexivity | exact H1 | exact H2 | exact L].
  - intros s p land ta tb r0 sb [H L]. apply jump_64. split; [|exact L].
    unfold template in H. cbn [app size] in H. rewrite Z.add_0_r in H. exact H.
Qed.
End Inline64.
