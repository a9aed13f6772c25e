/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.c - the variables of each thread
 */
#include "internal.h"

ACO_THREAD_LOCAL aco_t *aco_gtls_co;
ACO_THREAD_LOCAL struct aco_thread aco_thread;
