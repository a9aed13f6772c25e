/* SPDX-License-Identifier: Apache-2.0 */
#define ACO_CONFIG_SHARE_FPU_MXCSR_ENV
#include "config-macro.c"
