(* SPDX-License-Identifier: Apache-2.0 *)
(* Share stacks: whose bytes lie where, as a function from states and operations
   to states.  A co never finds another byte than those that it left, and an
   operation that fails changes nothing.

   A stack is the list of its words that anybody may rely on, from its top
   downwards, align_retptr not included:

        align_retptr
        +--------+   word 0
        |        |   word 1
        |        |   ...
        +--------+   reg[SP]: as many words above it as the depth says
        |        |   below it, if the co was suspended inline while it had the
        '--------'   stack for itself: the red zone

   Not here: the destruction of stacks, tools and C++ runtimes, and more than one
   thread or main co.  proof/trace runs the same operations here and in the
   library, and compares. *)
Require Import Arith List Bool Lia.
Import ListNotations.

(* Bytes of a word; words at the top that are not kept when they are 0; words of
   the red zone. *)
Record arch := { word_bytes : nat; zero_words : nat; red_words : nat }.
Definition amd64 := {| word_bytes := 8; zero_words := 5; red_words := 16 |}.
Definition i386 := {| word_bytes := 4; zero_words := 3; red_words := 0 |}.

Section Share.
Variable A : arch.
Variable word : Type.
Variable zero : word.
Variable is_zero : word -> bool.
Hypothesis is_zero_ok : forall w, is_zero w = true -> w = zero.
Variable height : nat -> nat.      (* of each stack, in words *)

(* ---- states ---------------------------------------------------------------- *)

(* As aco_t.state.  A co that is fast is the only user of its stack: it may be
   suspended by inline code in a function that has a red zone.  When another
   user comes it is demoted. *)
Inductive form := Fast | Inline | Sharing.
Inductive status := Init | Susp (f : form) | Busy (fast : bool) | Ended | Gone.

(* The save stack: its size in bytes, and what it holds. *)
Record save := { size : nat; embedded : bool; words : list word }.

Record co := { stat : status;
               stk : nat;
               depth : nat;          (* where reg[SP] points *)
               kept : save;
               left : list word }.   (* what it left: for the theorems alone *)

Record state := { cos : nat -> co;
                  stack : nat -> list word;
                  owner : nat -> option nat;
                  users : nat -> list nat;
                  chain : list nat }. (* the current co, its resumer, and so on,
                                         without the main context *)

Definition set {T} (f : nat -> T) (k : nat) (v : T) : nat -> T :=
  fun x => if x =? k then v else f x.

Definition with_co s c v := {| cos := set (cos s) c v; stack := stack s;
  owner := owner s; users := users s; chain := chain s |}.
Definition with_stack s k l := {| cos := cos s; stack := set (stack s) k l;
  owner := owner s; users := users s; chain := chain s |}.
Definition with_owner s k o := {| cos := cos s; stack := stack s;
  owner := set (owner s) k o; users := users s; chain := chain s |}.
Definition with_users s k l := {| cos := cos s; stack := stack s;
  owner := owner s; users := set (users s) k l; chain := chain s |}.
Definition with_chain s l := {| cos := cos s; stack := stack s;
  owner := owner s; users := users s; chain := l |}.

Definition become c x := {| stat := x; stk := stk c; depth := depth c;
  kept := kept c; left := left c |}.
Definition with_kept c v := {| stat := stat c; stk := stk c; depth := depth c;
  kept := v; left := left c |}.
Definition with_depth c d := {| stat := stat c; stk := stk c; depth := d;
  kept := kept c; left := left c |}.
Definition with_left c l := {| stat := stat c; stk := stk c; depth := depth c;
  kept := kept c; left := l |}.

Definition resumable x := match x with Init | Susp _ => true | _ => false end.
Definition busy x := match x with Busy _ => true | _ => false end.
Definition suspended x := match x with Susp _ => true | _ => false end.
Definition is_fast x := match x with Busy true | Susp Fast => true | _ => false end.
Definition holds x := match x with Busy _ | Susp Fast => true | _ => false end.

(* ---- operations ------------------------------------------------------------- *)

(* mem: whether the allocator has memory.  d: the depth at which the co is
   suspended. *)
Inductive op :=
  | Run (l : list word)                    (* the current co writes its stack *)
  | Create (c k sz : nat) (mem : bool)
  | Resume (c : nat) (mem : bool)
  | Yield (d : nat)
  | Yield_to (c d : nat) (mem : bool)
  | Exit
  | Reset (c : nat)
  | Destroy (c : nat).

(* No_memory: the call returns -1, or NULL, in this state.  Misuse: it aborts, or
   can't be asked for.  Broken: what the C code does then is not defined. *)
Inductive outcome := Done (s : state) | No_memory (s : state) | Misuse | Broken.

Definition then_do (x : outcome) (f : state -> outcome) :=
  match x with Done s => f s | _ => x end.

(* ---- copying: save_stack.c --------------------------------------------------- *)

(* has_room(), new_size(), resize().  None: no memory. *)
Definition has_room (v : save) need :=
  (need <=? size v) && ((size v <=? 1024) || (size v / 4 <? need)).
Definition new_size (v : save) need :=
  let ahead := size v + size v / 2 in
  let sz := if (size v <? need) && (need <? ahead) then ahead else need in
  (sz + 7) / 8 * 8.
Definition reserve (v : save) need (mem : bool) : option save :=
  if has_room v need then Some v
  else if embedded v && (need <=? size v) then Some v
  else if mem then Some {| size := new_size v need; embedded := false; words := words v |}
  else if need <=? size v then Some v
  else None.

(* aco_has_zeros_below(): looks at words above the stack pointer alone. *)
Definition has_zeros d (l : list word) :=
  (zero_words A <? d) && forallb is_zero (firstn (zero_words A) l).
Definition keep d l := if has_zeros d l then skipn (zero_words A) l else l.

(* Words that lie below the stack pointer of a co and are copied as well. *)
Definition red k d := Nat.min (red_words A) (height k - d).
Definition below c := match stat c with Susp Inline => red (stk c) (depth c) | _ => 0 end.

Definition copy_out s o mem : outcome :=
  let c := cos s o in
  let l := keep (depth c) (firstn (depth c + below c) (stack s (stk c))) in
  match reserve (kept c) (word_bytes A * length l) mem with
  | Some v => Done (with_co s o (with_kept c
                      {| size := size v; embedded := embedded v; words := l |}))
  | None => No_memory s
  end.

(* What a save stack stands for. *)
Definition bytes_of c := match stat c with Init => 0 | _ => depth c + below c end.
Definition restore (l : list word) n :=
  if length l <? n then repeat zero (zero_words A) ++ l else l.
Definition saved c := restore (words (kept c)) (bytes_of c).

Definition emptied (v : save) := {| size := size v; embedded := embedded v; words := [] |}.
Definition copy_in s c :=
  with_co (with_stack s (stk (cos s c)) (saved (cos s c)))
          c (with_kept (cos s c) (emptied (kept (cos s c)))).

Definition take s c := with_owner (copy_in s c) (stk (cos s c)) (Some c).

(* aco_acquire_stack(), aco_switch_owner() *)
Definition acquire s c mem : outcome :=
  match owner s (stk (cos s c)) with
  | None => Done (take s c)
  | Some o =>
    if o =? c then Done s
    else match stat (cos s o) with
         | Busy _ => Misuse
         | Susp _ => then_do (copy_out s o mem) (fun s => Done (take s c))
         | _ => Broken
         end
  end.

(* ---- switching: switch.c, yield_to.c ----------------------------------------- *)

(* The current context is left as it is, and c goes on. *)
Definition wait s :=
  match chain s with
  | a :: _ => with_co s a (with_left (cos s a) (stack s (stk (cos s a))))
  | [] => s
  end.
Definition alone s k := match users s k with [_] => true | _ => false end.
Definition enter s c :=
  with_chain (with_co s c (become (cos s c) (Busy (alone s (stk (cos s c)))))) (c :: chain s).

(* The current co is suspended at depth d, and its resumer is current.  What lies
   below what it leaves is anybody's, such as a signal handler's. *)
Definition form_of x := match x with Busy true => Fast | _ => Sharing end.
Definition reach k f d := match f with Sharing => d | _ => d + red k d end.
Definition suspend s d : outcome :=
  match chain s with
  | [] => Misuse
  | a :: rest =>
    let c := cos s a in
    let f := form_of (stat c) in
    let n := reach (stk c) f d in
    let l := firstn n (stack s (stk c)) in
    if length l =? n then
      Done (with_chain (with_stack (with_co s a
        {| stat := Susp f; stk := stk c; depth := d; kept := kept c; left := l |})
        (stk c) l) rest)
    else Misuse                            (* it has not so much on its stack *)
  end.

Definition resume s c mem : outcome :=
  if resumable (stat (cos s c))
  then then_do (acquire s c mem) (fun s => Done (enter (wait s) c))
  else Misuse.

(* aco_switch_in_place(), aco_leave_place(): the stack pointer of the current co a
   has its place in aco_t when its bytes are copied out. *)
Definition in_place s a c d mem : outcome :=
  then_do (copy_out (with_co s a (with_depth (cos s a) d)) a mem) (fun s =>
  then_do (suspend s d) (fun s => Done (enter (take s c) c))).

Definition yield_to s c d mem : outcome :=
  match chain s with
  | [] => Misuse
  | a :: _ =>
    if negb (resumable (stat (cos s c))) then Misuse
    else if stk (cos s c) =? stk (cos s a) then in_place s a c d mem
    else then_do (acquire s c mem) (fun s =>
         then_do (suspend s d) (fun s => Done (enter s c)))
  end.

Definition exit s : outcome :=
  match chain s with
  | [] => Misuse
  | a :: rest => Done (with_chain (with_owner (with_co s a
      (become (cos s a) Ended)) (stk (cos s a)) None) rest)
  end.

(* ---- birth and death: coroutine.c -------------------------------------------- *)

(* aco_demote() *)
Definition demoted x :=
  match x with Susp Fast => Susp Inline | Busy true => Busy false | _ => x end.
Definition demote s k :=
  match users s k with
  | [x] => with_co s x (become (cos s x) (demoted (stat (cos s x))))
  | _ => s
  end.

Definition create s c k sz (mem : bool) : outcome :=
  match stat (cos s c) with
  | Gone =>
    if mem then
      let s := demote s k in
      Done (with_users (with_co s c {| stat := Init; stk := k; depth := 0; left := [];
              kept := {| size := sz; embedded := 0 <? sz; words := [] |} |})
            k (c :: users s k))
    else No_memory s
  | _ => Misuse
  end.

Definition leave_stack s c :=
  let k := stk (cos s c) in
  match owner s k with
  | Some o => if o =? c then with_owner s k None else s
  | None => s
  end.

Definition at_rest x := resumable x || match x with Ended => true | _ => false end.

Definition reset s c : outcome :=
  if at_rest (stat (cos s c)) then
    let s := leave_stack s c in
    let v := cos s c in
    Done (with_co s c {| stat := Init; stk := stk v; depth := 0;
                         kept := emptied (kept v); left := [] |})
  else Misuse.

Definition destroy s c : outcome :=
  if at_rest (stat (cos s c)) then
    let s := leave_stack s c in
    let k := stk (cos s c) in
    Done (with_users (with_co s c (become (cos s c) Gone)) k
                     (remove Nat.eq_dec c (users s k)))
  else Misuse.

(* ---- one operation ------------------------------------------------------------ *)

Definition run s l : outcome :=
  match chain s with
  | a :: _ => if length l <=? height (stk (cos s a))
              then Done (with_stack s (stk (cos s a)) l)
              else Misuse                   (* an overflow *)
  | [] => Misuse
  end.

Definition step (s : state) (o : op) : outcome :=
  match o with
  | Run l => run s l
  | Create c k sz mem => create s c k sz mem
  | Resume c mem => resume s c mem
  | Yield d => suspend s d
  | Yield_to c d mem => yield_to s c d mem
  | Exit => exit s
  | Reset c => reset s c
  | Destroy c => destroy s c
  end.

Definition start : state :=
  {| cos := fun _ => {| stat := Gone; stk := 0; depth := 0; left := [];
                        kept := {| size := 0; embedded := false; words := [] |} |};
     stack := fun _ => []; owner := fun _ => None; users := fun _ => []; chain := [] |}.

(* ---- the invariant ------------------------------------------------------------ *)

(* x: a co that has got its stack, and has not started yet; None between
   operations. *)
Record inv (x : option nat) (s : state) : Prop := {
  i_nodup : NoDup (chain s);
  i_chain : forall c, In c (chain s) <-> busy (stat (cos s c)) = true;
  i_users : forall k c, In c (users s k) <->
            stat (cos s c) <> Gone /\ stk (cos s c) = k;
  (* an owner is one of the users, and has bytes there *)
  i_owner : forall k c, owner s k = Some c -> stk (cos s c) = k /\
            (suspended (stat (cos s c)) = true \/ busy (stat (cos s c)) = true \/
             x = Some c /\ stat (cos s c) = Init);
  (* who runs, waits or is fast owns its stack: so there are never two on one *)
  i_holds : forall c, holds (stat (cos s c)) = true -> owner s (stk (cos s c)) = Some c;
  i_fast  : forall c, is_fast (stat (cos s c)) = true -> users s (stk (cos s c)) = [c];
  (* what a co left is there: on the stack, or in the save stack *)
  i_stack : forall c, owner s (stk (cos s c)) = Some c ->
            resumable (stat (cos s c)) = true \/ In c (tl (chain s)) ->
            stack s (stk (cos s c)) = left (cos s c);
  i_saved : forall c, resumable (stat (cos s c)) = true ->
            owner s (stk (cos s c)) <> Some c -> saved (cos s c) = left (cos s c);
  i_len   : forall c f, stat (cos s c) = Susp f ->
            length (left (cos s c)) = reach (stk (cos s c)) f (depth (cos s c));
  (* no save stack holds more than it has room for *)
  i_room  : forall c, word_bytes A * length (words (kept (cos s c))) <= size (kept (cos s c))
}.

Lemma set_eq {T} (f : nat -> T) k v : set f k v k = v.
Proof. unfold set. rewrite Nat.eqb_refl. reflexivity. Qed.
Lemma set_ne {T} (f : nat -> T) k v x : x <> k -> set f k v x = f x.
Proof. intros; unfold set. destruct (Nat.eqb_spec x k); congruence. Qed.

(* d is c, or another co, which has not changed. *)
Ltac is d c := destruct (Nat.eq_dec d c) as [->|];
  [rewrite ?set_eq in * | rewrite ?(set_ne _ c) in * by assumption].
Ltac fields := cbn [with_co with_stack with_owner with_users with_chain
  cos stack owner users chain become with_kept with_depth with_left emptied
  stat stk depth kept left size embedded words
  resumable busy suspended is_fast holds demoted at_rest orb] in *.

Lemma i_owns x s : inv x s -> forall c,
  busy (stat (cos s c)) = true -> owner s (stk (cos s c)) = Some c.
Proof. intros V c B. apply V. destruct (stat (cos s c)); auto; discriminate. Qed.

Theorem inv_start : inv None start.
Proof.
  constructor; cbn; intros; try discriminate; try tauto.
  - constructor.
  - split; [contradiction | discriminate].
  - lia.
Qed.

(* ---- copies -------------------------------------------------------------------- *)

Lemma all_zero l : forallb is_zero l = true -> l = repeat zero (length l).
Proof.
  induction l as [|w l IH]; cbn; [reflexivity|]. intros E.
  apply andb_true_iff in E as [E1 E2]. rewrite (is_zero_ok w E1). f_equal. auto.
Qed.

Lemma restore_keep d n l : length l = n -> d <= n -> restore (keep d l) n = l.
Proof.
  intros <- D. unfold restore, keep. destruct (has_zeros d l) eqn:E.
  2: rewrite Nat.ltb_irrefl; reflexivity.
  apply andb_true_iff in E as [E1 E2]. apply Nat.ltb_lt in E1.
  apply all_zero in E2. rewrite firstn_length_le in E2 by lia.
  rewrite skipn_length. destruct (Nat.ltb_spec (length l - zero_words A) (length l)).
  - rewrite <- E2. apply firstn_skipn.
  - replace (zero_words A) with 0 by lia. reflexivity.
Qed.

Lemma reserve_fits v need mem v' : reserve v need mem = Some v' -> need <= size v'.
Proof.
  unfold reserve, has_room. destruct (Nat.leb_spec need (size v)); cbn [andb].
  - destruct (_ || _); [|rewrite andb_true_r; destruct (embedded v), mem];
      intros [= <-]; cbn [size]; try lia.
    unfold new_size. destruct (Nat.ltb_spec (size v) need); [lia|]. cbn [andb].
    pose proof (Nat.div_mod (need + 7) 8). pose proof (Nat.mod_upper_bound (need + 7) 8). lia.
  - rewrite andb_false_r. destruct mem; [|discriminate]. intros [= <-]; cbn [size].
    unfold new_size. set (sz := if _ && _ then _ else _).
    assert (need <= sz).
    { unfold sz. destruct (Nat.ltb_spec (size v) need); cbn [andb]; [|lia].
      destruct (Nat.ltb_spec need (size v + size v / 2)); lia. }
    pose proof (Nat.div_mod (sz + 7) 8). pose proof (Nat.mod_upper_bound (sz + 7) 8). lia.
Qed.

(* Only what the save stack of o has, and it fits. *)
Lemma copy_out_only s o mem s' : copy_out s o mem = Done s' ->
  exists v, s' = with_co s o (with_kept (cos s o) v) /\
    word_bytes A * length (words v) <= size v /\
    words v = keep (depth (cos s o))
      (firstn (depth (cos s o) + below (cos s o)) (stack s (stk (cos s o)))).
Proof.
  unfold copy_out. destruct reserve eqn:E; [|discriminate]. intros [= <-].
  eexists; split; [reflexivity|]. cbn [words size]. split; [|reflexivity].
  eapply reserve_fits; eauto.
Qed.

Lemma copy_out_fails s o mem s' : copy_out s o mem = No_memory s' -> s' = s.
Proof. unfold copy_out. destruct reserve; congruence. Qed.

(* What the owner o of a stack has in its save stack is of no account. *)
Lemma inv_kept x s o v : inv x s -> owner s (stk (cos s o)) = Some o ->
  word_bytes A * length (words v) <= size v ->
  inv x (with_co s o (with_kept (cos s o) v)).
Proof.
  intros V O F. constructor; fields; try apply V; intros.
  all: match goal with d : nat |- _ => is d o end; fields; try apply V; auto.
  contradiction.
Qed.

(* A fast co is the only user of its stack. *)
Lemma sole x s a c : inv x s -> is_fast (stat (cos s a)) = true ->
  stk (cos s a) = stk (cos s c) -> stat (cos s c) <> Gone -> c = a.
Proof.
  intros V F E G. apply (i_fast _ _ V) in F.
  assert (I : In c (users s (stk (cos s c)))) by (apply V; auto).
  rewrite <- E, F in I. destruct I as [|[]]; congruence.
Qed.

Lemma not_fast x s a c : inv x s -> a <> c -> stk (cos s a) = stk (cos s c) ->
  stat (cos s c) <> Gone -> is_fast (stat (cos s a)) = false.
Proof.
  intros V N E G. destruct (is_fast (stat (cos s a))) eqn:F; [exfalso|reflexivity].
  apply N. symmetry. eapply sole; eauto.
Qed.

(* c gets its stack, which is free, or whose owner's bytes are saved. *)
Lemma inv_take s c : inv None s -> resumable (stat (cos s c)) = true ->
  (forall o, owner s (stk (cos s c)) = Some o ->
     suspended (stat (cos s o)) = true /\ o <> c /\ saved (cos s o) = left (cos s o)) ->
  inv (Some c) (take s c) /\ stack (take s c) (stk (cos s c)) = left (cos s c).
Proof.
  intros V R O. remember (stk (cos s c)) as k eqn:K.
  assert (N : owner s k <> Some c) by (intros E; apply O in E; tauto).
  assert (L : saved (cos s c) = left (cos s c)) by (apply (i_saved _ _ V); congruence).
  assert (B : forall d, holds (stat (cos s d)) = true -> d <> c -> stk (cos s d) <> k).
  { intros d X D E. pose proof (i_holds _ _ V d X) as Y. rewrite E in Y.
    apply O in Y as (Y & _). apply D. symmetry. apply (sole _ _ _ c V); try congruence.
    - destruct (stat (cos s d)) as [|[]|[]| |]; discriminate || reflexivity.
    - intros G. rewrite G in R. discriminate. }
  unfold take, copy_in. rewrite <- K. fields. split; [|rewrite set_eq; exact L].
  constructor; fields; try apply V.
  - intros d. is d c; fields; apply V.
  - intros j d. is d c; fields; apply V.
  - intros d e H. destruct (Nat.eq_dec d k) as [->|].
    + rewrite set_eq in H. injection H as <-. rewrite set_eq. fields. split; [auto|].
      destruct (stat (cos s c)); cbn in R |- *; auto; discriminate.
    + rewrite set_ne in H by assumption.
      destruct (i_owner _ _ V d e H) as (X & Y). is e c; fields; intuition (auto; discriminate).
  - intros d H. is d c; fields.
    + rewrite <- K, set_eq. reflexivity.
    + rewrite set_ne by auto. apply V. assumption.
  - intros d H. is d c; fields; apply V; assumption.
  - intros d H H0. is d c; fields.
    + rewrite <- K, set_eq. exact L.
    + destruct (Nat.eq_dec (stk (cos s d)) k) as [E|E].
      * rewrite E, set_eq in H. congruence.
      * rewrite set_ne in H by assumption. rewrite set_ne by assumption. apply V; assumption.
  - intros d H H0. is d c; fields.
    + rewrite <- K, set_eq in H0. contradiction.
    + destruct (Nat.eq_dec (stk (cos s d)) k) as [E|E].
      * destruct (owner s k) as [o|] eqn:OK.
        -- destruct (Nat.eq_dec d o) as [->|]; [apply O; auto|].
           apply V; [assumption|]. congruence.
        -- apply V; [assumption|]. congruence.
      * rewrite set_ne in H0 by assumption. apply V; assumption.
  - intros d f H. is d c; fields; apply V; assumption.
  - intros d. is d c; fields; [cbn; lia | apply V].
Qed.

(* The current context waits: its stack is what it left. *)
Lemma inv_wait x s : inv x s -> inv x (wait s).
Proof.
  intros V. unfold wait. destruct (chain s) as [|a rest] eqn:C; [exact V|].
  assert (B : busy (stat (cos s a)) = true) by (apply (i_chain _ _ V); rewrite C; cbn; auto).
  constructor; fields; try apply V; intros.
  - is c a; fields; apply V.
  - is c a; fields; apply V.
  - destruct (i_owner _ _ V k c H). is c a; fields; auto.
  - is c a; fields; apply V; assumption.
  - is c a; fields; apply V; assumption.
  - is c a; fields; [reflexivity | apply V; assumption].
  - is c a; fields; [|apply V; assumption]. destruct (stat (cos s a)); discriminate.
  - is c a; fields; [|apply V; assumption]. rewrite H in B. discriminate.
  - is c a; fields; apply V.
Qed.

(* Of the resumer of the current co, or of who was current, while none is. *)
Definition ready s := forall a, hd_error (chain s) = Some a ->
  stack s (stk (cos s a)) = left (cos s a).

Lemma wait_ready s : ready (wait s).
Proof.
  unfold ready, wait. destruct (chain s) as [|b rest] eqn:C; intros a E.
  - rewrite C in E. discriminate.
  - fields. rewrite C in E. injection E as ->. rewrite set_eq. reflexivity.
Qed.

Lemma inv_more s c : inv None s -> inv (Some c) s.
Proof.
  intros V. constructor; try apply V. intros k d H.
  destruct (i_owner _ _ V k d H) as (X & Y). intuition discriminate.
Qed.

Lemma inv_enter s c : inv (Some c) s -> resumable (stat (cos s c)) = true ->
  owner s (stk (cos s c)) = Some c -> ready s -> inv None (enter s c).
Proof.
  intros V R O W. unfold enter.
  assert (N : ~ In c (chain s)).
  { rewrite (i_chain _ _ V). destruct (stat (cos s c)); discriminate. }
  constructor; fields; try apply V.
  - constructor; [exact N | apply V].
  - intros d. cbn [In]. is d c; fields; [tauto|]. rewrite (i_chain _ _ V).
    intuition congruence.
  - intros k d. is d c; fields; [|apply V]. rewrite (i_users _ _ V).
    destruct (stat (cos s c)); intuition discriminate.
  - intros k d H. destruct (i_owner _ _ V k d H) as (X & Y).
    is d c; fields; intuition congruence.
  - intros d H. is d c; fields; [exact O | apply V; assumption].
  - intros d H. is d c; fields; [|apply V; assumption]. unfold alone in H.
    assert (I : In c (users s (stk (cos s c)))).
    { apply (i_users _ _ V). split; [|reflexivity]. intros E; rewrite E in R; discriminate. }
    destruct (users s (stk (cos s c))) as [|e [|]]; try discriminate.
    destruct I as [->|[]]. reflexivity.
  - intros d H H0. cbn [tl] in H0. is d c; fields.
    + destruct H0 as [H0|H0]; [discriminate | contradiction].
    + destruct H0 as [H0|H0]; [apply V; auto|].
      destruct (chain s) as [|a rest] eqn:C; [destruct H0|].
      destruct H0 as [->|H0]; [apply W; rewrite C; reflexivity|].
      apply V; [assumption|]. rewrite C. auto.
  - intros d H H0. is d c; fields; [discriminate | apply V; assumption].
  - intros d f H. is d c; fields; [discriminate | apply V; assumption].
  - intros d. is d c; fields; apply V.
Qed.

(* A current co that is suspended, and its resumer, which is current then. *)
Lemma inv_suspend x s d s' : inv x s -> suspend s d = Done s' ->
  exists a f, hd_error (chain s) = Some a /\ chain s' = tl (chain s) /\
    stat (cos s' a) = Susp f /\ (is_fast (stat (cos s a)) = false -> f = Sharing) /\
    depth (cos s' a) = d /\ stk (cos s' a) = stk (cos s a) /\
    kept (cos s' a) = kept (cos s a) /\
    left (cos s' a) = firstn (reach (stk (cos s a)) f d) (stack s (stk (cos s a))) /\
    d <= length (left (cos s' a)) /\
    (forall b, b <> a -> cos s' b = cos s b) /\
    (forall k, k <> stk (cos s a) -> stack s' k = stack s k) /\
    owner s' = owner s /\ inv x s' /\ ready s'.
Proof.
  intros V. unfold suspend. destruct (chain s) as [|a rest] eqn:C; [discriminate|].
  set (f := form_of (stat (cos s a))). set (n := reach _ f d). set (l := firstn n _).
  destruct (Nat.eqb_spec (length l) n) as [LN|]; [|discriminate]. intros [= <-].
  assert (B : busy (stat (cos s a)) = true) by (apply (i_chain _ _ V); rewrite C; cbn; auto).
  assert (O : owner s (stk (cos s a)) = Some a) by (apply (i_owns _ _ V); exact B).
  assert (S : forall b, b <> a -> owner s (stk (cos s b)) = Some b -> stk (cos s b) <> stk (cos s a))
    by (intros b N X Y; rewrite Y in X; congruence).
  assert (ND : NoDup (a :: rest)) by (rewrite <- C; apply V). inversion ND; subst.
  exists a, f. fields. rewrite !set_eq. fields.
  repeat match goal with |- _ /\ _ => split end; auto.
  - unfold f. destruct (stat (cos s a)) as [| |[]| |]; cbn; intros; congruence.
  - rewrite LN. unfold n, reach. destruct f; lia.
  - intros b N. apply set_ne. exact N.
  - intros k N. apply set_ne. exact N.
  - constructor; fields; try apply V.
    + assumption.
    + intros b. is b a; fields; [split; [contradiction | discriminate]|].
      rewrite <- (i_chain _ _ V), C. cbn. intuition congruence.
    + intros k b. is b a; fields; [|apply V]. rewrite (i_users _ _ V).
      destruct (stat (cos s a)); intuition discriminate.
    + intros k b H. destruct (i_owner _ _ V k b H). is b a; fields; auto.
    + intros b H. is b a; fields; [exact O | apply V; assumption].
    + intros b H. is b a; fields; [|apply V; assumption].
      apply V. unfold f in H. destruct (stat (cos s a)) as [| |[]| |]; cbn in *; congruence.
    + intros b H H0. is b a; fields; [rewrite ?set_eq; reflexivity|].
      rewrite set_ne by auto. apply V; [assumption|]. rewrite C. cbn [tl].
      destruct H0; auto. right. destruct rest; [contradiction|]. cbn in *; auto.
    + intros b H H0. is b a; fields; [contradiction | apply V; assumption].
    + intros b g H. is b a; fields; [|apply V; assumption]. injection H as <-. exact LN.
    + intros b. is b a; fields; apply V.
  - intros b E. fields. destruct rest as [|e rest]; [discriminate|]. injection E as ->.
    assert (b <> a) by (intros ->; cbn in *; tauto).
    assert (BB : busy (stat (cos s b)) = true) by (apply (i_chain _ _ V); rewrite C; cbn; auto).
    rewrite (set_ne _ a) by assumption.
    rewrite set_ne by (apply S; [assumption | apply (i_owns _ _ V); assumption]).
    apply V; [apply (i_owns _ _ V); assumption|]. rewrite C. cbn; auto.
Qed.

(* Nothing but copies was made. *)
Definition alike s s' := chain s' = chain s /\ users s' = users s /\
  forall d, stat (cos s' d) = stat (cos s d) /\ stk (cos s' d) = stk (cos s d) /\
            left (cos s' d) = left (cos s d).

Lemma copy_out_done s o mem s' : inv None s -> owner s (stk (cos s o)) = Some o ->
  suspended (stat (cos s o)) = true -> is_fast (stat (cos s o)) = false ->
  copy_out s o mem = Done s' ->
  inv None s' /\ alike s s' /\ owner s' = owner s /\
  (forall d, d <> o -> cos s' d = cos s d) /\ saved (cos s' o) = left (cos s' o).
Proof.
  intros V O S F C. destruct (copy_out_only _ _ _ _ C) as (v & -> & R & E).
  split; [apply inv_kept; assumption|]. split; [|split; [reflexivity|split]].
  - repeat split; fields; is d o; reflexivity.
  - intros d N. apply set_ne. exact N.
  - fields. rewrite set_eq. fields. rewrite (i_stack _ _ V) in E; auto.
    2: { left. destruct (stat (cos s o)); auto; discriminate. }
    unfold saved, bytes_of. fields. rewrite E. unfold below in *. fields.
    destruct (stat (cos s o)) as [|f| | |] eqn:X; try discriminate.
    pose proof (i_len _ _ V o f X) as L.
    assert (LN : length (left (cos s o)) = depth (cos s o) +
      match f with Inline => red (stk (cos s o)) (depth (cos s o)) | _ => 0 end)
      by (destruct f; [discriminate | exact L | cbn in L; lia]).
    rewrite <- LN, firstn_all. apply restore_keep; lia.
Qed.

Lemma take_alike s c : alike s (take s c).
Proof. repeat split; unfold take, copy_in; fields; is d c; reflexivity. Qed.

Lemma alike_trans s1 s2 s3 : alike s1 s2 -> alike s2 s3 -> alike s1 s3.
Proof.
  intros (A1 & A2 & A3) (B1 & B2 & B3). repeat split; try congruence;
    destruct (A3 d) as (? & ? & ?), (B3 d) as (? & ? & ?); congruence.
Qed.

(* c is the owner of its stack, and what it left is there. *)
Definition present s c := inv (Some c) s /\ resumable (stat (cos s c)) = true /\
  owner s (stk (cos s c)) = Some c /\ stack s (stk (cos s c)) = left (cos s c).

Lemma take_present s c : inv None s -> resumable (stat (cos s c)) = true ->
  (forall o, owner s (stk (cos s c)) = Some o ->
     suspended (stat (cos s o)) = true /\ o <> c /\ saved (cos s o) = left (cos s o)) ->
  present (take s c) c.
Proof.
  intros V R O. destruct (inv_take s c V R O) as (I & S).
  destruct (take_alike s c) as (_ & _ & X). destruct (X c) as (X1 & X2 & X3).
  unfold present. rewrite X1, X2, X3. split; [exact I|]. split; [exact R|].
  split; [apply set_eq | exact S].
Qed.

Lemma acquire_done s c mem s' : inv None s -> resumable (stat (cos s c)) = true ->
  acquire s c mem = Done s' -> present s' c /\ alike s s'.
Proof.
  intros V R. unfold acquire. destruct (owner s (stk (cos s c))) as [o|] eqn:O.
  - destruct (Nat.eqb_spec o c) as [->|N].
    + intros [= <-]. split; [|repeat split]. split; [apply inv_more; exact V|].
      split; [exact R|]. split; [exact O | apply (i_stack _ _ V); auto].
    + destruct (i_owner _ _ V _ _ O) as (SK & _).
      destruct (stat (cos s o)) eqn:S; try discriminate.
      destruct (copy_out s o mem) as [s1| | |] eqn:C; try discriminate. intros [= <-].
      assert (G : stat (cos s c) <> Gone) by (intros G; rewrite G in R; discriminate).
      apply copy_out_done in C as (V1 & L & OW & D & E); auto.
      * destruct L as (L1 & L2 & L3). destruct (L3 c) as (X1 & X2 & X3).
        split; [|eapply alike_trans; [|apply take_alike]; split; auto].
        apply take_present; [exact V1 | congruence|]. intros o' O'.
        rewrite OW, X2, O in O'. injection O' as <-. destruct (L3 o) as (Y1 & _).
        rewrite Y1, S. auto.
      * congruence.
      * rewrite S. reflexivity.
      * apply (not_fast _ _ _ c V); auto.
  - intros [= <-]. split; [|apply take_alike]. apply take_present; auto. congruence.
Qed.

Lemma acquire_fails s c mem s' : acquire s c mem = No_memory s' -> s' = s.
Proof.
  unfold acquire. destruct owner as [o|]; [|discriminate].
  destruct (o =? c); [discriminate|]. destruct (stat (cos s o)); try discriminate.
  destruct (copy_out s o mem) eqn:C; try discriminate. cbn. intros [= <-].
  apply copy_out_fails in C. exact C.
Qed.

Lemma acquire_broken s c mem : inv None s -> acquire s c mem <> Broken.
Proof.
  intros V. unfold acquire. destruct owner as [o|] eqn:O; [|discriminate].
  destruct (o =? c); [discriminate|]. destruct (i_owner _ _ V _ _ O) as (_ & Y).
  unfold copy_out. destruct (stat (cos s o)); try discriminate;
    try (destruct Y as [|[|[]]]; discriminate).
  destruct reserve; discriminate.
Qed.

Lemma wait_present s c : present s c ->
  present (wait s) c /\ left (cos (wait s) c) = left (cos s c) /\
  stk (cos (wait s) c) = stk (cos s c).
Proof.
  intros (V & R & O & S).
  assert (E : cos (wait s) c = cos s c).
  { unfold wait. destruct (chain s) as [|a rest] eqn:C; [reflexivity|]. fields.
    apply set_ne. intros ->. assert (I : In a (chain s)) by (rewrite C; cbn; auto).
    apply (i_chain _ _ V) in I. destruct (stat (cos s a)); discriminate. }
  unfold present. rewrite E. split; [|auto]. split; [apply inv_wait; exact V|].
  split; [exact R|]. unfold wait. destruct (chain s); auto.
Qed.

Lemma suspend_present s c d s' : present s c -> suspend s d = Done s' ->
  present s' c /\ left (cos s' c) = left (cos s c) /\ stk (cos s' c) = stk (cos s c) /\
  ready s'.
Proof.
  intros (V & R & O & S) H.
  destruct (inv_suspend _ _ _ _ V H) as
    (a & f & C & _ & _ & _ & _ & _ & _ & _ & _ & D & K & OW & V' & W).
  assert (B : busy (stat (cos s a)) = true).
  { apply (i_chain _ _ V). destruct (chain s); [discriminate|]. injection C as ->. cbn; auto. }
  assert (N : c <> a) by (intros ->; destruct (stat (cos s a)); discriminate).
  unfold present. rewrite (D c N), OW, K; [tauto|].
  intros E. pose proof (i_owns _ _ V a B). congruence.
Qed.

Lemma enter_present s c : present s c -> ready s ->
  inv None (enter s c) /\ hd_error (chain (enter s c)) = Some c /\
  stk (cos (enter s c) c) = stk (cos s c) /\
  stack (enter s c) (stk (cos s c)) = left (cos s c).
Proof.
  intros (V & R & O & S) W. split; [apply inv_enter; assumption|].
  unfold enter; fields. rewrite set_eq. fields. auto.
Qed.

Lemma inv_depth s a d : inv None s -> busy (stat (cos s a)) = true ->
  inv None (with_co s a (with_depth (cos s a) d)).
Proof.
  intros V B. constructor; fields; try apply V; intros.
  - is c a; fields; apply V.
  - is c a; fields; apply V.
  - destruct (i_owner _ _ V k c H). is c a; fields; auto.
  - is c a; fields; apply V; assumption.
  - is c a; fields; apply V; assumption.
  - is c a; fields; apply V; assumption.
  - is c a; fields; [|apply V; assumption]. destruct (stat (cos s a)); discriminate.
  - is c a; fields; [|apply V; assumption]. rewrite H in B. discriminate.
  - is c a; fields; apply V.
Qed.

(* ---- each operation -------------------------------------------------------------- *)

(* The co that becomes current finds the bytes that it left. *)
Definition finds s s' := forall c,
  hd_error (chain s') = Some c -> hd_error (chain s) <> Some c ->
  stk (cos s' c) = stk (cos s c) /\ stack s' (stk (cos s c)) = left (cos s c).

Definition good s s' := inv None s' /\ finds s s'.

(* Nothing but the place where a co that runs has saved its stack pointer. *)
Definition unchanged s s' := s' = s \/ exists a d,
  hd_error (chain s) = Some a /\ s' = with_co s a (with_depth (cos s a) d).

Definition right s x := match x with
  | Done s' => good s s' | No_memory s' => unchanged s s'
  | Misuse => True | Broken => False end.

Lemma good_enter s s1 c : present s1 c -> ready s1 ->
  left (cos s1 c) = left (cos s c) -> stk (cos s1 c) = stk (cos s c) ->
  good s (enter s1 c).
Proof.
  intros P W L K. destruct (enter_present _ _ P W) as (V & H & X & Y).
  split; [exact V|]. intros e E _. rewrite H in E. injection E as <-. split; congruence.
Qed.

Lemma resume_right s c mem : inv None s -> right s (resume s c mem).
Proof.
  intros V. unfold resume. destruct (resumable (stat (cos s c))) eqn:R; [|exact I].
  destruct (acquire s c mem) as [s1|s1| |] eqn:Q; cbn.
  - apply acquire_done in Q as (P & _ & _ & L); auto. destruct (L c) as (_ & L2 & L3).
    destruct (wait_present _ _ P) as (P' & E1 & E2).
    apply good_enter; [exact P' | apply wait_ready | congruence | congruence].
  - left. eapply acquire_fails; eauto.
  - exact I.
  - apply (acquire_broken s c mem V Q).
Qed.

Lemma hd_busy x s a : inv x s -> hd_error (chain s) = Some a ->
  busy (stat (cos s a)) = true.
Proof.
  intros V H. apply (i_chain _ _ V). destruct (chain s); [discriminate|].
  injection H as ->. cbn; auto.
Qed.

Lemma suspend_right s d : inv None s -> right s (suspend s d).
Proof.
  intros V. destruct (suspend s d) as [s'| | |] eqn:H; cbn; auto.
  - destruct (inv_suspend _ _ _ _ V H) as
      (a & f & C & CH & _ & _ & _ & _ & _ & _ & _ & D & K & _ & V' & W).
    split; [exact V'|]. intros c E N. assert (c <> a) by congruence.
    rewrite <- (D c) by assumption. split; [reflexivity|]. apply W; exact E.
  - unfold suspend in H. destruct (chain s); [discriminate|]. destruct (_ =? _); discriminate.
  - unfold suspend in H. destruct (chain s); [discriminate|]. destruct (_ =? _); discriminate.
Qed.

Lemma suspend_outcome s d : match suspend s d with No_memory _ | Broken => False | _ => True end.
Proof. unfold suspend. destruct (chain s); [exact I|]. destruct (_ =? _); exact I. Qed.

Lemma in_place_right s a c d mem : inv None s -> hd_error (chain s) = Some a ->
  resumable (stat (cos s c)) = true -> stk (cos s c) = stk (cos s a) ->
  right s (in_place s a c d mem).
Proof.
  intros V C R K. pose proof (hd_busy _ _ _ V C) as B.
  assert (N : c <> a) by (intros ->; destruct (stat (cos s a)); discriminate).
  assert (G : stat (cos s c) <> Gone) by (intros G; rewrite G in R; discriminate).
  assert (F : is_fast (stat (cos s a)) = false) by (apply (not_fast _ _ _ c V); auto).
  unfold in_place. set (s0 := with_co s a (with_depth (cos s a) d)).
  assert (V0 : inv None s0) by (apply inv_depth; assumption).
  assert (A0 : cos s0 a = with_depth (cos s a) d) by apply set_eq.
  assert (O0 : owner s0 (stk (cos s0 a)) = Some a) by (rewrite A0; apply (i_owns _ _ V); exact B).
  destruct (copy_out s0 a mem) as [s1|s1| |] eqn:Q; cbn [then_do]; [|right; exists a, d|exact I|].
  2: split; [exact C | apply copy_out_fails in Q; exact Q].
  2: unfold copy_out in Q; destruct reserve; discriminate.
  destruct (copy_out_only _ _ _ _ Q) as (v & -> & FIT & WV). clear Q.
  set (s1 := with_co s0 a _).
  assert (V1 : inv None s1) by (apply inv_kept; assumption).
  assert (A1 : cos s1 a = with_kept (with_depth (cos s a) d) v)
    by (unfold s1; fields; rewrite set_eq, A0; reflexivity).
  pose proof (suspend_outcome s1 d) as SO.
  destruct (suspend s1 d) as [s2| | |] eqn:Q; try contradiction; cbn [then_do]; [|exact I].
  destruct (inv_suspend _ _ _ _ V1 Q) as
    (a' & f & C' & _ & ST & SH & D & SK & KE & LE & LN & OT & _ & OW & V2 & W).
  assert (a' = a) as -> by (change (chain s1) with (chain s) in C'; congruence).
  rewrite A1 in *. fields. specialize (SH F). subst f. cbn [reach] in LE.
  assert (C2 : cos s2 c = cos s c).
  { rewrite OT by assumption. unfold s1, s0; fields. rewrite !set_ne by assumption. reflexivity. }
  assert (SV : saved (cos s2 a) = left (cos s2 a)).
  { unfold saved, bytes_of, below. rewrite ST, D, KE, WV, A0, LE. unfold below. fields.
    replace (stat (cos s a)) with (Busy false)
      by (destruct (stat (cos s a)) as [| |[]| |]; discriminate || reflexivity).
    rewrite Nat.add_0_r. change (stack s0) with (stack s). change (stack s1) with (stack s) in LE.
    change (stack s1) with (stack s). rewrite LE in LN. apply restore_keep; [|lia].
    rewrite firstn_length in LN |- *. lia. }
  assert (P : present (take s2 c) c).
  { apply take_present; [exact V2 | rewrite C2; exact R|]. intros o O.
    rewrite C2, OW, K in O. change (owner s1) with (owner s) in O.
    rewrite (i_owns _ _ V a B) in O. injection O as <-. rewrite ST. auto. }
  destruct (take_alike s2 c) as (T1 & T2 & T3). destruct (T3 c) as (_ & T4 & T5).
  apply good_enter; [exact P | | congruence | congruence].
  intros b E. rewrite T1 in E. destruct (T3 b) as (X1 & X2 & X3). rewrite X2, X3, <- (W b E).
  unfold take, copy_in; fields. apply set_ne.
  pose proof (i_owns _ _ V2 b (hd_busy _ _ _ V2 E)) as OB. intros Y.
  rewrite Y, C2, OW, K in OB. change (owner s1) with (owner s) in OB.
  rewrite (i_owns _ _ V a B) in OB. injection OB as <-.
  pose proof (hd_busy _ _ _ V2 E) as BB. rewrite ST in BB. discriminate.
Qed.

Lemma yield_to_right s c d mem : inv None s -> right s (yield_to s c d mem).
Proof.
  intros V. unfold yield_to. destruct (chain s) as [|a rest] eqn:C; [exact I|].
  destruct (resumable (stat (cos s c))) eqn:R; cbn [negb]; [|exact I].
  destruct (Nat.eqb_spec (stk (cos s c)) (stk (cos s a))) as [K|K].
  - apply in_place_right; auto. rewrite C. reflexivity.
  - destruct (acquire s c mem) as [s1|s1| |] eqn:Q; cbn [then_do].
    + apply acquire_done in Q as (P & _ & _ & L); auto. destruct (L c) as (_ & L2 & L3).
      pose proof (suspend_outcome s1 d) as SO.
      destruct (suspend s1 d) as [s2| | |] eqn:Q; try contradiction; cbn; [|exact I].
      destruct (suspend_present _ _ _ _ P Q) as (P' & E1 & E2 & W).
      apply good_enter; [exact P' | exact W | congruence | congruence].
    + left. eapply acquire_fails; eauto.
    + exact I.
    + apply (acquire_broken s c mem V Q).
Qed.

Lemma run_right s l : inv None s -> right s (run s l).
Proof.
  intros V. unfold run. destruct (chain s) as [|a rest] eqn:C; [exact I|].
  destruct (_ <=? _); [|exact I]. split; [|intros c E N; contradiction].
  assert (B : busy (stat (cos s a)) = true) by (apply (i_chain _ _ V); rewrite C; cbn; auto).
  pose proof (i_owns _ _ V a B) as O.
  constructor; fields; try apply V. intros c O' X. rewrite set_ne; [apply V; assumption|].
  intros E. rewrite E, O in O'. injection O' as <-. destruct X as [X|X].
  - destruct (stat (cos s a)); discriminate.
  - rewrite C in X. pose proof (i_nodup _ _ V) as ND. rewrite C in ND. inversion ND; contradiction.
Qed.

Lemma exit_right s : inv None s -> right s (exit s).
Proof.
  intros V. unfold exit. destruct (chain s) as [|a rest] eqn:C; [exact I|].
  assert (B : busy (stat (cos s a)) = true) by (apply (i_chain _ _ V); rewrite C; cbn; auto).
  pose proof (i_owns _ _ V a B) as O.
  assert (D : forall d, d <> a -> owner s (stk (cos s d)) = Some d -> stk (cos s d) <> stk (cos s a))
    by (intros d N X Y; rewrite Y in X; congruence).
  pose proof (i_nodup _ _ V) as ND. rewrite C in ND. inversion ND as [|? ? NI ND']; subst.
  split.
  - constructor; fields; try apply V.
    + exact ND'.
    + intros d. is d a; fields; [split; [contradiction | discriminate]|].
      rewrite <- (i_chain _ _ V), C. cbn. intuition congruence.
    + intros k d. is d a; fields; [|apply V]. rewrite (i_users _ _ V).
      destruct (stat (cos s a)); intuition discriminate.
    + intros k d H. destruct (Nat.eq_dec k (stk (cos s a))) as [->|NK];
        [rewrite set_eq in H; discriminate|]. rewrite set_ne in H by assumption.
      destruct (i_owner _ _ V k d H) as (X & Y). is d a; fields; [congruence|auto].
    + intros d H. is d a; fields; [discriminate|].
      rewrite set_ne; [apply V; assumption|]. apply D; [assumption | apply V; assumption].
    + intros d H. is d a; fields; [discriminate | apply V; assumption].
    + intros d H X. is d a; fields; [rewrite ?set_eq in H; discriminate|].
      apply V.
      * destruct (Nat.eq_dec (stk (cos s d)) (stk (cos s a))) as [E|E].
        -- rewrite E, set_eq in H. discriminate.
        -- rewrite set_ne in H by assumption. exact H.
      * destruct X as [X|X]; [auto|]. right. rewrite C. destruct rest; [contradiction|]. cbn in *; auto.
    + intros d H X. is d a; fields; [discriminate|]. apply V; [assumption|].
      intros Y. apply X. rewrite set_ne; [exact Y | apply D; assumption].
    + intros d f H. is d a; fields; [discriminate | apply V; assumption].
    + intros d. is d a; fields; apply V.
  - intros b E _. fields. destruct rest as [|e rest]; [discriminate|]. injection E as ->.
    assert (N : b <> a) by (intros ->; cbn in *; tauto).
    rewrite set_ne by assumption. split; [reflexivity|].
    assert (BB : busy (stat (cos s b)) = true) by (apply (i_chain _ _ V); rewrite C; cbn; auto).
    apply V; [apply (i_owns _ _ V); exact BB|]. rewrite C. cbn; auto.
Qed.

(* c's bytes are given up: it is destroyed, or to start again. *)
Lemma inv_drop s c n s' : inv None s -> at_rest (stat (cos s c)) = true ->
  cos s' = set (cos s) c n -> stack s' = stack s -> chain s' = chain s ->
  stat n = Init \/ stat n = Gone ->
  stk n = stk (cos s c) -> (stat n = Init -> saved n = left n) ->
  word_bytes A * length (words (kept n)) <= size (kept n) ->
  (forall k d, owner s' k = Some d <-> owner s k = Some d /\ d <> c) ->
  (forall k d, In d (users s' k) <-> In d (users s k) /\ (d <> c \/ stat n = Init)) ->
  (forall k, ~ In c (users s k) -> users s' k = users s k) ->
  stat (cos s c) <> Gone -> inv None s'.
Proof.
  intros V R EC ES EH SN KN SV FIT OW US UN G.
  assert (NB : busy (stat (cos s c)) = false)
    by (destruct (stat (cos s c)); discriminate || reflexivity).
  constructor; rewrite ?EC, ?ES, ?EH; try apply V.
  - intros d. is d c; [|apply V]. rewrite (i_chain _ _ V), NB.
    destruct SN as [-> | ->]; cbn; tauto.
  - intros k d. rewrite US, (i_users _ _ V). is d c; [|tauto].
    rewrite KN. destruct SN as [-> | ->]; intuition congruence.
  - intros k d H. apply OW in H as (H & N). rewrite set_ne by assumption. apply V; exact H.
  - intros d H. is d c; [destruct SN as [E|E]; rewrite E in H; discriminate|].
    apply OW. split; [apply V; assumption | assumption].
  - intros d H. is d c; [destruct SN as [E|E]; rewrite E in H; discriminate|].
    rewrite UN; [apply V; assumption|]. rewrite (i_fast _ _ V d H). intros [E|[]]. congruence.
  - intros d H X. apply OW in H as (H & N). rewrite set_ne in * by assumption.
    apply V; assumption.
  - intros d H X. is d c.
    { apply SV. destruct SN as [E|E]; [exact E | rewrite E in H; discriminate]. }
    apply V; [assumption|].
    intros Y. apply X, OW. auto.
  - intros d f H. is d c; [destruct SN; congruence | apply V; assumption].
  - intros d. is d c; [exact FIT | apply V].
Qed.

Lemma leave_stack_spec s c : inv None s -> let s' := leave_stack s c in
  cos s' = cos s /\ stack s' = stack s /\ chain s' = chain s /\ users s' = users s /\
  forall k d, owner s' k = Some d <-> owner s k = Some d /\ d <> c.
Proof.
  intros V. unfold leave_stack.
  assert (S : forall k d, owner s k = Some d -> owner s (stk (cos s c)) <> Some c -> d <> c).
  { intros k d H N ->. destruct (i_owner _ _ V k c H) as (X & _). congruence. }
  destruct (owner s (stk (cos s c))) as [o|] eqn:O;
    [destruct (Nat.eqb_spec o c) as [->|N]|]; cbn; repeat split; auto.
  all: try (intros k d; split; [intros H; split; [exact H|]; eapply S; [exact H | congruence] | tauto]).
  all: try (eapply S; [eassumption | congruence]); try tauto.
  - destruct (Nat.eq_dec k (stk (cos s c))) as [->|NK];
      [rewrite set_eq in H; discriminate | rewrite set_ne in H by assumption; exact H].
  - intros ->. destruct (Nat.eq_dec k (stk (cos s c))) as [->|NK];
      [rewrite set_eq in H; discriminate | rewrite set_ne in H by assumption].
    destruct (i_owner _ _ V k c H); congruence.
  - intros (H & N). destruct (Nat.eq_dec k (stk (cos s c))) as [->|NK]; [congruence|].
    rewrite set_ne by assumption. exact H.
Qed.

Lemma finds_same s s' : chain s' = chain s -> finds s s'.
Proof. intros E c H N. congruence. Qed.

Lemma at_rest_here x : at_rest x = true -> x <> Gone.
Proof. intros R ->. discriminate. Qed.

Lemma reset_right s c : inv None s -> right s (reset s c).
Proof.
  intros V. unfold reset. destruct (at_rest (stat (cos s c))) eqn:R; [|exact I].
  destruct (leave_stack_spec s c V) as (EC & ES & EH & EU & OW).
  set (s1 := leave_stack s c) in *. split; [|apply finds_same; exact EH].
  apply (inv_drop s c {| stat := Init; stk := stk (cos s c); depth := 0;
                         kept := emptied (kept (cos s c)); left := [] |});
    fields; auto.
  - rewrite EC. reflexivity.
  - cbn. lia.
  - intros k d. rewrite EU. intuition.
  - intros k _. rewrite EU. reflexivity.
  - apply at_rest_here; exact R.
Qed.

Lemma destroy_right s c : inv None s -> right s (destroy s c).
Proof.
  intros V. unfold destroy. destruct (at_rest (stat (cos s c))) eqn:R; [|exact I].
  destruct (leave_stack_spec s c V) as (EC & ES & EH & EU & OW).
  set (s1 := leave_stack s c) in *. split; [|apply finds_same; exact EH].
  pose proof (at_rest_here _ R) as G. rewrite EC, EU.
  apply (inv_drop s c (become (cos s c) Gone)); fields; auto.
  - rewrite EC. reflexivity.
  - discriminate.
  - apply V.
  - intros k d. rewrite EU. destruct (Nat.eq_dec k (stk (cos s c))) as [->|N].
    + rewrite set_eq. split.
      * intros H. apply in_remove in H as (H & N). auto.
      * intros (H & [N|N]); [|discriminate]. apply in_in_remove; assumption.
    + rewrite set_ne by assumption. split; [|tauto]. intros H. split; [exact H|]. left.
      intros ->. apply (i_users _ _ V) in H. intuition.
  - intros k N. rewrite EU. apply set_ne. intros ->. apply N, (i_users _ _ V). auto.
Qed.

Lemma demoted_alike x : busy (demoted x) = busy x /\ resumable (demoted x) = resumable x /\
  suspended (demoted x) = suspended x /\ (demoted x = Gone <-> x = Gone) /\
  is_fast (demoted x) = false /\ (holds (demoted x) = true -> busy x = true).
Proof. destruct x as [|[]|[]| |]; cbn; intuition (discriminate || auto). Qed.

(* The sole user of a stack is fast no more. *)
Lemma inv_demote s k : inv None s -> inv None (demote s k) /\
  (forall c, stat (cos (demote s k) c) = Gone <-> stat (cos s c) = Gone) /\
  (forall c, is_fast (stat (cos (demote s k) c)) = true ->
             stk (cos (demote s k) c) <> k) /\
  users (demote s k) = users s /\ chain (demote s k) = chain s.
Proof.
  intros V. unfold demote. destruct (users s k) as [|x [|y l]] eqn:U.
  - split; [exact V|]. repeat split; auto. intros c F E.
    apply (i_fast _ _ V) in F. congruence.
  - destruct (demoted_alike (stat (cos s x))) as (D1 & D2 & D3 & D4 & D5 & D6). split.
    + assert (SX : stk (cos s x) = k)
        by (apply (i_users _ _ V); rewrite U; cbn; auto).
      constructor; fields; try apply V.
      * intros c. is c x; fields; [rewrite D1|]; apply V.
      * intros j c. is c x; fields; [rewrite D4|]; apply V.
      * intros j c H. destruct (i_owner _ _ V j c H) as (X & Y).
        is c x; fields; [rewrite D1, D3|]; intuition discriminate.
      * intros c H. is c x; fields; [apply (i_owns _ _ V); auto | apply V; assumption].
      * intros c H. is c x; fields; [congruence | apply V; assumption].
      * intros c H X. is c x; fields; [rewrite D2 in X|]; apply V; assumption.
      * intros c H X. is c x; fields; [|apply V; assumption]. rewrite D2 in H.
        rewrite <- (i_saved _ _ V x H X). unfold saved, bytes_of, below. fields.
        destruct (stat (cos s x)) as [|[]|[]| |] eqn:E; try reflexivity.
        exfalso. apply X, (i_holds _ _ V). rewrite E. reflexivity.
      * intros c f H. is c x; fields; [|apply V; assumption].
        destruct (stat (cos s x)) as [|[]|[]| |] eqn:E; try discriminate; injection H as <-;
          exact (i_len _ _ V x _ E).
      * intros c. is c x; fields; apply V.
    + fields. split; [|split; [|auto]]; intros c.
      * is c x; fields; [exact D4 | tauto].
      * intros F E. is c x; fields; [congruence|].
        apply (i_fast _ _ V) in F. congruence.
  - split; [exact V|]. repeat split; auto. intros c F E.
    apply (i_fast _ _ V) in F. congruence.
Qed.

Lemma create_right s c k sz mem : inv None s -> right s (create s c k sz mem).
Proof.
  intros V. unfold create. destruct (stat (cos s c)) eqn:G; try exact I.
  destruct mem; [|left; reflexivity].
  destruct (inv_demote s k V) as (V' & GO & NF & EU & EH).
  set (s1 := demote s k) in *. clearbody s1. split; [|apply finds_same; exact EH].
  assert (G' : stat (cos s1 c) = Gone) by (apply GO; exact G).
  assert (NO : forall j, owner s1 j <> Some c).
  { intros j H. destruct (i_owner _ _ V' j c H) as (_ & Y). rewrite G' in Y.
    intuition discriminate. }
  constructor; fields; try apply V'.
  - intros d. is d c; fields; [|apply V']. rewrite (i_chain _ _ V'), G'. cbn. tauto.
  - intros j d. destruct (Nat.eq_dec j k) as [->|N].
    + rewrite set_eq. cbn [In]. rewrite (i_users _ _ V'). is d c; fields.
      * intuition discriminate.
      * intuition congruence.
    + rewrite set_ne by assumption. rewrite (i_users _ _ V'). is d c; fields; intuition congruence.
  - intros j d H. is d c; [destruct (NO j H) | apply V'; assumption].
  - intros d H. is d c; fields; [discriminate | apply V'; assumption].
  - intros d H. is d c; fields; [discriminate|].
    rewrite set_ne; [apply V'; assumption|]. apply NF; assumption.
  - intros d H X. is d c; fields; [destruct (NO _ H)|]. apply V'; assumption.
  - intros d H X. is d c; fields; [reflexivity | apply V'; assumption].
  - intros d f H. is d c; fields; [discriminate | apply V'; assumption].
  - intros d. is d c; fields; [cbn; lia | apply V'].
Qed.

(* ---- the theorems ------------------------------------------------------------------ *)

(* In each state that operations lead to: whatever is done next keeps the
   invariant, who goes on finds what it left, a call that fails has changed
   nothing, and none is without meaning in C. *)
Theorem step_right s o : inv None s -> right s (step s o).
Proof.
  intros V. destruct o; cbn [step].
  - apply run_right; exact V.
  - apply create_right; exact V.
  - apply resume_right; exact V.
  - apply suspend_right; exact V.
  - apply yield_to_right; exact V.
  - apply exit_right; exact V.
  - apply reset_right; exact V.
  - apply destroy_right; exact V.
Qed.

Inductive steps (s : state) : list op -> state -> Prop :=
  | none : steps s [] s
  | more o l s1 s2 : step s o = Done s1 \/ step s o = No_memory s1 ->
                     steps s1 l s2 -> steps s (o :: l) s2.

Lemma unchanged_inv s s' : inv None s -> unchanged s s' -> inv None s'.
Proof.
  intros V [->|(a & d & H & ->)]; [exact V|]. apply inv_depth; [exact V|].
  eapply hd_busy; eauto.
Qed.

Lemma steps_inv s l s' : inv None s -> steps s l s' -> inv None s'.
Proof.
  intros V H. induction H as [|s o l s1 s2 H _ IH]; [exact V|]. apply IH.
  pose proof (step_right s o V) as R. destruct H as [H|H]; rewrite H in R.
  - apply R.
  - eapply unchanged_inv; eauto.
Qed.

Theorem always l s o : steps start l s -> inv None s /\ right s (step s o).
Proof.
  intros H. assert (V : inv None s) by (eapply steps_inv; [apply inv_start | exact H]).
  split; [exact V | apply step_right; exact V].
Qed.

(* ---- the same without what a state keeps for the theorems ---------------------------- *)

Lemma copy_out_rest s o mem s' : copy_out s o mem = Done s' ->
  chain s' = chain s /\ stack s' = stack s /\ users s' = users s /\
  forall d, left (cos s' d) = left (cos s d) /\ stk (cos s' d) = stk (cos s d) /\
            stat (cos s' d) = stat (cos s d).
Proof.
  intros H. destruct (copy_out_only _ _ _ _ H) as (v & -> & _ & _).
  repeat split; fields; is d o; reflexivity.
Qed.

Lemma acquire_rest s c mem s' : acquire s c mem = Done s' ->
  chain s' = chain s /\ (forall j, j <> stk (cos s c) -> stack s' j = stack s j) /\
  forall d, left (cos s' d) = left (cos s d) /\ stk (cos s' d) = stk (cos s d) /\
            stat (cos s' d) = stat (cos s d).
Proof.
  assert (T : forall s1, chain (take s1 c) = chain s1 /\
    (forall j, j <> stk (cos s1 c) -> stack (take s1 c) j = stack s1 j) /\
    forall d, left (cos (take s1 c) d) = left (cos s1 d) /\
      stk (cos (take s1 c) d) = stk (cos s1 d) /\ stat (cos (take s1 c) d) = stat (cos s1 d)).
  { intros s1. destruct (take_alike s1 c) as (X & _ & Y). split; [exact X|]. split.
    - intros j N. unfold take, copy_in; fields. apply set_ne; exact N.
    - intros d. destruct (Y d) as (? & ? & ?); auto. }
  unfold acquire. destruct owner as [o|]; [|intros [= <-]; apply T].
  destruct (o =? c); [intros [= <-]; auto|]. destruct (stat (cos s o)); try discriminate.
  destruct (copy_out s o mem) as [s1| | |] eqn:C; try discriminate. intros [= <-].
  apply copy_out_rest in C as (C1 & C2 & _ & C3). destruct (T s1) as (T1 & T2 & T3).
  destruct (C3 c) as (_ & CK & _). rewrite CK, C2 in T2. split; [congruence|].
  split; [exact T2|]. intros d. destruct (T3 d) as (? & ? & ?), (C3 d) as (? & ? & ?).
  repeat split; congruence.
Qed.

Lemma wait_rest s d : stk (cos (wait s) d) = stk (cos s d) /\
  stat (cos (wait s) d) = stat (cos s d) /\ chain (wait s) = chain s /\
  left (cos (wait s) d) = if match chain s with a :: _ => a =? d | [] => false end
                          then stack s (stk (cos s d)) else left (cos s d).
Proof.
  unfold wait. destruct (chain s) as [|a rest] eqn:C; [auto|]. fields.
  destruct (Nat.eqb_spec a d) as [->|N]; [rewrite !set_eq | rewrite !set_ne by auto]; auto.
Qed.

Lemma enter_rest s c d : left (cos (enter s c) d) = left (cos s d) /\
  stk (cos (enter s c) d) = stk (cos s d) /\ 
  (stat (cos s d) <> Gone -> stat (cos (enter s c) d) <> Gone).
Proof. unfold enter; fields. is d c; repeat split; auto. discriminate. Qed.

Lemma leave_stack_rest s c : cos (leave_stack s c) = cos s /\ chain (leave_stack s c) = chain s.
Proof.
  unfold leave_stack. destruct owner as [o|]; [destruct (o =? c)|]; auto.
Qed.

Lemma demote_rest s k d : left (cos (demote s k) d) = left (cos s d) /\
  stk (cos (demote s k) d) = stk (cos s d) /\ chain (demote s k) = chain s /\
  (stat (cos (demote s k) d) = Gone -> stat (cos s d) = Gone).
Proof.
  unfold demote. destruct (users s k) as [|x [|]]; auto. fields. is d x; auto.
  fields. repeat split; auto. destruct (stat (cos s x)) as [|[]|[]| |]; auto; discriminate.
Qed.

Lemma suspend_rest s d s' : suspend s d = Done s' -> exists a n,
  hd_error (chain s) = Some a /\ (forall b, b <> a -> cos s' b = cos s b) /\
  stk (cos s' a) = stk (cos s a) /\ stat (cos s' a) <> Gone /\
  left (cos s' a) = firstn n (stack s (stk (cos s a))) /\ d <= length (left (cos s' a)).
Proof.
  unfold suspend. destruct (chain s) as [|a rest]; [discriminate|].
  set (f := form_of _). set (n := reach _ f d).
  destruct (Nat.eqb_spec (length (firstn n (stack s (stk (cos s a))))) n) as [L|];
    [|discriminate].
  intros [= <-]. exists a, n. fields. rewrite set_eq. fields.
  repeat split; auto; try discriminate.
  - intros b N. apply set_ne; exact N.
  - rewrite L. unfold n, reach. destruct f; lia.
Qed.

(* While a neither runs nor starts again. *)
Lemma stays s o s' a : inv None s -> step s o = Done s' \/ step s o = No_memory s' ->
  hd_error (chain s) <> Some a -> o <> Reset a -> o <> Destroy a ->
  stat (cos s a) <> Gone ->
  left (cos s' a) = left (cos s a) /\ stk (cos s' a) = stk (cos s a) /\
  stat (cos s' a) <> Gone.
Proof.
  intros V [H|H] N NR ND G.
  2: { pose proof (step_right s o V) as R. rewrite H in R.
       destruct R as [->|(b & d & X & ->)]; [auto|]. fields. is a b; auto. }
  destruct o; cbn [step] in H.
  - unfold run in H. destruct (chain s); [discriminate|]. destruct (_ <=? _); [|discriminate].
    injection H as <-. auto.
  - unfold create in H. destruct (stat (cos s c)) eqn:C; try discriminate.
    destruct mem; [|discriminate]. injection H as <-. fields.
    destruct (demote_rest s k a) as (D1 & D2 & _ & D3).
    assert (a <> c) by congruence. is a c; [contradiction | tauto].
  - unfold resume in H. destruct resumable; [|discriminate].
    destruct (acquire s c mem) as [s1| | |] eqn:Q; try discriminate. injection H as <-.
    apply acquire_rest in Q as (A1 & _ & A2). destruct (A2 a) as (A3 & A4 & A5).
    destruct (wait_rest s1 a) as (W1 & W2 & _ & W3).
    destruct (enter_rest (wait s1) c a) as (E1 & E2 & E3).
    rewrite E1, E2, W1, W3, A1, A3, A4. rewrite W2, A5 in E3. split; [|auto].
    destruct (chain s) as [|b ?]; [reflexivity|]. destruct (Nat.eqb_spec b a); [|reflexivity].
    subst. exfalso; apply N; reflexivity.
  - destruct (suspend_rest _ _ _ H) as (b & n & C & D & _).
    rewrite D by congruence. auto.
  - unfold yield_to in H. destruct (chain s) as [|b rest] eqn:C; [discriminate|].
    assert (NB : a <> b) by (intros ->; apply N; reflexivity).
    destruct resumable; [|discriminate]. cbn [negb] in H. destruct (_ =? _).
    + unfold in_place in H. set (s0 := with_co s b _) in H.
      assert (A0 : cos s0 a = cos s a) by (apply set_ne; exact NB).
      destruct (copy_out s0 b mem) as [s1| | |] eqn:Q; try discriminate. cbn [then_do] in H.
      apply copy_out_rest in Q as (C1 & _ & _ & C2). destruct (C2 a) as (C3 & C4 & C5).
      destruct (suspend s1 d) as [s2| | |] eqn:Q; try discriminate. injection H as <-.
      destruct (suspend_rest _ _ _ Q) as (b' & n & X & D & _).
      assert (a <> b') by (rewrite C1 in X; unfold s0 in X; fields; rewrite C in X; cbn in X; congruence).
      destruct (take_alike s2 c) as (_ & _ & T). destruct (T a) as (T1 & T2 & T3).
      destruct (enter_rest (take s2 c) c a) as (E1 & E2 & E3).
      rewrite E1, E2, T2, T3, D, C3, C4, A0 by assumption.
      rewrite T1, D, C5, A0 in E3 by assumption. auto.
    + destruct (acquire s c mem) as [s1| | |] eqn:Q; try discriminate. cbn [then_do] in H.
      apply acquire_rest in Q as (A1 & _ & A2). destruct (A2 a) as (A3 & A4 & A5).
      destruct (suspend s1 d) as [s2| | |] eqn:Q; try discriminate. injection H as <-.
      destruct (suspend_rest _ _ _ Q) as (b' & n & X & D & _).
      assert (a <> b') by (rewrite A1, C in X; cbn in X; congruence).
      destruct (enter_rest s2 c a) as (E1 & E2 & E3).
      rewrite E1, E2, D, A3, A4 by assumption. rewrite D, A5 in E3 by assumption. auto.
  - unfold exit in H. destruct (chain s) as [|b rest]; [discriminate|]. injection H as <-.
    assert (a <> b) by (intros ->; apply N; reflexivity). fields. is a b; auto; contradiction.
  - unfold reset in H. destruct at_rest; [|discriminate]. injection H as <-.
    destruct (leave_stack_rest s c) as (E & _). assert (a <> c) by congruence.
    fields. rewrite E. is a c; auto; contradiction.
  - unfold destroy in H. destruct at_rest; [|discriminate]. injection H as <-.
    destruct (leave_stack_rest s c) as (E & _). assert (a <> c) by congruence.
    fields. rewrite E. is a c; auto; contradiction.
Qed.

(* How many words of its stack the current co leaves, at least. *)
Definition promised s a o := match o with
  | Yield d | Yield_to _ d _ => d
  | _ => length (stack s (stk (cos s a)))
  end.

Lemma leaves s o s' a : inv None s -> hd_error (chain s) = Some a -> o <> Exit ->
  step s o = Done s' -> hd_error (chain s') <> Some a ->
  stk (cos s' a) = stk (cos s a) /\ stat (cos s' a) <> Gone /\
  exists n, left (cos s' a) = firstn n (stack s (stk (cos s a))) /\
            promised s a o <= length (left (cos s' a)).
Proof.
  intros V C NE H N. pose proof (hd_busy _ _ _ V C) as B. destruct o; cbn [step promised] in *.
  - unfold run in H. destruct (chain s) eqn:CH; [discriminate|]. destruct (_ <=? _); [|discriminate].
    injection H as <-. fields. congruence.
  - unfold create in H. destruct (stat (cos s c)); try discriminate.
    destruct mem; [|discriminate]. injection H as <-. fields.
    destruct (demote_rest s k a) as (_ & _ & D & _). congruence.
  - unfold resume in H. destruct (resumable (stat (cos s c))) eqn:R; [|discriminate].
    destruct (acquire s c mem) as [s1| | |] eqn:Q; try discriminate. injection H as <-.
    pose proof (acquire_done _ _ _ _ V R Q) as (P & _).
    apply acquire_rest in Q as (A1 & AS & A2). destruct (A2 a) as (A3 & A4 & A5).
    destruct (wait_rest s1 a) as (W1 & W2 & _ & W3).
    destruct (enter_rest (wait s1) c a) as (E1 & E2 & E3).
    assert (SN : stk (cos s a) <> stk (cos s c)).
    { destruct P as (PV & PR & PO & _). intros E. destruct (A2 c) as (_ & K & _).
      assert (X : busy (stat (cos s1 a)) = true) by congruence.
      apply (i_owns _ _ PV) in X. assert (a = c) as -> by congruence.
      destruct (stat (cos s c)); discriminate. }
    assert (L : left (cos (wait s1) a) = stack s (stk (cos s a))).
    { rewrite W3, A1. destruct (chain s) as [|b ?]; [discriminate|]. injection C as ->.
      rewrite Nat.eqb_refl, A4. apply AS; exact SN. }
    rewrite E1, E2, W1, A4, L. rewrite W2, A5 in E3. split; [reflexivity|]. split.
    + apply E3. intros G. rewrite G in B. discriminate.
    + eexists. split; [symmetry; apply firstn_all | lia].
  - destruct (suspend_rest _ _ _ H) as (b & n & C' & _ & D1 & D2 & D3 & D4).
    assert (b = a) as -> by congruence. eauto.
  - unfold yield_to in H. destruct (chain s) as [|b rest] eqn:CH; [discriminate|].
    injection C as ->. destruct (resumable (stat (cos s c))) eqn:R; [|discriminate].
    cbn [negb] in H. destruct (Nat.eqb_spec (stk (cos s c)) (stk (cos s a))) as [K|K].
    + unfold in_place in H. set (s0 := with_co s a _) in H.
      assert (K0 : stk (cos s0 a) = stk (cos s a)) by (unfold s0; fields; rewrite set_eq; reflexivity).
      destruct (copy_out s0 a mem) as [s1| | |] eqn:Q; try discriminate. cbn [then_do] in H.
      apply copy_out_rest in Q as (C1 & CS & _ & C2). destruct (C2 a) as (C3 & C4 & C5).
      destruct (suspend s1 d) as [s2| | |] eqn:Q; try discriminate. injection H as <-.
      destruct (suspend_rest _ _ _ Q) as (b' & n & X & _ & D1 & D2 & D3 & D4).
      assert (b' = a) as -> by (rewrite C1 in X; unfold s0 in X; fields; rewrite CH in X; cbn in X; congruence).
      destruct (take_alike s2 c) as (_ & _ & T). destruct (T a) as (T1 & T2 & T3).
      destruct (enter_rest (take s2 c) c a) as (E1 & E2 & E3).
      rewrite E1, E2, T2, T3, D1, C4, K0. split; [reflexivity|]. split.
      * apply E3. congruence.
      * exists n. split; [rewrite D3, C4, K0, CS; reflexivity | exact D4].
    + destruct (acquire s c mem) as [s1| | |] eqn:Q; try discriminate. cbn [then_do] in H.
      apply acquire_rest in Q as (A1 & AS & A2). destruct (A2 a) as (A3 & A4 & A5).
      destruct (suspend s1 d) as [s2| | |] eqn:Q; try discriminate. injection H as <-.
      destruct (suspend_rest _ _ _ Q) as (b' & n & X & _ & D1 & D2 & D3 & D4).
      assert (b' = a) as -> by (rewrite A1, CH in X; cbn in X; congruence).
      destruct (enter_rest s2 c a) as (E1 & E2 & E3).
      rewrite E1, E2, D1, A4. split; [reflexivity|]. split; [apply E3; exact D2|].
      exists n. split; [|exact D4]. rewrite D3, A4, AS by auto. reflexivity.
  - congruence.
  - unfold reset in H. destruct at_rest; [|discriminate]. injection H as <-.
    destruct (leave_stack_rest s c) as (_ & E). fields. congruence.
  - unfold destroy in H. destruct at_rest; [|discriminate]. injection H as <-.
    destruct (leave_stack_rest s c) as (_ & E). fields. congruence.
Qed.

(* Operations, none of which a does, ends or starts again. *)
Inductive without (a : nat) (s : state) : list op -> state -> Prop :=
  | w_none : without a s [] s
  | w_more o l s1 s2 : hd_error (chain s) <> Some a -> o <> Reset a -> o <> Destroy a ->
      step s o = Done s1 \/ step s o = No_memory s1 ->
      without a s1 l s2 -> without a s (o :: l) s2.

(* A co is current, and is so no more; others do what they like; it is current
   again, and finds each word that it promised itself. *)
Theorem found_again a s o s1 l s2 o' s3 :
  inv None s -> hd_error (chain s) = Some a -> o <> Exit ->
  step s o = Done s1 -> hd_error (chain s1) <> Some a ->
  without a s1 l s2 ->
  hd_error (chain s2) <> Some a -> step s2 o' = Done s3 -> hd_error (chain s3) = Some a ->
  stk (cos s3 a) = stk (cos s a) /\
  firstn (promised s a o) (stack s3 (stk (cos s a))) =
  firstn (promised s a o) (stack s (stk (cos s a))).
Proof.
  intros V C NE H N W N2 H' C3.
  destruct (leaves _ _ _ _ V C NE H N) as (K1 & G1 & n & L1 & P).
  assert (V1 : inv None s1).
  { pose proof (step_right s o V) as R. rewrite H in R. apply R. }
  assert (X : inv None s2 /\ left (cos s2 a) = left (cos s1 a) /\ stk (cos s2 a) = stk (cos s1 a)).
  { clear - V1 G1 W is_zero_ok. induction W as [|s o l s1 s2 N NR ND H W IH]; [auto|].
    destruct (stays _ _ _ _ V1 H N NR ND G1) as (E1 & E2 & E3).
    destruct IH as (I1 & I2 & I3); [exact E3 | |].
    - eapply steps_inv; [exact V1|]. eapply more; [exact H | apply none].
    - rewrite I2, I3. auto. }
  destruct X as (V2 & L2 & K2). pose proof (step_right s2 o' V2) as R. rewrite H' in R.
  destruct R as (_ & F). destruct (F a C3 N2) as (K3 & S3).
  assert (E : stack s3 (stk (cos s a)) = firstn n (stack s (stk (cos s a)))) by congruence.
  split; [congruence|]. rewrite E, firstn_firstn. f_equal.
  rewrite L1 in P. rewrite firstn_length in P. lia.
Qed.

End Share.

(* ---- an example ---------------------------------------------------------------------- *)

(* Two users of one stack: 0 was fast when it was suspended inline, at depth 7,
   above one word of red zone at the end of the stack.  There is no memory for
   its bytes at first. *)
Fixpoint run_all s (l : list (op nat)) : option (state nat) :=
  match l with
  | [] => Some s
  | o :: l =>
    match step amd64 nat 0 (Nat.eqb 0) (fun _ => 8) s o with
    | Done _ s | No_memory _ s => run_all s l
    | _ => None
    end
  end.

Definition there := [Create nat 0 0 0 true; Resume nat 0 true;
  Run nat [0; 0; 0; 0; 0; 51; 52; 53]; Yield nat 7;
  Create nat 1 0 0 true; Resume nat 1 false; Resume nat 1 true;
  Run nat [61; 62]; Yield nat 2].

Example zeros_stay_away :
  option_map (fun s => (words nat (kept nat (cos nat s 0)), owner nat s 0,
                        stack nat s 0)) (run_all (start nat) there)
  = Some ([51; 52; 53], Some 1, [61; 62]).
Proof. vm_compute. reflexivity. Qed.

Example and_come_back :
  option_map (fun s => (words nat (kept nat (cos nat s 1)), owner nat s 0,
                        stack nat s 0)) (run_all (start nat) (there ++ [Resume nat 0 true]))
  = Some ([61; 62], Some 0, [0; 0; 0; 0; 0; 51; 52; 53]).
Proof. vm_compute. reflexivity. Qed.
