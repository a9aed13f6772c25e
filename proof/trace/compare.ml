(* SPDX-License-Identifier: Apache-2.0 *)
(* Reads what trace.c prints, does the same operations with the model of Share.v,
   and compares: the result, and all that is there after each operation.  Words
   are text. *)
open Share

let arch = ref amd64
let heights = ref [||]
let step s o =
  Share.step !arch "0" (fun w -> w = "0") (fun k -> !heights.(k)) s o

let cos_max = 14
let stacks () = Array.length !heights

(* The same state, without a history of closures. *)
let freeze s =
  let table n f = let a = Array.init n f in fun i -> a.(i) in
  { s with cos = table cos_max s.cos; stack = table (stacks ()) s.stack;
           owner = table (stacks ()) s.owner; users = table (stacks ()) s.users }

(* ---- the texts of trace.c ---------------------------------------------------- *)

let join l = String.concat "" (List.map (fun w -> " " ^ w) l)

(* Values of aco_t.state. *)
let number = function
  | Init -> 0 | Susp Fast -> 1 | Susp Sharing -> 3 | Susp Inline -> 5
  | Busy true -> 6 | Busy false -> 8 | Ended -> 11 | Gone -> 13

let rec after c = function
  | a :: b :: _ when a = c -> b
  | _ :: l -> after c l
  | [] -> -1

let is_current s c = match s.chain with a :: _ -> a = c | [] -> false

let co_text s i =
  let c = s.cos i in
  let kept = c.kept in
  let says name of_whom =
    Printf.sprintf "%d %s%s size %d valid %d%s" (number c.stat) name of_whom
      kept.size (!arch.word_bytes * List.length kept.words) (join kept.words) in
  match c.stat with
  | Gone -> "gone"
  | Init -> says "init" ""
  | Susp _ -> says "suspended" ""
  | Ended -> says "end" ""
  | Busy _ -> says (if is_current s i then "running" else "resuming")
                (Printf.sprintf " of %d" (after i s.chain))

(* How many words of the current co are shown is the driver's choice. *)
let shown_words text =
  match String.split_on_char ' ' text with
  | _ :: _ :: _ :: _ :: "words" :: n :: _ -> int_of_string n
  | _ -> 0

let stack_text s k shown =
  let users = List.length (s.users k) in
  match s.owner k with
  | None -> Printf.sprintf "owner -1 users %d" users
  | Some c ->
    let l = s.stack k in
    let l = if is_current s c then firstn (shown_words shown) l else l in
    Printf.sprintf "owner %d users %d words %d%s" c users (List.length l) (join l)

(* ---- what came ------------------------------------------------------------------ *)

let seen = Array.make 10 0
let names = [| "copies out"; "copies of a red zone";
               "copies of a red zone that the stack cuts"; "copies without zeros";
               "copies in place"; "failed copies"; "save stacks that shrink";
               "save stacks that do not fit in the co"; "fast cos that are demoted";
               "cos that find their bytes copied back" |]
let see i = seen.(i) <- seen.(i) + 1

let look s o failed s' =
  (match o with
   | (Resume _ | Yield_to _) when failed -> see 5
   | Yield_to (c, _, _) when (s.cos c).stk = (s.cos (List.hd s.chain)).stk -> see 4
   | _ -> ());
  for i = 0 to cos_max - 1 do
    let c = s.cos i and c' = s'.cos i in
    if c.kept.words = [] && c'.kept.words <> [] then begin
      see 0;
      let below = List.length c'.left - c'.depth in
      if below > 0 then see 1;
      if below > 0 && below < !arch.red_words then see 2;
      if List.length c'.kept.words < List.length c'.left then see 3
    end;
    if c.stat <> Gone && c'.kept.size < c.kept.size then see 6;
    if c.kept.embedded && not c'.kept.embedded && c.stat <> Gone then see 7;
    if is_fast c.stat && c'.stat = demoted c.stat then see 8;
    if c.kept.words <> [] && is_current s' i then see 9
  done

(* ---- the operations --------------------------------------------------------------- *)

exception Different of string
let different format = Printf.ksprintf (fun what -> raise (Different what)) format

let cut line =
  match String.index_opt line ' ' with
  | Some i -> String.sub line 0 i, String.sub line (i + 1) (String.length line - i - 1)
  | None -> line, ""

let operation line =
  match String.split_on_char ' ' line with
  | ["create"; c; k; sz; mem] ->
    Create (int_of_string c, int_of_string k, int_of_string sz, mem = "1")
  | ["resume"; c; mem] -> Resume (int_of_string c, mem = "1")
  | ["yield"; d] -> Yield (int_of_string d)
  | ["yield_to"; c; d; mem] -> Yield_to (int_of_string c, int_of_string d, mem = "1")
  | ["exit"] -> Exit
  | ["reset"; c] -> Reset (int_of_string c)
  | ["destroy"; c] -> Destroy (int_of_string c)
  | _ -> different "the library's side says \"%s\"" line

let compare what i model library =
  if model <> library then
    different "%s %d\nmodel:   %s\nlibrary: %s" what i model library

(* What is the very same as it was, on both sides, has been compared. *)
let compare_all s s' (cos, stacks) (cos', stacks') =
  Array.iteri (fun i text ->
      let c = s'.cos i in
      if s.cos i != c || cos.(i) != text || List.mem i s'.chain then
        compare "co" i (co_text s' i) text) cos';
  Array.iteri (fun k text ->
      if s.stack k != s'.stack k || stacks.(k) != text || s.owner k <> s'.owner k ||
         s.users k != s'.users k || s.chain != s'.chain then
        compare "stack" k (stack_text s' k text) text) stacks'

(* One process of trace.c, from its first line on. *)
let rec session count first =
  let bytes, h = match String.split_on_char ' ' first with
    | "start" :: bytes :: h -> bytes, h
    | _ -> different "the library's side says \"%s\"" first in
  arch := if bytes = "8" then amd64 else i386;
  heights := Array.of_list (List.map int_of_string h);
  let cos = Array.make cos_max "" and stacks = Array.make (stacks ()) "" in
  let texts = ref (Array.copy cos, Array.copy stacks) in
  let rec lines s o =
    let line = try input_line stdin with End_of_file ->
      different "the library's side has ended" in
    match cut line with
    | "co", rest -> let i, text = cut rest in cos.(int_of_string i) <- text; lines s o
    | "stack", rest ->
      let k, text = cut rest in stacks.(int_of_string k) <- text; lines s o
    | "run", rest ->
      let l = if rest = "" then [] else String.split_on_char ' ' rest in
      (match step s (Run l) with
       | Done s -> lines s o
       | _ -> different "the model can't run so many words: %d" (List.length l))
    | ("done" | "no"), _ -> finish s (Option.get o) line
    | "end", _ -> ()
    | _ -> lines s (Some (line, operation line))
  and finish s (text, o) said =
    let s' = match step s o, said with
      | Done s', "done" | No_memory s', "no memory" -> freeze s'
      | x, _ -> different "%s: %s; the model: %s" text said
                  (match x with Done _ -> "done" | No_memory _ -> "no memory"
                              | Misuse -> "misuse" | Broken -> "broken") in
    let now = Array.copy cos, Array.copy stacks in
    (try compare_all s s' !texts now
     with Different what -> different "after %s: %s" text what);
    texts := now;
    look s o (said <> "done") s';
    incr count;
    lines s' None
  in
  lines (freeze start) None;
  match input_line stdin with
  | "all" -> ()
  | line -> session count line
  | exception End_of_file -> different "a process of the library's side has failed"

let () =
  let count = ref 0 and bad = ref 0 in
  let say what =
    bad := 1;
    prerr_endline (Printf.sprintf "operation %d, %s" (!count + 1) what) in
  (try session count (try input_line stdin with End_of_file -> "nothing") with
   | Different what -> say what
   | Failure _ | Invalid_argument _ -> say "the library's side has ended in a line");
  if !bad = 0 then
    Array.iteri (fun i n ->
        if Array.length Sys.argv > 1 then Printf.eprintf "%7d %s\n" n names.(i);
        if n = 0 && (i < 1 || i > 2 || !arch.red_words > 0) then begin
          bad := 1;
          prerr_endline ("there were no " ^ names.(i))
        end) seen;
  Printf.printf "traces: %d operations, %d differences\n" !count !bad;
  Stdlib.exit !bad
