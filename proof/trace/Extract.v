(* SPDX-License-Identifier: Apache-2.0 *)
(* The model as a program.  Its numbers are small. *)
From Coq Require Import Extraction ExtrOcamlBasic ExtrOcamlNatInt.
From Aco Require Import Share.
Extraction "share.ml" step start is_fast amd64 i386.
