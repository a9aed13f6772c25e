/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxx_process.cc - makes a process that has libstdc++ of a program in C
 */
extern "C" void bench_throw(void);

/* Never called; but it can't be linked without the exception library. */
void bench_throw(void)
{
	throw 1;
}
