/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target-sse2.c - SSE in a function of an i386 file compiled without
 *
 * As target.c, for the registers that every processor has: here gcc can't be
 * told of xmm0-7 unless the file is compiled with -msse.  traps.sh compiles it
 * in the ways that are right, and in the way that loses the value, to see that
 * this test sees it.
 */
#include <aco.h>

#if !defined(__i386__)
int main(void)
{
	return 77;
}
#else
#define FOR_SSE2 __attribute__((__target__("sse2"), __noinline__))

typedef uint32_t vector __attribute__((__vector_size__(16)));

/* What is in no register that the compiler knows to be live. */
FOR_SSE2 static void overwrite(void)
{
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\t"
			 "pxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
			 "pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
			 "pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7"
			 :
			 :
			 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7");
}

FOR_SSE2 static void keep(void)
{
	uint32_t *out = aco_get_arg();
	vector v = { 1, 2, 3, 4 };

	for (;;) {
		__asm__ volatile("" : "+x"(v));
		aco_yield();
		__asm__ volatile("" : "+x"(v));
		memcpy(out, &v, sizeof(v));
	}
}

int main(void)
{
	static const uint32_t kept[4] = { 1, 2, 3, 4 };
	uint32_t out[4];
	aco_share_stack_t *stack;
	aco_t *main_co, *co;
	int i;

	if (!__builtin_cpu_supports("sse2"))
		return 77;
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	stack = aco_share_stack_new(0);
	co = aco_create(main_co, stack, 0, keep, out);
	aco_resume(co);
	for (i = 0; i < 10; i++) {
		memset(out, 0, sizeof(out));
		overwrite();
		aco_resume(co);
		if (memcmp(out, kept, sizeof(out)) != 0)
			return 1;
	}
	aco_destroy(co);
	aco_share_stack_destroy(stack);
	aco_destroy(main_co);
	return 0;
}
#endif
