/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thunks.h - how position-independent code for i386 finds its own address
 *
 * gcc has it call __x86.get_pc_thunk.bx or one of its siblings.  Each object
 * brings them along, with unwind rules, but the linker keeps the first of each
 * name that it meets: that of crti.o or crtbegin.o, which has none.  A walk of
 * the stack that a signal handler begins there does not get further, and
 * backtrace(3) then follows a frame pointer that is none.
 *
 * gcc can't be told other names.  So the assembler makes of such a call one of
 * aco_pc_thunk_bx, and so on, in thunks.S.  {load} means nothing to a
 * call, but without it the macro would call itself.  clang has no such
 * functions.
 *
 * Where the assembler does not see this, which LTO may bring about, calls are
 * what they were.  tests/backtrace.sh tells.
 */
#ifndef ACO_THUNKS_H
#define ACO_THUNKS_H

#if defined(__PIC__) && !defined(__clang__)
/* LTO may put several of these into one file. */
__asm__(".ifndef .Laco_has_macro\n"
	".set .Laco_has_macro, 1\n"
	".macro call target:vararg\n"
	".set .Laco_is_thunk, 0\n"
	".irp reg, ax, bx, cx, dx, si, di, bp\n"
	".ifc \\target, __x86.get_pc_thunk.\\reg\n"
	".set .Laco_is_thunk, 1\n"
	"{load} call aco_pc_thunk_\\reg\n"
	".endif\n"
	".endr\n"
	".if .Laco_is_thunk == 0\n"
	"{load} call \\target\n"
	".endif\n"
	".endm\n"
	".endif");
#endif

#endif /* ACO_THUNKS_H */
