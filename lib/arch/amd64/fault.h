/* SPDX-License-Identifier: Apache-2.0 */
#define ACO_FAULT_SP REG_RSP
#include "../x86_fault.h"
