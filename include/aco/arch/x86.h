/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * aco/arch/x86.h - what amd64.h and i386.h share: text of instructions
 *
 * gcc and clang write assembly in the syntax of AT&T or, with -masm=intel, in
 * Intel's: "{att|intel}" stands for the one that is asked for.
 */
#ifndef ACO_ARCH_X86_H
#define ACO_ARCH_X86_H

/*
 * A switch is inlined only where the compiler can be told which registers it
 * changes.  That is not so with AMX, for its tiles and their configuration; nor
 * with APX in clang 18, which uses the new registers but can't name them.
 */
#if !defined(_SOFT_FLOAT) && !defined(__AMX_TILE__) && \
	!defined(__AMXTILE__) &&                       \
	!(defined(__EGPR__) && defined(__clang__) && __clang_major__ < 19)
#define ACO_ARCH_INLINES_
#endif

/*
 * gcc has a name for the thread's base in C, and optimizes more around it than
 * around assembly (five instructions of a round trip).  Sanitizers of gcc 12
 * take what follows for an address.
 */
#if defined(__SEG_FS) && !defined(__clang__) && !defined(__cplusplus) &&    \
	!defined(__STRICT_ANSI__) && !defined(__SANITIZE_ADDRESS__) &&      \
	!defined(__SANITIZE_THREAD__)
#define ACO_NAMED_SEGMENTS_
#endif

#define ACO_STR_(x) ACO_STR_OF_(x)
#define ACO_STR_OF_(x) #x

/*
 * Memory at a register plus an offset of the list in ARCH.h.  The size is that
 * of the instruction's register, or of the instruction.
 */
#define ACO_MEM_(off, reg)                                                  \
	"{" ACO_STR_(off) "(%%" reg ")|[" reg "+" ACO_STR_(off) "]}"

/* Store a register to memory; load it from there. */
#define ACO_STORE_(reg, off, base)                                          \
	"mov {%%" reg ", " ACO_STR_(off) "(%%" base ")|[" base              \
	"+" ACO_STR_(off) "], " reg "}\n\t"
#define ACO_LOAD_(reg, off, base)                                           \
	"mov {" ACO_STR_(off) "(%%" base "), %%" reg "|" reg ", [" base     \
	"+" ACO_STR_(off) "]}\n\t"

/* One instruction in the syntax of AT&T, whatever -masm says. */
#define ACO_ATT_(text)                                                      \
	"{|.att_syntax prefix\n\t}" text "\n\t{|.intel_syntax noprefix\n\t}"

/* An operand of it that is a register. */
#define ACO_ATT_REG_(n) "{%" #n "|%%%" #n "}"

/* Test one bit of aco_t.flags of the co in a register.  (With -masm=intel clang
   drops a "$", so that ACO_ATT_ is not for constants.) */
#define ACO_TEST_FLAG_(flag, co)                                            \
	"test{b $" ACO_STR_(flag) ", " ACO_STR_(ACO_OFF_FLAGS_)             \
	"(%%" co ")| BYTE PTR [" co "+" ACO_STR_(ACO_OFF_FLAGS_) "], "      \
	ACO_STR_(flag) "}\n\t"

/*
 * The bit of aco_t.flags that says: control words are loaded only where they
 * differ.  Intel's processors need 2 ns to load each word, and 70 ns more where
 * an exception flag of MXCSR changes; to save a word takes 0.3 ns.  On AMD's it
 * is the other way round, and the comparison costs more than the loads.
 */
#define ACO_FLAG_COMPARES_ 64

/* The bits of MXCSR that a call must keep; the others are exception flags. */
#define ACO_MXCSR_CONTROL_ 0xffc0

/* Skip the loads if the words of both cos are equal.  Scratch is "a" for eax. */
#define ACO_SKIP_EQUAL_CONTROL_(from, to, scratch)                          \
	ACO_TEST_FLAG_(ACO_FLAG_COMPARES_, to)                              \
	"jz .Lacol%=\n\t"                                                   \
	ACO_ATT_("movl " ACO_STR_(ACO_OFF_CONTROL_) "(%%" from "), "        \
		 "%%e" scratch "x\n\t"                                      \
		 "xorl " ACO_STR_(ACO_OFF_CONTROL_) "(%%" to "), "          \
		 "%%e" scratch "x")                                         \
	"test{l $" ACO_STR_(ACO_MXCSR_CONTROL_) ", %%e" scratch             \
	"x| e" scratch "x, " ACO_STR_(ACO_MXCSR_CONTROL_) "}\n\t"           \
	"jnz .Lacol%=\n\t"                                                  \
	ACO_ATT_("movzwl " ACO_STR_(ACO_OFF_CONTROL_2_) "(%%" from "), "    \
		 "%%e" scratch "x\n\t"                                      \
		 "cmpw " ACO_STR_(ACO_OFF_CONTROL_2_) "(%%" to "), "        \
		 "%%" scratch "x")                                          \
	"je .Lacoe%=\n"                                                     \
	".Lacol%=:\t"

/*
 * Fetch the lines of a cache that hold what a switch reads.  Whatever the address
 * is, no exception comes of it; an instruction of SSE.  To the compiler co is a
 * number: as the address of an operand it could not be NULL.
 */
#define ACO_PREFETCH_(co)                                                   \
	do {                                                                \
		ACO_PREFETCH_LINE_(co, 0);                                  \
		ACO_PREFETCH_LINE_(co, 64);                                 \
		ACO_PREFETCH_LINE_(co, 128);                                \
		ACO_PREFETCH_LINE_(co, 192);                                \
	} while (0)
#define ACO_PREFETCH_LINE_(co, off)                                         \
	__asm__ __volatile__("prefetcht0 {" #off "(%0)|[%0+" #off "]}" : :  \
			     "r"(co))

/*
 * clang may address locals through the register of ACO_OFF_BX_, and ignores
 * that the switch changes it (in a frame with a variable-length array and an
 * over-aligned local).  The co that is continued reloads it from its own reg[3].
 */
#if defined(__clang__)
#define ACO_IF_CLANG_(text) text
#else
#define ACO_IF_CLANG_(text)
#endif

/*
 * Unwind rules, for walks of the stack in signal handlers.  From where the stack
 * pointer is that of the other co to the jump, the code is a part of the other
 * co, as in lib/arch: a frame without size, whose caller is the resume address,
 * and what the co saved is in reg[].  The rules are bytes: DW_CFA_def_cfa 0x0c,
 * which clang must not see, because it adds what is pushed later to the offset
 * that it saw last; DW_CFA_expression 0x10, at an offset from breg5 (rdi) or
 * breg2 (edx).  The int3 is never executed: unwinders look one byte before the
 * label.
 *
 * Directives are errors in a function whose unwind rules the compiler does not
 * write.  The macro tells, but not in clang with exceptions, which leaves out
 * functions that throw none.
 */
#if defined(__GCC_HAVE_DWARF2_CFI_ASM) && \
	!(defined(__clang__) && defined(__EXCEPTIONS))
#define ACO_CFI_(text) text
#else
#define ACO_CFI_(text)
#endif
#define ACO_CFI_END_ ACO_CFI_(".cfi_restore_state\n\tint3\n\t")

/* The register is saved there: numbers of DWARF, and an offset of the list. */
#define ACO_CFI_AT_(reg, base, off) \
	".cfi_escape 0x10, " #reg ", 2, " #base ", " ACO_STR_(off) "\n\t"

/* Registers that the switch changes, and a compiler knows only at times. */
#if defined(__MMX__) || defined(__clang__)
#define ACO_CLOBBER_MMX_ \
	, "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7"
#else
#define ACO_CLOBBER_MMX_
#endif

#if defined(__AVX512F__) || defined(__clang__)
#define ACO_CLOBBER_MASKS_ , "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#else
#define ACO_CLOBBER_MASKS_
#endif

#define ACO_CLOBBER_X87_                                                    \
	"st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"
#define ACO_CLOBBER_XMM_0_7_                                                \
	, "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7"

#endif /* ACO_ARCH_X86_H */
