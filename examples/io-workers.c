/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io-workers.c - a pool of workers, between two channels
 *
 *	produce() --> [jobs] --> 4 x work() --> [results] --> collect()
 *
 * The channels are short, so nobody runs far ahead.  What takes long is computed
 * in threads, by aco_io_offload(), where it does not hold up the other tasks.
 *
 * It prints:
 *
 *	2000000 numbers in 40 jobs: 148933 are prime
 */
#include "common.h"

#define WORKERS 4
#define JOBS 40
#define NUMBERS 50000 /* in a job */

/* In the heap: a thread and other tasks look at it. */
struct job {
	unsigned from, to;
	int primes; /* among them */
};

static aco_io_chan_t *jobs, *results; /* of struct job * */

/* The program can't do without what is missing. */
static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static int is_prime(unsigned n)
{
	for (unsigned i = 2; i * i <= n; i++)
		if (n % i == 0)
			return 0;
	return n >= 2;
}

/* In a thread. */
static void count_primes(void *arg)
{
	struct job *job = arg;

	for (unsigned n = job->from; n < job->to; n++)
		job->primes += is_prime(n);
}

static void produce(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < JOBS; i++) {
		struct job *job = calloc(1, sizeof(*job));

		check(job != NULL, "job");
		job->from = i * NUMBERS;
		job->to = job->from + NUMBERS;
		check(!aco_io_chan_send(jobs, &job, ACO_IO_NEVER), "send");
	}
	aco_io_chan_close(jobs); /* and the workers end when it is empty */
}

static void work(void *arg)
{
	struct job *job;

	(void)arg;
	while (!aco_io_chan_recv(jobs, &job, ACO_IO_NEVER)) {
		check(!aco_io_offload(count_primes, job), "offload");
		check(!aco_io_chan_send(results, &job, ACO_IO_NEVER), "send");
	}
}

static void collect(void *arg)
{
	unsigned numbers = 0;
	struct job *job;
	int primes = 0, n;

	(void)arg;
	for (n = 0; n < JOBS; n++) {
		check(!aco_io_chan_recv(results, &job, ACO_IO_NEVER),
		      "receive");
		numbers += job->to - job->from;
		primes += job->primes;
		free(job);
	}
	printf("%u numbers in %d jobs: %d are prime\n", numbers, n, primes);
	check(!fflush(stdout), "standard output");
}

int main(void)
{
	const aco_io_opts_t opts = { .size = sizeof(opts), .threads = WORKERS };
	aco_io_t *io = aco_io_new(&opts);

	check(io != NULL, "scheduler");
	jobs = aco_io_chan_new(sizeof(struct job *), WORKERS);
	results = aco_io_chan_new(sizeof(struct job *), WORKERS);
	check(jobs && results, "channels");
	check(aco_io_go(NULL, produce, NULL, 0) != 0, "task");
	for (int i = 0; i < WORKERS; i++)
		check(aco_io_go(NULL, work, NULL, ACO_IO_SHARED) != 0, "task");
	check(aco_io_go(NULL, collect, NULL, 0) != 0, "task");
	check(!aco_io_run(io), "run");
	check(!aco_io_chan_destroy(jobs) && !aco_io_chan_destroy(results),
	      "channels");
	check(!aco_io_destroy(io), "scheduler");
	return 0;
}
