#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC1091,SC2016,SC2154 # common.sh; $1 is of perl
# Changes of context.S and entry.S: which lemma fails, and whether the processor
# shows that the change is wrong.  Those marked "same" are not: they have to pass.
. "$2/proof/mutants/common.sh"
for v in X86 Logic Contracts Tactics Steps InPlace; do
	cp "$work/$v.vo" .
done
cp "$src/lib/arch/$arch"/*.S .

assemble() {
	# shellcheck disable=SC2086 # a command line
	$cc -I"$src/include" -I"$src/lib/arch/$arch" -I"$src/lib/arch" -DACO_BUILDING_ \
		-c "$1.S" -o "$1.o"
}

# run ROUTE: what run.c says of it.
run() {
	# shellcheck disable=SC2086 # a command line
	$cc -O1 -w -fno-pie -no-pie "$here/run.c" context.o -o run >run.log 2>&1 &&
		./run "$1" | sed 's/ *$//' || echo "does not run"
}

# prove FILE LEMMA: "proved", or the lemma that fails.
prove() {
	sh "$src/proof/text.sh" "$bits" context.o entry.o >"Text$bits.v" 2>text.log || {
		echo text
		return
	}
	if [ "$1" = "Switch$bits" ]; then
		awk -v lemma="$2" -f "$here/only.awk" "$src/proof/$1.v" >"$1.v"
	else
		cp "$src/proof/$1.v" .
	fi
	if coqc -q -R . Aco "Text$bits.v" >coq.log 2>&1 &&
		coqc -q -R . Aco "$1.v" >coq.log 2>&1; then
		echo proved
		return
	fi
	line=$(sed -n "s/^File \".*$1.v\", line \([0-9]*\).*/\1/p" coq.log | head -n 1)
	if [ -z "$line" ]; then
		tail -n 1 coq.log
		return
	fi
	awk -v line="$line" 'NR <= line && /^(Lemma|Theorem) / { name = $2 }
		END { sub(/:$/, "", name); print name }' "$1.v"
}

# try NAME WANT FILE LEMMA ROUTE PERL: WANT is "proved" or the lemma that fails; what
# the processor shows is told.
try() {
	for file in context entry; do cp "$src/lib/arch/$arch/$file.S" .; done
	file=context
	case $4 in land_entry | land_tools) file=entry ;; esac
	if [ -n "$6" ]; then change $file.S "$6"; fi
	assemble context
	assemble entry
	shown=
	if [ -n "$5" ]; then shown="run: $(run "$5")"; fi
	verdict "$1" "$2" "$(prove "$3" "$4")" "$shown"
}

# What the other says of the same lemma: "fails NAME LEMMA ROUTE PERL".
fails() {
	try "$1" "$2" "Switch$bits" "$2" "$3" "$4"
}
same() {
	try "same: $1" proved "Switch$bits" "$2" "$3" "$4"
}

# control NAME LEMMA SED PERL: with another contract, the original and the change prove:
# so what the contract said is why the change fails.
control() {
	mkdir -p as-is
	mv Contracts.vo Tactics.vo as-is
	sed "$3" "$src/proof/Contracts.v" >Contracts.v
	cp "$src/proof/Tactics.v" .
	! cmp -s Contracts.v "$src/proof/Contracts.v" || {
		echo "no change: $3"
		exit 1
	}
	coqc -q -R . Aco Contracts.v
	coqc -q -R . Aco Tactics.v
	try "control, original: $1" proved "Switch$bits" "$2" "" ""
	try "control, changed: $1" proved "Switch$bits" "$2" "" "$4"
	mv as-is/*.vo .
}

lea_64='s/\.irp\tr, r15.*?\.endr/leaq 32(%rsp), %rsp\n movq -32(%rsp), %r15\n movq -24(%rsp), %r14\n movq -16(%rsp), %r13\n movq -8(%rsp), %r12/s'
lea_32='s/\.irp\tr, edi.*?\.endr/leal 8(%esp), %esp\n movl -8(%esp), %edi\n movl -4(%esp), %ebx/s'
rsp_64='s/\tmovq\t%rbx, ACO_OFF_BX_\(%rdi\)\n/\tmovq %rsp, %rcx\n leaq 32(%rdi), %rsp\n pushq %rbx\n movq %rcx, %rsp\n/'

# Signal handlers write nothing on the stack of the landing, wherever it ends.
no_signals='/Definition land_prot/,/\./s/rf s RSP <= a -> //'
# The stack pointer may be anywhere, and no signal handler writes to the stack.
no_stack='/Definition out_place/,/\./s/r0 - n <= rf s RSP.*/True./
	/Definition out_prot/,/\./s/(rf s RSP <= a .. rf s RSP = sb) -> //'

amd64() {
	same "ret instead of pop and jmp" land_switch switch \
		's/\.macro\treturn_by_jump\n.*?\.endm/.macro\treturn_by_jump\n\tret\n\t.endm/s'
	same "loads and lea for pops" land_switch switch \
		's/\.irp\tr, r15.*?\.endr/movq (%rsp), %r15\n movq 8(%rsp), %r14\n movq 16(%rsp), %r13\n movq 24(%rsp), %r12\n leaq 32(%rsp), %rsp/s'
	same "other scratch register" land_value value 's/%rcx/%rsi/g'
	fails "two pops swapped" land_switch switch 's/r15, r14, r13, r12/r14, r15, r13, r12/'
	fails "rbx not stored" out_switch switch 's/\tmovq\t%rbx, ACO_OFF_BX_\(%rdi\)\n//'
	fails "rbp stored elsewhere" out_switch switch 's/(movq\t%rbp, ACO_OFF_)BP/$1BX/'
	fails "rbx loaded from elsewhere" land_switch switch 's/(movq\tACO_OFF_)BX(_\(%rdi\), %rbx)/$1BP$2/'
	fails "rsp saved before the pushes" out_switch switch \
		's/(\.macro\tsave_registers\n)/$1\tmovq %rsp, ACO_OFF_SP_(%rdi)\n/; s/(ACO_OFF_IP_\(%rdi\)\n)\tmovq\t%rsp, ACO_OFF_SP_\(%rdi\)\n/$1/'
	fails "rdi is not the co" out_switch switch 's/\tmovq\t%rsi, %rdi\n//'
	fails "ret on the other stack" out_switch switch 's/jmp\t\*ACO_OFF_IP_\(\\at\)/ret/'
	fails "rbp loaded from the old co" out_switch switch 's/movq\tACO_OFF_BP_\(\\at\), %rbp/movq ACO_OFF_BP_(%rax), %rbp/'
	fails "std" out_switch switch 's/(\tmovq\t%rsi, %rdi\n)/$1\tstd\n/'
	fails "does not return 0" land_switch switch 's/\txorl\t%eax, %eax\n//'
	fails "no place for the value" out_value value 's/\tpushq\t\$0\n//'
	fails "value not popped first" land_value value 's/(\tpopq\t%rax\n.*?)(\trestore_pushed\n)/$2$1/s'
	fails "x87 word not loaded" out_fpenv fpenv 's/\tfldcw\tACO_OFF_CONTROL_2_\(%rsi\)\n//'
	fails "x87 word not compared" out_fpenv x87 's/cmpw\tACO_OFF_CONTROL_2_\(%rsi\), %ax/cmpw ACO_OFF_CONTROL_2_(%rdi), %ax/'
	fails "rounding of MXCSR not compared" out_fpenv mxcsr 's/\$ACO_MXCSR_CONTROL_/\$0x1f80/'
	fails "words of the wrong co loaded" out_fpenv fpenv 's/ldmxcsr\tACO_OFF_CONTROL_\(%rsi\)/ldmxcsr ACO_OFF_CONTROL_(%rdi)/'
	fails "entry keeps rbp" land_entry "" 's/\txorl\t%ebp, %ebp\n//'
	fails "entry calls another field" land_entry "" 's/ACO_OFF_FP\(%rdi\)/ACO_OFF_RESUMER(%rdi)/'
	fails "tools lose the co" land_tools "" 's/\tmovq\t%rbx, %rdi\n//'
	# right for all that a program sees, but for signals
	fails "signal: lea before the loads" land_switch switch "$lea_64"
	control "no signals" land_switch "$no_signals" "$lea_64"
	fails "signal: rsp points into aco_t" out_switch switch "$rsp_64"
	control "rsp anywhere" out_switch "$no_stack" "$rsp_64"
	# of the same length: these lemmas know where each instruction is
	in_place "rsp saved elsewhere" in_place_call_64 's/(\tsave_registers\n\tmovq\t%rsp, ACO_OFF_)SP/$1BP/'
	in_place "from is continued" in_place_call_64 's/(\tmovq\t)%rsi, %r12/$1%rdi, %r12/'
	in_place "words copied to the next place" at_words 's/(movq\t)-8(\(%rsi, %rcx, 8\), %rax)/$1-16$2/'
	in_place "zeros that are none" at_zeros 's/(movq\t)\$0, \(%rdi\)/$1\$1, (%rdi)/'
	in_place "errors are not seen" in_place_fails_64 's/\tjnz\t6f\n/\tjz\t6f\n/'
}

i386() {
	same "ret instead of pop and jmp" land_switch switch \
		's/\.macro\treturn_by_jump\n.*?\.endm/.macro\treturn_by_jump\n\tret\n\t.endm/s'
	same "loads and lea for pops" land_switch switch \
		's/\.irp\tr, edi.*?\.endr/movl (%esp), %edi\n movl 4(%esp), %ebx\n leal 8(%esp), %esp/s'
	fails "two pops swapped" land_switch switch 's/edi, ebx/ebx, edi/'
	fails "esi not stored" out_switch switch 's/\tmovl\t%esi, ACO_OFF_BX_\(%eax\)\n//'
	fails "ebp stored elsewhere" out_switch switch 's/(movl\t%ebp, ACO_OFF_)BP/$1BX/'
	fails "esp saved before the pushes" out_switch switch \
		's/(\.macro\tsave_registers\n)/$1\tmovl %esp, ACO_OFF_SP_(%eax)\n/; s/(ACO_OFF_IP_\(%eax\)\n)\tmovl\t%esp, ACO_OFF_SP_\(%eax\)\n/$1/'
	fails "does not return 0" land_switch switch 's/\txorl\t%eax, %eax\n//'
	fails "no place for the value" out_value value 's/\tpushl\t\$0\n//'
	fails "x87 word not loaded" out_fpenv fpenv 's/\tfldcw\tACO_OFF_CONTROL_2_\(%edx\)\n/\n/; s/3:\n/3:/'
	fails "MXCSR loaded without SSE" out_fpenv_x87 "" 's/(2:\ttestb\t\$ACO_FLAG_SSE_, ACO_OFF_FLAGS_\(%eax\)\n)\tjz\t3f\n/$1/'
	fails "entry keeps ebp" land_entry "" 's/\txorl\t%ebp, %ebp\n//'
	fails "tools lose the co" land_tools "" 's/\tmovl\t%esi, %edx\n//'
	fails "signal: lea before the loads" land_switch switch "$lea_32"
	control "no signals" land_switch "$no_signals" "$lea_32"
	# of the same length: these lemmas know where each instruction is
	in_place "esp saved elsewhere" in_place_call_32 's/(\tsave_registers\n\tmovl\t%esp, ACO_OFF_)SP/$1BP/'
	in_place "words copied to the next place" at_words 's/(movl\t)-4(\(%esi, %ecx, 4\), %eax)/$1-8$2/'
}

in_place() {
	try "in place: $1" "$2" "InPlace$bits" "" "" "$3"
}

$arch
finish
