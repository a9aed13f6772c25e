/* SPDX-License-Identifier: Apache-2.0 */
/* mixed-func.c - the part of mixed.c that switches by functions */
#if !defined(ACO_NO_INLINE)
#define ACO_NO_INLINE
#endif
#define PATH MIXED_FUNC
#if defined(MIXED_OTHER)
#define PART mixed_func_other
#define NAME "functions, other compiler"
#else
#define PART mixed_func
#define NAME "functions"
#endif
#include "mixed-part.h"
