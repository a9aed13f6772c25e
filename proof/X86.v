(* SPDX-License-Identifier: Apache-2.0 *)
(* The instructions that occur in the switch: bytes, decoding, meaning.

   One file for amd64 and i386: b64 says which.  Words are integers in
   [0, 2^bits).  Whatever the processor may refuse or do that is not described
   here is None: a proof has to show that it never gets there. *)
Require Import ZArith List Bool Lia.
Import ListNotations.
Open Scope Z_scope.

Inductive reg := RAX | RCX | RDX | RBX | RSP | RBP | RSI | RDI
               | R8 | R9 | R10 | R11 | R12 | R13 | R14 | R15.

Definition regs := [RAX; RCX; RDX; RBX; RSP; RBP; RSI; RDI;
                    R8; R9; R10; R11; R12; R13; R14; R15].
Definition num (r : reg) : Z := match r with
  | RAX => 0 | RCX => 1 | RDX => 2 | RBX => 3 | RSP => 4 | RBP => 5
  | RSI => 6 | RDI => 7 | R8 => 8 | R9 => 9 | R10 => 10 | R11 => 11
  | R12 => 12 | R13 => 13 | R14 => 14 | R15 => 15 end.
Definition reg_eqb (a b : reg) : bool := match a, b with
  | RAX, RAX | RCX, RCX | RDX, RDX | RBX, RBX | RSP, RSP | RBP, RBP
  | RSI, RSI | RDI, RDI | R8, R8 | R9, R9 | R10, R10 | R11, R11
  | R12, R12 | R13, R13 | R14, R14 | R15, R15 => true
  | _, _ => false end.
Definition nth_reg (n : Z) : reg := nth (Z.to_nat n) regs RAX.

Inductive ea := (* an effective address *)
  | Ea (base : option reg) (index : option (reg * Z)) (disp : Z)
  | Rip (disp : Z).
Inductive cond := CE | CNE | CA.  (* je, jne, ja *)
Inductive alu := Add | Sub | Xor | Test | Cmp.
Inductive src := SR (r : reg) | SI (i : Z).

(* The functions in C that the switch calls. *)
Definition x_aco_leave_place := 0.
Definition x_aco_returned := 1.
Definition x_aco_tools_entered := 2.

(* n: bytes of the operand *)
Inductive instr :=
  | Endbr | Nop | Int3 | Ud2
  | Mov (n : Z) (d s : reg) | Ld (n : Z) (d : reg) (a : ea)
  | St (n : Z) (a : ea) (s : src)
  | Push (s : src) | Pop (d : reg)
  | Alu (o : alu) (n : Z) (d : reg) (s : src) | AluM (o : alu) (n : Z) (d : reg) (a : ea)
  | Dec (n : Z) (d : reg)
  | TestB (a : ea) (i : Z)
  | Lea (n : Z) (d : reg) (a : ea)
  | Jmp (rel : Z) | Jcc (c : cond) (rel : Z) | JmpR (r : reg) | JmpM (a : ea)
  | Call (rel : Z) | CallX (symbol : Z) | CallM (a : ea) | Ret
  | RepMovs (n : Z)
  | Stmxcsr (a : ea) | Ldmxcsr (a : ea) | Fnstcw (a : ea) | Fldcw (a : ea).

(* ---- decoding ----------------------------------------------------------- *)

Section Decode.
Variable b64 : bool.

Definition sx (n v : Z) := if v <? 2 ^ (8 * n - 1) then v else v - 2 ^ (8 * n).
Fixpoint le (n : nat) (b : list Z) : option (Z * list Z) :=
  match n, b with
  | O, _ => Some (0, b)
  | S n, x :: b => match le n b with
                   | Some (v, r) => Some (x + 256 * v, r) | None => None end
  | S _, [] => None
  end.
Definition imm (n : nat) (b : list Z) :=
  match le n b with
  | Some (v, r) => Some (sx (Z.of_nat n) v, r) | None => None end.

(* rex: 0, or the prefix *)
Definition rex_w rex := Z.testbit rex 3.
Definition rex_r rex := if Z.testbit rex 2 then 8 else 0.
Definition rex_x rex := if Z.testbit rex 1 then 8 else 0.
Definition rex_b rex := if Z.testbit rex 0 then 8 else 0.

Inductive rm := RmR (r : reg) | RmM (a : ea).

(* ModRM, SIB, displacement: the register field (without rex.r), the operand *)
Definition modrm (rex : Z) (b : list Z) : option (Z * rm * list Z) :=
  match b with
  | [] => None
  | m :: b =>
    let md := m / 64 in let rg := m / 8 mod 8 in let r := m mod 8 in
    let disp bs ix b :=
      match (if md =? 1 then imm 1 b else if md =? 2 then imm 4 b
             else Some (0, b)) with
      | Some (d, b) => Some (rg, RmM (Ea (Some bs) ix d), b) | None => None end in
    if md =? 3 then Some (rg, RmR (nth_reg (r + rex_b rex)), b)
    else if r =? 4 then
      match b with
      | [] => None
      | s :: b =>
        let x := s / 8 mod 8 + rex_x rex in
        let ix := if x =? 4 then None else Some (nth_reg x, 2 ^ (s / 64)) in
        if (s mod 8 =? 5) && (md =? 0) then
          match imm 4 b with
          | Some (d, b) => Some (rg, RmM (Ea None ix d), b) | None => None end
        else disp (nth_reg (s mod 8 + rex_b rex)) ix b
      end
    else if (r =? 5) && (md =? 0) then
      match imm 4 b with
      | Some (d, b) => Some (rg, RmM (if b64 then Rip d else Ea None None d), b)
      | None => None end
    else disp (nth_reg (r + rex_b rex)) None b
  end.

Definition word := if b64 then 8 else 4.

(* after prefixes: p66, pF3, p3E seen *)
Definition opcode (p66 pf3 p3e : bool) (rex : Z) (b : list Z)
  : option (instr * list Z) :=
  let n := if rex_w rex then 8 else 4 in
  let plain := negb (p66 || pf3 || p3e) in
  let fld r := nth_reg (r + rex_r rex) in
  match b with
  | [] => None
  | op :: b =>
    let rmreg (f : rm -> reg -> option instr) :=
      match modrm rex b with
      | Some (g, m, b) => match f m (fld g) with
                          | Some i => Some (i, b) | None => None end
      | None => None end in
    let rmext (f : rm -> Z -> list Z -> option (instr * list Z)) :=
      match modrm rex b with Some (g, m, b) => f m g b | None => None end in
    let arith o := rmreg (fun m g => match m with
      | RmR d => Some (Alu o n d (SR g)) | RmM _ => None end) in
    if negb plain then
      if pf3 && negb (p66 || p3e) then
        match op, b with
        | 0x0f, 0x1e :: x :: b =>
            if (rex =? 0) && (x =? (if b64 then 0xfa else 0xfb))
            then Some (Endbr, b) else None
        | 0xa5, _ => Some (RepMovs n, b)
        | _, _ => None
        end
      else if p66 && negb (pf3 || p3e) && (rex =? 0) then
        match op with
        | 0x3b => rmreg (fun m g => match m with
            | RmM a => Some (AluM Cmp 2 g a) | RmR _ => None end)
        | _ => None
        end
      else if p3e && negb (p66 || pf3) then
        match op with
        | 0xff => rmext (fun m g b => match m, g with
                   | RmR r, 4 => Some (JmpR r, b) | _, _ => None end)
        | _ => None
        end
      else None
    else
    if (0x50 <=? op) && (op <? 0x58) then
      Some (Push (SR (nth_reg (op - 0x50 + rex_b rex))), b)
    else if (0x58 <=? op) && (op <? 0x60) then
      Some (Pop (nth_reg (op - 0x58 + rex_b rex)), b)
    else if negb b64 && (0x48 <=? op) && (op <? 0x50) then
      Some (Dec 4 (nth_reg (op - 0x48)), b)
    else match op with
    | 0x01 => arith Add | 0x29 => arith Sub | 0x31 => arith Xor
    | 0x39 => arith Cmp | 0x85 => arith Test
    | 0x33 => rmreg (fun m g => match m with
        | RmM a => Some (AluM Xor n g a) | RmR _ => None end)
    | 0x89 => rmreg (fun m g => match m with
        | RmR d => Some (Mov n d g) | RmM a => Some (St n a (SR g)) end)
    | 0x8b => rmreg (fun m g => match m with
        | RmR s => Some (Mov n g s) | RmM a => Some (Ld n g a) end)
    | 0x8d => rmreg (fun m g => match m with
        | RmM a => Some (Lea n g a) | RmR _ => None end)
    | 0x6a => match imm 1 b with
        | Some (v, b) => Some (Push (SI v), b) | None => None end
    | 0x83 => rmext (fun m g b => match m, imm 1 b, g with
        | RmR d, Some (v, b), 0 => Some (Alu Add n d (SI v), b)
        | RmR d, Some (v, b), 5 => Some (Alu Sub n d (SI v), b)
        | RmR d, Some (v, b), 7 => Some (Alu Cmp n d (SI v), b)
        | _, _, _ => None end)
    | 0xc7 => rmext (fun m g b => match m, imm 4 b, g with
        | RmM a, Some (v, b), 0 => Some (St n a (SI v), b)
        | _, _, _ => None end)
    | 0xf6 => rmext (fun m g b => match m, imm 1 b, g with
        | RmM a, Some (v, b), 0 => Some (TestB a (v mod 256), b)
        | _, _, _ => None end)
    | 0xf7 => rmext (fun m g b => match m, imm 4 b, g with
        | RmR d, Some (v, b), 0 => Some (Alu Test n d (SI v), b)
        | _, _, _ => None end)
    | 0xa9 => match imm 4 b with
        | Some (v, b) => Some (Alu Test n RAX (SI v), b) | None => None end
    | 0xff => rmext (fun m g b => match m, g with
        | RmR d, 1 => Some (Dec n d, b)
        | RmM a, 2 => Some (CallM a, b)
        | RmM a, 4 => Some (JmpM a, b)
        | _, _ => None end)
    | 0x74 => match imm 1 b with Some (v, b) => Some (Jcc CE v, b) | _ => None end
    | 0x75 => match imm 1 b with Some (v, b) => Some (Jcc CNE v, b) | _ => None end
    | 0x77 => match imm 1 b with Some (v, b) => Some (Jcc CA v, b) | _ => None end
    | 0xeb => match imm 1 b with Some (v, b) => Some (Jmp v, b) | _ => None end
    | 0xe8 => match imm 4 b with Some (v, b) => Some (Call v, b) | _ => None end
    | 0xc3 => Some (Ret, b)
    | 0xcc => Some (Int3, b)
    | 0x90 => if rex =? 0 then Some (Nop, b) else None
    | 0x0f => match b with
        | 0x0b :: b => Some (Ud2, b)
        | 0x84 :: b => match imm 4 b with Some (v, b) => Some (Jcc CE v, b) | _ => None end
        | 0x85 :: b => match imm 4 b with Some (v, b) => Some (Jcc CNE v, b) | _ => None end
        | 0xb7 :: b => if rex_w rex then None else match modrm rex b with
            | Some (g, RmM a, b) => Some (Ld 2 (fld g) a, b) (* zero-extended *)
            | _ => None end
        | 0xae :: b => match modrm rex b with
            | Some (2, RmM a, b) => Some (Ldmxcsr a, b)
            | Some (3, RmM a, b) => Some (Stmxcsr a, b)
            | _ => None end
        | _ => None end
    | 0xd9 => rmext (fun m g b => match m, g with
        | RmM a, 5 => Some (Fldcw a, b)
        | RmM a, 7 => Some (Fnstcw a, b)
        | _, _ => None end)
    | _ => None
    end
  end.

Definition decode1 (b : list Z) : option (instr * list Z) :=
  let rexed p66 pf3 p3e b :=
    match b with
    | x :: t => if b64 && (0x40 <=? x) && (x <? 0x50)
                then opcode p66 pf3 p3e x t else opcode p66 pf3 p3e 0 b
    | [] => None
    end in
  match b with
  | 0xf3 :: b => rexed false true false b
  | 0x3e :: b => rexed false false true b
  | 0x66 :: b => rexed true false false b
  | _ => rexed false false false b
  end.

(* At an offset of the text: the instruction and its length.  relocs: where the
   linker writes the distance to which symbol. *)
Definition decode (text : list Z) (relocs : list (Z * Z)) (o : Z)
  : option (instr * Z) :=
  if o <? 0 then None else
  let b := skipn (Z.to_nat o) text in
  match decode1 b with
  | None => None
  | Some (i, rest) =>
    let n := Z.of_nat (length b) - Z.of_nat (length rest) in
    let touched := filter (fun r => (o <=? fst r) && (fst r <? o + n)) relocs in
    match touched, i with
    | [], _ => Some (i, n)
    | [(at_, s)], Call _ => if at_ =? o + 1 then Some (CallX s, n) else None
    | _, _ => None
    end
  end.
End Decode.

(* ---- state --------------------------------------------------------------- *)

Definition mem := Z -> Z.

Fixpoint load (n : nat) (m : mem) (a : Z) : Z :=
  match n with O => 0 | S n => m a mod 256 + 256 * load n m (a + 1) end.
Fixpoint store (n : nat) (m : mem) (a v : Z) : mem :=
  match n with
  | O => m
  | S n => fun x => if x =? a then v mod 256 else store n m (a + 1) (v / 256) x
  end.

Record state := mk {
  pc : Z; rf : reg -> Z; mm : mem;
  zf : bool; cf : bool; df : bool;  (* no instruction here writes df *)
  mx : Z;                           (* MXCSR *)
  cw : Z;                           (* x87 control word *)
  rest : Z                          (* all other state, as one unknown: x87
                                       stack and tags, vector registers ... *)
}.

Definition upd (f : reg -> Z) (r : reg) (v : Z) : reg -> Z :=
  fun q => if reg_eqb q r then v else f q.
Arguments upd f r v q /.

Section Exec.
Variable b64 : bool.
Let W := if b64 then 2 ^ 64 else 2 ^ 32.
Let w := if b64 then 8 else 4.
Definition wrap (v : Z) := v mod W.

(* what can be loaded into MXCSR; the upper half is reserved *)
Definition mx_ok (v : Z) := (0 <=? v) && (v <? 2 ^ 16).

(* what fnstcw stores: loading anything else changes reserved bits *)
Definition cw_ok (v : Z) := (0 <=? v) && (v <? 2 ^ 16) && (Z.land v 0xe0c0 =? 0x40).

Definition acc (a n : Z) := (0 <=? a) && (a + n <=? W).

Definition addr (s : state) (next : Z) (a : ea) : Z :=
  match a with
  | Rip d => wrap (next + d)
  | Ea b x d => wrap (match b with Some r => rf s r | None => 0 end +
                      match x with Some (r, k) => rf s r * k | None => 0 end + d)
  end.
Definition val (s : state) (v : src) :=
  match v with SR r => rf s r | SI i => wrap i end.

Definition with_pc s p := mk p (rf s) (mm s) (zf s) (cf s) (df s) (mx s) (cw s) (rest s).
Definition with_reg s p r v :=
  mk p (upd (rf s) r v) (mm s) (zf s) (cf s) (df s) (mx s) (cw s) (rest s).
Definition with_mem s p m := mk p (rf s) m (zf s) (cf s) (df s) (mx s) (cw s) (rest s).

Definition ld (s : state) (n a : Z) : option Z :=
  if acc a n then Some (load (Z.to_nat n) (mm s) a) else None.
Definition st (s : state) (p n a v : Z) : option state :=
  if acc a n then Some (with_mem s p (store (Z.to_nat n) (mm s) a v)) else None.
Definition push (s : state) (p v : Z) : option state :=
  let sp := wrap (rf s RSP - w) in
  if acc sp w
  then Some (mk p (upd (rf s) RSP sp) (store (Z.to_nat w) (mm s) sp v)
                (zf s) (cf s) (df s) (mx s) (cw s) (rest s))
  else None.

Definition holds (c : cond) (s : state) :=
  match c with
  | CE => zf s | CNE => negb (zf s) | CA => negb (cf s) && negb (zf s) end.

Definition trunc (n v : Z) := v mod 2 ^ (8 * n).

Definition exec (i : instr) (next : Z) (s : state) : option state :=
  match i with
  | Endbr | Nop => Some (with_pc s next)
  | Int3 | Ud2 => None
  | Mov n d r => Some (with_reg s next d (trunc n (rf s r)))
  | Ld n d a => match ld s n (addr s next a) with
      | Some v => Some (with_reg s next d v) | None => None end
  | St n a v => st s next n (addr s next a) (val s v)
  | Push v => push s next (val s v)
  | Pop d => match ld s w (rf s RSP) with
      | Some v => Some (mk next (upd (upd (rf s) RSP (wrap (rf s RSP + w))) d v)
                        (mm s) (zf s) (cf s) (df s) (mx s) (cw s) (rest s))
      | None => None end
  | Alu o n d v =>
      let x := trunc n (rf s d) in let y := trunc n (val s v) in
      let r := trunc n (match o with
        | Add => x + y | Sub | Cmp => x - y
        | Xor => Z.lxor x y | Test => Z.land x y end) in
      let c := match o with
        | Add => negb (x + y <? 2 ^ (8 * n)) | Sub | Cmp => x <? y
        | Xor | Test => false end in
      Some (mk next (match o with Test | Cmp => rf s | _ => upd (rf s) d r end)
               (mm s) (r =? 0) c (df s) (mx s) (cw s) (rest s))
  | AluM o n d a => match o, ld s n (addr s next a) with
      | Cmp, Some y => let x := trunc n (rf s d) in
          Some (mk next (rf s) (mm s) (trunc n (x - y) =? 0) (x <? y)
                   (df s) (mx s) (cw s) (rest s))
      | Xor, Some y => let r := Z.lxor (trunc n (rf s d)) y in
          Some (mk next (upd (rf s) d r) (mm s) (r =? 0) false
                   (df s) (mx s) (cw s) (rest s))
      | _, _ => None end
  | Dec n d => let r := trunc n (rf s d - 1) in
      Some (mk next (upd (rf s) d r) (mm s) (r =? 0) (cf s)
               (df s) (mx s) (cw s) (rest s))
  | TestB a v => match ld s 1 (addr s next a) with
      | Some x => Some (mk next (rf s) (mm s) (Z.land x v =? 0) false
                           (df s) (mx s) (cw s) (rest s))
      | None => None end
  | Lea n d a => Some (with_reg s next d (trunc n (addr s next a)))
  | Jmp r => Some (with_pc s (next + r))
  | Jcc c r => Some (with_pc s (if holds c s then next + r else next))
  | JmpR r => Some (with_pc s (rf s r))
  | JmpM a => match ld s w (addr s next a) with
      | Some v => Some (with_pc s v) | None => None end
  | Call r => match push s next next with
      | Some s' => Some (with_pc s' (next + r)) | None => None end
  | CallX _ => None (* what is called has its own contract *)
  | CallM a => match ld s w (addr s next a), push s next next with
      | Some v, Some s' => Some (with_pc s' v) | _, _ => None end
  | Ret => match ld s w (rf s RSP) with
      | Some v => Some (with_reg s v RSP (wrap (rf s RSP + w)))
      | None => None end
  | RepMovs n => (* one round, or none: it may be interrupted between rounds *)
      if df s then None
      else if rf s RCX =? 0 then Some (with_pc s next)
      else match ld s n (rf s RSI) with
      | Some v => if acc (rf s RDI) n then
          Some (mk (if wrap (rf s RCX - 1) =? 0 then next else pc s) (upd (upd (upd (rf s) RCX (wrap (rf s RCX - 1)))
                           RSI (wrap (rf s RSI + n))) RDI (wrap (rf s RDI + n)))
                   (store (Z.to_nat n) (mm s) (rf s RDI) v)
                   (zf s) (cf s) (df s) (mx s) (cw s) (rest s)) else None
      | None => None end
  | Stmxcsr a => st s next 4 (addr s next a) (mx s)
  | Ldmxcsr a => match ld s 4 (addr s next a) with
      | Some v => if mx_ok v then
          Some (mk next (rf s) (mm s) (zf s) (cf s) (df s) v (cw s) (rest s))
          else None
      | None => None end
  | Fnstcw a => st s next 2 (addr s next a) (cw s)
  | Fldcw a => match ld s 2 (addr s next a) with
      | Some v => if cw_ok v then
          Some (mk next (rf s) (mm s) (zf s) (cf s) (df s) (mx s) v (rest s))
          else None
      | None => None end
  end.
End Exec.
