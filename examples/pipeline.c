/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.c - producer, filters and consumer, each a loop of its own
 *
 *	lines ----> words ----> once ----> fill
 *
 * Every stage is written as if it called the others, and takes in and gives out
 * at its own pace: a line is many words, many words are a line.  aco_yield_to()
 * goes from stage to stage; main() goes on when "fill" has ended.
 *
 * It prints:
 *
 *	Whoever asks goes on where the answer
 *	is made, and goes back with it.
 */
#include <aco.h>

#define STAGES 4
#define WIDTH 38

struct stage {
	void (*run)(struct stage *self);
	aco_t *co;
	aco_share_stack_t *stack;
	const char *item; /* the last one that it gave; NULL: the end */
};

/* To the next stage, which has asked for it. */
static void give(struct stage *self, const char *item)
{
	self->item = item;
	aco_assert(aco_yield_to(self[1].co) == 0);
}

/* From the stage before. */
static const char *take(const struct stage *self)
{
	aco_assert(aco_yield_to(self[-1].co) == 0);
	return self[-1].item;
}

static void lines(struct stage *self)
{
	static const char *const text[] = {
		"Whoever  asks asks goes on", "", "where the the answer",
		"is made,", "and goes back   with it. it. it."
	};

	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		give(self, text[i]);
}

static void words(struct stage *self)
{
	const char *line;
	char word[WIDTH + 1];
	int n;

	while ((line = take(self)))
		for (; sscanf(line, "%38s%n", word, &n) == 1; line += n)
			give(self, word);
}

static void once(struct stage *self)
{
	char last[WIDTH + 1] = "";
	const char *word;

	for (; (word = take(self)); strcpy(last, word))
		if (strcmp(word, last) != 0)
			give(self, word);
}

static void fill(struct stage *self)
{
	const char *word;
	size_t column = 0; /* the next word starts after it and a blank */

	while ((word = take(self))) {
		int fits = column + 1 + strlen(word) <= WIDTH;

		printf("%s%s", !column ? "" : fits ? " " : "\n", word);
		column = (fits ? column + 1 : 1) + strlen(word);
	}
	putchar('\n');
	aco_exit();
}

static void start(void)
{
	struct stage *self = aco_get_arg();

	self->run(self);
	give(self, NULL);
	abort(); /* nobody asks after the end */
}

int main(void)
{
	void (*const run[])(struct stage *) = { lines, words, once, fill };
	struct stage stage[STAGES];
	aco_t *main_co = aco_create(NULL, NULL, 0, NULL, NULL);

	aco_assertptr(main_co);
	for (int i = 0; i < STAGES; i++) {
		stage[i].run = run[i];
		stage[i].stack = aco_share_stack_new(64 << 10);
		stage[i].co = aco_create(main_co, stage[i].stack, 0, start,
					 &stage[i]);
		aco_assertptr(stage[i].co);
	}
	aco_resume(stage[STAGES - 1].co);
	for (int i = 0; i < STAGES; i++) {
		aco_destroy(stage[i].co);
		aco_share_stack_destroy(stage[i].stack);
	}
	aco_destroy(main_co);
	return fflush(stdout) != 0;
}
