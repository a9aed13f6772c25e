/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - call a function with known values in all callee-saved registers
 *
 * The calling convention as a test: whatever the function does, and whichever
 * cos run before it returns, the registers must come back.  Included in one
 * file of a program; not for -flto or -masm=intel.
 */
#ifndef ACO_TEST_PROBE_H
#define ACO_TEST_PROBE_H

#if defined(__x86_64__)
#define PROBE_REGS 6 /* rbx rbp r12 r13 r14 r15 */
#else
#define PROBE_REGS 4 /* ebx ebp esi edi */
#endif

/* Calls fn(arg); returns 0 when the registers hold values[] afterwards. */
extern long probe(void (*fn)(void *), void *arg, const unsigned long *values)
	__attribute__((__visibility__("hidden")));

#if defined(__x86_64__)
__asm__(".text\n"
	".globl probe\n"
	".hidden probe\n"
	".type probe, @function\n"
	"probe:\n\t"
	"pushq %rbx\n\t"
	"pushq %rbp\n\t"
	"pushq %r12\n\t"
	"pushq %r13\n\t"
	"pushq %r14\n\t"
	"pushq %r15\n\t"
	"pushq %rdx\n\t"
	"movq %rdi, %rax\n\t"
	"movq %rsi, %rdi\n\t"
	"movq (%rdx), %rbx\n\t"
	"movq 8(%rdx), %rbp\n\t"
	"movq 16(%rdx), %r12\n\t"
	"movq 24(%rdx), %r13\n\t"
	"movq 32(%rdx), %r14\n\t"
	"movq 40(%rdx), %r15\n\t"
	"call *%rax\n\t"
	"popq %rdx\n\t"
	"xorq (%rdx), %rbx\n\t"
	"xorq 8(%rdx), %rbp\n\t"
	"xorq 16(%rdx), %r12\n\t"
	"xorq 24(%rdx), %r13\n\t"
	"xorq 32(%rdx), %r14\n\t"
	"xorq 40(%rdx), %r15\n\t"
	"movq %rbx, %rax\n\t"
	"orq %rbp, %rax\n\t"
	"orq %r12, %rax\n\t"
	"orq %r13, %rax\n\t"
	"orq %r14, %rax\n\t"
	"orq %r15, %rax\n\t"
	"popq %r15\n\t"
	"popq %r14\n\t"
	"popq %r13\n\t"
	"popq %r12\n\t"
	"popq %rbp\n\t"
	"popq %rbx\n\t"
	"ret\n\t"
	".size probe, . - probe\n");
#else
/* Four registers and edx are pushed: 24 bytes up to the arguments. */
__asm__(".text\n"
	".globl probe\n"
	".hidden probe\n"
	".type probe, @function\n"
	"probe:\n\t"
	"pushl %ebx\n\t"
	"pushl %ebp\n\t"
	"pushl %esi\n\t"
	"pushl %edi\n\t"
	"movl 28(%esp), %edx\n\t"
	"movl 20(%esp), %eax\n\t"
	"movl 24(%esp), %ecx\n\t"
	"subl $12, %esp\n\t" /* 16-byte aligned at the call */
	"movl %ecx, (%esp)\n\t"
	"movl (%edx), %ebx\n\t"
	"movl 4(%edx), %ebp\n\t"
	"movl 8(%edx), %esi\n\t"
	"movl 12(%edx), %edi\n\t"
	"call *%eax\n\t"
	"addl $12, %esp\n\t"
	"movl 28(%esp), %edx\n\t"
	"xorl (%edx), %ebx\n\t"
	"xorl 4(%edx), %ebp\n\t"
	"xorl 8(%edx), %esi\n\t"
	"xorl 12(%edx), %edi\n\t"
	"movl %ebx, %eax\n\t"
	"orl %ebp, %eax\n\t"
	"orl %esi, %eax\n\t"
	"orl %edi, %eax\n\t"
	"popl %edi\n\t"
	"popl %esi\n\t"
	"popl %ebp\n\t"
	"popl %ebx\n\t"
	"ret\n\t"
	".size probe, . - probe\n");
#endif

#endif /* ACO_TEST_PROBE_H */
