(* SPDX-License-Identifier: Apache-2.0 *)
(* Symbolic execution: one tactic call an instruction. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic Contracts.
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
  | RO : forall m1, kept _ _ _ _ m1 -> _, K : kept _ _ _ _ ?m |-
      context [load ?n ?m ?a] => rewrite (RO m K n a) by lia
  end.

(* What is loaded into control words can be. *)
Ltac allowed :=
  repeat match goal with
  | H : ?c = true |- context [if ?c then _ else _] => rewrite H
  end.

(* Goal: step ... = Some ?s. *)
Ltac do_step code_at :=
  unfold step; cbn [pc];
  match type of code_at with
  | forall k x, ?decode k = Some x -> ?code (?b + k) = _ =>
    try replace (code b) with (code (b + 0)) by (rewrite Z.add_0_r; reflexivity);
    match goal with |- context [code (b + ?k)] =>
      let d := eval vm_compute in (decode k) in
      match d with Some ?x =>
        rewrite (code_at k x) by (vm_compute; reflexivity) end
    end
  end;
  cbn [exec]; unfold push, ld, st, addr; tidy;
  repeat (first [rewrite acc64 by arith | rewrite acc32 by arith]);
  change (Z.to_nat 8) with 8%nat; change (Z.to_nat 4) with 4%nat;
  change (Z.to_nat 2) with 2%nat; change (Z.to_nat 1) with 1%nat;
  look; loads; allowed; reflexivity.

(* ---- routines --------------------------------------------------------------- *)

(* A text, and where linker and loader have put it. *)
Definition len (text : list Z) := Z.of_nat (length text).
Definition within (base : Z) (text : list Z) (s : state) :=
  base <= pc s < base + len text.

(* m is what signal handlers make of the memory of s1. *)
Lemma one_instruction b code ext prot (ins place : state -> Prop) mine Q m0 s s1 :
  ins s -> place s -> step b code s = Some s1 ->
  (forall a, ~ mine a -> mm s1 a = mm s a) -> place s1 ->
  kept prot place mine m0 (mm s) ->
  (forall m, kept prot place mine m0 m ->
     (forall a, prot s1 a -> m a = mm s1 a) ->
     reach b code ext prot (fun s => ins s /\ place s) mine Q
       (with_mem s1 (pc s1) m)) ->
  reach b code ext prot (fun s => ins s /\ place s) mine Q s.
Proof.
  intros I P S M P1 K R. eapply r_step; eauto.
  intros m E. apply R; [|exact E].
  intros a Ha Hp. rewrite E by (apply Hp, P1). rewrite M by exact Ha.
  apply K; assumption.
Qed.

Lemma kept_trans prot place mine m0 m1 m2 :
  kept prot place mine m0 m1 -> kept prot place mine m1 m2 ->
  kept prot place mine m0 m2.
Proof.
  intros K1 K2 a Ha Hp. rewrite K2 by assumption. apply K1; assumption.
Qed.

Lemma load_after (p : Z -> Prop) (m1 m : mem) :
  (forall a, p a -> m a = m1 a) ->
  forall n a v, (forall x, a <= x < a + Z.of_nat n -> p x) ->
  load n m1 a = v -> load n m a = v.
Proof. intros E n a v H <-. apply load_ext. intros; apply E, H; assumption. Qed.

Section Reads.
Variable X : arch.
Variable prot : state -> Z -> Prop.

Definition part (k : nat) (a b n : Z) := b <= a /\ a + Z.of_nat k <= b + n.

(* What stays as it is while A is on its way out: the aco_t of B, A's own but for
   the first tn bytes, and what A has on its stack above r0. *)
Lemma out_reads ta tb tn r0 n above sb m0 :
  0 <= tn <= used X -> 0 <= n -> 0 <= above ->
  out_apart X ta tb r0 n above -> out_prot X prot ta tb r0 n above sb ->
  forall m, kept prot (out_place r0 n sb) (out_mine ta tn r0 n) m0 m ->
  forall k a,
    part k a tb (used X) \/ part k a r0 above \/
    part k a (ta + tn) (used X - tn) ->
  load k m a = load k m0 a.
Proof.
  unfold out_apart, out_prot, apart2, part, range.
  intros Htn Hn Hab AP P m K k a Ha. apply load_ext; intros x Hx; apply K.
  - unfold out_mine, range. lia.
  - intros s Hs. destruct (P s Hs) as [P1 P2]. unfold out_place in Hs.
    destruct Ha as [Ha | [Ha | Ha]]; [apply P1 | apply P2 | apply P1];
      unfold range; lia.
Qed.

Lemma land_reads t from to (mine : Z -> Prop) m0 :
  land_prot X prot t from to -> (forall a, mine a -> ~ range t (used X) a) ->
  forall m, kept prot (land_place from to) mine m0 m ->
  forall k a, part k a t (used X) -> load k m a = load k m0 a.
Proof.
  unfold part, range. intros P M m K k a Ha. apply load_ext; intros x Hx; apply K.
  - intros H. apply M in H. lia.
  - intros s Hs. apply (proj1 (P s Hs)). unfold range. lia.
Qed.
End Reads.

(* What the tests of aco_switch_fpenv tell. *)
Lemma same_control x y :
  (trunc 4 (Z.land (trunc 4 (Z.lxor x y)) (trunc 4 0xffc0)) =? 0) = true ->
  mx_control x = mx_control y.
Proof.
  unfold trunc, mx_control. rewrite Z.eqb_eq.
  rewrite <- !Z.land_ones by discriminate. rewrite <- !Z.land_assoc.
  match goal with |- Z.land _ ?k = 0 -> _ => change k with 0xffc0 end.
  intros H. apply Z.lxor_eq. rewrite <- H. apply Z.bits_inj'; intros n _.
  rewrite ?Z.lxor_spec, ?Z.land_spec, ?Z.lxor_spec.
  destruct (Z.testbit x n), (Z.testbit y n), (Z.testbit 0xffc0 n); reflexivity.
Qed.

Lemma same_x87 x y : 0 <= x < 65536 -> 0 <= y < 65536 ->
  (trunc 2 (trunc 2 x - y) =? 0) = true -> x = y.
Proof.
  unfold trunc. rewrite Z.eqb_eq. change (2 ^ (8 * 2)) with 65536.
  intros Hx Hy H. rewrite (Z.mod_small x) in H by exact Hx.
  pose proof (Z.div_mod (x - y) 65536). lia.
Qed.

Lemma flag_set (m : mem) a b :
  Z.testbit (m a) 2 = b -> (Z.land (load 1 m a) 4 =? 0) = negb b.
Proof.
  intros <-. cbn [load]. rewrite Z.mul_0_r, Z.add_0_r.
  change 256 with (2 ^ 8). rewrite <- Z.land_ones, <- Z.land_assoc by discriminate.
  change (Z.land (Z.ones 8) 4) with (2 ^ 2). destruct (Z.testbit (m a) 2) eqn:B.
  - apply Z.eqb_neq. intros H. apply (f_equal (fun v => Z.testbit v 2)) in H.
    rewrite Z.land_spec, B in H. discriminate.
  - apply Z.eqb_eq, Z.bits_inj_0. intros n. rewrite Z.land_spec.
    destruct (Z.eq_dec n 2) as [->|N]; [rewrite B; reflexivity|].
    rewrite Z.pow2_bits_false by lia. apply andb_false_r.
Qed.

(* ---- a contract, with the numbers of its architecture *)

Ltac numbers :=
  repeat match goal with
  | |- context [Z.of_nat (length ?l)] =>
      let z := eval vm_compute in (Z.of_nat (length l)) in
      change (Z.of_nat (length l)) with z
  | |- context [Z.to_nat ?x] =>
      is_num x; let z := eval vm_compute in (Z.to_nat x) in
      change (Z.to_nat x) with z
  | |- context [?x * ?y] =>
      is_num x; is_num y;
      let z := eval vm_compute in (x * y) in change (x * y) with z
  | |- context [?x + ?y] =>
      is_num x; is_num y;
      let z := eval vm_compute in (x + y) in change (x + y) with z
  end; norm_pc; norm_sub; literals.

Ltac contract :=
  cbv beta iota zeta delta
    [out_spec land_spec back rest_kept words_kept gets
     out_apart out_prot sb_apart land_apart land_prot arrives
     form pushes kept_sp low saved words_ok words_saved words_loaded can_exchange
     exchanged out_T
     same_words same_rest ranged apart2 range used np s_rf s_sp s_ret part
     amd64 i386 Contracts.b64 Contracts.w Contracts.W red creg freg treg lreg
     bx pushed o_ctl o_ctl2 o_flags o_fp];
  numbers.

(* ---- one instruction, and what is known after it

   Known of the memory m: a frame, kept ... m0 m, with m0 the memory at the start;
   what the routine has stored, load n m a = v; and RO: what it reads of others is
   as in m0. *)

(* The program counter, or the stack pointer, is in its range; or so is an address
   that is written. *)
Ltac here :=
  unfold within, out_place, land_place, out_mine, nothing, range in *; look;
  repeat match goal with |- context [len ?t] =>
    let n := eval vm_compute in (len t) in change (len t) with n end;
  arith.

(* E1, E2: what is protected, as in out_prot.  Without the other hypotheses lia
   is several times as fast. *)
Ltac protects E1 E2 :=
  let x := fresh in let Hx := fresh in intros x Hx;
  cbn [Z.of_nat Pos.of_succ_nat Pos.succ] in Hx;
  first [apply E1; clear - Hx; arith | apply E2; look; known; clear - Hx; arith].

(* What was known of m is known of m1, where it is protected; and what the
   instruction has stored. *)
Ltac carry m m1 E E1 E2 :=
  repeat match goal with
  | H : load ?n m ?a = ?v |- _ =>
    try (assert (load n m1 a = v) by
      (apply (load_after _ _ _ E); [protects E1 E2|]; look;
       first [exact H | rewrite load_store_other by arith; exact H]));
    clear H
  end;
  try match type of E with
  | forall a, _ -> _ = store ?n _ ?b ?v a =>
    assert (load n m1 b = v) by
      (apply (load_after _ _ _ E); [protects E1 E2|]; apply load_store;
       match goal with
       | R : forall r, 0 <= ?f r < _ |- 0 <= ?f _ < _ => apply R
       | _ => cbn [Z.of_nat Pos.of_succ_nat Pos.succ]; arith
       end)
  end.

(* The two ways of a conditional jump. *)
Ltac ways :=
  cbn [holds zf cf];
  repeat match goal with |- context [if negb ?c then _ else _] =>
    rewrite (if_negb _ c) end;
  try match goal with
  | H : ?c = _ |- reach _ _ _ _ _ _ _ (mk (if ?c then _ else _) _ _ _ _ _ _ _ _) =>
    rewrite H
  | |- reach _ _ _ _ _ _ _ (mk (if ?c then _ else _) _ _ _ _ _ _ _ _) =>
    let B := fresh "B" in destruct c eqn:B
  end.

(* P: out_prot or land_prot. *)
Ltac one code_at :=
  match goal with P : forall s, _ -> _ /\ (forall a, _ -> _)
    |- reach _ _ _ ?prot _ _ _ (mk _ _ ?m _ _ _ _ _ _) =>
    eapply one_instruction;
    [ here | here | do_step code_at
    | let a := fresh in let Ha := fresh in intros a Ha; look;
      first [reflexivity | apply store_other; here]
    | here
    | look; match goal with K : kept _ _ _ _ m |- _ => exact K end
    | look; known; norm_pc; norm_sub;
      let m1 := fresh "m" in let K := fresh "K" in let E := fresh "E" in
      let E1 := fresh in let E2 := fresh in
      intros m1 K E;
      match type of E with forall a, prot ?s1 a -> _ =>
        destruct (P s1) as [E1 E2]; [here|] end;
      look; carry m m1 E E1 E2; clear E1 E2 E;
      match goal with K0 : kept _ _ _ _ m |- _ => clear K0 end;
      try clear m; ways ]
  end.

(* ---- from the start of a way out, or of a landing, to its end *)

(* m0: the memory at the start *)
Ltac start s :=
  let M := fresh "M" in let p := fresh "p" in
  let m := fresh "m" in let m0 := fresh "m0" in
  remember (mm s) as m0 eqn:M;
  destruct s as [p f m z c d x v r]; cbn [pc rf mm df mx cw rest] in *;
  match goal with H : p = _ |- _ => rewrite H; clear p H end;
  match goal with |- context [kept ?prot ?place ?mine m0 _] =>
    assert (kept prot place mine m0 m) by (intros ? _ _; rewrite M; reflexivity)
  end;
  match goal with |- reach _ _ _ _ _ _ ?q _ => remember q as Q eqn:HQ end.

Ltac start_out X :=
  contract;
  let s := fresh in let ta := fresh "ta" in let tb := fresh "tb" in
  let r0 := fresh "r0" in let sb := fresh "sb" in
  let HL := fresh "HL" in let R := fresh "R" in let SB := fresh "SB" in
  let AP := fresh "AP" in let P := fresh "P" in
  let RO := fresh "RO" in let RL := fresh "RL" in
  intros s ta tb r0 sb Hpc HA HB HL HSP R SB Hs AP P WORDS CAN;
  match goal with |- reach _ _ _ ?prot _ (out_mine _ ?tn _ ?n) _ _ =>
    let a := eval cbv in (Contracts.w X) in
    pose proof (out_reads X prot ta tb tn r0 n a sb (mm s)
      ltac:(now cbv) ltac:(lia) ltac:(lia) AP P) as RO
  end;
  revert RO; contract; intros RO;
  (* the resume address and the stack pointer of B are words *)
  pose proof (R (lreg X)) as RL; cbv [lreg amd64 i386] in RL; rewrite HL in RL;
  match type of SB with load ?n ?m ?a = _ =>
    let H := fresh in pose proof (load_range n m a) as H; rewrite SB in H;
    cbn [Z.of_nat Pos.of_succ_nat Pos.succ Z.mul Pos.mul] in H
  end;
  literals; start s;
  (* what it may write, but has to be as it was *)
  match goal with M : ?m0 = ?m :> mem, HQ : ?Q = _ |- _ =>
    try match type of HQ with context [load ?n _ (?t + ?k) = load ?n m0 (?t + ?k)] =>
      assert (load n m (t + k) = load n m0 (t + k)) by (rewrite M; reflexivity) end;
    clear M
  end.

(* What out_spec says of the words where they are exchanged. *)
Ltac start_words :=
  match goal with W : _ <> Neither -> _ |- _ =>
    destruct (W ltac:(discriminate)) as (? & ?); clear W end;
  let CW := fresh in let MX := fresh in let SSE := fresh in
  match goal with
  | C : mx_ok _ = true /\ _ |- _ =>
    destruct C as (MX & CW & SSE); words CW;
    unfold mx_ok in MX; change (2 ^ 16) with 65536 in MX;
    try flag (SSE eq_refl); clear SSE
  | C : cw_ok _ = true /\ _ |- _ => destruct C as (CW & SSE); words CW; flag SSE
  end
with words CW :=
  unfold cw_ok in CW; apply andb_prop, proj1 in CW;
  change (2 ^ 16) with 65536 in CW
with flag H :=
  let F := fresh in pose proof (flag_set _ _ _ H) as F; cbn [negb] in F.

Ltac all_of H :=
  lazymatch type of H with
  | _ /\ _ => let A := fresh in let B := fresh in
      destruct H as [A B]; all_of A; all_of B
  | _ => idtac
  end.

(* H: where a text is; its length as a number. *)
Ltac text_below H :=
  match type of H with context [len ?t] =>
    pose proof H;
    let n := eval vm_compute in (len t) in change (len t) with n in H end.

Ltac start_land X :=
  let s := fresh in let t := fresh "t" in
  let gf := fresh "gf" in let gsp := fresh "gsp" in let gret := fresh "gret" in
  let AR := fresh in let FORM := fresh in let AP := fresh in
  let P := fresh "P" in let RO := fresh "RO" in
  intros s t [gf gsp gret]; contract; intros AR FORM AP P; intros;
  match goal with |- reach _ _ _ ?prot _ ?mine _ _ =>
    pose proof (land_reads X prot t _ _ mine (mm s) P
      ltac:(unfold nothing, range; cbv [used Contracts.w o_fp amd64 i386]; lia)) as RO
  end;
  revert RO; contract; intros RO;
  all_of AR; all_of FORM; all_of AP;
  repeat match goal with
  | F : load ?n ?m ?a = _, A : _ = load ?n ?m ?a |- _ => rewrite F in A
  end;
  literals; start s;
  match goal with M : ?m0 = ?m :> mem, HQ : ?Q = _ |- _ =>
    repeat match goal with
    | F : load _ m0 ?a = _ |- _ =>
      lazymatch a with context [t] => fail | _ => rewrite M in F end
    end;
    try match type of HQ with context [load ?n m0 ?a] =>
      assert (load n m a = load n m0 a) by (rewrite M; reflexivity) end;
    clear M
  end.

(* The call of aco_tools_entered(). *)
Ltac call_entered code_at :=
  match goal with |- reach _ ?code _ _ _ _ _ (mk (?b + ?k) _ _ _ _ _ _ _ _) =>
    match type of code_at with forall k x, ?decode k = Some x -> _ =>
      let d := eval vm_compute in (decode k) in
      match d with Some (?i, ?n) =>
        assert (code (b + k) = Some (i, n))
          by (apply code_at; vm_compute; reflexivity)
      end
    end
  end;
  match goal with
  | E : ?code _ = Some (CallX _, ?n), K : kept ?prot ?place ?mine ?m0 ?m
    |- reach _ ?code _ ?prot _ _ _ ?s =>
    eapply r_call;
    [ split; here | exact E | exists (with_pc s (pc s + n)); repeat split |];
    let s2 := fresh in let SP := fresh in let RS := fresh in let KM := fresh in
    intros s2 (_ & ? & SP & RS & ? & ? & ? & KM);
    pose proof (RS _ (or_introl eq_refl)); clear RS E;
    assert (kept prot place mine m0 (mm s2)) by
      (intros ? N A; rewrite KM by (apply A; here); apply K; assumption);
    clear KM K;
    let p := fresh "p" in let f := fresh "f" in let d := fresh "d" in
    let x := fresh "x" in let v := fresh "v" in
    destruct s2 as [p f ? ? ? d x v ?];
    cbn [pc rf mm df mx cw bx upd reg_eqb] in *; subst p d v; norm_pc
  end.

(* One goal for each thing that is promised. *)
Ltac each := repeat match goal with
  | |- _ /\ _ => split
  | |- forall r, In r _ -> _ =>
    let r := fresh in let H := fresh in intros r H;
    repeat (destruct H as [<- | H]; [look|]); [..|destruct H]
  end.
Ltac finish :=
  apply r_done; match goal with H : ?Q = _ |- ?Q _ => rewrite H end;
  look; norm_sub; each;
  try first [reflexivity | assumption | exact I
            | discriminate | intros _; loads; reflexivity
            | loads; first [reflexivity | assumption]
            | eapply same_control; eassumption
            | eapply same_x87; [arith | apply load_range | eassumption]].
