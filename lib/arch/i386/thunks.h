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
 * aco_pc_thunk_bx, and so on, in thunks.S.  The macro goes while it makes the
 * instruction of the same name, and then defines itself again.  (A pseudo prefix
 * like {load} would do as well, but binutils 2.47 allows none before a macro, and
 * "calll" is unknown in Intel syntax.)  clang has no such functions.
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
	".macro aco_define_call\n"
	".macro call target:vararg\n"
	".purgem call\n"
	".set .Laco_is_thunk, 0\n"
	".irp reg, ax, bx, cx, dx, si, di, bp\n"
	".ifc \\target, __x86.get_pc_thunk.\\reg\n"
	".set .Laco_is_thunk, 1\n"
	"call aco_pc_thunk_\\reg\n"
	".endif\n"
	".endr\n"
	".if .Laco_is_thunk == 0\n"
	"call \\target\n"
	".endif\n"
	"aco_define_call\n"
	".endm\n"
	".endm\n"
	"aco_define_call\n"
	".endif");
#endif

#endif /* ACO_THUNKS_H */
