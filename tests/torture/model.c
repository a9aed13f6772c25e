/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.c - what the manual pages say: the page of each rule is named
 */
#include "model.h"

#include <string.h>

/* aco(7), "fork": the child must not use a co that ran on another thread, nor its
   share stack. */
int m_is_lost(const struct m_co *co)
{
	return co->kind == M_CO && co->stack->lost;
}

static int waits_to_run(const struct m_co *co)
{
	return co->made && co->kind == M_CO && !co->stack->lost &&
	       (co->state == M_INIT || co->state == M_SUSPENDED);
}

static int at_rest(const struct m_co *co)
{
	return waits_to_run(co) || (co->state == M_END && !m_is_lost(co));
}

/* aco_resume(3): not a main co, not running or ended, no running co uses its
   share stack, which is not destroyed. */
int m_can_resume(const struct m_thread *t, const struct m_co *co)
{
	const struct m_co *owner;

	(void)t;
	if (!waits_to_run(co) || co->stack->destroyed)
		return 0;
	owner = co->stack->owner;
	return !owner || owner == co || at_rest(owner);
}

/* aco_yield_to(3): the caller and co may be on one share stack. */
int m_can_yield_to(const struct m_thread *t, const struct m_co *co)
{
	if (!t->running || !waits_to_run(co) || co->stack->destroyed)
		return 0;
	return co->stack->owner == t->running || m_can_resume(t, co);
}

/* aco_destroy(3); a main co must outlive the cos created with it. */
int m_can_destroy(const struct m_thread *t, const struct m_co *co)
{
	if (!co->made || co->kind == M_OWN)
		return 0;
	if (co->kind == M_CO)
		return at_rest(co);
	if (co->cos || (co->thread && co->thread != t))
		return 0;
	return !(co->thread && t->running && t->main == co);
}

/* aco_reset(3); of a destroyed share stack it fails with EINVAL. */
int m_can_reset(const struct m_co *co)
{
	return co->made && co->kind == M_CO && at_rest(co);
}

/* aco_share_stack_destroy(3): none of its cos runs or waits for another. */
int m_can_destroy_stack(const struct m_stack *s)
{
	return s->made && !s->destroyed && !s->lost &&
	       (!s->owner || at_rest(s->owner));
}

/* aco_set_name(3): not while it runs in another thread. */
int m_can_name(const struct m_thread *t, const struct m_co *co)
{
	return co->made && !m_is_lost(co) && (!co->thread || co->thread == t);
}

/* aco_get_co(3) */
struct m_co *m_current(const struct m_thread *t)
{
	return t->running ? t->running : t->main;
}

/* aco_state(3): what runs or waits in another thread is running; so is a main
   co that does not wait for a co in the calling thread. */
enum m_state m_state(const struct m_thread *t, const struct m_co *co)
{
	if (co->kind != M_CO)
		return t->running && t->main == co ? M_RESUMING : M_RUNNING;
	if (co->state == M_RESUMING && co->thread != t)
		return M_RUNNING;
	return co->state;
}

/* aco_create(3): with ACO_SHARE_FPENV a co shares those of its resumer. */
struct m_words *m_words(struct m_thread *t)
{
	struct m_co *co = t->running;

	while (co && co->kind == M_CO && (co->flags & M_SHARE_FPENV))
		co = co->resumer;
	return co && co->kind == M_CO ? &co->words : &t->words;
}

struct m_co *m_displaced(const struct m_co *co)
{
	return co->stack->owner == co ? NULL : co->stack->owner;
}

/* aco_resume(3): in the main context, the main co of co becomes the resumer if
   it belongs to the calling thread, otherwise one that the library makes. */
static struct m_co *main_for(struct m_thread *t, const struct m_co *co)
{
	return co->main->thread == t ? co->main : &t->own;
}

int m_needs_own(const struct m_thread *t, const struct m_co *co)
{
	return !t->running && co->main->thread != t && !t->own.made;
}

/* aco_stats(3): with those that have ended, and main cos, but not those that the
   library makes. */
void m_count_co(struct m_counts *c, const struct m_co *co)
{
	if (!co->made || co->kind == M_OWN)
		return;
	c->cos++;
	c->copies += co->saves + co->restores;
}

/* aco_stats(3): a stack that is destroyed counts as long as it has cos. */
void m_count_stack(struct m_counts *c, const struct m_stack *s)
{
	c->stacks += s->made != 0;
}

void m_thread_start(struct m_thread *t, struct m_words words)
{
	memset(t, 0, sizeof(*t));
	t->alive = 1;
	t->words = words;
	t->own.kind = M_OWN;
	t->own.thread = t;
}

void m_thread_end(struct m_thread *t)
{
	t->alive = 0;
}

/* aco(7), "Threads": the cos of the chain have ended; each stays the owner of its
   stack until another one runs there. */
void m_thread_exit(struct m_thread *t)
{
	while (t->running) {
		struct m_co *co = t->running;

		m_exit(t, NULL);
		co->stack->owner = co;
	}
}

void m_thread_lost(struct m_thread *t)
{
	for (struct m_co *co = t->running; co && co->kind == M_CO;
	     co = co->resumer)
		co->stack->lost = 1;
	t->alive = 0;
}

/* aco_thread_init(3) */
void m_thread_init(struct m_thread *t)
{
	t->record = *m_words(t);
	t->recorded = 1;
}

/* aco_thread_init(3): the first aco_create() or aco_reset() does the same. */
static void record_once(struct m_thread *t)
{
	if (!t->recorded)
		m_thread_init(t);
}

void m_create_main(struct m_thread *t, struct m_co *co, void *arg)
{
	record_once(t);
	memset(co, 0, sizeof(*co));
	co->made = 1;
	co->kind = M_MAIN;
	co->arg = arg;
	co->thread = t;
}

void m_create(struct m_thread *t, struct m_co *co, struct m_co *main,
	      struct m_stack *s, void *arg, unsigned flags)
{
	record_once(t);
	memset(co, 0, sizeof(*co));
	co->made = 1;
	co->kind = M_CO;
	co->state = M_INIT;
	co->main = main->kind == M_CO ? main->main : main;
	co->main->cos++;
	co->stack = s;
	s->users++;
	co->arg = arg;
	co->flags = flags;
	co->words = t->record;
}

static void give_up_stack(struct m_co *co)
{
	if (co->stack->owner == co)
		co->stack->owner = NULL;
	co->away = 0;
}

void m_reset(struct m_thread *t, struct m_co *co, void *arg)
{
	record_once(t);
	give_up_stack(co);
	co->state = M_INIT;
	co->arg = arg;
	co->words = t->record;
	co->wait = (struct m_wait){ 0, NULL };
}

/* aco_set_name(3): a reset leaves it; a new co has none. */
void m_set_name(struct m_co *co, const char *name)
{
	co->name = name;
}

struct m_stack *m_destroy(struct m_thread *t, struct m_co *co)
{
	struct m_stack *s = co->stack;

	co->made = 0;
	if (co->kind != M_CO) {
		if (t->main == co)
			t->main = NULL;
		return NULL;
	}
	give_up_stack(co);
	co->main->cos--;
	if (--s->users == 0 && s->destroyed) {
		s->made = 0;
		return s;
	}
	return NULL;
}

void m_create_stack(struct m_stack *s)
{
	memset(s, 0, sizeof(*s));
	s->made = 1;
}

/* aco_share_stack_destroy(3): only marked if there are cos. */
void m_destroy_stack(struct m_stack *s)
{
	s->destroyed = 1;
	if (s->users == 0)
		s->made = 0;
}

/* aco(7), "Standalone and sharing cos"; the statistics under "Save stacks". */
static void place(struct m_co *co)
{
	struct m_co *owner = m_displaced(co);

	if (owner && owner->state != M_END) {
		owner->away = 1;
		owner->saves++;
	}
	if (co->away) {
		co->away = 0;
		co->restores++;
	}
	co->stack->owner = co;
}

/* aco_resume_value(3): a pointer is lost if the other side waits in another
   call, and NULL comes from calls that pass none. */
static void give(struct m_wait *w, void *value)
{
	w->value = w->waits ? value : NULL;
	w->waits = 0;
}

struct m_wait *m_wait(struct m_thread *t)
{
	return t->running ? &t->running->wait : &t->wait;
}

void m_resume(struct m_thread *t, struct m_co *co, void *value)
{
	place(co);
	if (t->running) {
		t->running->state = M_RESUMING;
		co->resumer = t->running;
	} else {
		co->resumer = t->main = main_for(t, co);
		t->main->made = 1;
	}
	co->state = M_RUNNING;
	co->thread = t;
	t->running = co;
	give(&co->wait, value);
}

static void go_back(struct m_thread *t, void *value)
{
	struct m_co *to = t->running->resumer;

	t->running->thread = NULL;
	t->running->resumer = NULL;
	t->running = to->kind == M_CO ? to : NULL;
	if (t->running)
		to->state = M_RUNNING;
	give(m_wait(t), value);
}

void m_yield(struct m_thread *t, void *value)
{
	t->running->state = M_SUSPENDED;
	go_back(t, value);
}

/* aco_exit(3): the share stack has no owner any more. */
void m_exit(struct m_thread *t, void *value)
{
	t->running->state = M_END;
	give_up_stack(t->running);
	go_back(t, value);
}

/* aco_yield_to(3): co inherits the resumer of the caller. */
void m_yield_to(struct m_thread *t, struct m_co *co)
{
	struct m_co *from = t->running;

	from->state = M_SUSPENDED;
	place(co);
	co->state = M_RUNNING;
	co->resumer = from->resumer;
	co->thread = t;
	from->resumer = NULL;
	from->thread = NULL;
	t->running = co;
	give(&co->wait, NULL);
}
