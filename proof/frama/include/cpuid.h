/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpuid.h - the names that lib/arch takes from it
 */
#define signature_INTEL_ebx 0x756e6547u
#define bit_AVX (1u << 28)
#define bit_OSXSAVE (1u << 27)
#define bit_SSE (1u << 25)

int __get_cpuid(unsigned leaf, unsigned *, unsigned *, unsigned *, unsigned *);
int __get_cpuid_count(unsigned leaf, unsigned sub, unsigned *, unsigned *,
		      unsigned *, unsigned *);
