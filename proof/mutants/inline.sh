#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2154 # common.sh; $1 is of perl
# Changes of the inline switch: sites.py does not find what the source has to have,
# or its bytes are not the text that is proved, or registers.sh misses a register.
. "$2/proof/mutants/common.sh"
flags=
case $cc in *\ *) flags=${cc#* } ;; esac
mkdir sources
cp "$src/proof/sites/calls.c" sources

# sites COMPILER: "proved", or who finds the change.
sites() {
	# shellcheck disable=SC2086 # lists of words
	"$1" $flags -O2 -fPIC -Wa,-L -Itop/include -c sources/calls.c \
		-o "$1-O2-fPIC-calls.o" >compile.log 2>&1 || {
		echo compiler
		return
	}
	python3 -B "$src/proof/sites/sites.py" "$bits" sources "$1-O2-fPIC-calls.o" \
		>sites.log 2>&1 || {
		echo sites.py
		return
	}
	coqc -q -R "$work" Aco "Sites$bits.v" >coq.log 2>&1 || {
		echo Coq
		return
	}
	echo proved
}

registers() {
	if env top_srcdir=top top_builddir="$libdir/../.." CC="$cc" ACO_TEST_SAMPLE=6 \
		sh top/tests/inline/registers.sh >registers.log 2>&1; then
		echo proved
	else
		grep -q 'not named as changed' registers.log && echo registers.sh
	fi
}

# try NAME WANT COMPILER FILE PERL
try() {
	if [ "$3" != registers ] && ! command -v "$3" >/dev/null; then return; fi
	rm -rf top
	mkdir top
	cp -r "$src/include" "$src/tests" top
	if [ -n "$5" ]; then
		change "top/include/aco/$4" "$(printf "%s\n" "$5" | sed "s/@from@/$from/g; s/@to@/$to/g
			s/@sp@/$sp/g; s/@bp@/$bp/g; s/@bx@/$bx/g; s/@clobber@/$clobber/g")"
	fi
	case $3 in
	registers) verdict "$1" "$2" "$(registers)" ;;
	*) verdict "$3: $1" "$2" "$(sites "$3")" ;;
	esac
}

# Names of the architecture, which stand for @from@ and so on in what follows.
amd64() {
	from=rsi to=rdi sp=rsp bp=rbp bx=rbx clobber=r12
}
i386() {
	from=eax to=edx sp=esp bp=ebp bx=esi clobber=edi
}
$arch
arch_h=arch/$arch.h
# No other text passes, though some of these would do as well.
for compiler in gcc clang; do
	try "as it is" proved $compiler "$arch_h" ''
	try "$bp not stored" sites.py $compiler "$arch_h" \
		's/\tACO_STORE_\("@bp@", ACO_OFF_BP_, "@from@"\)\s*\\\n//'
	try "$bp stored elsewhere" Coq $compiler "$arch_h" \
		's/(ACO_STORE_\("@bp@", ACO_OFF_)BP/$1BX/'
	try "$sp loaded from elsewhere" Coq $compiler "$arch_h" \
		's/(ACO_LOAD_\("@sp@", ACO_OFF_)SP/$1BP/'
	try "$sp stored after it is loaded" Coq $compiler "$arch_h" \
		's/(ACO_STORE_\("@sp@", ACO_OFF_SP_, "@from@"\))(.*?)(ACO_LOAD_\("@sp@", ACO_OFF_SP_, "@to@"\))/$3$2$1/s'
	try "$bp loaded before $sp" Coq $compiler "$arch_h" \
		's/(ACO_LOAD_\("@sp@", ACO_OFF_SP_, "@to@"\))(.*?)(ACO_LOAD_\("@bp@", ACO_OFF_BP_, "@to@"\))/$3$2$1/s'
	try "no endbr" Coq $compiler "$arch_h" 's/endbr(64|32)/nop;nop;nop;nop/'
	try "jump to another field" sites.py $compiler "$arch_h" \
		's/ACO_MEM_\(ACO_OFF_IP_, "@to@"\) "\\n\\t" *\\\n\tACO_CFI_END_/ACO_MEM_(ACO_OFF_BX_, "@to@") "\\n\\t" \\\n\tACO_CFI_END_/'
	try "x87 word loaded from the wrong co" Coq $compiler "$arch_h" \
		's/("[^"]*fldcw " ACO_MEM_\(ACO_OFF_CONTROL_2_, ")@to@/$1@from@/'
	try "x87 word not loaded" sites.py $compiler "$arch_h" \
		's/fldcw " ACO_MEM_\(ACO_OFF_CONTROL_2_, "@to@"\) "/nop /'
	try "MXCSR compared in part" Coq $compiler arch/x86.h 's/0xffc0/0x1f80/'
	try "control words left out" sites.py $compiler switch.h 's/ACO_EXCHANGE_CONTROL_ ACO_JUMP_/ACO_JUMP_/g'
done
try "$bx not stored" sites.py clang "$arch_h" 's/ACO_IF_CLANG_\(ACO_STORE_\("@bx@", ACO_OFF_BX_, "@from@"\)\)/""/'
try "$bx not loaded" Coq clang "$arch_h" 's/ACO_IF_CLANG_\(ACO_LOAD_\("@bx@", ACO_OFF_BX_, "@to@"\)\)/""/'
try "$clobber not named" registers.sh registers "$arch_h" 's/"@clobber@", *//'
finish
