/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.h - what step.c, the tracer, and step-target.c, which it steps through,
 * tell each other
 *
 * The program stops at an int3, always the same one, with what it says in eax and
 * edx, and finds the answer in eax.
 */
#ifndef STEP_H
#define STEP_H

enum step_mark {
	STEP_BEGIN = 1, /* a window of that kind begins: which enum step_mode */
	STEP_END,	/* it ends: the signals * 2 + whether to repeat it */
	STEP_WALKS,	/* so many backtraces */
	STEP_TO_MAIN	/* so many of them got to main */
};

enum step_mode {
	STEP_EACH = 1, /* a signal at each instruction */
	STEP_SOME      /* at some of them */
};

/*
 * What is told apart in the figures: resume and yield; the same of a co that must
 * take its stack over from another; with a pointer each way; a first resume; two
 * ways to end; aco_yield_to(); the same on one stack.
 */
#define STEP_KINDS(_)       \
	_(SWITCH, "switch") \
	_(COPY, "copy")     \
	_(VALUE, "value")   \
	_(START, "start")   \
	_(EXIT, "exit")     \
	_(RETURN, "return") \
	_(TO, "to")         \
	_(IN_PLACE, "in-place")

enum step_kind {
#define STEP_NAME(name, text) STEP_##name,
	STEP_KINDS(STEP_NAME)
#undef STEP_NAME
		STEP_KIND_COUNT
};

#endif /* STEP_H */
