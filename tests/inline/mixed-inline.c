/* SPDX-License-Identifier: Apache-2.0 */
/* mixed-inline.c - the part of mixed.c that switches inline */
#define PATH MIXED_INLINE
#if defined(MIXED_OTHER)
#define PART mixed_inline_other
#define NAME "inline, other compiler"
#else
#define PART mixed_inline
#define NAME "inline"
#endif
#include "mixed-part.h"
