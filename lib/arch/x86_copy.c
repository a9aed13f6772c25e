/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86_copy.c - copies by moves of 32 bytes
 */
#include "../copy.h"

#include <immintrin.h>
#include <stddef.h>

#define ACO_WIDE_TARGET __attribute__((__target__("avx")))
#define ACO_WIDE 32

/* Inline at each level: MemorySanitizer looks at what functions return. */
ACO_WIDE_TARGET ACO_ALWAYS_INLINE __m256i load_wide(const char *from)
{
	return _mm256_loadu_si256((const __m256i_u *)(const void *)from);
}

/*
 * What costs are stores that cross a line of the cache: all are aligned but the
 * first and the last one, which overlap their neighbours.
 */
ACO_WIDE_TARGET void aco_copy_wide(char *to, const char *from, size_t sz)
{
	__m256i first = load_wide(from);
	__m256i last = load_wide(from + sz - ACO_WIDE);
	size_t skip = ACO_WIDE - ((uintptr_t)to & (ACO_WIDE - 1));
	const char *end = from + sz;
	ptrdiff_t away = to - from;
	__m256i *dst;

	_mm256_storeu_si256((__m256i_u *)(void *)to, first);
	_mm256_storeu_si256((__m256i_u *)(void *)(to + sz - ACO_WIDE), last);
	for (from += skip; end - from >= 4 * ACO_WIDE; from += 4 * ACO_WIDE) {
		__m256i a = load_wide(from);
		__m256i b = load_wide(from + ACO_WIDE);
		__m256i c = load_wide(from + 2 * ACO_WIDE);
		__m256i d = load_wide(from + 3 * ACO_WIDE);

		dst = (__m256i *)(void *)(from + away);
		_mm256_store_si256(dst, a);
		_mm256_store_si256(dst + 1, b);
		_mm256_store_si256(dst + 2, c);
		_mm256_store_si256(dst + 3, d);
	}
	for (; end - from >= ACO_WIDE; from += ACO_WIDE)
		_mm256_store_si256((__m256i *)(void *)(from + away),
				   load_wide(from));
}
