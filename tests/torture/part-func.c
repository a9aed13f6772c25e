/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACO_NO_INLINE
#define ACO_NO_INLINE
#endif
#define PART part_func
#include "part.h"
