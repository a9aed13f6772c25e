/* SPDX-License-Identifier: Apache-2.0 */
/*
 * survive-bodies.h - what a compiler may keep across a switch
 *
 * Included by survive.c once for each direction: SWITCH() is a resume or a
 * yield, BODY(name) the name of the function that uses it.  Each body fills
 * something from seed, switches, and checks.  All values are exact in every
 * rounding mode.
 */

/* More integers than there are registers. */
/* clang-format off */
#define INTS(_)                                                       \
	_(0) _(1) _(2) _(3) _(4) _(5) _(6) _(7) _(8) _(9) _(10) _(11) \
	_(12) _(13) _(14) _(15) _(16) _(17) _(18) _(19) _(20) _(21)
/* clang-format on */

static NOINLINE void BODY(ints)(unsigned seed)
{
#define DECLARE(i) KEEP(unsigned long, v##i, mix(seed, i));
#define VERIFY(i) CHECK(v##i == mix(seed, i));
	INTS(DECLARE)
	SWITCH();
	INTS(VERIFY)
	SWITCH();
	INTS(VERIFY)
#undef DECLARE
#undef VERIFY
}

/* Values that change between the switches, so that they want registers. */
static NOINLINE unsigned long BODY(loop_sum)(unsigned seed, unsigned n)
{
	unsigned long a = mix(seed, 0);
	unsigned long b = mix(seed, 1);
	unsigned long c = mix(seed, 2);
	unsigned long d = mix(seed, 3);
	unsigned long e = mix(seed, 4);
	unsigned i;

	for (i = 0; i < n; i++) {
		a += b ^ i;
		b = c - a;
		SWITCH();
		c ^= d + i;
		d += e;
		e = (e << 3) ^ a;
	}
	return a ^ b ^ c ^ d ^ e;
}

static NOINLINE void BODY(loop)(unsigned seed)
{
	unsigned n = seed % 7;

	CHECK(BODY(loop_sum)(seed, n) == loop_sum_expected(seed, n));
}

static NOINLINE void BODY(wide)(unsigned seed)
{
#define DECLARE(i) KEEP(uint64_t, v##i, mix64(seed, i));
#define VERIFY(i) CHECK(v##i == mix64(seed, i));
	INTS(DECLARE)
	SWITCH();
	INTS(VERIFY)
#undef DECLARE
#undef VERIFY
}

/*
 * The x87 stack has eight places, and all eight want to stay live.
 * Fails without "st" ... in ACO_CLOBBER_.
 */
#define EIGHT(_) _(0) _(1) _(2) _(3) _(4) _(5) _(6) _(7)
#define TWELVE(_) EIGHT(_) _(8) _(9) _(10) _(11)

static NOINLINE void BODY(x87)(unsigned seed)
{
#define DECLARE(i) KEEP(long double, v##i, as_long_double(mix(seed, i)));
#define VERIFY(i) CHECK(v##i == as_long_double(mix(seed, i)) + bias);
#define BIAS(i) v##i += bias;
	KEEP(long double, bias, (long double)(seed & 7));
	EIGHT(DECLARE)
	EIGHT(BIAS)
	SWITCH();
	EIGHT(VERIFY)
	SWITCH();
	EIGHT(VERIFY)
#undef DECLARE
#undef VERIFY
#undef BIAS
}

static NOINLINE void BODY(doubles)(unsigned seed)
{
#define DECLARE(i) KEEP(double, v##i, as_double(mix(seed, i)));
#define DECLARE_F(i) KEEP(float, f##i, (float)(mix(seed, i) & 0xffff));
#define VERIFY(i)                               \
	CHECK(v##i == as_double(mix(seed, i))); \
	CHECK(f##i == (float)(mix(seed, i) & 0xffff));
	TWELVE(DECLARE)
	TWELVE(DECLARE_F)
	SWITCH();
	TWELVE(VERIFY)
	SWITCH();
	TWELVE(VERIFY)
#undef DECLARE
#undef DECLARE_F
#undef VERIFY
}

#if defined(VECTOR_BYTES)
/*
 * Enough for the 32 registers of AVX-512, or the 16 or 8 of less.
 * Fails without "xmm0" ... in ACO_CLOBBER_, or "xmm16" ... with AVX-512.
 */
static NOINLINE void BODY(vectors)(unsigned seed)
{
#define DECLARE(i) KEEP(vector, v##i, as_vector(mix(seed, i)));
#define DECLARE_W(i) KEEP(vector, w##i, as_vector(mix(seed, i + 100)));
#define SPIN(i)       \
	v##i += w##i; \
	w##i ^= v##i;
#define VERIFY(i) \
	CHECK(is_vector_pair(v##i, w##i, mix(seed, i), mix(seed, i + 100)));
	INTS(DECLARE)
	INTS(DECLARE_W)
	INTS(SPIN)
	SWITCH();
	INTS(VERIFY)
	SWITCH();
	INTS(VERIFY)
#undef DECLARE
#undef DECLARE_W
#undef SPIN
#undef VERIFY
}
#endif

#if defined(__AVX512F__)
/*
 * Predicates live in the mask registers.
 * Fails without "k0" ... in ACO_CLOBBER_MASKS_.
 */
static NOINLINE void BODY(masks)(unsigned seed)
{
	KEEP(vector, a, as_vector(mix(seed, 1)));
	KEEP(vector, b, as_vector(mix(seed, 2)));
	__mmask16 lt = _mm512_cmplt_epu32_mask((__m512i)a, (__m512i)b);
	__mmask16 eq = _mm512_cmpeq_epu32_mask((__m512i)a, (__m512i)b);
	vector min, max;

	in_mask_register(&lt);
	in_mask_register(&eq);
	SWITCH();
	in_mask_register(&lt);
	in_mask_register(&eq);
	min = (vector)_mm512_mask_mov_epi32((__m512i)b, lt, (__m512i)a);
	max = (vector)_mm512_mask_mov_epi32((__m512i)a, lt, (__m512i)b);
	CHECK(is_min_max(min, max, mix(seed, 1), mix(seed, 2)));
	SWITCH();
	CHECK(lt == _mm512_cmplt_epu32_mask((__m512i)a, (__m512i)b));
	CHECK(eq == _mm512_cmpeq_epu32_mask((__m512i)a, (__m512i)b));
}
#endif

static NOINLINE void BODY(vla)(unsigned seed)
{
	size_t n = 1 + seed % 700;
	unsigned char bytes[n];
	unsigned long words[1 + n % 13];

	fill(bytes, n, seed);
	fill(words, sizeof(words), seed + 1);
	SWITCH();
	CHECK(is_filled(bytes, n, seed));
	CHECK(is_filled(words, sizeof(words), seed + 1));
	SWITCH();
	CHECK(is_filled(bytes, n, seed));
	CHECK(is_filled(words, sizeof(words), seed + 1));
}

static NOINLINE void BODY(alloca)(unsigned seed)
{
	unsigned char *block[6];
	size_t i;

	for (i = 0; i < 6; i++) {
		block[i] = (unsigned char *)__builtin_alloca(1 + mix(seed, i) %
									 200);
		fill(block[i], 1 + mix(seed, i) % 200, seed + (unsigned)i);
		SWITCH();
	}
	for (i = 0; i < 6; i++)
		CHECK(is_filled(block[i], 1 + mix(seed, i) % 200,
				seed + (unsigned)i));
}

/*
 * A frame that is realigned and of unknown size: three pointers are needed to
 * address it.  clang takes rbx (i386: esi) for the third and does not save it,
 * whatever the clobber list says.
 * Fails with clang without ACO_IF_CLANG_ in aco/arch/x86.h.
 */
static NOINLINE void BODY(base_pointer)(unsigned seed)
{
	struct aligned here;
	size_t n = 1 + seed % 300;
	unsigned char bytes[n];
	struct aligned there;

	fill(&here, sizeof(here), seed);
	fill(bytes, n, seed + 1);
	fill(&there, sizeof(there), seed + 2);
	SWITCH();
	CHECK(is_aligned(&here) && is_aligned(&there));
	CHECK(is_filled(&here, sizeof(here), seed));
	CHECK(is_filled(bytes, n, seed + 1));
	CHECK(is_filled(&there, sizeof(there), seed + 2));
	here.word[0] ^= seed;
	there.word[1] ^= seed;
	SWITCH();
	here.word[0] ^= seed;
	there.word[1] ^= seed;
	CHECK(is_filled(&here, sizeof(here), seed));
	CHECK(is_filled(bytes, n, seed + 1));
	CHECK(is_filled(&there, sizeof(there), seed + 2));
}

/* The same where nothing calls, so that all accesses are the body's own. */
static NOINLINE unsigned long BODY(base_pointer_sum)(unsigned seed)
{
	struct aligned here;
	unsigned n = 2 + seed % 30;
	unsigned long words[n];
	unsigned i;

	for (i = 0; i < 8; i++)
		here.word[i] = seed * (i + 1);
	for (i = 0; i < n; i++)
		words[i] = seed + i;
	hide(words);
	hide(&here);
	SWITCH();
	for (i = 0; i < 8; i++)
		words[i % n] += here.word[i];
	SWITCH();
	for (i = 1; i < n; i++)
		words[0] += words[i];
	return words[0];
}

static NOINLINE void BODY(base_pointer_alone)(unsigned seed)
{
	unsigned n = 2 + seed % 30;
	unsigned long sum = 0;
	unsigned i;

	for (i = 0; i < 8; i++)
		sum += (unsigned long)(seed * (i + 1));
	for (i = 0; i < n; i++)
		sum += (unsigned long)(seed + i);
	CHECK(BODY(base_pointer_sum)(seed) == sum);
}

/* Lets a compiler use what lies below the stack pointer: nothing is called. */
static NOINLINE unsigned long BODY(leaf_sum)(unsigned seed)
{
	volatile unsigned long words[12];
	unsigned long sum = 0;
	unsigned i;

	for (i = 0; i < 12; i++)
		words[i] = seed + i;
	SWITCH();
	for (i = 0; i < 12; i++)
		sum += words[i];
	return sum;
}

static NOINLINE void BODY(leaf)(unsigned seed)
{
	unsigned long sum = 0;
	unsigned i;

	for (i = 0; i < 12; i++)
		sum += (unsigned long)(seed + i);
	CHECK(BODY(leaf_sum)(seed) == sum);
}

/* An array of characters is what -fstack-protector watches. */
static NOINLINE void BODY(text)(unsigned seed)
{
	char line[64];
	char copy[64];

	snprintf(line, sizeof(line), "%u and %lu", seed, mix(seed, 5));
	SWITCH();
	snprintf(copy, sizeof(copy), "%u and %lu", seed, mix(seed, 5));
	CHECK(strcmp(line, copy) == 0);
}

/* In tail position the switch may be the last thing of a frameless function. */
static NOINLINE void BODY(switch_only)(void)
{
	SWITCH();
}

static NOINLINE unsigned long BODY(tail)(unsigned n, unsigned long a,
					 unsigned long b, unsigned long c,
					 unsigned long d, unsigned long e,
					 unsigned long f, unsigned long g)
{
	BODY(switch_only)();
	if (n == 0)
		return a + b + c + d + e + f + g;
	SWITCH();
	return BODY(tail)(n - 1, b, c, d, e, f, g, a + n);
}

static NOINLINE void BODY(tails)(unsigned seed)
{
	unsigned n = seed % 6;
	unsigned long a = mix(seed, 1);
	unsigned long b = mix(seed, 2);

	CHECK(BODY(tail)(n, a, b, 3, 4, 5, 6, 7) ==
	      a + b + 3 + 4 + 5 + 6 + 7 + n * (n + 1) / 2);
}

static NOINLINE unsigned long BODY(deep)(unsigned seed, unsigned n)
{
	unsigned long local[4];
	unsigned long sum;

	fill(local, sizeof(local), seed + n);
	SWITCH();
	if (n == 0)
		return 1;
	sum = BODY(deep)(seed, n - 1);
	if (n & 1)
		SWITCH();
	CHECK(is_filled(local, sizeof(local), seed + n));
	return sum + n;
}

static NOINLINE void BODY(recursion)(unsigned seed)
{
	unsigned n = seed % 9;

	CHECK(BODY(deep)(seed, n) == 1 + n * (n + 1) / 2);
}

/* Structures are returned in registers, or through a pointer to be kept. */
static NOINLINE struct big BODY(make_big)(unsigned seed)
{
	struct big b;

	fill(&b, sizeof(b), seed);
	SWITCH();
	return b;
}

static NOINLINE struct small BODY(make_small)(unsigned seed)
{
	struct small s;

	s.a = (int)seed;
	SWITCH();
	s.b = -s.a;
	return s;
}

static NOINLINE struct pair BODY(make_pair)(unsigned seed)
{
	struct pair p;

	p.a = as_double(mix(seed, 1));
	p.b = as_double(mix(seed, 2));
	SWITCH();
	return p;
}

static NOINLINE long double BODY(make_long)(unsigned seed)
{
	KEEP(long double, v, as_long_double(mix(seed, 3)));
	SWITCH();
	return v;
}

static NOINLINE void BODY(structs)(unsigned seed)
{
	struct big b = BODY(make_big)(seed);
	struct small s = BODY(make_small)(seed);
	struct pair p = BODY(make_pair)(seed);

	CHECK(BODY(make_long)(seed) == as_long_double(mix(seed, 3)));
	CHECK(is_filled(&b, sizeof(b), seed));
	CHECK(s.a == (int)seed && s.b == -s.a);
	CHECK(p.a == as_double(mix(seed, 1)));
	CHECK(p.b == as_double(mix(seed, 2)));
}

static NOINLINE double BODY(sum_of)(unsigned n, ...)
{
	va_list ap;
	double sum = 0;
	unsigned i;

	va_start(ap, n);
	for (i = 0; i < n; i++) {
		sum += va_arg(ap, int);
		SWITCH();
		sum += va_arg(ap, double);
		sum += (double)va_arg(ap, long double);
	}
	va_end(ap);
	return sum;
}

static NOINLINE void BODY(varargs)(unsigned seed)
{
	int i = (int)(seed & 0xffff);
	double d = as_double(mix(seed, 1));

	CHECK(BODY(sum_of)(4u, i, d, 1.0L, 1, 2.0, 3.0L, 4, 5.0, 6.0L, i, d,
			   7.0L) == 2.0 * i + 2 * d + 29);
}

static NOINLINE void BODY(jumps)(unsigned seed)
{
	volatile unsigned kept = seed;
	volatile int count = 0;
	jmp_buf env;
	int how = setjmp(env);

	CHECK(kept == seed);
	CHECK(how == count);
	SWITCH();
	if (count < 4) {
		count = count + 1;
		jump(env, count);
	}
	SWITCH();
	CHECK(kept == seed && count == 4);
}

/*
 * Control words belong to a co, unless it shares them.
 * Fails without ACO_EXCHANGE_CONTROL_, and on i386 when the library does not see that
 * the processor has SSE.
 */
static NOINLINE void BODY(fpenv)(unsigned seed)
{
	unsigned rounding = seed & 3;
	struct fpenv before = get_fpenv();

	if (aco_gtls_co->flags & ACO_SHARE_FPENV)
		return;
	set_rounding(rounding);
	SWITCH();
	CHECK(has_rounding(rounding));
	set_rounding(rounding ^ 1);
	SWITCH();
	CHECK(has_rounding(rounding ^ 1));
	set_fpenv(before);
}

#if defined(__cplusplus)
/* A destructor that switches, also while an exception passes. */
class BODY(guard)
{
      public:
	explicit BODY(guard)(unsigned seed, int *alive)
	    : seed_(seed), alive_(alive)
	{
		fill(bytes_, sizeof(bytes_), seed_);
		++*alive_;
	}
	~BODY(guard)()
	{
		SWITCH();
		CHECK(is_filled(bytes_, sizeof(bytes_), seed_));
		--*alive_;
	}

      private:
	BODY(guard)(const BODY(guard) &);
	BODY(guard) &operator=(const BODY(guard) &);

	unsigned seed_;
	int *alive_;
	unsigned char bytes_[24];
};

static NOINLINE void BODY(thrower)(unsigned seed, unsigned n, int *alive)
{
	BODY(guard) g(seed + n, alive);

	SWITCH();
	if (n == 0)
		throw failure(seed);
	BODY(thrower)(seed, n - 1, alive);
}

static NOINLINE void BODY(rethrow)(unsigned seed, int *alive)
{
	BODY(guard) g(seed, alive);

	try {
		BODY(thrower)(seed, seed % 5, alive);
		CHECK(0);
	} catch (const failure &f) {
		SWITCH();
		CHECK(f.seed == seed);
		try {
			SWITCH();
			throw failure(seed + 1);
		} catch (const failure &inner) {
			SWITCH();
			CHECK(inner.seed == seed + 1);
		}
		CHECK(f.seed == seed);
		throw;
	}
}

static NOINLINE void BODY(exceptions)(unsigned seed)
{
	int alive = 0;
	int caught = 0;

	try {
		BODY(rethrow)(seed, &alive);
	} catch (const failure &f) {
		SWITCH();
		CHECK(f.seed == seed);
		caught = 1;
	}
	CHECK(caught && alive == 0);
	{
		BODY(guard) g(seed, &alive);
		SWITCH();
		CHECK(alive == 1);
	}
	CHECK(alive == 0);
}
#endif

static void (*const BODY(table)[])(unsigned seed) = {
	BODY(ints),	  BODY(loop),	 BODY(wide),
	BODY(x87),	  BODY(doubles), BODY(vla),
	BODY(alloca),	  BODY(leaf),	 BODY(base_pointer),
	BODY(text),	  BODY(tails),	 BODY(base_pointer_alone),
	BODY(recursion),  BODY(structs), BODY(varargs),
	BODY(jumps),	  BODY(fpenv),
#if defined(VECTOR_BYTES)
	BODY(vectors),
#endif
#if defined(__AVX512F__)
	BODY(masks),
#endif
#if defined(__cplusplus)
	BODY(exceptions),
#endif
};

static void BODY(run)(unsigned seed)
{
	BODY(table)[mix(seed, 99) % COUNT_OF(BODY(table))](seed);
}

#undef INTS
#undef EIGHT
#undef TWELVE
#undef SWITCH
#undef BODY
