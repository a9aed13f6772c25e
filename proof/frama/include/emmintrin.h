/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emmintrin.h - the two instructions that lib/arch/amd64/arch.h asks it for
 */
typedef struct {
	char byte[16];
} __m128i;
typedef char __m128i_u;

/*@
  requires \valid_read(from + (0 .. 15));
  assigns \nothing;
  exits \false;
*/
__m128i _mm_loadu_si128(const __m128i_u *from);

/*@
  requires \valid(to + (0 .. 15));
  assigns to[0 .. 15];
  exits \false;
*/
void _mm_storeu_si128(__m128i_u *to, __m128i v);
