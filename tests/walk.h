/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - backtraces by the C library, and which of them must get to main
 *
 * For backtrace.c and torture/step-target.c, in C or C++, which define
 * CHECK(condition) and MAX_STACKS before.  Each function of theirs that a walk
 * can meet is in a section, so that it is known which one an address belongs to,
 * whatever the compiler makes of it.
 */
#ifndef WALK_H
#define WALK_H

#include <aco.h>

#include <execinfo.h>
#include <link.h>
#include <ucontext.h>

#define MAX_FRAMES 64

#define SECTION(name) __attribute__((__noinline__, __section__(#name)))
#define RANGE(name) extern const char __start_##name[], __stop_##name[]
/* A call that never returns may be the last instruction. */
#define IS_IN(p, name)                          \
	((const char *)(p) >= __start_##name && \
	 (const char *)(p) <= __stop_##name)

RANGE(in_main);
RANGE(in_outer);
RANGE(in_inner);
RANGE(in_other);

/* ------------------------------------------------------------- one walk -- */

struct walk {
	int inner; /* how many frames of that function */
	int outer;
	int main;
	int order; /* 0 where a resumer came before the resumed */
};

static void add_frame(struct walk *w, const void *pc)
{
	if (IS_IN(pc, in_inner)) {
		w->inner++;
		w->order &= !w->outer && !w->main;
	} else if (IS_IN(pc, in_outer)) {
		w->outer++;
		w->order &= !w->main;
	} else if (IS_IN(pc, in_main)) {
		w->main++;
	}
}

/* By the C library; interrupted is left out. */
static struct walk walk_without(const void *interrupted)
{
	struct walk w = { 0, 0, 0, 1 };
	void *pc[MAX_FRAMES];
	int n = backtrace(pc, MAX_FRAMES);

	CHECK(n > 0 && n < MAX_FRAMES);
	for (int i = 0; i < n; i++)
		if (pc[i] != interrupted)
			add_frame(&w, pc[i]);
	return w;
}

/* ------------------------------------------- interrupted at any instruction */

#if defined(__x86_64__)
#define REG_OF_PC REG_RIP
#define REG_OF_SP REG_RSP
#else
#define REG_OF_PC REG_EIP
#define REG_OF_SP REG_ESP
#endif

static aco_share_stack_t *stacks[MAX_STACKS];

static int is_running(const aco_t *co)
{
	return aco_state(co) == ACO_STATE_RUNNING ||
	       aco_state(co) == ACO_STATE_RESUMING;
}

/*
 * A co that leaves has said so before, and there its backtrace ends.  While one
 * leaves its place to another, the stack pointer is where that has been.
 */
static int has_left(const aco_share_stack_t *sstk, uintptr_t sp)
{
	const aco_t *owner = sstk->owner;

	if (sp - (uintptr_t)sstk->ptr >= sstk->sz)
		return 0;
	return !owner || !is_running(owner) ||
	       sp == (uintptr_t)owner->reg[ACO_REG_IDX_SP];
}

/* The code of the program and of this library, also where they are one. */
#define MAX_OBJECTS 2
static struct object {
	uintptr_t start;
	size_t sz;
} objects[MAX_OBJECTS];

static int add_object(struct dl_phdr_info *info, size_t sz, void *data)
{
	const ElfW(Phdr) *code = info->dlpi_phdr;
	int *n = (int *)data;

	(void)sz;
	if (info->dlpi_name[0] && !strstr(info->dlpi_name, "/libaco.so"))
		return 0;
	while (code->p_type != PT_LOAD || !(code->p_flags & PF_X))
		code++;
	objects[*n].start = info->dlpi_addr + code->p_vaddr;
	objects[*n].sz = code->p_memsz;
	return ++*n == MAX_OBJECTS;
}

static void find_objects(void)
{
	int n = 0;

	dl_iterate_phdr(add_object, &n);
	CHECK(n > 0);
}

/* The rules of other libraries are theirs: those of the C library for memcpy
   are wrong on i386. */
static int is_in_object(const void *pc)
{
	for (int i = 0; i < MAX_OBJECTS; i++)
		if ((uintptr_t)pc - objects[i].start < objects[i].sz)
			return 1;
	return 0;
}

static int is_in_program(const void *pc)
{
	return IS_IN(pc, in_main) || IS_IN(pc, in_outer) ||
	       IS_IN(pc, in_inner) || IS_IN(pc, in_other);
}

/*
 * What compilers and linkers have programs call, without rules.  On i386 gcc's
 * "mov (%esp), register; ret", of which the linker keeps the copy of another;
 * in static programs "jmp *address".
 */
static int is_stub(const unsigned char *pc)
{
#if defined(__i386__)
	const unsigned char *start = *pc == 0xc3 ? pc - 3 : pc;

	if (start[0] == 0x8b && start[2] == 0x24 && start[3] == 0xc3)
		return 1;
#endif
	return pc[0] == 0xff && pc[1] == 0x25;
}

/*
 * On i386 clang moves the first instruction of a call, "sub $12, %esp", up
 * before a branch and leaves its rule behind.  Where no switch is inline, all
 * rules of the program are the compiler's.
 */
static int is_left_to_clang(const void *pc)
{
#if defined(__clang__) && defined(__i386__) && defined(ACO_NO_INLINE)
	return is_in_program(pc);
#else
	(void)pc;
	return 0;
#endif
}

static int has_rules(const void *pc, uintptr_t sp)
{
	return is_in_object(pc) && !is_left_to_clang(pc) &&
	       !(is_stub((const unsigned char *)pc) &&
		 is_in_program(*(void **)sp));
}

static int must_get_to_main(const void *pc, uintptr_t sp)
{
	for (int i = 0; i < MAX_STACKS; i++)
		if (stacks[i] && has_left(stacks[i], sp))
			return 0;
	return has_rules(pc, sp);
}

#endif /* WALK_H */
