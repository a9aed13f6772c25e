/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classes.c - the contracts of lib/stacks.h for the classes of stacks
 *
 * WP's provers know little of shifts; but there are no more than 1024 sizes.
 */
#include "stacks.h"

#include <stdio.h>

/* class_pages() of lib/stacks.h. */
static size_t class_pages(size_t c)
{
	return c < 16	? c + 1
	       : c < 24 ? (c - 7) * 2
	       : c < 32 ? (c - 15) * 4
	       : c < 40 ? (c - 23) * 8
	       : c < 48 ? (c - 31) * 16
	       : c < 56 ? (c - 39) * 32
			: (c - 47) * 64;
}

static int fits(size_t pages)
{
	unsigned c = aco_stack_class(pages);

	return c < ACO_STACK_CLASSES && class_pages(c) >= pages &&
	       class_pages(c) <= pages + pages / 8;
}

int main(void)
{
	size_t pages;
	unsigned c;

	for (c = 0; c < ACO_STACK_CLASSES; c++)
		if (aco_class_pages(c) != class_pages(c))
			return printf("class %u: wrong size\n", c);
	for (pages = 1; pages <= 1024; pages++)
		if (!fits(pages))
			return printf("%zu pages: wrong class\n", pages);
	return aco_stack_class(1025) != ACO_STACK_CLASSES;
}
