/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
/*
 * aco/arch/i386.h - what the inline switch has to know of i386
 *
 * Preprocessor lines alone: lib/arch/i386 includes it in assembly.
 */
#ifndef ACO_ARCH_I386_H
#define ACO_ARCH_I386_H

#include "x86.h"

/* Where the fields of aco_t are; lib/layout.c holds this list to the struct. */
#define ACO_OFF_IP_ 0	      /* reg[0], resume address */
#define ACO_OFF_SP_ 4	      /* reg[1], esp */
#define ACO_OFF_BP_ 8	      /* reg[2], ebp */
#define ACO_OFF_BX_ 12	      /* reg[3], esi */
#define ACO_OFF_CONTROL_ 16   /* fp_control, MXCSR */
#define ACO_OFF_CONTROL_2_ 20 /* fp_control_2, the control word of x87 */
#define ACO_OFF_STATE_ 22
#define ACO_OFF_FLAGS_ 23

/* The bit of aco_t.flags that says: the processor has SSE, and so MXCSR. */
#define ACO_FLAG_SSE_ 4

/* The registers of the co to suspend and of the one to continue. */
#define ACO_FROM_ "+a"
#define ACO_TO_ "+d"

#define ACO_EXCHANGE_CONTROL_                                               \
	ACO_TEST_FLAG_(ACO_FLAG_SSE_, "eax")                                \
	"jz .Lacox%=\n\t"                                                   \
	"stmxcsr " ACO_MEM_(ACO_OFF_CONTROL_, "eax") "\n"                   \
	".Lacox%=:\tfnstcw " ACO_MEM_(ACO_OFF_CONTROL_2_, "eax") "\n\t"     \
	ACO_SKIP_EQUAL_CONTROL_("eax", "edx", "c")                        \
	ACO_TEST_FLAG_(ACO_FLAG_SSE_, "eax")                                \
	"jz .Lacoy%=\n\t"                                                   \
	"ldmxcsr " ACO_MEM_(ACO_OFF_CONTROL_, "edx") "\n"                   \
	".Lacoy%=:\tfldcw " ACO_MEM_(ACO_OFF_CONTROL_2_, "edx") "\n"         \
	".Lacoe%=:\n\t"

/*
 * The address of the landing, and the offset of aco_gtls_co.  Processors know a
 * call of the next instruction for what it is, and leave the return predictor
 * alone.
 */
#if defined(__PIC__)
/* At the pop: a function that was just called, and has saved nothing. */
#define ACO_CFI_CALLED_                                                     \
	ACO_CFI_(".cfi_remember_state\n\t"                                  \
		 ".cfi_escape 0x0c, 4, 4\n\t"                               \
		 ".cfi_offset 8, -4\n\t"                                    \
		 ".cfi_same_value 3\n\t"                                    \
		 ".cfi_same_value 5\n\t"                                    \
		 ".cfi_same_value 6\n\t"                                    \
		 ".cfi_same_value 7\n\t")

#define ACO_LANDING_                                                        \
	"call .Lacoh%=\n"                                                   \
	ACO_CFI_CALLED_                                                     \
	".Lacoh%=:\tpop{l %%ecx| ecx}\n\t"                                  \
	ACO_CFI_(".cfi_restore_state\n\t")                                  \
	ACO_ATT_("leal .Laco%=-.Lacoh%=(%%ecx), %%ecx")                     \
	ACO_STORE_("ecx", ACO_OFF_IP_, "eax")

#define ACO_TLS_OFFSET_                                                     \
	"call .Lacog%=\n"                                                   \
	ACO_CFI_CALLED_                                                     \
	".Lacog%=:\tpop{l %0| %0}\n\t"                                      \
	ACO_CFI_(".cfi_restore_state\n\t")                                  \
	".Lacop%=:\n\t"                                                     \
	ACO_ATT_("leal _GLOBAL_OFFSET_TABLE_+(.Lacop%=-.Lacog%=)("          \
		 ACO_ATT_REG_(0) "), " ACO_ATT_REG_(0))                     \
	ACO_ATT_("movl aco_gtls_co@gotntpoff(" ACO_ATT_REG_(0) "), "        \
		 ACO_ATT_REG_(0))
#else
#define ACO_LANDING_                                                        \
	ACO_ATT_("leal .Laco%=, %%ecx")                                     \
	ACO_STORE_("ecx", ACO_OFF_IP_, "eax")

#define ACO_TLS_OFFSET_ \
	ACO_ATT_("movl aco_gtls_co@indntpoff, " ACO_ATT_REG_(0))
#endif

#define ACO_CFI_OTHER_                                                      \
	ACO_CFI_(".cfi_remember_state\n\t"                                  \
		 ".cfi_escape 0x0c, 4, 0\n\t"                               \
		 ACO_CFI_AT_(8, 0x72, ACO_OFF_IP_)                          \
		 ACO_CFI_AT_(5, 0x72, ACO_OFF_BP_)                          \
		 ACO_CFI_AT_(6, 0x72, ACO_OFF_BX_)                          \
		 ".cfi_undefined 3\n\t"                                     \
		 ".cfi_undefined 7\n\t")

/* Suspend the one, continue the other. */
#define ACO_JUMP_                                                           \
	ACO_LANDING_                                                        \
	ACO_STORE_("esp", ACO_OFF_SP_, "eax")                               \
	ACO_STORE_("ebp", ACO_OFF_BP_, "eax")                               \
	ACO_IF_CLANG_(ACO_STORE_("esi", ACO_OFF_BX_, "eax"))                \
	ACO_LOAD_("esp", ACO_OFF_SP_, "edx")                                \
	ACO_CFI_OTHER_                                                      \
	ACO_LOAD_("ebp", ACO_OFF_BP_, "edx")                                \
	"jmp {*|}" ACO_MEM_(ACO_OFF_IP_, "edx") "\n\t"                      \
	ACO_CFI_END_                                                        \
	".p2align 3\n"                                                      \
	".Laco%=:\tendbr32\n\t"                                             \
	ACO_IF_CLANG_(ACO_LOAD_("esi", ACO_OFF_BX_, "edx"))

#if defined(__SSE__) || defined(__clang__)
#define ACO_CLOBBER_SSE_ ACO_CLOBBER_XMM_0_7_
#else
#define ACO_CLOBBER_SSE_
#endif

#define ACO_CLOBBER_                                                        \
	"ebx", "ecx", "esi", "edi", ACO_CLOBBER_X87_, "cc",                 \
		"memory" ACO_CLOBBER_SSE_ ACO_CLOBBER_MMX_ ACO_CLOBBER_MASKS_

/* The current co: access by its offset from the thread's base. */
#define ACO_LOAD_CURRENT_ "mov {%%gs:(%1), %0|%0, gs:[%1]}"
#define ACO_STORE_CURRENT_ "mov {%0, %%gs:(%1)|gs:[%1], %0}"
#if defined(ACO_NAMED_SEGMENTS_)
#define ACO_THREAD_BASE_ __seg_gs
#endif

#endif /* ACO_ARCH_I386_H */
