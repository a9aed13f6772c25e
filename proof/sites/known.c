/* SPDX-License-Identifier: Apache-2.0 */
/* A compiler may know whether the co has control words of its own, and
   so which of the two texts it takes. */
#include <aco.h>

static void prepare(aco_t *co, aco_t *resumer, int flags)
{
	co->resumer = resumer;
	co->state = ACO_FAST_SUSPENDED_;
	co->flags = flags;
}

void shares_words(aco_t *resumer)
{
	aco_t co;

	prepare(&co, resumer, ACO_SHARE_FPENV);
	aco_resume(&co);
}

void has_words(aco_t *resumer)
{
	aco_t co;

	prepare(&co, resumer, 0);
	aco_resume(&co);
}

void either(aco_t *resumer, int flags)
{
	aco_t co;

	prepare(&co, resumer, flags & ACO_SHARE_FPENV);
	if (co.flags)
		aco_resume(&co);
	else
		aco_resume(&co);
}
