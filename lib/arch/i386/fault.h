/* SPDX-License-Identifier: Apache-2.0 */
#define ACO_FAULT_SP REG_ESP
#include "../x86_fault.h"
