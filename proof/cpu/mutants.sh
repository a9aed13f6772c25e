#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mutants.sh BITS STEP INSTRUCTIONS: the comparison with the processor finds each of
# these errors in a copy of X86.v.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bits=$1 step=$(pwd)/$2 instructions=$(pwd)/$3
# a name with a dash: no directory of Coq's, to which X86 would be ambiguous
mkdir -p wrong-models/cpu
cd wrong-models
count=0

# wrong WHAT SED-SCRIPT
wrong() {
	sed "$2" "$here/../X86.v" >X86.v
	if cmp -s X86.v "$here/../X86.v"; then
		echo "$1: no change"
		exit 1
	fi
	coqc -q -R . Aco X86.v
	sh "$here/build.sh" cpu >build.log
	if cpu/compare "$bits" 50 1 "$step" <"$instructions" >found; then
		echo "$1: not found"
		exit 1
	fi
	grep -v ' instructions, ' found >differ || {
		echo "$1: the comparison failed, but found no difference"
		exit 1
	}
	echo "$1: $(head -n 1 differ)"
	count=$((count + 1))
}

wrong "pop leaves the stack pointer" '/| Pop d =>/,/None/s/(wrap (rf s RSP + w))/(rf s RSP)/'
wrong "push stores above" 's/(store (Z.to_nat w) (mm s) sp v)/(store (Z.to_nat w) (mm s) (sp + w) v)/'
wrong "dec changes the carry" '/| Dec n d =>/,/rest s/s/(cf s)/(r =? 0)/'
wrong "test leaves the carry" 's/| Xor | Test => false end in/| Xor => false | Test => cf s end in/'
wrong "cmp the other way round" 's/(x <? y)$/(y <? x)/'
wrong "movzwl loads four bytes" 's/Some (Ld 2 (fld g) a, b)/Some (Ld 4 (fld g) a, b)/'
wrong "fnstcw stores four bytes" 's/st s next 2 (addr/st s next 4 (addr/'
wrong "ldmxcsr loads nothing" '/| Ldmxcsr a =>/,/| Fnstcw/s/(df s) v (cw s)/(df s) (mx s) (cw s)/'
wrong "rep movs: no last round" 's/if wrap (rf s RCX - 1) =? 0 then next/if false then next/'
wrong "a call pushes its own address" 's/| Call r => match push s next next/| Call r => match push s next (pc s)/'
wrong "jmp forgets its displacement" 's/| JmpM a => match ld s w (addr s next a)/| JmpM a => match ld s w (match a with Ea b x d => addr s next (Ea b x (d + 1)) | _ => 0 end)/'
wrong "je is jne" 's/CE => zf s | CNE => negb (zf s)/CNE => zf s | CE => negb (zf s)/'
echo "$count wrong models found"
