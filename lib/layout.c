/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - what assembly, debuggers and the ABI know of aco_t
 *
 * No code: the assertions fail the build when a field moves.
 */
#include "internal.h"

#include <stddef.h>

#include "aco/switch.h"
#include "arch/offsets.h"

#define AT(field, off) \
	_Static_assert(offsetof(aco_t, field) == (off), #field " has moved")

#define REG(i) ((i) * sizeof(void *))

AT(reg, 0);
_Static_assert(REG(ACO_REG_IDX_RETADDR) == ACO_OFF_IP, "reg order");
_Static_assert(REG(ACO_REG_IDX_SP) == ACO_OFF_SP, "reg order");
_Static_assert(REG(ACO_REG_IDX_BP) == ACO_OFF_BP, "reg order");
_Static_assert(REG(ACO_REG_IDX_BX) == ACO_OFF_BX, "reg order");
AT(mxcsr, ACO_OFF_MXCSR);
AT(fpucw, ACO_OFF_FPUCW);
AT(state, ACO_OFF_STATE);
AT(flags, ACO_OFF_FLAGS);
AT(resumer, ACO_OFF_RESUMER);
AT(is_end, ACO_OFF_RESUMER + 7);
AT(fp, ACO_OFF_FP);
_Static_assert(offsetof(aco_share_stack_t, owner) == ACO_OFF_OWNER,
	       "owner has moved");
_Static_assert(ACO_FAST_RUNNING == ACO_RUNNING_FROM, "running states moved");
_Static_assert(ACO_HAS_SSE_BIT == ACO_HAS_SSE, "flag has changed");

#define MOVE_AT(field, off)                                       \
	_Static_assert(offsetof(struct aco_move, field) == (off), \
		       #field " has moved")

MOVE_AT(end, ACO_MOVE_END);
MOVE_AT(from, ACO_MOVE_FROM);
MOVE_AT(words, ACO_MOVE_WORDS);
MOVE_AT(zeros, ACO_MOVE_ZEROS);

/* What programs have inlined. */
_Static_assert(ACO_FAST_SUSPENDED == ACO_FAST_SUSPENDED_, "ABI");
_Static_assert(ACO_FAST_RUNNING == ACO_FAST_RUNNING_, "ABI");
_Static_assert(ACO_LONE_SUSPENDED == ACO_LONE_SUSPENDED_, "ABI");
_Static_assert(ACO_LONE_RUNNING == ACO_LONE_RUNNING_, "ABI");
_Static_assert(ACO_SHARING_SUSPENDED == ACO_SHARING_SUSPENDED_, "ABI");
_Static_assert(ACO_SHARING_RUNNING == ACO_SHARING_RUNNING_, "ABI");

/* Ten million sleeping cos: every eight bytes more are 76 MiB. */
#if defined(__x86_64__)
_Static_assert(sizeof(aco_t) == 128, "aco_t has grown");
#else
_Static_assert(sizeof(aco_t) == 72, "aco_t has grown");
#endif
