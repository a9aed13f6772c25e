/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.c - is a mutant of context.S really wrong?
 *
 *	run switch | fpenv | mxcsr | x87 | value
 *
 * One context suspends itself by aco_switch, _fpenv (both control words differ, or
 * only the one named) or _value, another one continues it.  Says what the first
 * does not find again, "fine", or "signal".
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARGUMENTS
#else
#define ARGUMENTS __attribute__((__regparm__(3)))
#endif

/* The beginning of aco_t. */
struct context {
	void *reg[4];
	uint32_t mxcsr;
	uint16_t cw;
	uint8_t state, flags;
	void *more[12];
};
#define HAS_SSE 4
#define COMPARES 64

typedef void *ARGUMENTS way_out(struct context *, struct context *,
				const char *);
way_out aco_switch, aco_switch_fpenv, aco_switch_value;
extern const char aco_switch_landing[], aco_value_landing[];

/* What the library has and this does not need. */
void aco_leave_place(void);
void aco_leave_place(void)
{
}

static struct context a, b;
static uintptr_t stack[4096] __attribute__((aligned(16)));

/* go(a, b, land) calls the function, with known numbers in the callee-saved
   registers, and stores them as they are after it. */
way_out *function, go;
uintptr_t kept[8], sp[2];
extern const char first[];

#if defined(__x86_64__)
#define REGISTERS "rax", "rbx", "rbp", "r12", "r13", "r14", "r15", "rflags"
__asm__("go:\n\t"
	"push %rbx\n\tpush %rbp\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush "
	"%r15\n\t"
	"sub $8, %rsp\n\t"
	"mov $1, %ebx\n\tmov $2, %ebp\n\tmov $3, %r12d\n\tmov $4, %r13d\n\t"
	"mov $5, %r14d\n\tmov $6, %r15d\n\t"
	"mov %rsp, sp\n\tcall *function\n\tmov %rsp, sp+8\n\t"
	"mov %rax, kept\n\tmov %rbx, kept+8\n\tmov %rbp, kept+16\n\tmov %r12, "
	"kept+24\n\t"
	"mov %r13, kept+32\n\tmov %r14, kept+40\n\tmov %r15, kept+48\n\t"
	"mov sp, %rsp\n\tpushf\n\tpopq kept+56\n\tcld\n\tadd $8, %rsp\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbp\n\tpop "
	"%rbx\n\tret\n"
	"first:\n\tcmp $b, %rdi\n\tjne wrong\n\t"
	"mov $99, %eax\n\tmov $99, %ebx\n\tmov $99, %ebp\n\tmov $99, %r12d\n\t"
	"mov $99, %r13d\n\tmov $99, %r14d\n\tmov $99, %r15d\n\tcld\n\tcall "
	"side\n");
#else
#define REGISTERS "eax", "ebx", "ebp", "esi", "edi", NULL, NULL, "eflags"
__asm__("go:\n\t"
	"push %ebx\n\tpush %ebp\n\tpush %esi\n\tpush %edi\n\tsub $12, %esp\n\t"
	"mov $1, %ebx\n\tmov $2, %ebp\n\tmov $3, %esi\n\tmov $4, %edi\n\t"
	"mov %esp, sp\n\tcall *function\n\tmov %esp, sp+4\n\t"
	"mov %eax, kept\n\tmov %ebx, kept+4\n\tmov %ebp, kept+8\n\tmov %esi, "
	"kept+12\n\t"
	"mov %edi, kept+16\n\t"
	"mov sp, %esp\n\tpushf\n\tpopl kept+28\n\tcld\n\tadd $12, %esp\n\t"
	"pop %edi\n\tpop %esi\n\tpop %ebp\n\tpop %ebx\n\tret\n"
	"first:\n\tcmp $b, %edx\n\tjne wrong\n\t"
	"mov $99, %eax\n\tmov $99, %ebx\n\tmov $99, %ebp\n\tmov $99, %esi\n\t"
	"mov $99, %edi\n\tcld\n\tcall side\n");
#endif

static void load_words(uint32_t mxcsr, uint16_t cw)
{
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(cw));
}

static void tell(const char *what)
{
	(void)!write(1, what, strlen(what));
	_exit(1);
}

static void end(int sig)
{
	(void)sig;
	tell("signal\n");
}

__attribute__((__used__)) static void wrong(void) __asm__("wrong");
static void wrong(void)
{
	tell("co\n");
}

/* The control words of the first context, of the second, and what that loads. */
static uint32_t mxcsrs[3] = { 0x1f80 | 0x2000, 0x1f80, 0x1f80 | 0x6000 };
static uint16_t cws[3] = { 0x37f | 0x400, 0x37f, 0x37f | 0xc00 };

/* The other context. */
__attribute__((__used__)) static void side(void) __asm__("side");
static void side(void)
{
	load_words(mxcsrs[2], cws[2]);
	if (function == aco_switch_value)
		*(uintptr_t *)a.reg[1] = 42;
	(function == aco_switch_fpenv ? aco_switch_fpenv
				      : aco_switch)(&b, &a, aco_switch_landing);
	_exit(3);
}

static int differs(uint32_t mxcsr, uint16_t cw)
{
	static const char *const name[] = { REGISTERS };
	int bad = 0;

	for (int i = 0; i < 7; i++) {
		uintptr_t want = i				? (uintptr_t)i
				 : function == aco_switch_value ? 42
								: 0;

		if (name[i] && kept[i] != want)
			bad += printf("%s ", name[i]);
	}
	if (sp[0] != sp[1])
		bad += printf("sp ");
	if (kept[7] & 0x400)
		bad += printf("%s ", name[7]);
	if (function == aco_switch_fpenv && (mxcsr & 0xffc0) != mxcsrs[0])
		bad += printf("MXCSR ");
	if (function == aco_switch_fpenv && cw != cws[0])
		bad += printf("x87 ");
	return bad;
}

int main(int argc, char **argv)
{
	static char alt[65536];
	const stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	const struct sigaction sa = { .sa_handler = end,
				      .sa_flags = SA_ONSTACK };
	const char *land = aco_switch_landing;
	uint32_t mxcsr;
	uint16_t cw;

	if (argc < 2)
		return 2;
	sigaltstack(&ss, NULL);
	for (int s = 1; s < 32; s++)
		sigaction(s, &sa, NULL);
	alarm(3);
	function = aco_switch_fpenv;
	if (!strcmp(argv[1], "switch"))
		function = aco_switch;
	if (!strcmp(argv[1], "value")) {
		function = aco_switch_value;
		land = aco_value_landing;
	}
	for (int i = 1; i < 3; i++) {
		if (!strcmp(argv[1], "mxcsr"))
			cws[i] = cws[0];
		if (!strcmp(argv[1], "x87"))
			mxcsrs[i] = mxcsrs[0];
	}
	a.flags = b.flags = HAS_SSE | COMPARES;
	b.reg[0] = (void *)first;
	b.reg[1] = stack + 4000;
	b.mxcsr = mxcsrs[1];
	b.cw = cws[1];
	load_words(mxcsrs[0], cws[0]);
	go(&a, &b, land);
	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(cw));
	puts(differs(mxcsr, cw) ? "" : "fine");
	return 0;
}
