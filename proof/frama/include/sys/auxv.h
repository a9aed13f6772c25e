/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auxv.h - what the kernel says: no frame of a signal has a MiB
 */
#define AT_MINSIGSTKSZ 51

/*@
  assigns \nothing;
  exits \false;
  ensures \result < 1 << 20;
*/
unsigned long getauxval(unsigned long type);
