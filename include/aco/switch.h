/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco/switch.h - the switch that aco.h inlines; include aco.h, not this
 *
 * A co whose state says "fast" is the only user of its share stack, in a
 * process without sanitizers, Valgrind and libstdc++: switching to and from it
 * is nothing but registers.  A "lone" one is the same beside libstdc++, whose
 * exception state has to change hands.  A "sharing" one has to have its bytes
 * brought back, but leaves like a fast one.  The code below does these in place.
 * Everything else is the business of the functions in the library, and so is
 * everything in a program compiled with -DACO_NO_INLINE: the two ways mix
 * freely, because the suspended form is the same.
 *
 * The compiler is told that the switch changes every register, so it saves
 * what is live and nothing else.  No call or ret is split between two stacks,
 * which keeps the processor's return predictor right.
 *
 *	suspended    reg[0] resume address (the label below)
 *	             reg[1] stack pointer    nothing was pushed
 *	             reg[2] frame pointer
 *	             reg[3] rbx, esi         only where clang compiled it
 *	at the label rdi (i386: edx) is the co that goes on: the one that
 *	             suspended itself here
 *
 * What is inlined here is ABI: lib/layout.c pins what it uses.
 */
#ifndef ACO_SWITCH_H
#define ACO_SWITCH_H

#if !defined(ACO_H)
#error "include <aco.h>"
#endif

/* Values of aco_t.state that the code below tests and stores. */
#define ACO_FAST_SUSPENDED_ 1
#define ACO_LONE_SUSPENDED_ 2
#define ACO_SHARING_SUSPENDED_ 3
#define ACO_FAST_RUNNING_ 6
#define ACO_LONE_RUNNING_ 7
#define ACO_SHARING_RUNNING_ 8

/*
 * The exception state of libstdc++ changes hands.  Those who call this look for
 * their cos again afterwards, and pass them in the order of the registers in
 * which the switch wants them: so C programs, which never come here, need no
 * instruction for it.
 */
void aco_switch_cxx_(aco_t *to, aco_t *from);

/*
 * clang may address locals through rbx (i386: esi) and ignores that the switch
 * changes it (a frame with a variable-length array and an over-aligned local).
 * The co that goes on reloads it from its own reg[3].
 */
#if defined(__clang__)
#define ACO_IF_CLANG_(text) text
#else
#define ACO_IF_CLANG_(text)
#endif

/*
 * Unwind rules, for walks of the stack in signal handlers.  From where
 * the stack pointer is the other's to the jump, this is a part of the other, as
 * in lib/arch: a frame without size, whose caller is the resume address, and
 * what it saved is in reg[].  In numbers: DW_CFA_def_cfa 0x0c, which clang must
 * not see, because it adds what is pushed later to the offset it saw last;
 * DW_CFA_expression 0x10 and what breg5 (rdi), breg2 (edx) points at.  The int3
 * is never executed: unwinders look one byte before the label.
 *
 * Directives are errors in a function whose unwind rules the compiler does not
 * write.  The macro tells, but not in clang when there are exceptions: then it
 * leaves functions out that throw none.
 */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && \
	!(defined(__clang__) && defined(__EXCEPTIONS))
#define ACO_CFI_(text) text
#else
#define ACO_CFI_(text)
#endif
#define ACO_CFI_END_                                                           \
	ACO_CFI_(".cfi_restore_state\n\tint3\n\t")

/* One instruction in the syntax of AT&T, whatever -masm says. */
#define ACO_ATT_(text)                                                         \
	"{|.att_syntax prefix\n\t}" text "\n\t{|.intel_syntax noprefix\n\t}"

/* Its operands are registers. */
#define ACO_ATT_REG_(n) "{%" #n "|%%%" #n "}"

#if defined(__MMX__) || defined(__clang__)
#define ACO_CLOBBER_MMX_                                                       \
	, "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7"
#else
#define ACO_CLOBBER_MMX_
#endif

#if defined(__x86_64__)

/* Each instruction in the two forms of -masm: {att|intel}. */
#define ACO_STORE_(reg, i, co)                                                 \
	"mov{q %%" reg ", " #i "*8(%%r" co ")| QWORD PTR [r" co "+" #i         \
	"*8], " reg "}\n\t"
#define ACO_LOAD_(reg, i, co)                                                  \
	"mov{q " #i "*8(%%r" co "), %%" reg "| " reg ", QWORD PTR [r" co "+" #i \
	"*8]}\n\t"

#define ACO_SAVE_FPENV_                                                        \
	"stmxcsr {32(%%rsi)|DWORD PTR [rsi+32]}\n\t"                           \
	"fnstcw {36(%%rsi)|WORD PTR [rsi+36]}\n\t"                             \
	"ldmxcsr {32(%%rdi)|DWORD PTR [rdi+32]}\n\t"                           \
	"fldcw {36(%%rdi)|WORD PTR [rdi+36]}\n\t"

#define ACO_CFI_OTHER_                                                         \
	ACO_CFI_(".cfi_remember_state\n\t"                                     \
		 ".cfi_escape 0x0c, 7, 0\n\t"                                 \
		 ".cfi_escape 0x10, 16, 2, 0x75, 0\n\t"                        \
		 ".cfi_escape 0x10, 6, 2, 0x75, 16\n\t"                        \
		 ".cfi_escape 0x10, 3, 2, 0x75, 24\n\t"                        \
		 ".cfi_undefined 12\n\t"                                       \
		 ".cfi_undefined 13\n\t"                                       \
		 ".cfi_undefined 14\n\t"                                       \
		 ".cfi_undefined 15\n\t")

#define ACO_JUMP_                                                              \
	ACO_ATT_("leaq .Laco%=(%%rip), %%rax")                                 \
	ACO_STORE_("rax", 0, "si")                                             \
	ACO_STORE_("rsp", 1, "si")                                             \
	ACO_STORE_("rbp", 2, "si")                                             \
	ACO_IF_CLANG_(ACO_STORE_("rbx", 3, "si"))                              \
	ACO_LOAD_("rsp", 1, "di")                                              \
	ACO_CFI_OTHER_                                                         \
	ACO_LOAD_("rbp", 2, "di")                                              \
	"jmp {*(%%rdi)|QWORD PTR [rdi]}\n\t"                                 \
	ACO_CFI_END_                                                           \
	".p2align 3\n"                                                         \
	".Laco%=:\tendbr64\n\t"                                                      \
	ACO_IF_CLANG_(ACO_LOAD_("rbx", 3, "di"))

#if defined(__AVX512F__) || defined(__clang__)
#define ACO_CLOBBER_AVX512_                                                    \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",       \
		"xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", \
		"xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6",    \
		"k7"
#else
#define ACO_CLOBBER_AVX512_
#endif

/*
 * clang knows the registers of APX from version 19 on, also where it may not
 * use them; aco.h leaves version 18 to the functions.
 */
#if defined(__APX_F__) || (defined(__clang__) && __clang_major__ >= 19)
#define ACO_CLOBBER_APX_                                                       \
	, "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24",       \
		"r25", "r26", "r27", "r28", "r29", "r30", "r31"
#else
#define ACO_CLOBBER_APX_
#endif

#define ACO_CLOBBER_                                                           \
	"rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",    \
		"r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",  \
		"xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",     \
		"xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)", "st(4)", \
		"st(5)", "st(6)", "st(7)", "cc",                               \
		"memory" ACO_CLOBBER_MMX_ ACO_CLOBBER_AVX512_ ACO_CLOBBER_APX_

#define ACO_FROM_ "+S"
#define ACO_TO_ "+D"

#define ACO_TLS_OFFSET_                                                        \
	ACO_ATT_("movq aco_gtls_co@gottpoff(%%rip), " ACO_ATT_REG_(0))
#define ACO_THREAD_BASE_ __seg_fs
#define ACO_LOAD_CURRENT_ "mov{q %%fs:(%1), %0| %0, QWORD PTR fs:[%1]}"
#define ACO_STORE_CURRENT_ "mov{q %0, %%fs:(%1)| QWORD PTR fs:[%1], %0}"

#else /* i386 */

#define ACO_STORE_(reg, i, co)                                                 \
	"mov{l %%" reg ", " #i "*4(%%e" co ")| DWORD PTR [e" co "+" #i         \
	"*4], " reg "}\n\t"
#define ACO_LOAD_(reg, i, co)                                                  \
	"mov{l " #i "*4(%%e" co "), %%" reg "| " reg ", DWORD PTR [e" co "+" #i \
	"*4]}\n\t"

/* A processor without SSE has no MXCSR: a bit of the co's flags. */
#define ACO_SAVE_FPENV_                                                        \
	"test{b $4, 23(%%eax)| BYTE PTR [eax+23], 4}\n\t"                     \
	"jz .Lacox%=\n\t"                                                      \
	"stmxcsr {16(%%eax)|DWORD PTR [eax+16]}\n\t"                           \
	"ldmxcsr {16(%%edx)|DWORD PTR [edx+16]}\n"                             \
	".Lacox%=:\tfnstcw {20(%%eax)|WORD PTR [eax+20]}\n\t"                  \
	"fldcw {20(%%edx)|WORD PTR [edx+20]}\n\t"

/*
 * The address of the landing, and the offset of aco_gtls_co.  Processors know a
 * call of the next instruction for what it is, and leave the return predictor
 * alone.
 */
#if defined(__PIC__)
/* At the pop: a function that was just called, and has saved nothing. */
#define ACO_CFI_CALLED_                                                        \
	ACO_CFI_(".cfi_remember_state\n\t"                                     \
		 ".cfi_escape 0x0c, 4, 4\n\t"                                 \
		 ".cfi_offset 8, -4\n\t"                                       \
		 ".cfi_same_value 3\n\t"                                       \
		 ".cfi_same_value 5\n\t"                                       \
		 ".cfi_same_value 6\n\t"                                       \
		 ".cfi_same_value 7\n\t")

#define ACO_LANDING_                                                           \
	"call .Lacoh%=\n"                                                      \
	ACO_CFI_CALLED_                                                        \
	".Lacoh%=:\tpop{l %%ecx| ecx}\n\t"                                     \
	ACO_CFI_(".cfi_restore_state\n\t")                                     \
	ACO_ATT_("leal .Laco%=-.Lacoh%=(%%ecx), %%ecx")                       \
	ACO_STORE_("ecx", 0, "ax")

#define ACO_TLS_OFFSET_                                                        \
	"call .Lacog%=\n"                                                      \
	ACO_CFI_CALLED_                                                        \
	".Lacog%=:\tpop{l %0| %0}\n\t"                                        \
	ACO_CFI_(".cfi_restore_state\n\t")                                     \
	".Lacop%=:\n\t"                                                        \
	ACO_ATT_("leal _GLOBAL_OFFSET_TABLE_+(.Lacop%=-.Lacog%=)("             \
		 ACO_ATT_REG_(0) "), " ACO_ATT_REG_(0))                        \
	ACO_ATT_("movl aco_gtls_co@gotntpoff(" ACO_ATT_REG_(0) "), "           \
		 ACO_ATT_REG_(0))
#else
#define ACO_LANDING_                                                           \
	ACO_ATT_("leal .Laco%=, %%ecx")                                       \
	ACO_STORE_("ecx", 0, "ax")

#define ACO_TLS_OFFSET_                                                        \
	ACO_ATT_("movl aco_gtls_co@indntpoff, " ACO_ATT_REG_(0))
#endif

#define ACO_CFI_OTHER_                                                         \
	ACO_CFI_(".cfi_remember_state\n\t"                                     \
		 ".cfi_escape 0x0c, 4, 0\n\t"                                 \
		 ".cfi_escape 0x10, 8, 2, 0x72, 0\n\t"                         \
		 ".cfi_escape 0x10, 5, 2, 0x72, 8\n\t"                         \
		 ".cfi_escape 0x10, 6, 2, 0x72, 12\n\t"                        \
		 ".cfi_undefined 3\n\t"                                        \
		 ".cfi_undefined 7\n\t")

#define ACO_JUMP_                                                              \
	ACO_LANDING_                                                           \
	ACO_STORE_("esp", 1, "ax")                                             \
	ACO_STORE_("ebp", 2, "ax")                                             \
	ACO_IF_CLANG_(ACO_STORE_("esi", 3, "ax"))                              \
	ACO_LOAD_("esp", 1, "dx")                                              \
	ACO_CFI_OTHER_                                                         \
	ACO_LOAD_("ebp", 2, "dx")                                              \
	"jmp {*(%%edx)|DWORD PTR [edx]}\n\t"                                 \
	ACO_CFI_END_                                                           \
	".p2align 3\n"                                                         \
	".Laco%=:\tendbr32\n\t"                                               \
	ACO_IF_CLANG_(ACO_LOAD_("esi", 3, "dx"))

#if defined(__SSE__) || defined(__clang__)
#define ACO_CLOBBER_SSE_                                                       \
	, "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"
#else
#define ACO_CLOBBER_SSE_
#endif
#if defined(__AVX512F__) || defined(__clang__)
#define ACO_CLOBBER_AVX512_ , "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define ACO_CLOBBER_AVX512_
#endif

#define ACO_CLOBBER_                                                           \
	"ebx", "ecx", "esi", "edi", "st", "st(1)", "st(2)", "st(3)", "st(4)",  \
		"st(5)", "st(6)", "st(7)", "cc",                               \
		"memory" ACO_CLOBBER_MMX_ ACO_CLOBBER_SSE_ ACO_CLOBBER_AVX512_

#define ACO_FROM_ "+a"
#define ACO_TO_ "+d"

#define ACO_THREAD_BASE_ __seg_gs
#define ACO_LOAD_CURRENT_ "mov{l %%gs:(%1), %0| %0, DWORD PTR gs:[%1]}"
#define ACO_STORE_CURRENT_ "mov{l %0, %%gs:(%1)| DWORD PTR gs:[%1], %0}"

#endif

#define ACO_INLINE_                                                            \
	extern __inline__ __attribute__((__gnu_inline__, __always_inline__,    \
					 __no_instrument_function__))

/* gcc counts lines, and moves a long text less than it might. */
#if !defined(__clang__) && __GNUC__ >= 9
#define ACO_ONE_INSTRUCTION_ __inline__
#else
#define ACO_ONE_INSTRUCTION_
#endif

/*
 * The current co is read and written by these three alone.  A compiler that saw
 * plain accesses might compute the address of aco_gtls_co once for the function
 * and keep it over a switch, after which another thread may run it.  What it
 * may keep here is the offset from the thread's base, which is the same in all
 * threads.
 */
ACO_INLINE_ intptr_t aco_tls_offset_(void)
{
	intptr_t off;

	__asm__ ACO_ONE_INSTRUCTION_(ACO_TLS_OFFSET_ : "=r"(off));
	return off;
}

/*
 * gcc has a name for the thread's base in C, and optimizes more around it than
 * around assembly (five instructions of a round trip).  Sanitizers of gcc 12
 * take what follows for an address.
 */
#if defined(__SEG_FS) && !defined(__clang__) && !defined(__cplusplus) &&   \
	!defined(__STRICT_ANSI__) &&                                         \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
ACO_INLINE_ aco_t *aco_current_(intptr_t off)
{
	return *(aco_t * ACO_THREAD_BASE_ *)off;
}

ACO_INLINE_ void aco_set_current_(intptr_t off, aco_t *co)
{
	*(aco_t * ACO_THREAD_BASE_ *)off = co;
}
#else
ACO_INLINE_ aco_t *aco_current_(intptr_t off)
{
	aco_t *co;

	__asm__ __volatile__(ACO_LOAD_CURRENT_ : "=r"(co) : "r"(off));
	return co;
}

ACO_INLINE_ void aco_set_current_(intptr_t off, aco_t *co)
{
	__asm__ __volatile__(ACO_STORE_CURRENT_ : : "r"(co), "r"(off));
}
#endif

#if !defined(ACO_BUILDING_)

/* The functions of the library, whose symbols the inline versions leave free. */
void aco_resume_function_(aco_t *co) __asm__("aco_resume");
void aco_yield_function_(void) __asm__("aco_yield");

/* Suspend from, continue to; co says whether the control words are switched. */
#define ACO_SWITCH_(text, from, to)                                            \
	__asm__ __volatile__(text                                              \
			     : ACO_FROM_(from), ACO_TO_(to)                    \
			     :                                                 \
			     : ACO_CLOBBER_)

/*
 * After the first comparison of a state: read from memory again.  So that first
 * one, which nearly always holds, is one instruction without a register.
 */
ACO_INLINE_ int aco_is_now_(aco_t *co, int state)
{
	__asm__("" : "+m"(co->state));
	return co->state == state;
}

ACO_INLINE_ void aco_resume(aco_t *co)
{
	intptr_t off = aco_tls_offset_();
	aco_t *from = aco_current_(off);
	aco_t *to = co;

	if (aco_likely(co && co->resumer == from &&
		       co->state == ACO_FAST_SUSPENDED_)) {
		co->state = ACO_FAST_RUNNING_;
	} else if (co && co->resumer == from &&
		   aco_is_now_(co, ACO_LONE_SUSPENDED_)) {
		co->state = ACO_LONE_RUNNING_;
		aco_switch_cxx_(to, from);
		from = aco_current_(off);
	} else {
		aco_resume_function_(co);
		/* not a tail call: this is no leaf function, which might have
		   a red zone */
		__asm__ __volatile__("");
		return;
	}
	aco_set_current_(off, to);
	if (to->flags & ACO_SHARE_FPENV)
		ACO_SWITCH_(ACO_JUMP_, from, to);
	else
		ACO_SWITCH_(ACO_SAVE_FPENV_ ACO_JUMP_, from, to);
}

ACO_INLINE_ void aco_yield(void)
{
	intptr_t off = aco_tls_offset_();
	aco_t *from = aco_current_(off);
	aco_t *to;

	if (aco_likely(from && from->state == ACO_FAST_RUNNING_)) {
		to = from->resumer;
		from->state = ACO_FAST_SUSPENDED_;
	} else if (from && aco_is_now_(from, ACO_SHARING_RUNNING_)) {
		to = from->resumer;
		from->state = ACO_SHARING_SUSPENDED_;
	} else if (from && aco_is_now_(from, ACO_LONE_RUNNING_)) {
		to = from->resumer;
		from->state = ACO_LONE_SUSPENDED_;
		aco_switch_cxx_(to, from);
		from = aco_current_(off);
		to = from->resumer;
	} else {
		aco_yield_function_();
		__asm__ __volatile__("");
		return;
	}
	aco_set_current_(off, to);
	if (from->flags & ACO_SHARE_FPENV)
		ACO_SWITCH_(ACO_JUMP_, from, to);
	else
		ACO_SWITCH_(ACO_SAVE_FPENV_ ACO_JUMP_, from, to);
}

#endif /* !ACO_BUILDING_ */

#endif /* ACO_SWITCH_H */
