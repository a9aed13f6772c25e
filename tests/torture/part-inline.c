/* SPDX-License-Identifier: Apache-2.0 */
#define PART part_inline
#include "part.h"
