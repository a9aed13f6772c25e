/* SPDX-License-Identifier: Apache-2.0 */
/*
 * step.c - has the processor execute single instructions
 *
 * Reads states from its input and writes what one step makes of each, as structs
 * of 64-bit words, until the input ends.  A child is the processor: it is stopped,
 * and ptrace(2) sets its registers and memory, and reads them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* Two pages; the states address these. */
#define CODE ((unsigned char *)0x10000000)
#define DATA ((unsigned char *)0x20000000)
#define PAGE 4096
#define WINDOW 256 /* what is looked at of DATA */
#define OTHER_CHANGED 1000

struct state {
	uint64_t outcome; /* out: 0, the signal that came, or OTHER_CHANGED */
	unsigned char code[16];
	uint64_t pc, flags, mxcsr, cw;
	uint64_t reg[16]; /* in the order of the processor's numbers */
	unsigned char mem[WINDOW];
};

#if defined(__x86_64__)
#define REGS 16
#define PC rip
typedef struct user_fpregs_struct fp_regs;
#define GET_FP PTRACE_GETFPREGS
#define SET_FP PTRACE_SETFPREGS
static unsigned long long *reg(struct user_regs_struct *u, int i)
{
	unsigned long long *r[REGS] = { &u->rax, &u->rcx, &u->rdx, &u->rbx,
					&u->rsp, &u->rbp, &u->rsi, &u->rdi,
					&u->r8,	 &u->r9,  &u->r10, &u->r11,
					&u->r12, &u->r13, &u->r14, &u->r15 };

	return r[i];
}
#define NO_SYSCALL(u) ((u)->orig_rax = -1ULL)
#else
#define REGS 8
#define PC eip
typedef struct user_fpxregs_struct fp_regs;
#define GET_FP PTRACE_GETFPXREGS
#define SET_FP PTRACE_SETFPXREGS
static long *reg(struct user_regs_struct *u, int i)
{
	long *r[REGS] = { &u->eax, &u->ecx, &u->edx, &u->ebx,
			  &u->esp, &u->ebp, &u->esi, &u->edi };

	return r[i];
}
#define NO_SYSCALL(u) ((u)->orig_eax = -1L)
#endif

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void need(long result, const char *what)
{
	if (result == -1)
		die(what);
}

static void map(void *at, int prot)
{
	if (mmap(at, PAGE, prot, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) != at)
		die("mmap");
}

static pid_t start_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	need(pid, "fork");
	need(waitpid(pid, &status, 0), "waitpid");
	return pid;
}

/* What no instruction of the switch changes: vector registers, x87 registers,
   segments.  The two control words are not part of it. */
static int other_state_differs(struct user_regs_struct a,
			       const struct user_regs_struct *b, fp_regs f,
			       const fp_regs *g)
{
	for (int i = 0; i < REGS; i++)
		*reg(&a, i) = *reg((struct user_regs_struct *)b, i);
	a.PC = b->PC;
	a.eflags = b->eflags;
	NO_SYSCALL(&a);
	f.mxcsr = g->mxcsr;
	f.cwd = g->cwd;
	return memcmp(&a, b, sizeof(a)) != 0 || memcmp(&f, g, sizeof(f)) != 0;
}

static void step(pid_t pid, struct state *s)
{
	static struct user_regs_struct start;
	static fp_regs fp_start;
	static int known;
	struct user_regs_struct u, v;
	fp_regs f, g;
	int status;

	if (!known) {
		need(ptrace(PTRACE_GETREGS, pid, 0, &start), "GETREGS");
		need(ptrace(GET_FP, pid, 0, &fp_start), "GETFPREGS");
		memset(fp_start.xmm_space, 0x5a, 8 * 16);
		known = 1;
	}
	u = start;
	f = fp_start;
	NO_SYSCALL(&u);
	memcpy(CODE + s->pc % PAGE, s->code, sizeof(s->code));
	memcpy(DATA, s->mem, WINDOW);
	for (int i = 0; i < REGS; i++)
		*reg(&u, i) = s->reg[i];
	u.PC = s->pc;
	u.eflags = s->flags;
	f.mxcsr = s->mxcsr;
	f.cwd = s->cw;
	need(ptrace(PTRACE_SETREGS, pid, 0, &u), "SETREGS");
	need(ptrace(SET_FP, pid, 0, &f), "SETFPREGS");
	need(ptrace(PTRACE_SINGLESTEP, pid, 0, 0), "SINGLESTEP");
	need(waitpid(pid, &status, 0), "waitpid");
	if (!WIFSTOPPED(status))
		die("the child has ended");
	need(ptrace(PTRACE_GETREGS, pid, 0, &v), "GETREGS");
	need(ptrace(GET_FP, pid, 0, &g), "GETFPREGS");
	NO_SYSCALL(&v);
	s->outcome = WSTOPSIG(status) != SIGTRAP	 ? WSTOPSIG(status)
		     : other_state_differs(u, &v, f, &g) ? OTHER_CHANGED
							 : 0;
	for (int i = 0; i < REGS; i++)
		s->reg[i] = (unsigned long)*reg(&v, i);
	s->pc = (unsigned long)v.PC;
	s->flags = v.eflags;
	s->mxcsr = g.mxcsr;
	s->cw = g.cwd;
	memcpy(s->mem, DATA, WINDOW);
}

int main(void)
{
	struct state s;
	pid_t pid;

	map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC);
	map(DATA, PROT_READ | PROT_WRITE);
	pid = start_child();
	while (fread(&s, sizeof(s), 1, stdin) == 1) {
		step(pid, &s);
		if (fwrite(&s, sizeof(s), 1, stdout) != 1 || fflush(stdout))
			break;
	}
	kill(pid, SIGKILL);
	return 0;
}
