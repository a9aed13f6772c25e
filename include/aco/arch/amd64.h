/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * aco/arch/amd64.h - what the inline switch has to know of amd64
 *
 * Preprocessor lines alone: lib/arch/amd64 includes it in assembly.
 */
#ifndef ACO_ARCH_AMD64_H
#define ACO_ARCH_AMD64_H

#include "x86.h"

/* Without SSE2 the compiler knows no register xmm0 that could be named. */
#if !defined(__SSE2__)
#undef ACO_ARCH_INLINES_
#endif

/* Where the fields of aco_t are; lib/layout.c holds this list to the struct. */
#define ACO_OFF_IP_ 0	      /* reg[0], resume address */
#define ACO_OFF_SP_ 8	      /* reg[1], rsp */
#define ACO_OFF_BP_ 16	      /* reg[2], rbp */
#define ACO_OFF_BX_ 24	      /* reg[3], rbx */
#define ACO_OFF_CONTROL_ 32   /* fp_control, MXCSR */
#define ACO_OFF_CONTROL_2_ 36 /* fp_control_2, the control word of x87 */
#define ACO_OFF_STATE_ 38
#define ACO_OFF_FLAGS_ 39

/* The registers of the co to suspend and of the one to continue. */
#define ACO_FROM_ "+S"
#define ACO_TO_ "+D"

#define ACO_EXCHANGE_CONTROL_                                               \
	"stmxcsr " ACO_MEM_(ACO_OFF_CONTROL_, "rsi") "\n\t"                 \
	"fnstcw " ACO_MEM_(ACO_OFF_CONTROL_2_, "rsi") "\n\t"                \
	ACO_SKIP_EQUAL_CONTROL_("rsi", "rdi", "a")                        \
	"ldmxcsr " ACO_MEM_(ACO_OFF_CONTROL_, "rdi") "\n\t"                 \
	"fldcw " ACO_MEM_(ACO_OFF_CONTROL_2_, "rdi") "\n"                   \
	".Lacoe%=:\n\t"

#define ACO_CFI_OTHER_                                                      \
	ACO_CFI_(".cfi_remember_state\n\t"                                  \
		 ".cfi_escape 0x0c, 7, 0\n\t"                               \
		 ACO_CFI_AT_(16, 0x75, ACO_OFF_IP_)                         \
		 ACO_CFI_AT_(6, 0x75, ACO_OFF_BP_)                          \
		 ACO_CFI_AT_(3, 0x75, ACO_OFF_BX_)                          \
		 ".cfi_undefined 12\n\t"                                    \
		 ".cfi_undefined 13\n\t"                                    \
		 ".cfi_undefined 14\n\t"                                    \
		 ".cfi_undefined 15\n\t")

/* Suspend the one, continue the other. */
#define ACO_JUMP_                                                           \
	ACO_ATT_("leaq .Laco%=(%%rip), %%rax")                              \
	ACO_STORE_("rax", ACO_OFF_IP_, "rsi")                               \
	ACO_STORE_("rsp", ACO_OFF_SP_, "rsi")                               \
	ACO_STORE_("rbp", ACO_OFF_BP_, "rsi")                               \
	ACO_IF_CLANG_(ACO_STORE_("rbx", ACO_OFF_BX_, "rsi"))                \
	ACO_LOAD_("rsp", ACO_OFF_SP_, "rdi")                                \
	ACO_CFI_OTHER_                                                      \
	ACO_LOAD_("rbp", ACO_OFF_BP_, "rdi")                                \
	"jmp {*|}" ACO_MEM_(ACO_OFF_IP_, "rdi") "\n\t"                      \
	ACO_CFI_END_                                                        \
	".p2align 3\n"                                                      \
	".Laco%=:\tendbr64\n\t"                                             \
	ACO_IF_CLANG_(ACO_LOAD_("rbx", ACO_OFF_BX_, "rdi"))

#if defined(__AVX512F__) || defined(__clang__)
#define ACO_CLOBBER_XMM_16_31_                                              \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",    \
		"xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28",       \
		"xmm29", "xmm30", "xmm31"
#else
#define ACO_CLOBBER_XMM_16_31_
#endif

/* clang knows the registers of APX from version 19 on, also where it may not
   use them. */
#if defined(__APX_F__) || (defined(__clang__) && __clang_major__ >= 19)
#define ACO_CLOBBER_APX_                                                    \
	, "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24",    \
		"r25", "r26", "r27", "r28", "r29", "r30", "r31"
#else
#define ACO_CLOBBER_APX_
#endif

#define ACO_CLOBBER_                                                        \
	"rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", \
		"r14", "r15", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",    \
		"xmm13", "xmm14", "xmm15", ACO_CLOBBER_X87_, "cc",          \
		"memory" ACO_CLOBBER_XMM_0_7_ ACO_CLOBBER_MMX_              \
			ACO_CLOBBER_XMM_16_31_ ACO_CLOBBER_MASKS_           \
			ACO_CLOBBER_APX_

/* The current co: its offset from the thread's base, and access by that. */
#define ACO_TLS_OFFSET_ \
	ACO_ATT_("movq aco_gtls_co@gottpoff(%%rip), " ACO_ATT_REG_(0))
#define ACO_LOAD_CURRENT_ "mov {%%fs:(%1), %0|%0, fs:[%1]}"
#define ACO_STORE_CURRENT_ "mov {%0, %%fs:(%1)|fs:[%1], %0}"
#if defined(ACO_NAMED_SEGMENTS_)
#define ACO_THREAD_BASE_ __seg_fs
#endif

#endif /* ACO_ARCH_AMD64_H */
