/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools.c - sanitizers, Valgrind and C++ runtimes in the same process
 *
 * The functions of sanitizers are weak symbols, which are found when the
 * program that uses them is linked or loaded.  The library talks to Valgrind by
 * client requests, which are only a few rotations outside of Valgrind.
 */
#include "state.h"

#if defined(HAVE_VALGRIND_MEMCHECK_H)
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#define VALGRIND_MAKE_MEM_DEFINED(ptr, sz) (void)(ptr), (void)(sz)
#define VALGRIND_MAKE_MEM_UNDEFINED(ptr, sz) (void)(ptr), (void)(sz)
#define VALGRIND_DISABLE_ERROR_REPORTING (void)0
#define VALGRIND_ENABLE_ERROR_REPORTING (void)0
#endif

/* <sanitizer/common_interface_defs.h>, asan_interface.h, lsan_interface.h */
extern WEAK void __sanitizer_start_switch_fiber(void **fake, const void *bottom,
						size_t sz);
extern WEAK void __sanitizer_finish_switch_fiber(void *fake,
						 const void **old_bottom,
						 size_t *old_sz);
extern WEAK void __asan_unpoison_memory_region(const volatile void *p,
					       size_t n);
extern WEAK void __lsan_register_root_region(const void *p, size_t n);
extern WEAK void __lsan_unregister_root_region(const void *p, size_t n);

/* <sanitizer/tsan_interface.h> */
extern WEAK void *__tsan_get_current_fiber(void);
extern WEAK void *__tsan_create_fiber(unsigned flags);
extern WEAK void __tsan_destroy_fiber(void *fiber);
extern WEAK void __tsan_switch_to_fiber(void *fiber, unsigned flags);

/*
 * <sanitizer/msan_interface.h>.  Code that is compiled for MemorySanitizer
 * keeps what it knows of memory, and this library is not compiled for it.  So
 * the library tells it what is written, and of each copy.  That includes copies
 * by memcpy(3), because compilers put instructions in place of such calls.
 */
extern WEAK void __msan_start_switch_fiber(const void *bottom, size_t sz);
extern WEAK void __msan_finish_switch_fiber(const void **old_bottom,
					    size_t *old_sz);
extern WEAK void __msan_unpoison(const volatile void *p, size_t n);
extern WEAK void __msan_unpoison_param(size_t n);
extern WEAK void __msan_copy_shadow(const volatile void *dst,
				    const volatile void *src, size_t n);

/*
 * This lies before each aco_t.  In a process with one C++ runtime and no other
 * tool only the last member does.  With more runtimes the states of the others
 * lie before this struct.
 */
struct record {
	/* sanitizers: the stack and how it was entered */
	void *tsan_fiber;
	void *fake_stack;   /* of ASan, while the co doesn't run */
	aco_t *came_from;   /* the context that switched here last */
	const void *bottom; /* main co: the thread's own stack */
	size_t sz;

	struct aco_cxx_globals cxx; /* while the co doesn't run */
};

unsigned aco_tools;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int ready;

/* Other threads wait for this in pthread_once(). */
static void find(void)
{
	unsigned runtimes = aco_cxx_count();
	unsigned tools = 0;

	if (__sanitizer_start_switch_fiber && __asan_unpoison_memory_region)
		tools |= ACO_TOOL_ASAN;
	if (__lsan_register_root_region)
		tools |= ACO_TOOL_LSAN;
	if (__msan_start_switch_fiber)
		tools |= ACO_TOOL_MSAN;
	if (__tsan_create_fiber)
		tools |= ACO_TOOL_TSAN;
	if (RUNNING_ON_VALGRIND)
		tools |= ACO_TOOL_VALGRIND;
	if (runtimes > 0)
		tools |= ACO_TOOL_CXX;
	if (runtimes > 1)
		tools |= ACO_TOOL_CXX_MORE;
	aco_tools = tools;
	__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
}

/*
 * A constructor runs while its thread holds the lock of the dynamic linker.  So
 * aco_cxx_find(), which takes that lock, comes before pthread_once().  In
 * there, a thread would wait for the lock while the thread that holds it waits
 * for pthread_once().
 */
void aco_tools_process_ready(void)
{
	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		return;
	aco_cxx_find();
	pthread_once(&once, find);
}

size_t aco_tools_record(void)
{
	if (aco_tools & ACO_TOOLS_SWITCH)
		return aco_cxx_more_size() + sizeof(struct record);
	if (aco_tools & ACO_TOOL_CXX)
		return sizeof(struct aco_cxx_globals);
	return 0;
}

static struct record *record_of(aco_t *co)
{
	return (struct record *)(void *)co - 1;
}

/* The states of all C++ runtimes but the first. */
static void *more_of(aco_t *co)
{
	return (char *)record_of(co) - aco_cxx_more_size();
}

void aco_tools_co_new(aco_t *co)
{
	static const struct aco_cxx_globals none;

	if (aco_tools & ACO_TOOL_TSAN)
		record_of(co)->tsan_fiber = __tsan_create_fiber(0);
	if (aco_tools & ACO_TOOL_CXX)
		((struct aco_cxx_globals *)(void *)co)[-1] = none;
	if (aco_tools & ACO_TOOL_CXX_MORE)
		memset(more_of(co), 0, aco_cxx_more_size());
}

/*
 * ASan frees a fake stack when its fiber is left without a place to keep the
 * stack.  So pretend to run on the fake stack and leave it, then restore the
 * own one.
 */
static void asan_free_fake_stack(void *fake)
{
	const void *bottom;
	void *own;
	size_t sz;

	__sanitizer_start_switch_fiber(&own, NULL, 0);
	__sanitizer_finish_switch_fiber(fake, &bottom, &sz);
	__sanitizer_start_switch_fiber(NULL, bottom, sz);
	__sanitizer_finish_switch_fiber(own, NULL, NULL);
}

/* co, which doesn't run, will never go on. */
void aco_tools_co_free(aco_t *co)
{
	/* the fiber of a main co is that of its thread */
	if ((aco_tools & ACO_TOOL_TSAN) && !aco_is_main(co))
		__tsan_destroy_fiber(record_of(co)->tsan_fiber);
	if ((aco_tools & ACO_TOOL_ASAN) && record_of(co)->fake_stack) {
		asan_free_fake_stack(record_of(co)->fake_stack);
		record_of(co)->fake_stack = NULL;
	}
}

void aco_tools_stack_new(aco_share_stack_t *sstk)
{
	char *ptr = sstk->ptr;

	if (aco_tools & ACO_TOOL_VALGRIND)
		sstk->valgrind_id =
			(unsigned)VALGRIND_STACK_REGISTER(ptr, ptr + sstk->sz);
	/* memory that only a suspended co points at is not leaked */
	if (aco_tools & ACO_TOOL_LSAN)
		__lsan_register_root_region(ptr, sstk->sz);
}

void aco_tools_stack_free(aco_share_stack_t *sstk)
{
	if (aco_tools & ACO_TOOL_VALGRIND) {
		VALGRIND_STACK_DEREGISTER(sstk->valgrind_id);
		/* Valgrind forbids to access bytes below a stack pointer; the
		   caller may, where the memory is the caller's */
		if (!sstk->guard_page_enabled)
			VALGRIND_MAKE_MEM_DEFINED(sstk->ptr, sstk->sz);
	}
	if (aco_tools & ACO_TOOL_LSAN)
		__lsan_unregister_root_region(sstk->ptr, sstk->sz);
	/* frames that never returned leave poison, and the pages are reused */
	if (aco_tools & ACO_TOOL_ASAN)
		__asan_unpoison_memory_region(sstk->ptr, sstk->sz);
}

static void stack_leave(aco_t *from, aco_t *to)
{
	void **fake = &record_of(from)->fake_stack;
	const void *bottom = aco_is_main(to) ? record_of(to)->bottom
					     : to->share_stack->ptr;
	size_t sz = aco_is_main(to) ? record_of(to)->sz : to->share_stack->sz;

	if (aco_tools & ACO_TOOL_MSAN)
		__msan_start_switch_fiber(bottom, sz);
	else /* a co that ends gives its fake stack back */
		__sanitizer_start_switch_fiber(
			from->state == ACO_END ? NULL : fake, bottom, sz);
}

void aco_tools_back(aco_t *co)
{
	aco_t *came_from = record_of(co)->came_from;
	const void *bottom = NULL;
	size_t sz = 0;

	if (aco_tools & ACO_TOOL_MSAN)
		__msan_finish_switch_fiber(&bottom, &sz);
	else
		__sanitizer_finish_switch_fiber(record_of(co)->fake_stack,
						&bottom, &sz);
	record_of(co)->fake_stack = NULL;
	if (aco_is_main(came_from)) {
		record_of(came_from)->bottom = bottom;
		record_of(came_from)->sz = sz;
	}
}

void aco_tools_entered(void)
{
	if (aco_tools & ACO_TOOLS_STACK)
		aco_tools_back(aco_gtls_co);
}

ACO_UNCHECKED void aco_tools_leave(aco_t *from, aco_t *to)
{
	record_of(to)->came_from = from;
	if (aco_tools & ACO_TOOL_CXX_MORE)
		aco_cxx_more_switch(more_of(from), more_of(to));
	if (aco_tools & ACO_TOOLS_STACK)
		stack_leave(from, to);
	if (aco_tools & ACO_TOOL_TSAN) {
		record_of(from)->tsan_fiber = __tsan_get_current_fiber();
		__tsan_switch_to_fiber(record_of(to)->tsan_fiber, 0);
	}
}

/* The frames of two cos take turns at one place, and so would their redzones.
 */
static void unpoison(aco_t *co)
{
	if (aco_tools & ACO_TOOL_ASAN)
		__asan_unpoison_memory_region(co->share_stack->ptr,
					      co->share_stack->sz);
}

/* For MemorySanitizer: bytes of to are initialised where those of from are. */
static void copy_shadow(void *to, const void *from, size_t sz)
{
	if (aco_tools & ACO_TOOL_MSAN)
		__msan_copy_shadow(to, from, sz);
}

/* With tools there is no red zone, and all words are kept, zeros as well. */
void aco_tools_copy_out(aco_t *co)
{
	unpoison(co);
	copy_shadow(co->save_stack.ptr, co->reg[ACO_REG_IDX_SP],
		    co->save_stack.valid_sz);
}

/*
 * To Valgrind no byte more than a red zone below the stack pointer of the last
 * user can be accessed.  Those of the red zone of co must be, although nothing is
 * in them: a push opens the word that is new in the red zone, not the one that it
 * writes, and only the next call or return opens all of it.
 */
static void open_to_valgrind(const aco_t *co, char *to, size_t sz)
{
	size_t most = ACO_RED_ZONE;
	size_t room = (size_t)(to - (char *)co->share_stack->ptr);
	size_t below = room < most ? room : most;

	VALGRIND_MAKE_MEM_UNDEFINED(to - below, below + sz);
}

void aco_tools_copy_in(aco_t *co, void *to, size_t sz)
{
	unpoison(co);
	if (aco_tools & ACO_TOOL_VALGRIND)
		open_to_valgrind(co, to, sz);
	copy_shadow(to, co->save_stack.ptr, sz);
}

void aco_tools_move(const struct aco_move *move)
{
	size_t sz = move->words * sizeof(void *);

	copy_shadow((char *)move->end - sz, move->from, sz);
}

void aco_tools_suppress_errors(int on)
{
	if (!(aco_tools & ACO_TOOL_VALGRIND))
		return;
	if (on)
		VALGRIND_DISABLE_ERROR_REPORTING;
	else
		VALGRIND_ENABLE_ERROR_REPORTING;
}

void aco_tools_defined(const void *p, size_t sz)
{
	if (aco_tools & ACO_TOOL_VALGRIND)
		VALGRIND_MAKE_MEM_DEFINED(p, sz);
	/* also before the first co */
	if (__msan_unpoison)
		__msan_unpoison(p, sz);
}

void aco_tools_defined_args(size_t n)
{
	if (__msan_unpoison_param)
		__msan_unpoison_param(n);
}
