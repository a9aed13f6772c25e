/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - what assembly, debuggers and the ABI know of aco_t
 *
 * No code: the assertions fail the build when a field moves.
 */
#include "arch/asm.h"
#include "state.h"

#include <stddef.h>

#define AT(field, off) \
	_Static_assert(offsetof(aco_t, field) == (off), #field " has moved")

AT(reg, ACO_OFF_IP_);
AT(reg[ACO_REG_IDX_RETADDR], ACO_OFF_IP_);
AT(reg[ACO_REG_IDX_SP], ACO_OFF_SP_);
AT(reg[ACO_REG_IDX_BP], ACO_OFF_BP_);
AT(reg[ACO_REG_IDX_BX], ACO_OFF_BX_);
AT(fp_control, ACO_OFF_CONTROL_);
AT(fp_control_2, ACO_OFF_CONTROL_2_);
AT(state, ACO_OFF_STATE_);
AT(flags, ACO_OFF_FLAGS_);
AT(resumer, ACO_OFF_RESUMER);
AT(is_end, ACO_OFF_RESUMER + 7);
AT(fp, ACO_OFF_FP);
_Static_assert(offsetof(aco_share_stack_t, owner) == ACO_OFF_OWNER,
	       "owner has moved");
_Static_assert(ACO_RUNNING_FROM == ACO_FAST_RUNNING, "running states moved");
_Static_assert(ACO_WORD == sizeof(void *), "not the word of this compiler");

#define MOVE_AT(field, off)                                       \
	_Static_assert(offsetof(struct aco_move, field) == (off), \
		       #field " has moved")

MOVE_AT(end, ACO_MOVE_END);
MOVE_AT(from, ACO_MOVE_FROM);
MOVE_AT(words, ACO_MOVE_WORDS);
MOVE_AT(zeros, ACO_MOVE_ZEROS);

/* Ten million sleeping cos: every eight bytes more are 76 MiB. */
_Static_assert(sizeof(aco_t) == 14 * ACO_WORD + 16, "aco_t has grown");
