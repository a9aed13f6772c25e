/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generator.c - values one by one, out of a function that calls itself
 *
 * A generator is a co that hands out one value each time it is resumed.  It may
 * do so from any depth of calls: here from a walk through a binary tree, which
 * would otherwise need a stack of its own making.  All generators share one
 * stack, and may be given up before they have ended.
 *
 * It prints:
 *
 *	bushy: 1 2 3 4 5 6 7
 *	list:  1 2 3 4 5 6 7
 *	bushy and list: the same
 *	bushy and odd: 4 and 5 differ, 3 before them are the same
 */
#include <aco.h>

struct node {
	int value;
	const struct node *left, *right;
};

static aco_t *main_co;
static aco_share_stack_t *stack;

static void walk(const struct node *node)
{
	if (!node)
		return;
	walk(node->left);
	aco_yield_value((void *)(uintptr_t)&node->value);
	walk(node->right);
}

static void generate(void)
{
	walk(aco_get_arg());
	aco_exit_value(NULL);
}

static aco_t *generator(const struct node *tree)
{
	aco_t *co = aco_create(main_co, stack, 0, generate,
			       (void *)(uintptr_t)tree);

	aco_assertptr(co);
	return co;
}

/* NULL when there are no more, however often it is asked. */
static const int *next(aco_t *co)
{
	return co->is_end ? NULL : aco_resume_value(co, NULL);
}

static void print(const char *name, const struct node *tree)
{
	aco_t *co = generator(tree);
	const int *value;

	printf("%s", name);
	while ((value = next(co)))
		printf(" %d", *value);
	puts("");
	aco_destroy(co);
}

/* Looks at no more of the trees than it takes. */
static void compare(const char *names, const struct node *a,
		    const struct node *b)
{
	aco_t *ga = generator(a), *gb = generator(b);
	const int *va, *vb;
	int same = 0;

	while ((va = next(ga)), (vb = next(gb)), va && vb && *va == *vb)
		same++;
	if (!va && !vb)
		printf("%s: the same\n", names);
	else if (va && vb)
		printf("%s: %d and %d differ, %d before them are the same\n",
		       names, *va, *vb, same);
	else
		printf("%s: one ends after %d\n", names, same);
	aco_destroy(ga);
	aco_destroy(gb);
}

int main(void)
{
	static const struct node n1 = { 1, NULL, NULL }, n3 = { 3, NULL, NULL },
				 n5 = { 5, NULL, NULL }, n7 = { 7, NULL, NULL },
				 n2 = { 2, &n1, &n3 }, n6 = { 6, &n5, &n7 },
				 bushy = { 4, &n2, &n6 }, odd = { 5, &n2, &n7 };
	struct node list[7];

	for (int i = 0; i < 7; i++)
		list[i] = (struct node){ i + 1, NULL,
					 i < 6 ? &list[i + 1] : NULL };

	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	aco_assertptr(main_co);
	stack = aco_share_stack_new(0);
	aco_assertptr(stack);
	print("bushy:", &bushy);
	print("list: ", list);
	compare("bushy and list", &bushy, list);
	compare("bushy and odd", &bushy, &odd);
	aco_share_stack_destroy(stack);
	aco_destroy(main_co);
	return fflush(stdout) != 0;
}
