/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-macro.h - config-macro.c, compiled twice
 */
#ifndef CONFIG_MACRO_H
#define CONFIG_MACRO_H

#include <aco.h>

#define LAYOUT_FACTS 14

typedef aco_t *(*create_fn)(aco_t *, aco_share_stack_t *, size_t, aco_cofuncp_t,
			    void *);

aco_t *create_plain(aco_t *main_co, aco_share_stack_t *sstk, size_t sz,
		    aco_cofuncp_t fp, void *arg);
aco_t *create_shared_env(aco_t *main_co, aco_share_stack_t *sstk, size_t sz,
			 aco_cofuncp_t fp, void *arg);
create_fn address_plain(void);
create_fn address_shared_env(void);
extern const size_t layout_plain[LAYOUT_FACTS];
extern const size_t layout_shared_env[LAYOUT_FACTS];

#endif /* CONFIG_MACRO_H */
