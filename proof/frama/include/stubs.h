/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stubs.h - what Frama-C's headers lack; included before each file
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Those of Frama-C's string.h compare the bytes, which is dear to prove. */
#define __FC_STRING_H_

/*@
  requires \valid((char *)to + (0 .. sz - 1));
  requires \valid_read((char *)from + (0 .. sz - 1));
  requires \separated((char *)to + (0 .. sz - 1), (char *)from + (0 .. sz - 1));
  assigns ((char *)to)[0 .. sz - 1];
  assigns \result \from to;
  ensures \forall char *p; (char *)to <= p < (char *)to + sz ==>
    *p == \old(*((char *)from + (p - (char *)to)));
  exits \false;
*/
void *memcpy(void *to, const void *from, size_t sz);

/*@
  requires \valid((char *)to + (0 .. sz - 1));
  assigns ((char *)to)[0 .. sz - 1];
  assigns \result \from to;
  exits \false;
*/
void *memset(void *to, int c, size_t sz);

/* One thread: an atomic access is an access. */
#define __atomic_load_n(at, order) (*(at))
#define __atomic_store_n(at, v, order) ((void)(*(at) = (v)))
#define __atomic_compare_exchange_n(at, from, to, weak, yes, no) \
	(*(at) == *(from) ? (*(at) = (to), 1) : (*(from) = *(at), 0))

/* Frama-C takes it for a part of the type that is returned. */
#define __visibility__(how)

#define __builtin_expect(x, is) (x)

#define MAP_STACK 0x20000
#define MAP_NORESERVE 0x4000
#define MADV_DONTNEED 4
#define MADV_NOHUGEPAGE 15

/*@
  assigns \nothing;
  exits \false;
*/
int munmap(void *at, size_t sz);

/*@
  assigns \nothing;
  exits \false;
*/
int madvise(void *at, size_t sz, int advice);

/*@
  requires \false;
  assigns \nothing;
  exits \false;
*/
void __builtin_unreachable(void);

/*@
  assigns \nothing;
  exits \false;
*/
void *__builtin_frame_address(unsigned level);

int __builtin_clz(unsigned x);
