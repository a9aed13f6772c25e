/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coroutine.c - making, asking and freeing cos
 */
#include "debug.h"
#include "memory.h"
#include "stacks.h"
#include "state.h"

#include <errno.h>

/* ---- counts --------------------------------------------------------------- */

/* The short ways of three functions of count.c. */
static inline void count_made(void)
{
	if (aco_likely(aco_thread.left[ACO_COS]))
		aco_add(&aco_thread.left[ACO_COS], (size_t)-1);
	else
		aco_count_made(ACO_COS);
}

static inline void count_gone(void)
{
	struct aco_thread *t = &aco_thread;

	if (aco_likely(t->is_listed &&
		       t->left[ACO_COS] + t->cos_left < ACO_MOST_LEFT))
		aco_add(&t->left[ACO_COS], 1);
	else
		aco_count_gone(ACO_COS);
}

static inline void count_save_bytes(size_t more, size_t less)
{
	if (aco_likely(aco_thread.is_listed))
		aco_add(&aco_thread.save_bytes, more - less);
	else
		aco_count_save_bytes(more, less);
}

/* ---- memory --------------------------------------------------------------- */

/*
 * One allocation a co, so that a sleeping co is one place in memory:
 *
 *	[ offset ] [ tool record ] aco_t [ room for a save stack ]
 *
 * The tool record is there only in a process that runs under a sanitizer or
 * beside a C++ runtime, which is known before the first co is made.
 */
static inline void clear(aco_t *co)
{
	co->reg[ACO_REG_IDX_BX] = NULL;
	co->flags = 0;
	co->thread = 0;
	memset(&co->save_stack, 0, sizeof(co->save_stack));
}

static aco_t *place(char *mem, size_t before)
{
	aco_t *co = (aco_t *)(void *)(mem + before);

	memset(mem, 0, before);
	if (aco_unlikely(aco_tools & ACO_TOOL_MSAN))
		aco_tools_defined(mem, before + sizeof(aco_t));
	clear(co);
	return co;
}

/* In whole words: resize() leaves the size there for co_free(), when the save
   stack is outgrown. */
static inline size_t room_for(size_t save_stack_sz)
{
	return (save_stack_sz + ACO_WORD - 1) & ~(size_t)(ACO_WORD - 1);
}

static inline void embed_save_stack(aco_t *co, size_t save_stack_sz)
{
	co->flags = ACO_SAVE_EMBEDDED;
	co->save_stack.ptr = co + 1;
	co->save_stack.sz = save_stack_sz;
}

static aco_t *co_alloc(size_t save_stack_sz)
{
	size_t before = aco_tools_record_size();
	char *mem;
	aco_t *co;

	if (save_stack_sz > SIZE_MAX / 2) {
		ACO_PROBE2(co__fail, save_stack_sz, EINVAL);
		errno = EINVAL;
		return NULL;
	}
	mem = aco_mem_alloc_co(before + sizeof(aco_t) +
			       room_for(save_stack_sz));
	if (!mem) {
		ACO_PROBE2(co__fail, save_stack_sz, ENOMEM);
		return NULL;
	}
	co = place(mem, before);
	count_made();
	if (save_stack_sz) {
		embed_save_stack(co, save_stack_sz);
		count_save_bytes(save_stack_sz, 0);
	}
	return co;
}

/* The common case: a piece that the thread has at hand.  NULL if it has none, or
   if count.c has to count. */
static inline aco_t *co_at_hand(size_t save_stack_sz)
{
	aco_t *co;

	if (save_stack_sz > ACO_PIECE_MAX || !aco_thread.cos_left)
		return NULL;
	if (!aco_thread.magazines)
		__builtin_unreachable(); /* cos_left is 0 then */
	co = aco_mem_at_hand(sizeof(aco_t) + room_for(save_stack_sz));
	if (!co)
		return NULL;
	clear(co);
	if (save_stack_sz)
		embed_save_stack(co, save_stack_sz);
	return co;
}

/*
 * Main cos of programs, those of the library's own, and all other cos lie at
 * addresses that differ in their lowest bits.  A co may be resumed after its
 * last resumer was freed, and the resume does not look again when the new
 * resumer has the same address: so that has to be one of the same kind.
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

static void main_free(aco_t *co)
{
	size_t before = aco_tools_record_size();
	size_t offset = co->flags & ACO_MAIN_FAR ? MAIN_ROOM : main_near();

	if (co == aco_gtls_co)
		aco_set_current(NULL);
	if (co->flags & ACO_NAMED)
		aco_name_drop(co);
	if (aco_unlikely(aco_tools))
		aco_tools_co_free(co);
	aco_set_state(co, ACO_FREED);
	aco_mem_free_co((char *)co - before - offset,
			MAIN_ROOM + before + sizeof(aco_t));
}

static void co_free(aco_t *co)
{
	size_t before = aco_tools_record_size();
	size_t save_stack_sz = 0;

	ACO_PROBE1(co__destroy, co);
	if (co->flags & ACO_NAMED)
		aco_name_drop(co);
	if (aco_unlikely(aco_tools))
		aco_tools_co_free(co);
	if (aco_unlikely(co->save_stack.ptr)) {
		count_save_bytes(0, co->save_stack.sz);
		aco_save_stack_free(co);
	}
	count_gone();
	if (co->flags & ACO_SAVE_EMBEDDED)
		save_stack_sz = co->save_stack.sz;
	else if (co->flags & ACO_SAVE_OUTGROWN)
		memcpy(&save_stack_sz, co + 1, sizeof(save_stack_sz));
	aco_set_state(co, ACO_FREED);
	aco_mem_free_co((char *)co - before,
			before + sizeof(aco_t) + room_for(save_stack_sz));
}

/* ---- birth and death ------------------------------------------------------ */

static inline void set_up(aco_t *co, aco_cofuncp_t fp, void *arg,
			  unsigned flags)
{
	co->flags |= flags | aco_thread.control.flags;
	co->fp = fp;
	co->arg = arg;
	aco_control_set(co, &aco_thread.control);
}

static aco_t *main_new(aco_cofuncp_t fp, void *arg, unsigned flags, int own)
{
	size_t before = aco_tools_record_size();
	char *mem = aco_mem_alloc_co(MAIN_ROOM + before + sizeof(aco_t));
	size_t offset;
	aco_t *co;

	if (!mem) {
		ACO_PROBE2(co__fail, 0, ENOMEM);
		return NULL;
	}
	offset = main_offset(mem, own);
	if (offset == MAIN_ROOM)
		flags |= ACO_MAIN_FAR;
	co = place(mem + offset, before);
	memset(co, 0, sizeof(*co)); /* programs may read its fields */
	set_up(co, fp, arg, flags);
	aco_set_state(co, ACO_MAIN);
	co->thread = aco_thread.number;
	if (!own) { /* the program has not made those */
		count_made();
		ACO_PROBE3(co__create, co, fp, NULL);
	}
	return co;
}

static void own_main_free(void)
{
	aco_t *co = aco_thread.own_main;

	if (!co)
		return;
	aco_thread.own_main = NULL;
	/* the thread may have ended in a co whose frames can't be unwound */
	if (aco_gtls_co && !aco_is_main(aco_gtls_co))
		aco_set_current(NULL);
	main_free(co);
}

/* When the thread has no main co of the program's; one that a co was resumed from
   stays until the thread ends. */
static void own_main_drop(void)
{
	aco_t *own = aco_thread.own_main;

	if (!own || aco_thread.mains || own->reg[ACO_REG_IDX_SP])
		return;
	aco_thread.own_main = NULL;
	main_free(own);
}

ACO_AT_UNLOAD(2) static void unload(void)
{
	if (aco_can_be_unloaded() && (!aco_gtls_co || aco_is_main(aco_gtls_co)))
		own_main_free();
}

/* A resume does not decide which control words new cos start with: the first
   aco_create() of the thread may find others. */
aco_t *aco_own_main_new(void)
{
	struct aco_thread *t = &aco_thread;
	uint8_t ready = t->ready;

	aco_thread_ready();
	t->ready = ready;
	if (aco_thread_register_exit(ACO_RELEASE_MAIN, own_main_free) < 0)
		return NULL;
	t->own_main = main_new(NULL, NULL, 0, 1);
	return t->own_main;
}

/*
 * A main co of the program's.  The library's own is made before the first of a
 * thread, and stays until the last is gone.  So no co with one of them as its main
 * co can have been resumed by what was at that address before, the library's own of a
 * thread that has ended: its next resume would take the new one for the same.
 */
static aco_t *program_main_new(aco_cofuncp_t fp, void *arg, unsigned flags)
{
	int saved = errno;
	aco_t *co;

	if (!aco_thread.own_main && !aco_thread.mains && !aco_own_main_new())
		errno = saved; /* it is made when it is needed */
	co = main_new(fp, arg, flags, 0);
	if (co)
		aco_thread.mains++;
	own_main_drop();
	return co;
}

/* A co stands for its main co: programs for 1.2.4 nest that way. */
static inline aco_t *main_for(aco_t *co)
{
	return aco_is_main(co) ? co : co->main_co;
}

static inline int can_be_made(const aco_t *main_co,
			      const aco_share_stack_t *sstk, aco_cofuncp_t fp)
{
	return main_co && ACO_IS_ALIGNED(main_co) && sstk &&
	       ACO_IS_ALIGNED(sstk) && !aco_is_destroyed(sstk) && fp;
}

/* co->reg leads to the entry frame. */
ACO_ALWAYS_INLINE void make_ready(aco_t *co)
{
	aco_set_state(co, ACO_INIT);
	co->reg[ACO_REG_IDX_RETADDR] = aco_tools_entry();
	co->reg[ACO_REG_IDX_SP] = aco_stack_base(co->share_stack);
	co->reg[ACO_REG_IDX_BP] = NULL; /* where chains of frames end */
	if (aco_unlikely(aco_tools))
		aco_tools_co_new(co);
}

static inline void add_user(aco_share_stack_t *sstk)
{
	sstk->users++;
	aco_demote(sstk);
}

static inline void leave_stack(aco_share_stack_t *sstk, const aco_t *co)
{
	if (sstk->owner == co)
		sstk->owner = NULL;
	if (sstk->sole_user == co)
		sstk->sole_user = NULL;
	sstk->users--;
}

static void remove_user(aco_share_stack_t *sstk, aco_t *co)
{
	leave_stack(sstk, co);
	if (sstk->users == ACO_DESTROYED)
		aco_stack_free(sstk);
}

static inline aco_t *start_life(aco_t *co, aco_t *main_co,
				aco_share_stack_t *sstk, aco_cofuncp_t fp,
				void *arg, unsigned flags)
{
	set_up(co, fp, arg, flags);
	co->main_co = main_for(main_co);
	co->share_stack = sstk;
	make_ready(co);
	add_user(sstk);
	ACO_PROBE3(co__create, co, fp, sstk);
	return co;
}

NOINLINE static aco_t *create_slow(aco_t *main_co, aco_share_stack_t *sstk,
				   size_t save_stack_sz, aco_cofuncp_t fp,
				   void *arg, unsigned flags)
{
	aco_t *co;

	if (flags & ~ACO_PUBLIC_FLAGS)
		goto invalid;
	aco_thread_ready();
	aco_debug_set_record(aco_tools_record_size());
	if (!main_co)
		return program_main_new(fp, arg, flags);
	if (!can_be_made(main_co, sstk, fp))
		goto invalid;
	co = co_alloc(save_stack_sz);
	if (!co)
		return NULL;
	return start_life(co, main_co, sstk, fp, arg, flags);

invalid:
	ACO_PROBE2(co__fail, save_stack_sz, EINVAL);
	errno = EINVAL;
	return NULL;
}

aco_t *aco_create2(aco_t *main_co, aco_share_stack_t *share_stack,
		   size_t save_stack_sz, aco_cofuncp_t fp, void *arg,
		   unsigned flags)
{
	aco_t *co = NULL;

	/* Only a thread that is ready may read aco_tools: another one may be
	   setting them.  It may have pieces before, of its first resume. */
	if (aco_likely(aco_thread.ready && !aco_tools &&
		       !(flags & ~ACO_PUBLIC_FLAGS) &&
		       can_be_made(main_co, share_stack, fp)))
		co = co_at_hand(save_stack_sz);
	if (aco_unlikely(!co))
		return create_slow(main_co, share_stack, save_stack_sz, fp, arg,
				   flags);
	start_life(co, main_co, share_stack, fp, arg, flags);
	/* last: to compilers these might change all that they know */
	aco_add(&aco_thread.cos_left, (size_t)-1);
	if (save_stack_sz)
		aco_add(&aco_thread.save_bytes, save_stack_sz);
	return co;
}

aco_t *aco_create(aco_t *main_co, aco_share_stack_t *share_stack,
		  size_t save_stack_sz, aco_cofuncp_t fp, void *arg)
{
	return aco_create2(main_co, share_stack, save_stack_sz, fp, arg, 0);
}

static inline void restart(aco_t *co, aco_cofuncp_t fp, void *arg)
{
	if (co->share_stack->owner == co)
		co->share_stack->owner = NULL;
	co->save_stack.valid_sz = 0;
	co->thread = 0; /* no resumer, and not at its end */
	set_up(co, fp, arg, 0);
	make_ready(co);
	ACO_PROBE2(co__reset, co, fp);
}

NOINLINE static int reset_slow(aco_t *co, aco_cofuncp_t fp, void *arg)
{
	/* the share stack of a destroyed co may be no more */
	if (co && ACO_IS_ALIGNED(co) && co->state == ACO_FREED)
		aco_misuse("aco_reset", "the co has been destroyed", co);
	if (!co || !ACO_IS_ALIGNED(co) || aco_is_main(co) || !fp ||
	    aco_is_destroyed(co->share_stack)) {
		errno = EINVAL;
		return -1;
	}
	if (aco_is_busy(co))
		aco_misuse("aco_reset", "the co is running", co);
	aco_thread_ready();
	if (aco_unlikely(aco_tools))
		aco_tools_co_free(co);
	restart(co, fp, arg);
	return 0;
}

int aco_reset(aco_t *co, aco_cofuncp_t fp, void *arg)
{
	if (aco_unlikely(!aco_thread.ready || aco_tools || !co ||
			 !ACO_IS_ALIGNED(co) || co->state != ACO_END || !fp ||
			 aco_is_destroyed(co->share_stack)))
		return reset_slow(co, fp, arg);
	restart(co, fp, arg);
	return 0;
}

/* co is in the resume chain of this thread, and is not the current co. */
static int waits(const aco_t *co)
{
	const aco_t *at = aco_gtls_co;

	if (at == co)
		return 0;
	while (at && at != co && !aco_is_main(at))
		at = aco_resumer_of(at);
	return at == co;
}

static void destroy_main(aco_t *co)
{
	if (co == aco_thread.own_main)
		aco_misuse("aco_destroy", "the main co is the library's own",
			   co);
	if (waits(co))
		aco_misuse("aco_destroy",
			   "the main co waits for a co that it has resumed",
			   co);
	ACO_PROBE1(co__destroy, co);
	count_gone();
	if (aco_is_main_here(co)) /* else its thread has ended */
		aco_thread.mains--;
	main_free(co);
	own_main_drop();
}

NOINLINE static void destroy_slow(aco_t *co)
{
	if (!co)
		aco_misuse("aco_destroy", "the co is NULL", co);
	if (aco_is_main(co)) {
		destroy_main(co);
		return;
	}
	if (aco_is_busy(co))
		aco_misuse("aco_destroy", "the co is running", co);
	if (co->state == ACO_FREED)
		aco_misuse("aco_destroy", "the co has been destroyed", co);
	remove_user(co->share_stack, co);
	co_free(co);
}

/* Can be resumed, or has ended. */
static inline int is_at_rest(const aco_t *co)
{
	return aco_is_resumable(co) || co->state == ACO_END;
}

/* Has one piece of memory. */
static inline int is_simple(const aco_t *co)
{
	return !co->save_stack.ptr || (co->flags & ACO_SAVE_EMBEDDED);
}

NOINLINE static void free_counted(aco_t *co, size_t save_stack_sz)
{
	count_gone();
	count_save_bytes(0, save_stack_sz);
	aco_mem_free_co_slow(co, sizeof(aco_t) + room_for(save_stack_sz));
}

void aco_destroy(aco_t *co)
{
	size_t sz;

	if (aco_unlikely(aco_tools || !co || !is_at_rest(co) ||
			 !is_simple(co) || (co->flags & ACO_NAMED) ||
			 aco_is_destroyed(co->share_stack))) {
		destroy_slow(co);
		return;
	}
	ACO_PROBE1(co__destroy, co);
	leave_stack(co->share_stack, co);
	aco_set_state(co, ACO_FREED);
	sz = co->save_stack.sz;
	if (aco_unlikely(!aco_mem_to_hand(co, sizeof(aco_t) + room_for(sz)))) {
		free_counted(co, sz);
		return;
	}
	aco_add(&aco_thread.cos_left, 1);
	if (sz)
		aco_add(&aco_thread.save_bytes, 0 - sz);
}

void aco_prefetch(const aco_t *co)
{
	if (aco_has_sse())
		ACO_PREFETCH_(co);
}

/* ---- questions ------------------------------------------------------------ */

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
	return aco_is_main(co);
}

int aco_is_end(const aco_t *co)
{
	if (!co)
		aco_misuse("aco_is_end", "the co is NULL", co);
	return co->state == ACO_END;
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
