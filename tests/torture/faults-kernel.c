/* SPDX-License-Identifier: Apache-2.0 */
/*
 * faults-kernel.c - the kernel refuses: seccomp filters, and limits
 *
 * A filter stays for good, but in the thread alone that asks for it.  So the
 * scenario runs in a thread first, where the kernel refuses, and then once more
 * beside it.
 */
#define _GNU_SOURCE 1

#include "faults.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE ((size_t)4096)

/* ---- filters ---------------------------------------------------------------- */

#ifdef SYS_mmap2
#define NR_MMAP SYS_mmap2
#else
#define NR_MMAP SYS_mmap
#endif

#define LOAD(what)                         \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 (uint32_t)offsetof(struct seccomp_data, what))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/*
 * Only what the library asks for: memory to read and write that is for stacks, or
 * may never be used; and to forbid access.  The C library has other wishes, of which
 * only the stack of a thread is like one of these, and larger.
 */
static int install_filter(int number, int answer)
{
	uint32_t refuse = SECCOMP_RET_ERRNO | (uint32_t)answer;
	struct sock_filter any[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refuse),
		ALLOW,
	};
	struct sock_filter maps[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NR_MMAP, 0, 8),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_READ | PROT_WRITE, 0,
			 6),
		LOAD(args[3]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_NORESERVE, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_STACK, 0, 3),
		LOAD(args[1]),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1 << 20, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, refuse),
		ALLOW,
	};
	struct sock_filter forbids[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_NONE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, refuse),
		ALLOW,
	};
	struct sock_fprog prog = { LEN(any), any };

	if (number == NR_MMAP)
		prog = (struct sock_fprog){ LEN(maps), maps };
	if (number == SYS_mprotect)
		prog = (struct sock_fprog){ LEN(forbids), forbids };
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

struct job {
	const struct scenario *scenario;
	const struct condition *condition;
	int was_possible;
};

static void *run_filtered(void *arg)
{
	struct job *job = arg;

	job->was_possible = job->condition->number < 0 ||
			    install_filter(job->condition->number,
					   job->condition->answer);
	if (!job->was_possible)
		return NULL;
	job->scenario->run();
	faults_end_of_thread();
	return NULL;
}

static int filtered(const struct scenario *s, const struct condition *c,
		    unsigned step)
{
	struct job job = { s, c, 0 };
	pthread_t thread;

	no_guard_advice = step == 1;
	kernel_refuses = 1;
	lied = c->answer == 0;
	MUST(pthread_create(&thread, NULL, run_filtered, &job) == 0);
	MUST(pthread_join(thread, NULL) == 0);
	no_guard_advice = 0;
	return job.was_possible;
}

/* ---- the number of mappings -------------------------------------------------- */

/* Each second page of a region is one that may be read: as many mappings as there
   may be, less those to leave. */
static int with_few_mappings(const struct scenario *s,
			     const struct condition *c, unsigned step)
{
	size_t most = sizeof(void *) > 4 ? 400000 : 150000, i;
	char *region;

	(void)c;
	region = mmap(NULL, most * PAGE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(region != MAP_FAILED);
	for (i = 1; i < most; i += 2)
		if (mprotect(region + i * PAGE, PAGE, PROT_READ) < 0)
			break;
	if (i >= most)
		return 0; /* the limit is higher than by default */
	no_guard_advice = step % 2;
	if (step / 2 > 0)
		MUST(mprotect(region, step / 2 * 2 * PAGE, PROT_NONE) == 0);
	kernel_refuses = 1;
	s->run();
	MUST(munmap(region, most * PAGE) == 0);
	no_guard_advice = 0;
	return 1;
}

/* ---- the size of the process ------------------------------------------------- */

static size_t size_now(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	size_t kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sscanf(line + strlen(name), ": %zu", &kib);
	if (f)
		fclose(f);
	return kib * 1024;
}

/* 0, 12 KiB, 16, 24, 32 ... */
static size_t room(unsigned step)
{
	size_t sz = ((size_t)8 << 10) << (step / 2);

	return step == 0 ? 0 : step % 2 ? sz + sz / 2 : sz;
}

static int limited(const struct scenario *s, int resource, size_t sz)
{
	struct rlimit before, limit;

	MUST(getrlimit((unsigned)resource, &before) == 0);
	limit = before;
	limit.rlim_cur = sz;
	if (setrlimit((unsigned)resource, &limit) < 0)
		return 0;
	kernel_refuses = 1;
	s->run();
	MUST(setrlimit((unsigned)resource, &before) == 0);
	return 1;
}

static int with_little_room(const struct scenario *s, const struct condition *c,
			    unsigned step)
{
	return limited(s, c->number,
		       size_now(c->number == RLIMIT_AS ? "VmSize" : "VmData") +
			       room(step));
}

/* A process that is privileged is not limited. */
static int with_locked_memory(const struct scenario *s,
			      const struct condition *c, unsigned step)
{
	const struct rlimit limit = { (size_t)1 << 30, (size_t)1 << 30 };
	int result;

	if (geteuid() == 0) {
		setrlimit(RLIMIT_MEMLOCK, &limit);
		if (setresuid(65534, 65534, 65534) < 0)
			return 0;
	}
	if (mlockall(MCL_FUTURE) < 0)
		return 0;
	result = limited(s, c->number, room(step) * 4);
	MUST(munlockall() == 0);
	return result;
}

/* ---- all of them ------------------------------------------------------------- */

#define FILTERS(name, number)                                                  \
	{                                                                      \
		"seccomp: " name " answers EINVAL",                            \
		filtered,                                                      \
		number,                                                        \
		EINVAL,                                                        \
		2,                                                             \
		1                                                              \
	},                                                                     \
		{ "seccomp: " name " answers EPERM",                           \
		  filtered,                                                    \
		  number,                                                      \
		  EPERM,                                                       \
		  2,                                                           \
		  1 },                                                         \
		{ "seccomp: " name " answers ENOSYS",                          \
		  filtered,                                                    \
		  number,                                                      \
		  ENOSYS,                                                      \
		  2,                                                           \
		  1 },                                                         \
	{                                                                      \
		"seccomp: " name " does nothing, says 0", filtered, number, 0, \
			2, 1                                                   \
	}

const struct condition conditions[] = {
	{ "nothing refused", filtered, -1, 1, 1, 1 }, /* to compare with */
	FILTERS("mmap", NR_MMAP),
	FILTERS("munmap", SYS_munmap),
	FILTERS("mprotect", SYS_mprotect),
	FILTERS("madvise", SYS_madvise),
	FILTERS("sigaltstack", SYS_sigaltstack),
	FILTERS("rt_sigaction", SYS_rt_sigaction),
	{ "seccomp: fork fails", filtered, SYS_clone, EAGAIN, 1, 1 },
	{ "vm.max_map_count", with_few_mappings, 0, 1, 16, 2 },
	{ "RLIMIT_AS", with_little_room, RLIMIT_AS, 1, 30, 3 },
	{ "RLIMIT_DATA", with_little_room, RLIMIT_DATA, 1, 30, 3 },
	{ "mlockall, RLIMIT_MEMLOCK", with_locked_memory, RLIMIT_MEMLOCK, 1, 24,
	  2 },
};
const size_t condition_count = LEN(conditions);
