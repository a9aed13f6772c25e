/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aco_assert_override.h - short names for the assertions of aco.h
 *
 * Include it last: it replaces the assert() of <assert.h>, so that assertions
 * stay in builds with NDEBUG, too.
 */
#ifndef ACO_ASSERT_OVERRIDE_H
#define ACO_ASSERT_OVERRIDE_H

#include <aco.h>

#undef likely
#undef unlikely
#undef assert
#undef assertptr
#undef assertalloc_bool
#undef assertalloc_ptr

#define likely(x) aco_likely(x)
#define unlikely(x) aco_unlikely(x)
#define assert(x) aco_assert(x)
#define assertptr(ptr) aco_assertptr(ptr)
#define assertalloc_bool(x) aco_assertalloc_bool(x)
#define assertalloc_ptr(ptr) aco_assertalloc_ptr(ptr)

#endif /* ACO_ASSERT_OVERRIDE_H */
