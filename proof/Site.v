(* SPDX-License-Identifier: Apache-2.0 *)
(* The inline switch in the bytes of compilers: sites.py makes an Example of each
   kind that it finds. *)
Require Import ZArith List Bool Lia.
Require Import X86 Contracts Inline Inline64 Inline32.
Import ListNotations.
Open Scope Z_scope.

(* What these bytes are where they begin at p. *)
Definition text_at (b64 : bool) (text : list Z) (p a : Z) := decode b64 text [] (a - p).

Lemma text_moved b64 text p q l :
  code_is (text_at b64 text 0) q l -> code_is (text_at b64 text p) (p + q) l.
Proof.
  revert q. induction l as [|(i, n) l IH]; intros q H; [exact I|]. destruct H as [H1 H2].
  split; [|replace (p + q + n) with (p + (q + n)) by lia; auto].
  unfold text_at in *. replace (p + q - p) with (q - 0) by lia. exact H1.
Qed.

(* A program that has them at p has the switch there. *)
Lemma in_program c (code : Z -> option (instr * Z)) l : forall p,
  (forall a x, c a = Some x -> code a = Some x) -> code_is c p l -> code_is code p l.
Proof.
  induction l as [|(i, n) l IH]; intros p H C; [exact I|]. destruct C. split; auto.
Qed.

(* The bytes hold the inline switch, wherever they lie: its text from the first on,
   its landing d further on. *)
Definition site_64 (exch long with_bx : bool) (d : Z) (text : list Z) := forall p,
  code_is (text_at true text p) p (Inline64.template exch long with_bx p (p + d)) /\
  code_is (text_at true text p) (p + d) (Inline64.landing with_bx).
Definition site_32 (exch long with_bx : bool) (d : Z) (text : list Z) := forall p,
  code_is (text_at false text p) p (Inline32.template exch long true with_bx p (p + d)) /\
  code_is (text_at false text p) (p + d) (Inline32.landing with_bx).
(* i386 without -fPIC: they are as the linker leaves them if they begin at p. *)
Definition site_32_at (exch long with_bx : bool) (p d : Z) (text : list Z) :=
  code_is (text_at false text p) p (Inline32.template exch long false with_bx p (p + d)) /\
  code_is (text_at false text p) (p + d) (Inline32.landing with_bx).

Lemma template_64_moved exch long with_bx p d :
  Inline64.template exch long with_bx p (p + d) = Inline64.template exch long with_bx 0 d.
Proof.
  unfold Inline64.template, Inline64.jump.
  set (x := size _). replace (p + d - (p + x + 7)) with (d - (0 + x + 7)) by lia. reflexivity.
Qed.

Lemma template_32_moved exch long with_bx p d :
  Inline32.template exch long true with_bx p (p + d) =
  Inline32.template exch long true with_bx 0 d.
Proof.
  unfold Inline32.template, Inline32.jump.
  set (x := size _). replace (p + d - (p + x + 5)) with (d - (0 + x + 5)) by lia. reflexivity.
Qed.

Lemma site_64_is exch long with_bx d text :
  code_is (text_at true text 0) 0 (Inline64.template exch long with_bx 0 d) /\
  code_is (text_at true text 0) d (Inline64.landing with_bx) ->
  site_64 exch long with_bx d text.
Proof.
  intros [H1 H2] p. rewrite template_64_moved. split; [|exact (text_moved _ _ _ _ _ H2)].
  apply (text_moved _ _ p) in H1. rewrite Z.add_0_r in H1. exact H1.
Qed.

Lemma site_32_is exch long with_bx d text :
  code_is (text_at false text 0) 0 (Inline32.template exch long true with_bx 0 d) /\
  code_is (text_at false text 0) d (Inline32.landing with_bx) ->
  site_32 exch long with_bx d text.
Proof.
  intros [H1 H2] p. rewrite template_32_moved. split; [|exact (text_moved _ _ _ _ _ H2)].
  apply (text_moved _ _ p) in H1. rewrite Z.add_0_r in H1. exact H1.
Qed.

Ltac site := first [apply site_64_is | apply site_32_is | unfold site_32_at];
  vm_compute; repeat split.
