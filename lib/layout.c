/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - what assembly, debuggers and the ABI know of structs
 *
 * No code: the assertions fail the build when a field moves.
 */
#include "arch/asm.h"
#include "state.h"

#include <stddef.h>

#define AT(type, field, off) \
	_Static_assert(offsetof(type, field) == (off), #field " has moved")

AT(aco_t, reg[ACO_REG_IDX_RETADDR], ACO_OFF_IP_);
AT(aco_t, reg[ACO_REG_IDX_SP], ACO_OFF_SP_);
AT(aco_t, reg[ACO_REG_IDX_BP], ACO_OFF_BP_);
AT(aco_t, reg[ACO_REG_IDX_BX], ACO_OFF_BX_);
AT(aco_t, fp_control, ACO_OFF_CONTROL_);
AT(aco_t, fp_control_2, ACO_OFF_CONTROL_2_);
AT(aco_t, state, ACO_OFF_STATE_);
AT(aco_t, flags, ACO_OFF_FLAGS_);
AT(aco_t, resumer, ACO_OFF_RESUMER);
AT(aco_t, is_end, ACO_OFF_RESUMER + 7);
AT(aco_t, fp, ACO_OFF_FP);
AT(aco_share_stack_t, owner, ACO_OFF_OWNER);
AT(struct aco_move, end, ACO_MOVE_END);
AT(struct aco_move, from, ACO_MOVE_FROM);
AT(struct aco_move, words, ACO_MOVE_WORDS);
AT(struct aco_move, zeros, ACO_MOVE_ZEROS);

/* What programs have inlined, with the states in between. */
_Static_assert(ACO_INIT == 0 && ACO_FAST_SUSPENDED == 1, "ABI");
_Static_assert(ACO_FAST_CXX_SUSPENDED == 2 && ACO_SHARING_SUSPENDED == 3,
	       "ABI");
_Static_assert(ACO_FAST_RUNNING == 6 && ACO_FAST_CXX_RUNNING == 7, "ABI");
_Static_assert(ACO_SHARING_RUNNING == 8 && ACO_END == 11, "ABI");
_Static_assert(ACO_RUNNING_FROM == ACO_FAST_RUNNING, "running states moved");
_Static_assert(ACO_WORD == sizeof(void *), "not the word of this compiler");

/* Ten million sleeping cos: every eight bytes more are 76 MiB. */
_Static_assert(sizeof(aco_t) == 14 * ACO_WORD + 16, "aco_t has grown");
