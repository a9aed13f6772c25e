/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - places where a tracer may look on: USDT probes
 *
 * With --enable-sdt each is a nop in the code and a note beside it, which tells
 * bpftrace, SystemTap, perf and gdb where the nop is and where the arguments are;
 * without it, and to Frama-C, it is nothing.  There is nothing to switch on: a
 * tracer writes a breakpoint over the nop.
 *
 * So that there is no more than the nop, an argument is what the code has at hand:
 * a variable that it goes on to use, a field, or a constant.  Probes are part of
 * the interface: aco_probes(7) lists them, and tests/probes.sh compares.
 */
#ifndef ACO_PROBE_H
#define ACO_PROBE_H

#if defined ACO_SDT && !defined __FRAMAC__
/* Where an argument may also be in memory, clang stores it there for the probe. */
#ifdef __clang__
#define STAP_SDT_ARG_CONSTRAINT nr
#endif
#include <sys/sdt.h>

/* As DTRACE_PROBE(), but without its second asm(), which is one that compilers
   believe to change any memory.  inline: it is not as long as it looks. */
#if __GNUC__ >= 9 /* not clang, which says that it is gcc 4 */
#define ACO_PROBE_ASM_ __asm__ __volatile__ __inline__
#else
#define ACO_PROBE_ASM_ __asm__ __volatile__
#endif
#define ACO_PROBE_(name, n, ...)                                             \
	ACO_PROBE_ASM_(STAP_PROBE_ASM(aco, name, STAP_PROBE_ASM_TEMPLATE(n)) \
		       :                                                     \
		       : STAP_PROBE_ASM_OPERANDS(n, __VA_ARGS__))

#define ACO_PROBE1(name, a) ACO_PROBE_(name, 1, a)
#define ACO_PROBE2(name, a, b) ACO_PROBE_(name, 2, a, b)
#define ACO_PROBE3(name, a, b, c) ACO_PROBE_(name, 3, a, b, c)
#else
/* evaluates nothing, but a parameter that only a probe uses is in use */
#define ACO_PROBE1(name, a) ((void)sizeof(a))
#define ACO_PROBE2(name, a, b) ((void)(sizeof(a) + sizeof(b)))
#define ACO_PROBE3(name, a, b, c) ((void)(sizeof(a) + sizeof(b) + sizeof(c)))
#endif

#endif /* ACO_PROBE_H */
