#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs compiled with the headers as they were before the last change of
# them run with the libraries of this tree.  ACO_REPOSITORY names the repository
# of which this tree is a copy, if it is one.
. "${top_srcdir:-.}/tests/common.sh"

# shellcheck disable=SC2154 # set by common.sh
[ -e "$libdir/libaco.so" ] || skip "there is no shared library"
command -v git >/dev/null || skip "git is missing"
# Git's own, when it is a hook of git that runs this.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
top=$(cd "$top_srcdir" && pwd -P)
repository=$(cd "${ACO_REPOSITORY:-$top}" && pwd -P)
# A tarball may be unpacked inside some other repository.
[ "$(git -C "$repository" rev-parse --show-toplevel 2>/dev/null)" = "$repository" ] ||
	skip "not in git"

# The newest commit whose headers differ from those of this tree.
previous=
for commit in $(git -C "$repository" log --format=%H -20 -- include); do
	rm -rf "$scratch/include"
	git -C "$repository" archive "$commit" include | tar -xf - -C "$scratch"
	if ! diff -r "$scratch/include" "$top/include" >/dev/null; then
		previous=$commit
		break
	fi
done
[ -n "$previous" ] || skip "the headers have not changed yet, or git knows too few commits"

git -C "$repository" show "$previous:abi/breaks" >"$scratch/breaks" 2>/dev/null || :

breaks() {
	grep -c '^20' "$1" || :
}
[ "$(breaks "$scratch/breaks")" = "$(breaks "$top/abi/breaks")" ] ||
	skip "an intended change: $(tail -n 1 "$top/abi/breaks")"

cat >"$scratch/program.c" <<'C'
#include <aco.h>
#include <aco_assert_override.h>

static void leaf(void)
{
	int *n = aco_get_arg();
	volatile char live[300];

	memset((char *)live, 1, sizeof(live));
	for (;;) {
		*n += live[*n % 300];
		aco_yield();
	}
}

static void count(void)
{
	int *n = aco_co()->arg;

	for (int i = 0; i < 100; i++) {
		*n += 1;
		aco_yield1(aco_get_co());
	}
	aco_exit();
}

static aco_t *started(aco_t *main_co, aco_share_stack_t *stack,
		      aco_cofuncp_t fp, int *n)
{
	aco_t *co = aco_create(main_co, stack, 0, fp, n);

	assertptr(co);
	aco_resume(co);
	assert(*n == 1 && !co->is_end && co->arg == n && co->fp == fp);
	assert(co->main_co == main_co && co->share_stack == stack);
	assert(stack->owner == co && stack->sz >= 4096);
	assert((char *)co->reg[ACO_REG_IDX_SP] > (char *)stack->ptr);
	assert((char *)co->reg[ACO_REG_IDX_SP] < (char *)stack->ptr + stack->sz);
	return co;
}

int main(void)
{
	aco_thread_init(NULL);

	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_share_stack_t *shared = aco_share_stack_new(0);
	aco_share_stack_t *own = aco_share_stack_new2(8192, 0);
	int a = 0, b = 0, c = 0;
	aco_t *ca = started(main_co, shared, leaf, &a);
	aco_t *cb = started(main_co, shared, leaf, &b);
	aco_t *cc = started(main_co, own, count, &c);

	for (int i = 1; i < 100; i++) {
		aco_resume(ca);
		assert(aco_try_resume(cb) == 0);
		aco_resume(cc);
	}
	assert(a == 100 && b == 100 && c == 100);
	assert(ca->save_stack.ct_save == 100 && ca->save_stack.valid_sz >= 300);
	assert(ca->save_stack.sz >= ca->save_stack.valid_sz);
	assert(ca->save_stack.max_cpsz >= 300 && ca->save_stack.ptr);
	assert(cb->save_stack.ct_restore == 99 && cc->save_stack.ct_save == 0);
	aco_resume(cc);
	assert(cc->is_end && aco_is_main_co(main_co) && aco_get_co() == main_co);
	aco_destroy(ca);
	aco_destroy(cb);
	aco_destroy(cc);
	aco_share_stack_destroy(shared);
	aco_share_stack_destroy(own);
	aco_destroy(main_co);
	return 0;
}
C

cat >"$scratch/tasks.c" <<'C'
#include <aco_io.h>
#include <aco_assert_override.h>

static aco_io_queue_t queue = ACO_IO_QUEUE_INIT;
static aco_io_key_t key = { free };
static aco_io_chan_t *chan;
static int fds[2], sum;

static void receive(void *arg)
{
	int n;

	assert(!aco_io_set_local(&key, calloc(1, 1)) && aco_io_get_local(&key));
	for (int i = 0; i < 100; i++) {
		assert(!aco_io_chan_recv(chan, &n, ACO_IO_NEVER));
		sum += n;
	}
	assert(arg == &sum && !aco_io_park(&queue, ACO_IO_NEVER));
	assert(aco_io_read(fds[0], &n, sizeof(n), ACO_IO_NEVER) == sizeof(n));
	assert(n == sum && aco_io_wait(fds[1], ACO_IO_WRITE, 0) == ACO_IO_WRITE);
}

static void send_all(void *arg)
{
	for (int i = 0; i < 100; i++)
		assert(!aco_io_chan_send(chan, &i, ACO_IO_NEVER));
	while (!aco_io_unpark(&queue, 1))
		aco_io_yield();
	assert(arg == &sum);
	assert(aco_io_write(fds[1], &sum, sizeof(sum), ACO_IO_NEVER) == sizeof(sum));
}

int main(void)
{
	const aco_io_opts_t opts = { sizeof(opts), 32768, 1 };
	aco_io_t *io = aco_io_new(&opts);

	assertptr(io);
	chan = aco_io_chan_new(sizeof(int), 3);
	assertptr(chan);
	assert(!pipe(fds) && !aco_io_adopt(fds[0]) && !aco_io_adopt(fds[1]));
	assert(aco_io_go(NULL, receive, &sum, ACO_IO_SHARED));
	assert(aco_io_go(NULL, send_all, &sum, 0));
	assert(!aco_io_run(io) && sum == 4950);
	assert(!aco_io_chan_destroy(chan) && !aco_io_destroy(io));
	return 0;
}
C

# runs PROGRAM OPTIONS LIBRARY
runs() {
	# shellcheck disable=SC2086 # lists of words
	$CC -std=gnu11 $2 -I"$scratch/include" -o "$scratch/program" \
		"$scratch/$1.c" $3
	"$scratch/program" ||
		fail "$1 compiled with $2 and the headers of $previous"
}

for options in -O0 -O2 '-O2 -DACO_CONFIG_SHARE_FPU_MXCSR_ENV'; do
	runs program "$options" "$(library)"
	[ ! -e "$scratch/include/aco_io.h" ] || [ ! -e "$io_libdir/libaco-io.so" ] ||
		runs tasks "$options" "$(io_library)"
done
git -C "$repository" log -1 --format='programs compiled with the headers of "%s" (%h) run' "$previous"
