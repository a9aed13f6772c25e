(* SPDX-License-Identifier: Apache-2.0 *)
(* What each routine of the switch promises, for both architectures.

   A way out suspends the running context A and leaves B at its resume address:
   arrives.  A landing starts there and gives back what B left.  Neither knows
   the other, so that any way out goes with any landing; Chain.v puts them
   together. *)
Require Import ZArith List Bool Lia.
Require Import X86 Logic.
Import ListNotations.
Open Scope Z_scope.

(* ---- an architecture -------------------------------------------------------- *)

Record arch := {
  b64 : bool;
  w : Z;                     (* bytes of a word *)
  W : Z;                     (* 2 ^ (8 w) *)
  red : Z;                   (* bytes of the red zone *)
  creg : reg;                (* at a resume address: the co *)
  freg : reg;                (* out: the co to suspend *)
  treg : reg;                (* out: the co to continue *)
  lreg : reg;                (* out: the resume address *)
  inl_from : reg;            (* inline: the co to suspend *)
  bx : reg;                  (* callee-saved, in reg[3] *)
  pushed : list reg;         (* callee-saved, on the stack; highest first *)
  o_ctl : Z;                 (* in aco_t: MXCSR, the x87 word, flags, the function *)
  o_ctl2 : Z;
  o_flags : Z;
  o_fp : Z
}.

Definition amd64 := {| b64 := true; w := 8; W := 2 ^ 64; red := 128; creg := RDI;
  freg := RDI; treg := RSI; lreg := RDX; inl_from := RSI; bx := RBX;
  pushed := [R12; R13; R14; R15];
  o_ctl := 32; o_ctl2 := 36; o_flags := 39; o_fp := 72 |}.
Definition i386 := {| b64 := false; w := 4; W := 2 ^ 32; red := 0; creg := RDX;
  freg := RAX; treg := RDX; lreg := RCX; inl_from := RAX; bx := RSI;
  pushed := [RBX; RDI];
  o_ctl := 16; o_ctl2 := 20; o_flags := 23; o_fp := 44 |}.

Section Contracts.
Variable X : arch.
Notation w := (w X).
Notation word m a := (load (Z.to_nat w) m a).
Definition saved := bx X :: RBP :: pushed X.

(* Bytes of aco_t that the switch may read or write. *)
Definition used := o_fp X + w.
Definition np := Z.of_nat (length (pushed X)).

(* ---- what a suspended context has left ------------------------------------- *)

(* Registers at the call, or at the inline switch; s_ret: where it goes on. *)
Record snap := { s_rf : reg -> Z; s_sp : Z; s_ret : Z }.

Inductive kind :=
  | Fun                      (* aco_switch, aco_switch_fpenv, aco_switch_in_place *)
  | Value                    (* aco_switch_value *)
  | Inline (with_bx : bool)  (* s_ret is the landing; with_bx: clang's *)
  | Entry (tools : bool).    (* a new co; s_ret is its function; tools: there is a C++
                                runtime or a sanitizer *)
Definition is_new k := exists tools, k = Entry tools.

(* Addresses: the landings of aco_switch and aco_switch_value, aco_entry or
   aco_entry_tools, and where the function of a co returns to. *)
Variables a_switch a_value : Z.
Variable a_entry : bool -> Z.
Variable a_entry_return : Z.

(* Where its stack pointer is kept, and the lowest byte that it needs. *)
Definition kept_sp (k : kind) (g : snap) := match k with
  | Fun => s_sp g - np * w | Value => s_sp g - (np + 1) * w
  | Inline _ | Entry _ => s_sp g end.
Definition low (k : kind) (g : snap) := match k with
  | Fun => s_sp g - np * w | Value => s_sp g - (np + 1) * w
  | Inline _ => s_sp g - red X | Entry _ => s_sp g end.
(* one past the highest byte that the form itself speaks of *)
Definition high (k : kind) (g : snap) := match k with
  | Fun | Value => s_sp g + w | Inline _ | Entry _ => s_sp g end.

Fixpoint pushes (v : mem) (p : Z) (rs : list reg) (f : reg -> Z) : Prop :=
  match rs with
  | [] => True
  | r :: rs => word v (p - w) = f r /\ pushes v (p - w) rs f
  end.

(* The form of a suspended context: m has its aco_t at t, v its stack (which lies
   elsewhere while another user of the stack runs). *)
Definition form (m v : mem) (t : Z) (k : kind) (g : snap) : Prop :=
  word m (t + w) = kept_sp k g /\
  match k with
  | Fun | Value =>
      word m t = match k with Value => a_value | _ => a_switch end /\
      word m (t + 2 * w) = s_rf g RBP /\ word m (t + 3 * w) = s_rf g (bx X) /\
      pushes v (s_sp g) (pushed X) (s_rf g) /\ word v (s_sp g) = s_ret g
  | Inline b =>
      word m t = s_ret g /\ word m (t + 2 * w) = s_rf g RBP /\
      (b = true -> word m (t + 3 * w) = s_rf g (bx X))
  | Entry tools =>
      word m t = a_entry tools /\ word m (t + o_fp X) = s_ret g
  end.

(* B is about to go on, with what was in its aco_t at t. *)
Definition arrives (m0 : mem) (t : Z) (s : state) : Prop :=
  pc s = word m0 t /\ rf s RSP = word m0 (t + w) /\
  rf s RBP = word m0 (t + 2 * w) /\ rf s (creg X) = t.

(* ---- control words ----------------------------------------------------------- *)

(* The exception flags of MXCSR belong to no context. *)
Definition mx_control (v : Z) := Z.land v 0xffc0.
Definition same_words (s s' : state) := mx s' = mx s /\ cw s' = cw s.
Definition words_ok (m : mem) (t : Z) :=
  mx_ok (load 4 m (t + o_ctl X)) = true /\ cw_ok (load 2 m (t + o_ctl2 X)) = true.
(* t has the words of s. *)
Definition words_saved (m : mem) (t : Z) (s : state) :=
  load 4 m (t + o_ctl X) = mx s /\ load 2 m (t + o_ctl2 X) = cw s.
(* s has the words of t. *)
Definition words_loaded (m : mem) (t : Z) (s : state) :=
  mx_control (mx s) = mx_control (load 4 m (t + o_ctl X)) /\
  cw s = load 2 m (t + o_ctl2 X).

(* The control words that a way out exchanges.  Processors without SSE, which are of
   i386, have that of x87 alone, and what is here of MXCSR nobody touches. *)
Inductive control := Neither | Both | X87.

(* A, at ta, can save its words. *)
Definition can_exchange e (s : state) ta := match e with
  | Neither => True
  | Both => mx_ok (mx s) = true /\ cw_ok (cw s) = true /\
      (b64 X = false -> Z.testbit (mm s (ta + o_flags X)) 2 = true)
  | X87 => cw_ok (cw s) = true /\ Z.testbit (mm s (ta + o_flags X)) 2 = false
  end.
(* It has done so, and the words are those of B, at tb. *)
Definition exchanged e ta tb (s s' : state) := match e with
  | Neither => same_words s s'
  | Both => words_saved (mm s') ta s /\ words_loaded (mm s) tb s'
  | X87 => mx s' = mx s /\
      load 4 (mm s') (ta + o_ctl X) = load 4 (mm s) (ta + o_ctl X) /\
      load 2 (mm s') (ta + o_ctl2 X) = cw s /\
      cw s' = load 2 (mm s) (tb + o_ctl2 X)
  end.
(* So many bytes of the aco_t of A are written. *)
Definition out_T e := match e with Neither => 4 * w | _ => o_ctl2 X + 2 end.

Definition same_rest (s s' : state) := df s' = df s /\ rest s' = rest s.

(* The same, as a landing keeps them: aco_entry_tools calls a C function, which may
   change what belongs to its caller, and set exception flags. *)
Definition rest_kept k (s s' : state) :=
  match k with Entry true => df s' = df s | _ => same_rest s s' end.
Definition words_kept k (s s' : state) := match k with
  | Entry true => mx_control (mx s') = mx_control (mx s) /\ cw s' = cw s
  | _ => same_words s s' end.

(* ---- proofs about code --------------------------------------------------------- *)

Definition ranged (f : reg -> Z) := forall r, 0 <= f r < W X.
Definition range (a n : Z) (x : Z) := a <= x < a + n.
(* [a, a+n) and [b, b+k) are apart *)
Definition apart2 a n b k := a + n <= b \/ b + k <= a.

Variable code : Z -> option (instr * Z).
Variable ext : Z -> state -> Z -> state -> Prop.
Variable inside : state -> Prop. (* in the text of the library *)
Variable prot : state -> Z -> Prop.

(* Everything that the code may not write, and signal handlers do not, wherever
   the stack pointer is in place, is as in m0. *)
Definition kept (place : state -> Prop) (mine : Z -> Prop) (m0 m : mem) :=
  forall a, ~ mine a -> (forall s, place s -> prot s a) -> m a = m0 a.

(* From s the code at its pc gets to a state of Q, with the stack pointer in
   place, writing only mine. *)
Definition gets (ins : state -> Prop) (place : state -> Prop) (mine : Z -> Prop)
    (Q : state -> Prop) (s : state) :=
  reach (b64 X) code ext prot (fun s => ins s /\ place s) mine
    (fun s' => Q s' /\ kept place mine (mm s) (mm s')) s.

Definition nothing (a : Z) := False.

(* A way out from A at ta, whose stack pointer is r0, with bytes n of its stack
   to be written, to B at tb, whose stack pointer is sb. *)
Definition out_place (r0 n sb : Z) (s : state) :=
  r0 - n <= rf s RSP <= r0 \/ rf s RSP = sb.
Definition out_mine (ta tn r0 n : Z) (a : Z) := range ta tn a \/ range (r0 - n) n a.

(* Signal handlers leave alone: both aco_t, what A has on its stack (above is
   what the form speaks of above r0), from the stack pointer on. *)
Definition out_prot (ta tb r0 n above sb : Z) :=
  forall s, out_place r0 n sb s ->
    (forall a, range ta used a \/ range tb used a -> prot s a) /\
    (forall a, r0 - n <= a < r0 + above ->
       (rf s RSP <= a \/ rf s RSP = sb) -> prot s a).

Definition out_apart (ta tb r0 n above : Z) :=
  0 <= ta /\ ta + used <= W X /\ 0 <= tb /\ tb + used <= W X /\
  0 <= r0 - n /\ r0 + above <= W X /\
  apart2 ta used tb used /\
  apart2 ta used (r0 - n) (n + above) /\ apart2 tb used (r0 - n) (n + above).

(* The stack pointer of B is not among the bytes that A writes. *)
Definition sb_apart (r0 n sb : Z) := sb < r0 - n \/ r0 < sb.

(* aco_switch (exch = Neither, k = Fun), aco_switch_fpenv (Both or X87, Fun),
   aco_switch_value (Neither, Value): called with pc at entry. *)
Definition out_spec (entry : Z) (exch : control) (k : kind) (land : Z) : Prop :=
  forall s ta tb r0 sb,
    let n := match k with Value => (np + 1) * w | _ => np * w end in
    pc s = entry -> rf s (freg X) = ta -> rf s (treg X) = tb ->
    rf s (lreg X) = land -> rf s RSP = r0 -> ranged (rf s) ->
    word (mm s) (tb + w) = sb -> sb_apart r0 n sb ->
    out_apart ta tb r0 n w -> out_prot ta tb r0 n w sb ->
    (exch <> Neither -> words_ok (mm s) tb) -> can_exchange exch s ta ->
    gets inside (out_place r0 n sb) (out_mine ta (out_T exch) r0 n)
      (fun s' => arrives (mm s) tb s' /\
         form (mm s') (mm s') ta k
           {| s_rf := rf s; s_sp := r0; s_ret := word (mm s) r0 |} /\
         (k = Value -> word (mm s') (r0 - n) = 0) /\
         same_rest s s' /\ exchanged exch ta tb s s') s.

(* ---- landings -------------------------------------------------------------------- *)

(* on the stack of B, from where it was to where it is when all is done *)
Definition land_place (from to : Z) (s : state) := from <= rf s RSP <= to.
Definition land_prot (t from to : Z) :=
  forall s, land_place from to s ->
    (forall a, range t used a -> prot s a) /\
    (forall a, from <= a < to -> rf s RSP <= a -> prot s a).

Definition land_apart (t from to : Z) :=
  0 <= t /\ t + used <= W X /\ 0 <= from /\ from <= to /\ to < W X.

(* What B finds. *)
Definition back (m0 : mem) (k : kind) (g : snap) (t : Z) (s s' : state) : Prop :=
  rest_kept k s s' /\ words_kept k s s' /\
  match k with
  | Fun | Value =>
      pc s' = s_ret g /\ rf s' RSP = s_sp g + w /\
      (forall r, In r saved -> rf s' r = s_rf g r) /\
      rf s' RAX = match k with
        Value => word m0 (kept_sp k g) (* what was sent *) | _ => 0 end
  | Inline b =>
      pc s' = s_ret g + (if b then 4 + (if b64 X then 4 else 3) else 4) /\
      rf s' RSP = s_sp g /\ rf s' RBP = s_rf g RBP /\ rf s' (creg X) = t /\
      (b = true -> rf s' (bx X) = s_rf g (bx X))
  | Entry _ =>
      pc s' = s_ret g /\ rf s' RSP = s_sp g - w /\
      (forall r, In r saved -> rf s' r = 0) /\
      word (mm s') (s_sp g - w) = a_entry_return
  end.

Definition land_spec (k : kind) : Prop :=
  match k with
  | Fun | Value => forall s t g,
      arrives (mm s) t s -> form (mm s) (mm s) t k g ->
      land_apart t (low k g) (s_sp g + w) -> land_prot t (low k g) (s_sp g + w) ->
      gets inside (land_place (low k g) (s_sp g + w)) nothing
        (back (mm s) k g t s) s
  | Entry _ => forall s t g,
      arrives (mm s) t s -> form (mm s) (mm s) t k g ->
      land_apart t (s_sp g - w) (s_sp g) -> land_prot t (s_sp g - w) (s_sp g) ->
      apart2 t used (s_sp g - w) w ->
      gets inside (land_place (s_sp g - w) (s_sp g)) (range (s_sp g - w) w)
        (back (mm s) k g t s) s
  | Inline _ => True (* Inline.v *)
  end.

(* What the C function that aco_entry_tools calls does: it returns, keeps what the
   ABI says, and writes nothing that signal handlers leave alone. *)
Definition entered (f : Z) (s : state) (to : Z) (s1 : state) :=
  f = x_aco_tools_entered /\ pc s1 = to /\ rf s1 RSP = rf s RSP /\
  (forall r, In r saved -> rf s1 r = rf s r) /\ df s1 = df s /\
  mx_control (mx s1) = mx_control (mx s) /\ cw s1 = cw s /\
  (forall a, prot s a -> mm s1 a = mm s a).

(* ---- inline, and in place ------------------------------------------------------ *)

(* The inline switch: at_p p land says that its text lies at p, with its landing at
   land; n bytes of the stack are written (i386: its own address). *)
Definition inline_spec (at_p : Z -> Z -> Prop) (ins : state -> Prop)
    (exch : control) (with_bx : bool) (n : Z) : Prop :=
  forall s p land ta tb r0 sb,
    at_p p land -> pc s = p ->
    rf s (inl_from X) = ta -> rf s (creg X) = tb -> rf s RSP = r0 -> ranged (rf s) ->
    word (mm s) (tb + w) = sb -> sb_apart r0 n sb ->
    out_apart ta tb r0 n 0 -> out_prot ta tb r0 n 0 sb ->
    (exch <> Neither -> words_ok (mm s) tb) -> can_exchange exch s ta ->
    gets ins (out_place r0 n sb) (out_mine ta (out_T exch) r0 n)
      (fun s' => arrives (mm s) tb s' /\
         form (mm s') (mm s') ta (Inline with_bx)
           {| s_rf := rf s; s_sp := r0; s_ret := land |} /\
         same_rest s s' /\ exchanged exch ta tb s s') s.

Definition inline_landing_spec (at_land : Z -> Prop) (ins : state -> Prop)
    (with_bx : bool) : Prop :=
  forall s t g, at_land (s_ret g) ->
    arrives (mm s) t s -> form (mm s) (mm s) t (Inline with_bx) g ->
    0 <= t /\ t + used <= W X -> (forall s1, rf s1 RSP = s_sp g ->
      forall a, range t used a -> prot s1 a) ->
    gets ins (fun s1 => rf s1 RSP = s_sp g) nothing
      (back (mm s) (Inline with_bx) g t s) s.

(* aco_switch_in_place calls C in its middle: three parts.

     at the call        | live | saved registers | gap: room for struct aco_move |
                                                 '-- rsp *)
Variable gap : Z.                (* 40, 20 *)
Variable breg : reg.             (* callee-saved, has B over the call: r12, ebx *)
Variable mreg : reg.             (* the third argument: rdx, ecx *)
Variables a_in_place a_call a_after : Z. (* entry, the call, what follows it *)

Definition in_place_call_spec : Prop :=
  forall s ta tb r0,
    let n := np * w + gap in
    pc s = a_in_place -> rf s (freg X) = ta -> rf s (treg X) = tb ->
    rf s RSP = r0 -> ranged (rf s) ->
    out_apart ta tb r0 n w -> out_prot ta tb r0 n w (r0 - n) ->
    gets inside (out_place r0 n (r0 - n)) (out_mine ta (4 * w) r0 (np * w))
      (fun s' =>
         pc s' = a_call /\ rf s' RSP = r0 - n /\ ranged (rf s') /\
         rf s' (freg X) = ta /\ rf s' (treg X) = tb /\ rf s' mreg = r0 - n /\
         rf s' breg = tb /\
         (forall r, In r saved -> r <> breg -> rf s' r = rf s r) /\
         word (mm s') (ta + w) = r0 - np * w /\
         word (mm s') (ta + 2 * w) = rf s RBP /\ word (mm s') (ta + 3 * w) = rf s (bx X) /\
         pushes (mm s') r0 (pushed X) (rf s) /\ word (mm s') r0 = word (mm s) r0 /\
         same_rest s s' /\ same_words s s') s.

(* It has returned 0: what it wrote where rsp points tells what to copy. *)
Definition in_place_copy_spec : Prop :=
  forall s tb rc sb e from nw nz,
    let total := (nw + nz) * w in
    pc s = a_after -> rf s RAX mod 2 ^ 32 = 0 -> rf s RSP = rc -> rf s breg = tb ->
    ranged (rf s) -> df s = false ->
    word (mm s) rc = e -> word (mm s) (rc + w) = from ->
    word (mm s) (rc + 2 * w) = nw -> word (mm s) (rc + 3 * w) = nz ->
    word (mm s) (tb + w) = sb ->
    0 <= tb -> tb + used <= W X -> 0 <= rc -> rc + 4 * w <= W X ->
    0 < sb /\ 0 <= e - total -> e <= W X - w -> 0 <= from -> from + nw * w <= W X ->
    apart2 tb used (e - total) total -> apart2 from (nw * w) (e - total) total ->
    (forall s1, rf s1 RSP = rc \/ rf s1 RSP = sb -> forall a,
       range tb used a \/ range from (nw * w) a -> prot s1 a) ->
    (forall s1, rf s1 RSP = rc -> forall a, range rc (4 * w) a -> prot s1 a) ->
    (forall s1, rf s1 RSP = sb -> forall a, range (e - total) total a -> prot s1 a) ->
    gets inside (fun s1 => rf s1 RSP = rc \/ rf s1 RSP = sb) (range (e - total) total)
      (fun s' => arrives (mm s) tb s' /\ same_rest s s' /\ same_words s s' /\
         (forall a, range (e - nz * w) (nz * w) a -> mm s' a mod 256 = 0) /\
         (forall i, 0 <= i < nw * w ->
            mm s' (e - total + i) mod 256 = mm s (from + i) mod 256)) s.

(* It has returned anything else: A goes on. *)
Definition in_place_fails_spec : Prop :=
  forall s g rc,
    let n := np * w + gap in
    pc s = a_after -> rf s RAX mod 2 ^ 32 <> 0 -> rf s RSP = rc ->
    rc = s_sp g - n -> ranged (rf s) -> ranged (s_rf g) ->
    (forall r, In r saved -> r <> breg -> ~ In r (pushed X) -> rf s r = s_rf g r) ->
    pushes (mm s) (s_sp g) (pushed X) (s_rf g) -> word (mm s) (s_sp g) = s_ret g ->
    0 <= rc -> s_sp g + w < W X ->
    (forall s1, rc <= rf s1 RSP <= s_sp g + w -> forall a,
       rf s1 RSP <= a < s_sp g + w -> prot s1 a) ->
    gets inside (land_place rc (s_sp g + w)) nothing
      (fun s' => pc s' = s_ret g /\ rf s' RSP = s_sp g + w /\
         (forall r, In r saved -> rf s' r = s_rf g r) /\ rf s' RAX = rf s RAX /\
         same_rest s s' /\ same_words s s') s.

End Contracts.
