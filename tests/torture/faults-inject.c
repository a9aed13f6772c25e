/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults-inject.c - takes the place of the functions that the library calls
 *
 * The program's own definitions are found before those of the C library, by the
 * shared libaco as by the static one.  With FAULTS_WRAP they are what the
 * linker's --wrap makes of them, for sanitizers, which have definitions as well.
 */
#define _GNU_SOURCE 1 /* RTLD_NEXT */

#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#ifdef FAULTS_WRAP
#define MINE(f) __wrap_##f
#define REAL(f) __real_##f
#define DECLARE(type, f, ...)         \
	type __real_##f(__VA_ARGS__); \
	type __wrap_##f(__VA_ARGS__)
#else
#define MINE(f) f
#define REAL(f) ((__typeof__(&f))next(#f))
#define DECLARE(type, f, ...) type f(__VA_ARGS__)

extern void *__libc_malloc(size_t sz);
extern void *__libc_calloc(size_t n, size_t sz);
extern void __libc_free(void *ptr);

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}
#endif

DECLARE(void *, malloc, size_t sz);
DECLARE(void *, calloc, size_t n, size_t sz);
DECLARE(void, free, void *ptr);
DECLARE(void *, mmap, void *at, size_t sz, int prot, int flags, int fd,
	off_t off);
DECLARE(int, munmap, void *at, size_t sz);
DECLARE(int, mprotect, void *at, size_t sz, int prot);
DECLARE(int, madvise, void *at, size_t sz, int advice);
DECLARE(int, pthread_key_create, pthread_key_t *key, void (*destroy)(void *));
DECLARE(int, pthread_key_delete, pthread_key_t key);
DECLARE(int, pthread_setspecific, pthread_key_t key, const void *value);
DECLARE(int, __register_atfork, void (*before)(void), void (*in_parent)(void),
	void (*in_child)(void), void *object);
DECLARE(int, pthread_mutex_lock, pthread_mutex_t *mutex);
DECLARE(int, pthread_mutex_trylock, pthread_mutex_t *mutex);
DECLARE(int, sigaltstack, const stack_t *new, stack_t *old);
DECLARE(int, sigaction, int sig, const struct sigaction *new,
	struct sigaction *old);

/* ---- the plan --------------------------------------------------------------- */

const char *const function_names[FUNCTIONS] = {
	"malloc",      "calloc",
	"allocator",   "mmap",
	"munmap",      "mprotect",
	"madvise",     "key_create",
	"setspecific", "register_atfork",
	"sigaltstack", "sigaction",
	"thread",      "any",
};

#define MOST_ERRORS 4
static const int errors[FUNCTIONS][MOST_ERRORS] = {
	[F_MALLOC] = { ENOMEM },
	[F_CALLOC] = { ENOMEM },
	[F_ALLOCATOR] = { ENOMEM },
	[F_MMAP] = { ENOMEM, EAGAIN, EPERM, ENOSYS },
	[F_MUNMAP] = { ENOMEM, EINVAL, EPERM },
	[F_MPROTECT] = { ENOMEM, EACCES, EPERM, ENOSYS },
	[F_MADVISE] = { EINVAL, ENOMEM, EPERM, ENOSYS },
	[F_KEY_CREATE] = { EAGAIN, ENOMEM },
	[F_SETSPECIFIC] = { ENOMEM, EINVAL },
	[F_ATFORK] = { ENOMEM },
	[F_SIGALTSTACK] = { ENOMEM, EPERM, ENOSYS },
	[F_SIGACTION] = { EINVAL, EPERM, ENOSYS },
	[F_THREAD] = { EAGAIN },
	[F_ANY] = { 0 },
};

struct plan plan;
unsigned struck;
int no_guard_advice;

static unsigned planned;      /* calls that the plan is about, so far */
static unsigned begun;	      /* struck, when the last call began */
static __thread int counting; /* only the library's calls do */

void faults_begin(void)
{
	begun = struck;
	counting = 1;
}

/* The library gives back what it has; what it can't take from the kernel stays. */
void faults_end_of_thread(void)
{
	faults_begin();
	counting = 2;
}

int faults_struck_call(void)
{
	return struck != begun;
}

void faults_end(void)
{
	int saved = errno;

	counting = 0;
	errno = saved;
}

unsigned faults_errors(enum function f)
{
	unsigned n = 1;

	while (n < MOST_ERRORS && errors[f][n])
		n++;
	return n;
}

int faults_can_lie(enum function f)
{
	return f == F_MMAP || f == F_MUNMAP || f == F_MPROTECT ||
	       f == F_MADVISE || f == F_SIGALTSTACK || f == F_SIGACTION;
}

int faults_strike(enum function f)
{
	if (report)
		report->calls[f]++;
	if (!plan.at || (plan.function != f && plan.function != F_ANY))
		return 0;
	if (++planned != plan.at && !(plan.persists && planned > plan.at))
		return 0;
	struck++;
	errno = errors[f][plan.error < MOST_ERRORS ? plan.error : 0];
	if (!errno)
		errno = errors[f][0];
	return 1;
}

static int strikes(enum function f)
{
	return counting && faults_strike(f);
}

/* ---- what the library has --------------------------------------------------- */

/* Blocks that it has allocated: a table by their addresses. */
#define BLOCKS (1u << 16)
#define GONE ((void *)1)
static void *blocks[BLOCKS];
static char is_locked;

/* Ranges that it wanted to give back. */
#define KEPT 1000
static struct {
	char *at;
	size_t sz;
} kept[KEPT];

static struct holdings have;
static int fork_is_known; /* to the library's handlers */

static void lock(void)
{
	while (__atomic_test_and_set(&is_locked, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(void)
{
	__atomic_clear(&is_locked, __ATOMIC_RELEASE);
}

static size_t slot_of(const void *ptr)
{
	return (size_t)((uintptr_t)ptr / 16 * 2654435769u) % BLOCKS;
}

static void *note_block(void *ptr)
{
	size_t i = slot_of(ptr), tries = 0;

	if (!counting || !ptr)
		return ptr;
	lock();
	while (blocks[i] && blocks[i] != GONE && tries++ < BLOCKS)
		i = (i + 1) % BLOCKS;
	if (tries < BLOCKS) {
		blocks[i] = ptr;
		have.blocks++;
	}
	unlock();
	return ptr;
}

static void forget_block(const void *ptr)
{
	size_t i = slot_of(ptr), tries = 0;

	if (!have.blocks || !ptr)
		return;
	lock();
	while (blocks[i] && blocks[i] != ptr && tries++ < BLOCKS)
		i = (i + 1) % BLOCKS;
	if (blocks[i] == ptr) {
		blocks[i] = GONE;
		have.blocks--;
	}
	unlock();
}

static void note_kept(char *at, size_t sz)
{
	size_t i = 0;

	while (i < KEPT - 1 && kept[i].sz && kept[i].at != at)
		i++;
	kept[i].at = at;
	kept[i].sz = sz;
}

/* It was given back after all, or a part of it. */
static void forget_kept(const char *at, size_t sz)
{
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i].at >= at && kept[i].at < at + sz)
			kept[i].sz = 0;
}

static size_t anonymous(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long low, high, inode;
	char line[400], name[2];
	size_t sum = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx %*s %*s %*s %lu %1s", &low, &high,
			   &inode, name) == 3 &&
		    !inode)
			sum += high - low;
	if (f)
		fclose(f);
	return sum;
}

struct holdings faults_holdings(void)
{
	have.kept = have.alternate;
	for (size_t i = 0; i < KEPT; i++)
		have.kept += kept[i].sz;
	have.anonymous = anonymous();
	return have;
}

/* ---- in their places -------------------------------------------------------- */

#ifdef FAULTS_WRAP
#define REAL_MALLOC __real_malloc
#define REAL_CALLOC __real_calloc
#define REAL_FREE __real_free
#else
#define REAL_MALLOC __libc_malloc
#define REAL_CALLOC __libc_calloc
#define REAL_FREE __libc_free
#endif

void *MINE(malloc)(size_t sz)
{
	return strikes(F_MALLOC) ? NULL : note_block(REAL_MALLOC(sz));
}

void *MINE(calloc)(size_t n, size_t sz)
{
	return strikes(F_CALLOC) ? NULL : note_block(REAL_CALLOC(n, sz));
}

void MINE(free)(void *ptr)
{
	forget_block(ptr);
	REAL_FREE(ptr);
}

void *MINE(mmap)(void *at, size_t sz, int prot, int flags, int fd, off_t off)
{
	void *ptr;

	if (strikes(F_MMAP))
		return plan.lies ? NULL : MAP_FAILED;
	ptr = REAL(mmap)(at, sz, prot, flags, fd, off);
	if (counting && ptr != MAP_FAILED && ptr)
		have.mapped += sz;
	return ptr;
}

int MINE(munmap)(void *at, size_t sz)
{
	int result;

	if (strikes(F_MUNMAP)) {
		note_kept(at, sz);
		return plan.lies ? 0 : -1;
	}
	result = REAL(munmap)(at, sz);
	if (!counting)
		return result;
	if (result < 0) {
		note_kept(at, sz);
	} else {
		have.mapped -= sz;
		forget_kept(at, sz);
	}
	return result;
}

int MINE(mprotect)(void *at, size_t sz, int prot)
{
	if (strikes(F_MPROTECT))
		return plan.lies ? 0 : -1;
	return REAL(mprotect)(at, sz, prot);
}

int MINE(madvise)(void *at, size_t sz, int advice)
{
	if (no_guard_advice && advice == 102) {
		errno = EINVAL;
		return -1;
	}
	if (strikes(F_MADVISE))
		return plan.lies ? 0 : -1;
	return REAL(madvise)(at, sz, advice);
}

int MINE(pthread_key_create)(pthread_key_t *key, void (*destroy)(void *))
{
	int result = strikes(F_KEY_CREATE)
			     ? errno
			     : REAL(pthread_key_create)(key, destroy);

	have.keys += counting && result == 0;
	return result;
}

int MINE(pthread_key_delete)(pthread_key_t key)
{
	have.keys -= counting != 0;
	return REAL(pthread_key_delete)(key);
}

int MINE(pthread_setspecific)(pthread_key_t key, const void *value)
{
	return strikes(F_SETSPECIFIC) ? errno
				      : REAL(pthread_setspecific)(key, value);
}

/* What pthread_atfork(3) calls.  It fails when the library is loaded, so that the
   first use calls it, too. */
int MINE(__register_atfork)(void (*before)(void), void (*in_parent)(void),
			    void (*in_child)(void), void *object)
{
	int result = !counting ? ENOMEM
		     : strikes(F_ATFORK)
			     ? errno
			     : REAL(__register_atfork)(before, in_parent,
						       in_child, object);

	fork_is_known |= result == 0;
	return result;
}

/* A fork(2) would leave it locked in the child. */
static void may_lock(void)
{
	if (counting && !fork_is_known)
		flaw("a lock is taken of which a fork does not know");
}

int MINE(pthread_mutex_lock)(pthread_mutex_t *mutex)
{
	may_lock();
	return REAL(pthread_mutex_lock)(mutex);
}

int MINE(pthread_mutex_trylock)(pthread_mutex_t *mutex)
{
	may_lock();
	return REAL(pthread_mutex_trylock)(mutex);
}

int MINE(sigaltstack)(const stack_t *new, stack_t *old)
{
	if (strikes(F_SIGALTSTACK)) {
		if (counting > 1)
			have.alternate += 64 << 10;
		return plan.lies ? 0 : -1;
	}
	return REAL(sigaltstack)(new, old);
}

int MINE(sigaction)(int sig, const struct sigaction *new, struct sigaction *old)
{
	if (strikes(F_SIGACTION))
		return plan.lies ? 0 : -1;
	return REAL(sigaction)(sig, new, old);
}
