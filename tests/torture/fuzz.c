/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.c - a program from libFuzzer
 */
#include "torture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
	static struct figures figures;

	torture_figures = &figures;
	torture_aborts = 1;
	torture_run(data, sz);
	return 0;
}
