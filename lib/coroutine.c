/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coroutine.c - making, asking and freeing cos
 */
#include "internal.h"

#include <errno.h>

#include "tools.h"

/*
 * One allocation a co, so that a sleeping co is one place in memory:
 *
 *	[ tool record ] aco_t [ save stack of the size given ]
 *
 * The tool record is there only in a process that runs under a sanitizer,
 * which is known before the first co is made.
 */
static size_t piece_size(size_t save_stack_sz)
{
	/* room to remember the size, when it is outgrown */
	if (save_stack_sz > 0 && save_stack_sz < sizeof(save_stack_sz))
		return sizeof(save_stack_sz);
	return save_stack_sz;
}

ACO_ALWAYS_INLINE aco_t *co_alloc(size_t save_stack_sz)
{
	size_t before = aco_unlikely(aco_tools) ? aco_tools_record_size() : 0;
	char *mem;
	aco_t *co;

	if (save_stack_sz > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	mem = aco_mem_alloc(before + sizeof(aco_t) + piece_size(save_stack_sz));
	if (!mem)
		return NULL;
	memset(mem, 0, before + sizeof(aco_t));
	if (aco_unlikely(aco_tools & ACO_TOOL_MSAN))
		aco_tools_defined(mem, before + sizeof(aco_t));
	co = (aco_t *)(void *)(mem + before);
	if (save_stack_sz) {
		co->flags = ACO_ONE_PIECE;
		co->save_stack.ptr = co + 1;
		co->save_stack.sz = save_stack_sz;
	}
	return co;
}

/*
 * Main cos of programs, those of the library's own, and all other cos lie at
 * addresses that differ in their lowest bits.  A co may be resumed after its
 * last resumer was freed, and nothing is looked at again when what resumes it
 * now has the same address: so that has to be one of the same kind.
 *
 * malloc(3) aligns to 16 bytes, and with w the size of a word the addresses are
 *
 *	cos		   16 n
 *	a program's main   32 n + w, or 32 n + 16 + 3 w
 *	the library's own  32 n + 3 w, or 32 n + 16 + w
 */
#define MAIN_ROOM (3 * sizeof(void *))

/* Under tools each resume looks, and to leak checkers a pointer into the middle
   of a block may be none. */
static size_t main_near(void)
{
	return aco_tools & ~ACO_TOOLS_CXX ? 0 : sizeof(void *);
}

static size_t main_offset(const char *mem, int own)
{
	int is_odd = ((uintptr_t)mem & 16) != 0;

	return main_near() && is_odd != own ? MAIN_ROOM : main_near();
}

static aco_t *main_alloc(int own)
{
	size_t before = aco_tools_record_size();
	size_t sz = MAIN_ROOM + before + sizeof(aco_t);
	char *mem = aco_mem_alloc(sz);
	size_t offset;
	aco_t *co;

	if (!mem)
		return NULL;
	memset(mem, 0, sz);
	if (aco_unlikely(aco_tools & ACO_TOOL_MSAN))
		aco_tools_defined(mem, sz);
	offset = main_offset(mem, own);
	co = (aco_t *)(void *)(mem + offset + before);
	if (offset == MAIN_ROOM)
		co->flags = ACO_MAIN_FAR;
	return co;
}

void aco_main_free(aco_t *co)
{
	size_t before = aco_tools_record_size();
	size_t offset = co->flags & ACO_MAIN_FAR ? MAIN_ROOM : main_near();

	if (aco_unlikely(aco_tools))
		aco_tools_co_free(co);
	aco_mem_free((char *)co - before - offset,
		     MAIN_ROOM + before + sizeof(aco_t));
}

static void co_free(aco_t *co)
{
	size_t before = aco_tools_record_size();
	size_t save_stack_sz = 0;

	if (aco_unlikely(aco_tools))
		aco_tools_co_free(co);
	aco_save_stack_free(co);
	if (co->flags & ACO_ONE_PIECE)
		save_stack_sz = co->save_stack.sz;
	else if (co->flags & ACO_OUTGROWN)
		memcpy(&save_stack_sz, co + 1, sizeof(save_stack_sz));
	aco_mem_free((char *)co - before,
		     before + sizeof(aco_t) + piece_size(save_stack_sz));
}

static inline void set_up(aco_t *co, aco_cofuncp_t fp, void *arg,
			  unsigned flags)
{
	co->fp = fp;
	co->arg = arg;
	co->flags |= flags & ACO_PUBLIC_FLAGS;
	co->mxcsr = aco_thread.mxcsr;
	co->fpucw = aco_thread.fpucw;
	if (aco_thread.has_sse)
		co->flags |= ACO_HAS_SSE;
}

aco_t *aco_main_new(aco_cofuncp_t fp, void *arg, unsigned flags, int own)
{
	aco_t *co = main_alloc(own);

	if (!co)
		return NULL;
	set_up(co, fp, arg, flags);
	co->state = ACO_MAIN;
	co->thread = aco_thread.number;
	return co;
}

/* A co stands for its main co: programs for 1.2.4 nest that way. */
static aco_t *main_of(aco_t *co)
{
	return co->state == ACO_MAIN ? co : co->main_co;
}

static int is_usable_stack(const aco_share_stack_t *sstk)
{
	return sstk && ACO_IS_ALIGNED(sstk) && !aco_is_destroyed(sstk);
}

/* co->reg leads to the entry frame. */
static inline void make_ready(aco_t *co)
{
	co->state = ACO_INIT;
	co->reg[ACO_REG_IDX_RETADDR] = aco_tools_entry();
	co->reg[ACO_REG_IDX_SP] = aco_stack_base(co->share_stack);
	co->reg[ACO_REG_IDX_BP] = NULL; /* where chains of frames end */
	if (aco_unlikely(aco_tools))
		aco_tools_co_new(co);
}

static void add_user(aco_share_stack_t *sstk)
{
	if (sstk->sole)
		aco_demote(sstk->sole);
	sstk->sole = NULL;
	sstk->users++;
}

static void remove_user(aco_share_stack_t *sstk, aco_t *co)
{
	if (sstk->owner == co)
		sstk->owner = NULL;
	if (sstk->sole == co)
		sstk->sole = NULL;
	if (--sstk->users == ACO_DESTROYED)
		aco_stack_free(sstk);
}

aco_t *aco_create2(aco_t *main_co, aco_share_stack_t *share_stack,
		   size_t save_stack_sz, aco_cofuncp_t fp, void *arg,
		   unsigned flags)
{
	aco_t *co;

	if (flags & ~ACO_PUBLIC_FLAGS)
		goto invalid;
	aco_thread_ready();
	if (!main_co)
		return aco_main_new(fp, arg, flags, 0);
	if (!ACO_IS_ALIGNED(main_co) || !is_usable_stack(share_stack) || !fp)
		goto invalid;

	co = co_alloc(save_stack_sz);
	if (!co)
		return NULL;
	set_up(co, fp, arg, flags);
	co->main_co = main_of(main_co);
	co->share_stack = share_stack;
	make_ready(co);
	add_user(share_stack);
	return co;

invalid:
	errno = EINVAL;
	return NULL;
}

aco_t *aco_create(aco_t *main_co, aco_share_stack_t *share_stack,
		  size_t save_stack_sz, aco_cofuncp_t fp, void *arg)
{
	return aco_create2(main_co, share_stack, save_stack_sz, fp, arg, 0);
}

/* Its life must not end here. */
static inline int is_busy(const aco_t *co)
{
	return aco_is_running(co) || co->state == ACO_RETURNED;
}

int aco_reset(aco_t *co, aco_cofuncp_t fp, void *arg)
{
	if (!co || !ACO_IS_ALIGNED(co) || co->state == ACO_MAIN || !fp ||
	    aco_is_destroyed(co->share_stack)) {
		errno = EINVAL;
		return -1;
	}
	if (is_busy(co))
		aco_misuse("aco_reset", "the co is running", co);
	aco_thread_ready();
	if (co->share_stack->owner == co)
		co->share_stack->owner = NULL;
	co->save_stack.valid_sz = 0;
	co->resumer = NULL;
	co->is_end = 0;
	if (aco_unlikely(aco_tools))
		aco_tools_co_free(co);
	set_up(co, fp, arg, 0);
	make_ready(co);
	return 0;
}

/* The main co at the root of this thread's resume chain, or NULL. */
static aco_t *chain_root(void)
{
	aco_t *co = aco_gtls_co;

	while (co && co->state != ACO_MAIN)
		co = aco_resumer_of(co);
	return co;
}

static void destroy_main(aco_t *co)
{
	if (co == aco_thread.own_main)
		aco_misuse("aco_destroy", "the main co is the library's own",
			   co);
	if (co == chain_root() && co != aco_gtls_co)
		aco_misuse("aco_destroy",
			   "the main co waits for a co that it has resumed",
			   co);
	if (co == aco_gtls_co)
		aco_gtls_co = NULL;
	aco_main_free(co);
}

void aco_destroy(aco_t *co)
{
	if (!co)
		aco_misuse("aco_destroy", "the co is NULL", co);
	if (co->state == ACO_MAIN) {
		destroy_main(co);
		return;
	}
	if (is_busy(co))
		aco_misuse("aco_destroy", "the co is running", co);
	remove_user(co->share_stack, co);
	co_free(co);
}

aco_t *aco_get_co(void)
{
	return aco_gtls_co;
}

aco_t *aco_co(void)
{
	return aco_gtls_co;
}

void *aco_get_arg(void)
{
	aco_t *co = aco_gtls_co;

	if (!co)
		aco_misuse("aco_get_arg", "this thread has no co", co);
	return co->arg;
}

int aco_is_main_co(const aco_t *co)
{
	if (!co)
		aco_misuse("aco_is_main_co", "the co is NULL", co);
	return co->state == ACO_MAIN;
}

/* co waits in this thread's resume chain: others were resumed since. */
static int waits(const aco_t *co)
{
	const aco_t *at = aco_gtls_co;

	if (at == co)
		return 0;
	while (at && at != co && at->state != ACO_MAIN)
		at = aco_resumer_of(at);
	return at == co;
}

aco_state_t aco_state(const aco_t *co)
{
	if (!co)
		aco_misuse("aco_state", "the co is NULL", co);
	if (co->state == ACO_INIT)
		return ACO_STATE_INIT;
	if (aco_is_resumable(co))
		return ACO_STATE_SUSPENDED;
	if (co->state == ACO_END)
		return ACO_STATE_END;
	return waits(co) ? ACO_STATE_RESUMING : ACO_STATE_RUNNING;
}
