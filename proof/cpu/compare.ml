(* SPDX-License-Identifier: Apache-2.0 *)
(* compare BITS STATES SEED STEP <INSTRUCTIONS

   Compares what X86.v says of each instruction with what the processor does, from
   so many random states.  STEP is the program of step.c.  A line of input has the
   bytes of an instruction, a tab, and how objdump calls it; each is tried once. *)
open Sem
module Z = Big_int_Z

let int = Z.big_int_of_int
let to_int = Z.int_of_big_int
let ( +! ) = Z.add_big_int
let ( -! ) = Z.sub_big_int
let ( *! ) = Z.mult_big_int

let bits = int_of_string Sys.argv.(1)
let states = int_of_string Sys.argv.(2)
let b64 = bits = 64
let word = bits / 8
let registers = if b64 then 16 else 8
let modulus = Z.power_int_positive_int 2 bits

(* As in step.c. *)
let code = 0x10000000
let data = 0x20000000
let window = 256

(* ---- random states ---------------------------------------------------------- *)

let chance n = Random.int n = 0
let random_bits n = (* n a multiple of 8 *)
  let rec go n v = if n = 0 then v else go (n - 8) (v *! int 256 +! int (Random.int 256)) in
  go n (int 0)
let random_word () =
  match Random.int 4 with
  | 0 -> int (Random.int 3)
  | 1 -> random_bits 32
  | 2 -> Z.mod_big_int (int (Random.int 3) -! int 1) modulus
  | _ -> random_bits bits
let in_window n = int (data + 16 + Random.int (window - 32 - n))
let canonical () = random_bits (if b64 then 40 else 32)

let cpu_flags () = 0x202 lor (Random.bits () land 0x8d5) lor (if chance 8 then 0x400 else 0)
let control_word () = Random.bits () land 0x1f3f lor 0x40
let mxcsr () = Random.bits () land 0xffff

let index r = to_int (num r)
let wrap v = Z.mod_big_int v modulus

(* Registers such that the effective address lies in the window. *)
let aim regs ea n =
  let target = in_window n in
  (match ea with
   | Ea (Some base, ix, disp) ->
     let offset = match ix with
       | Some (r, k) when r <> base -> regs.(index r) <- int (Random.int 16);
         regs.(index r) *! k
       | _ -> int 0 in
     regs.(index base) <- wrap (target -! disp -! offset)
   | _ -> ());
  target

let put mem at n v =
  for i = 0 to n - 1 do
    Bytes.set mem (to_int at - data + i)
      (Char.chr (to_int (Z.extract_big_int v (8 * i) 8)))
  done
let get mem at n =
  let rec go i = if i = n then int 0 else
      int (Char.code (Bytes.get mem (to_int at - data + i))) +! int 256 *! go (i + 1) in
  go 0

(* What the instruction reads is such that each thing it can do happens often. *)
let prepare i regs mem =
  let set r v = regs.(index r) <- v in
  let stack () = set RSP (in_window word) in
  match i with
  | Ld (n, _, a) | St (n, a, _) -> ignore (aim regs a (to_int n))
  | AluM (_, n, d, a) ->
    let n = to_int n in
    let at = aim regs a n in
    (match a with
     | Ea (Some b, _, _) when b = d -> ()
     | _ -> if chance 2 then set d (wrap (get mem at n +! (random_bits 8 *! Z.power_int_positive_int 2 (8 * n)))))
  | TestB (a, _) -> ignore (aim regs a 1)
  | Alu (_, _, d, SR r) -> if chance 2 then set d regs.(index r)
  | Alu (_, _, d, SI v) -> if chance 2 then set d (wrap (v +! int (Random.int 3 - 1)))
  | Push _ | Pop _ | Call _ -> stack ()
  | Ret -> stack (); put mem regs.(index RSP) word (canonical ())
  | JmpR r -> set r (canonical ())
  | JmpM a -> put mem (aim regs a word) word (canonical ())
  | CallM a -> stack (); put mem (aim regs a word) word (canonical ())
  | RepMovs n ->
    let n = to_int n in
    set RSI (in_window n); set RDI (in_window n);
    if chance 2 then set RCX (int (Random.int 4))
  | Stmxcsr a -> ignore (aim regs a 4)
  | Fnstcw a -> ignore (aim regs a 2)
  | Ldmxcsr a -> let at = aim regs a 4 in
    put mem at 4 (if chance 8 then random_bits 32 else int (mxcsr ()))
  | Fldcw a -> let at = aim regs a 2 in
    put mem at 2 (if chance 8 then random_bits 16 else int (control_word ()))
  | _ -> ()

type words = { pc : Z.big_int; flags : int; mx : int; cw : int;
               regs : Z.big_int array; mem : Bytes.t }

let random_state i =
  let regs = Array.init registers (fun _ -> random_word ()) in
  let mem = Bytes.init window (fun _ -> Char.chr (if chance 4 then 0 else Random.int 256)) in
  prepare i regs mem;
  { pc = int (code + Random.int 4000); flags = cpu_flags (); mx = mxcsr ();
    cw = control_word (); regs; mem }

(* ---- the processor --------------------------------------------------------- *)

let from_step, to_step = Unix.open_process Sys.argv.(4)

let record = 8 + 16 + 8 * 20 + window
let write_state bytes s =
  let b = Bytes.make record '\000' in
  let word k v = for i = 0 to 7 do
      Bytes.set b (k + i) (Char.chr (to_int (Z.extract_big_int v (8 * i) 8))) done in
  List.iteri (fun i x -> Bytes.set b (8 + i) (Char.chr x)) bytes;
  word 24 s.pc; word 32 (int s.flags); word 40 (int s.mx); word 48 (int s.cw);
  Array.iteri (fun i v -> word (56 + 8 * i) v) s.regs;
  Bytes.blit s.mem 0 b 184 window;
  output_bytes to_step b; flush to_step

let read_state () =
  let b = Bytes.create record in
  really_input from_step b 0 record;
  let word k =
    let rec go i = if i = 8 then int 0 else
        int (Char.code (Bytes.get b (k + i))) +! int 256 *! go (i + 1) in go 0 in
  let small k = to_int (word k) in
  (small 0, { pc = word 24; flags = small 32; mx = small 40; cw = small 48;
              regs = Array.init registers (fun i -> word (56 + 8 * i));
              mem = Bytes.sub b 184 window })

(* ---- comparison ------------------------------------------------------------ *)

exception Outside

let model s =
  let byte a =
    let k = to_int (a -! int data) in
    if k < 0 || k >= window then raise Outside
    else int (Char.code (Bytes.get s.mem k)) in
  { Sem.pc = s.pc; mm = byte; mx = int s.mx; cw = int s.cw; rest = int 0;
    rf = (fun r -> let k = index r in if k < registers then s.regs.(k) else int 0);
    zf = s.flags land 0x40 <> 0; cf = s.flags land 1 <> 0; df = s.flags land 0x400 <> 0 }

(* What differs between the model's state and the processor's. *)
let differences (m : Sem.state) s =
  let wrong = ref [] in
  let eq what x y = if not (Z.eq_big_int x y) then
      wrong := Printf.sprintf "%s is %s, the model says %s" what
          (Z.string_of_big_int y) (Z.string_of_big_int x) :: !wrong in
  let flag what x bit = eq what (int (Bool.to_int x)) (int (Bool.to_int (s.flags land bit <> 0))) in
  eq "pc" (wrap m.pc) s.pc; eq "MXCSR" m.mx (int s.mx); eq "control word" m.cw (int s.cw);
  flag "ZF" m.zf 0x40; flag "CF" m.cf 1; flag "DF" m.df 0x400;
  Array.iteri (fun i v -> eq ("register " ^ string_of_int i) (m.rf (nth_reg (int i))) v) s.regs;
  Bytes.iteri (fun i v -> eq ("byte " ^ string_of_int i) (m.mm (int (data + i)))
                  (int (Char.code v))) s.mem;
  !wrong

let failures = ref 0
let fail name text =
  incr failures;
  if !failures < 20 then Printf.printf "%s: %s\n" name text

(* One state: whether the model goes on from there. *)
let try_state bytes name i =
  let s = random_state i in
  match exec b64 i (s.pc +! int (List.length bytes)) (model s) with
  | exception Outside -> fail name "goes outside of the window"; true
  | None -> false
  | Some m ->
    write_state bytes s;
    let outcome, after = read_state () in
    if outcome = 1000 then fail name "changes other state"
    else if outcome <> 0 then fail name (Printf.sprintf "signal %d" outcome)
    else (match differences m after with
        | [] -> ()
        | wrong -> fail name (String.concat "; " wrong)
        | exception Outside -> fail name "reads outside of the window");
    true

let rec try_states bytes name i left attempts =
  if left > 0 then
    if attempts = 0 then fail name "has few states from which the model goes on"
    else try_states bytes name i (if try_state bytes name i then left - 1 else left) (attempts - 1)

let tried = ref 0 and stuck = ref 0
let instruction bytes name =
  match decode1 b64 (List.map int bytes) with
  | Some (i, []) ->
    if i = Int3 || i = Ud2 then incr stuck
    else begin incr tried; try_states bytes name i states (20 * states) end
  | Some _ -> fail name "has another length"
  | None -> fail name "is not decoded"

let bytes_of text =
  List.map (fun x -> int_of_string ("0x" ^ x))
    (List.filter ((<>) "") (String.split_on_char ' ' text))

let is_padding name =
  List.exists (fun w -> w = "nop" || w = "nopw" || w = "nopl" || w = "data16" || w = "cs")
    (String.split_on_char ' ' name) || name = "xchg   %ax,%ax"

let () =
  Random.init (int_of_string Sys.argv.(3));
  let seen = Hashtbl.create 200 in
  (try while true do
       match String.split_on_char '\t' (input_line stdin) with
       | text :: name :: _ ->
         let bytes = bytes_of text in
         if not (Hashtbl.mem seen bytes) then begin
           Hashtbl.add seen bytes ();
           let padding = is_padding name && bytes <> [0x90] in
           if not padding then instruction bytes (text ^ ": " ^ name)
         end
       | _ -> failwith "a line without a name"
     done with End_of_file -> ());
  Printf.printf "%d instructions, %d states each, %d failures\n" !tried states !failures;
  exit (if !failures > 0 || !tried = 0 then 1 else 0)
