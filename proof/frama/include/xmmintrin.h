/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xmmintrin.h - the two instructions that lib/arch/i386/arch.h asks it for
 */
typedef struct {
	char byte[16];
} __m128;

__m128 _mm_loadu_ps(const float *from);
void _mm_storeu_ps(float *to, __m128 v);
