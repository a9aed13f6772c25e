(* SPDX-License-Identifier: Apache-2.0 *)
(* The decoder and the meaning of instructions, as a program. *)
Require Import ZArith List X86.
Require Import Extraction ExtrOcamlBasic ExtrOcamlNatInt ExtrOcamlZBigInt.
Extraction Language OCaml.
Extraction "sem.ml" decode1 exec num nth_reg store.
