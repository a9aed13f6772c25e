/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real.c - runs the units of a program by plain calls, then in cos in six ways:
 * each on a stack of its own or all on a few stacks, and taking turns in order,
 * at random, or handing on to one another
 */
#include "real.h"

#include <fenv.h>

#define STACKS 3 /* of cos that share them */

enum order { IN_TURN, AT_RANDOM, HANDED_ON };
static const char *const order_name[] = { "in turn", "at random", "handed on" };
static const int modes[] = { FE_TONEAREST, FE_UPWARD, FE_DOWNWARD,
			     FE_TOWARDZERO };

enum real_yields real_yields;
static const struct real_program *const program = &real_program;
static struct real_unit *units, **running;
static unsigned count, running_count;
static uint64_t seed, *expected, dice;
static aco_t *main_co;
static unsigned long switches, done, runs, failures;

void real_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: seed %lu: not true: %s\n", file, line,
		(unsigned long)seed, what);
	exit(1);
}

uint32_t real_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* FNV-1a */
void real_hash(struct real_unit *u, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		u->digest = (u->digest ^ ((const unsigned char *)bytes)[i]) *
			    1099511628211u;
}

static void reset(struct real_unit *u, unsigned id)
{
	*u = (struct real_unit){ .id = id, .digest = 14695981039346656037u };
	u->random = seed * 1000003 + id;
	real_random(&u->random);
}

/* ---------------------------------------------------------------- cos -- */

static void run_unit(void)
{
	struct real_unit *u = aco_get_arg();

	if (program->rounds)
		fesetround(modes[u->id % 4]);
	program->work(u);
	REQUIRE(!program->rounds || fegetround() == modes[u->id % 4]);
	running[u->place] = running[--running_count];
	running[u->place]->place = u->place;
	aco_exit();
}

void real_hand_on(void)
{
	aco_t *to = running[real_random(&dice) % running_count]->co;

	if (to == aco_get_co())
		aco_yield();
	else
		REQUIRE(aco_yield_to(to) == 0);
	switches++;
}

static void resume(struct real_unit *u)
{
	aco_resume(u->co);
	switches += 2;
	REQUIRE(fegetround() == FE_TONEAREST);
}

/* Until all of them have ended. */
static void schedule(enum order order)
{
	for (unsigned i = 0; running_count; i++) {
		if (order != IN_TURN)
			i = real_random(&dice);
		resume(running[i % running_count]);
	}
}

/*
 * The units from first on.  stacks: those to share, or none.  Some run before the
 * next one is created: to the first co of a stack another one is added then.
 */
static void run_some(unsigned first, unsigned n, aco_share_stack_t **stacks,
		     enum order order)
{
	for (unsigned i = 0; i < n; i++) {
		struct real_unit *u = &units[first + i];
		unsigned words = program->rounds || u->id % 3 ? 0
							      : ACO_SHARE_FPENV;
		aco_share_stack_t *stack =
			stacks ? stacks[i % STACKS]
			       : aco_share_stack_new(program->stack);

		u->co = aco_create2(main_co, stack, 0, run_unit, u, words);
		REQUIRE(stack && u->co);
		u->place = running_count;
		running[running_count++] = u;
		if (order == AT_RANDOM)
			resume(u);
	}
	schedule(order);
	for (unsigned i = first; i < first + n; i++) {
		aco_share_stack_t *stack = units[i].co->share_stack;

		aco_destroy(units[i].co);
		if (!stacks)
			aco_share_stack_destroy(stack);
	}
}

static void run_all(bool share, enum order order)
{
	/* with 32 bits there is no room for more stacks at once */
	unsigned most = share || sizeof(void *) > 4 ? count : 2000;
	aco_share_stack_t *stacks[STACKS];

	for (int i = 0; share && i < STACKS; i++)
		stacks[i] = aco_share_stack_new(program->stack);
	for (unsigned i = 0; i < count; i += most)
		run_some(i, count - i < most ? count - i : most,
			 share ? stacks : NULL, order);
	for (int i = 0; share && i < STACKS; i++)
		aco_share_stack_destroy(stacks[i]);
}

/* ------------------------------------------------------------- compare -- */

static void run_plain(void)
{
	void (*run)(struct real_unit *) = program->plain ? program->plain
							 : program->work;

	for (unsigned i = 0; i < count; i++) {
		if (program->rounds)
			fesetround(modes[i % 4]);
		run(&units[i]);
		fesetround(FE_TONEAREST);
	}
}

static void begin(enum real_yields how)
{
	for (unsigned i = 0; i < count; i++)
		reset(&units[i], i);
	if (program->begin)
		program->begin(units, count);
	real_yields = how;
}

static void end(void)
{
	real_yields = REAL_PLAIN;
	if (program->end)
		program->end(count);
	for (unsigned i = 0; i < count; i++)
		done += units[i].done;
	runs++;
}

static void compare(bool share, enum order order)
{
	for (unsigned i = 0; i < count; i++) {
		if (units[i].digest == expected[i])
			continue;
		if (failures++ == 0)
			printf("%s: --seed %lu --units %u: stacks of %s, %s: "
			       "unit %u: another result than by plain calls\n",
			       program->name, (unsigned long)seed, count,
			       share ? "all" : "their own", order_name[order],
			       i);
	}
}

static void run_round(void)
{
	begin(REAL_PLAIN);
	run_plain();
	end();
	for (unsigned i = 0; i < count; i++)
		expected[i] = units[i].digest;
	for (int way = 0; way < 6; way++) {
		bool share = way % 2;
		enum order order = way / 2;

		dice = seed * 7 + way;
		begin(order == HANDED_ON ? REAL_HAND_ON : REAL_YIELD);
		run_all(share, order);
		end();
		compare(share, order);
	}
}

/* The number after an option; a program for tests needs no better message. */
static unsigned long number(const char *text)
{
	char *rest;
	unsigned long n = strtoul(text ? text : "", &rest, 10);

	if (!text || rest == text || *rest) {
		fprintf(stderr,
			"usage: %s [--seed N] [--units N] "
			"[--seconds N]\n",
			program->name);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	time_t start = time(NULL), seconds = 0;

	count = program->units;
	seed = 1;
	for (int i = 1; i < argc; i += 2) {
		unsigned long n = number(argv[i + 1]);

		if (!strcmp(argv[i], "--seed"))
			seed = n;
		else if (!strcmp(argv[i], "--units") && n)
			count = n;
		else if (!strcmp(argv[i], "--seconds"))
			seconds = n;
		else
			number(NULL);
	}
	units = calloc(count, sizeof(*units));
	running = calloc(count, sizeof(*running));
	expected = calloc(count, sizeof(*expected));
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	REQUIRE(units && running && expected && main_co);
	do {
		run_round();
		seed++;
	} while (!failures && time(NULL) - start < seconds);
	uint64_t digest = 0;
	for (unsigned i = 0; i < count; i++)
		digest = digest * 31 + expected[i];
	printf("%s: units %u, runs %lu, %s %lu, switches %lu, "
	       "digest %08lx%08lx, failures %lu\n",
	       program->name, count, runs, program->counts, done, switches,
	       (unsigned long)(digest >> 32),
	       (unsigned long)(digest & 0xffffffff), failures);
	aco_destroy(main_co);
	free(units);
	free(running);
	free(expected);
	return failures != 0;
}
