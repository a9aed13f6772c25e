/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx_process.cc - brings libstdc++ into the process of a program in C
 */
extern "C" void bench_throw(void) __attribute__((__used__));

/* Nothing calls it, but linking it takes the exception library, with -flto
   because it is marked as used. */
void bench_throw(void)
{
	throw 1;
}
