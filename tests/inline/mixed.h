/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ACO_TEST_MIXED_H
#define ACO_TEST_MIXED_H

enum mixed_path { MIXED_INLINE, MIXED_FUNC };

struct mixed_part {
	const char *name;
	enum mixed_path path;
	void (*resume_bare)(void *co);
	void (*yield_bare)(void *unused);
	/* the same with live values: 0 when one is lost */
	int (*resume_busy)(aco_t *co, const unsigned long *values);
	int (*yield_busy)(const unsigned long *values);
	/* those that are always functions */
	void (*resume_value)(void *co);
	void (*yield_value)(void *v);
	void (*yield_to_bare)(void *co);
	int (*yield_to_busy)(aco_t *co, const unsigned long *values);
};

extern const struct mixed_part mixed_inline, mixed_func;
extern const struct mixed_part mixed_inline_other, mixed_func_other;

#endif /* ACO_TEST_MIXED_H */
