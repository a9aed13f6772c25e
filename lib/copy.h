/* SPDX-License-Identifier: Apache-2.0 */
/*
 * copy.h - copying the live bytes of a co
 *
 * Small copies are the common case: one frame, the callee-saved registers, a
 * return address.  On amd64 they are done in place, because a call of memcpy
 * costs as much as such a copy; i386 has no vector registers to rely on.
 */
#ifndef ACO_COPY_H
#define ACO_COPY_H

#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>

#define ACO_SMALL_COPY 144

static inline void aco_copy_16(char *dst, const char *src)
{
	_mm_storeu_si128((__m128i_u *)(void *)dst,
			 _mm_loadu_si128((const __m128i_u *)(const void *)src));
}

/* sz is a multiple of 8, as every stack pointer is. */
static inline void aco_copy(void *to, const void *from, size_t sz)
{
	const char *src = from;
	char *dst = to;

	if (aco_unlikely(sz > ACO_SMALL_COPY)) {
		memcpy(to, from, sz);
		return;
	}
	if (sz & 8) {
		memcpy(dst, src, 8);
		dst += 8;
		src += 8;
	}
	switch (sz / 16) {
	case 9: aco_copy_16(dst + 128, src + 128); /* fallthrough */
	case 8: aco_copy_16(dst + 112, src + 112); /* fallthrough */
	case 7: aco_copy_16(dst + 96, src + 96);   /* fallthrough */
	case 6: aco_copy_16(dst + 80, src + 80);   /* fallthrough */
	case 5: aco_copy_16(dst + 64, src + 64);   /* fallthrough */
	case 4: aco_copy_16(dst + 48, src + 48);   /* fallthrough */
	case 3: aco_copy_16(dst + 32, src + 32);   /* fallthrough */
	case 2: aco_copy_16(dst + 16, src + 16);   /* fallthrough */
	case 1: aco_copy_16(dst, src);		   /* fallthrough */
	default: break;
	}
}
#else
static inline void aco_copy(void *to, const void *from, size_t sz)
{
	memcpy(to, from, sz);
}
#endif

#endif /* ACO_COPY_H */
