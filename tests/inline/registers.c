/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registers.c - wants all registers that the processor has across a switch
 *
 * Compiled to assembly by registers.sh, never run: a register that shows up in
 * it and that the switch does not name would have kept a value.
 */
#include <aco.h>

#if defined(__clang__) && defined(__x86_64__) && \
	(defined(__AMX_INT8__) || defined(__AMXINT8__))
#include <immintrin.h>
#define HAVE_TILES 1
#endif

/* clang-format off */
#define SOME(_) \
	_(0) _(1) _(2) _(3) _(4) _(5) _(6) _(7) _(8) _(9) _(10) _(11)
#define MANY(_) \
	SOME(_) _(12) _(13) _(14) _(15) _(16) _(17) _(18) _(19) _(20) _(21) \
	_(22) _(23) _(24) _(25) _(26) _(27) _(28) _(29) _(30) _(31) _(32) \
	_(33) _(34) _(35) _(36) _(37) _(38) _(39)
/* clang-format on */

#define LOAD(i) v##i = p[i];
#define STORE(i) p[i] = v##i;

/* Values of a type, loaded before the switch and stored after it. */
#define KEEP(type, count, in_register)   \
	void keep_##type(type *p);       \
	void keep_##type(type *p)        \
	{                                \
		type count(DECLARE) end; \
		count(LOAD);             \
		count(in_register);      \
		end = p[40];             \
		aco_yield();             \
		count(in_register);      \
		count(STORE);            \
		p[40] = end;             \
	}
#define DECLARE(i) v##i,
#define ANYWHERE(i)

KEEP(long, MANY, ANYWHERE)
KEEP(double, MANY, ANYWHERE)

typedef long double x87;
KEEP(x87, SOME, ANYWHERE)

#if defined(__SSE__)
#define IN_VECTOR(i) __asm__("" : "+x"(v##i));
typedef float vector16 __attribute__((__vector_size__(16)));
KEEP(vector16, MANY, IN_VECTOR)
#endif

#if defined(__AVX__)
typedef float vector32 __attribute__((__vector_size__(32)));
KEEP(vector32, MANY, IN_VECTOR)
#endif

/* Masks: of two bytes, which is what the smallest AVX-512 has. */
#if defined(__AVX512F__)
#define IN_EVEX(i) __asm__("" : "+v"(v##i));
#define IN_MASK(i) __asm__("" : "+Yk"(v##i));
typedef float single;
typedef float vector64 __attribute__((__vector_size__(64)));
typedef unsigned short mask;
KEEP(single, MANY, IN_EVEX)
KEEP(vector64, MANY, ANYWHERE)
KEEP(mask, SOME, IN_MASK)
#endif

#if defined(__MMX__)
#define IN_MMX(i) __asm__("" : "+y"(v##i));
typedef int mmx __attribute__((__vector_size__(8)));
KEEP(mmx, SOME, IN_MMX)
#endif

#if defined(HAVE_TILES)
void keep_tiles(char *p, short rows);
void keep_tiles(char *p, short rows)
{
	__tile1024i a = { rows, 64 };
	__tile1024i b = { rows, 64 };

	__tile_loadd(&a, p, 64);
	__tile_loadd(&b, p + 1024, 64);
	aco_yield();
	__tile_stored(p + 1024, 64, a);
	__tile_stored(p, 64, b);
}
#endif
