/* SPDX-License-Identifier: Apache-2.0 */
/*
 * misuse.c - what the inline path must not let through
 *
 * The fast path makes one comparison; everything that is wrong has to fail it,
 * and end in the function that names the mistake.  Each case aborts in a child,
 * with its text.  A co that is fast is misused, and one that is not.
 */
#include <aco.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static aco_t *main_co, *co, *other;
static aco_share_stack_t *stack, *stack2;

static void idle(void)
{
	for (;;)
		aco_yield();
}

static void ender(void)
{
	aco_yield();
	aco_exit();
}

static void make(aco_cofuncp_t fp, aco_cofuncp_t fp2)
{
	main_co = aco_create(NULL, NULL, 0, NULL, NULL);
	stack = aco_share_stack_new(0);
	stack2 = aco_share_stack_new(0);
	co = aco_create(main_co, stack, 0, fp, NULL);
	if (fp2)
		other = aco_create(main_co, stack2, 0, fp2, NULL);
}

static void resume_null(void)
{
	aco_t *volatile none = NULL;

	aco_resume(none);
}

static void resume_null_later(void)
{
	make(idle, NULL);
	aco_resume(co);
	resume_null();
}

static void resume_ended(void)
{
	make(ender, NULL);
	aco_resume(co);
	aco_resume(co);
	aco_resume(co);
}

static void resume_main(void)
{
	make(idle, NULL);
	aco_resume(main_co);
}

static void resume_main_later(void)
{
	make(idle, NULL);
	aco_resume(co);
	aco_resume(co);
	aco_resume(main_co);
}

static void self(void)
{
	aco_yield();
	aco_resume(co);
}

static void resume_self(void)
{
	make(self, NULL);
	aco_resume(co);
	aco_resume(co);
}

/* Inner resumes the one that has resumed it. */
static void outer(void)
{
	for (;;)
		aco_resume(other);
}

static void back(void)
{
	aco_yield();
	aco_resume(co);
}

static void resume_resuming(void)
{
	make(outer, back);
	aco_resume(co);
}

static void resume_main_from_co_body(void)
{
	aco_yield();
	aco_resume(main_co);
}

static void resume_main_from_co(void)
{
	make(resume_main_from_co_body, NULL);
	aco_resume(co);
	aco_resume(co);
}

static void yield_early(void)
{
	aco_yield();
}

static void yield_in_main(void)
{
	make(idle, NULL);
	aco_resume(co);
	aco_resume(co);
	aco_yield();
}

/* Two users of a stack, and the first is in the resume chain. */
static void share_outer(void)
{
	aco_yield();
	other = aco_create(main_co, stack, 0, idle, NULL);
	aco_resume(other);
}

static void resume_on_used_stack(void)
{
	make(share_outer, NULL);
	aco_resume(co);
	aco_resume(co);
}

static void returner(void)
{
	aco_yield();
	aco_yield();
}

static void returns(void)
{
	make(returner, NULL);
	aco_resume(co);
	aco_resume(co);
	aco_resume(co);
}

static void after_return(void)
{
	aco_yield();
}

static void yield_after_return(void)
{
	aco_thread_init(after_return);
	returns();
}

static void resume_after_return_word(void)
{
	aco_resume(co);
}

static void resume_after_return(void)
{
	aco_thread_init(resume_after_return_word);
	returns();
}

static const struct {
	const char *name;
	void (*run)(void);
	const char *text;
} cases[] = {
	{ "resume_null", resume_null, "libaco: aco_resume: the co is NULL" },
	{ "resume_null_later", resume_null_later,
	  "libaco: aco_resume: the co is NULL" },
	{ "resume_ended", resume_ended,
	  "libaco: aco_resume: the co has ended" },
	{ "resume_main", resume_main,
	  "libaco: aco_resume: a main co can't be resumed" },
	{ "resume_main_later", resume_main_later,
	  "libaco: aco_resume: a main co can't be resumed" },
	{ "resume_main_from_co", resume_main_from_co,
	  "libaco: aco_resume: a main co can't be resumed" },
	{ "resume_self", resume_self, "libaco: aco_resume: the co is running" },
	{ "resume_resuming", resume_resuming,
	  "libaco: aco_resume: the co is running" },
	{ "resume_on_used_stack", resume_on_used_stack,
	  "libaco: aco_resume: a running co uses its share stack" },
	{ "yield_early", yield_early,
	  "libaco: aco_yield: called outside a co" },
	{ "yield_in_main", yield_in_main,
	  "libaco: aco_yield: called outside a co" },
	{ "returns", returns, "libaco: return: " },
	{ "yield_after_return", yield_after_return,
	  "libaco: aco_yield: the co's function has returned" },
	{ "resume_after_return", resume_after_return,
	  "libaco: aco_resume: the co's function has returned" },
};

static void in_child(void (*run)(void), const int *fd)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	dup2(fd[1], STDERR_FILENO);
	close(fd[0]);
	run();
	_exit(0);
}

/* Reads all that the child writes; returns its wait status. */
static int observe(pid_t pid, int fd, char *text, size_t sz)
{
	size_t len = 0;
	ssize_t n;
	int status = 0;

	while (len < sz - 1 && (n = read(fd, text + len, sz - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	waitpid(pid, &status, 0);
	return status;
}

static int is_caught(size_t i)
{
	char text[512];
	int fd[2];
	int status;
	pid_t pid;

	if (pipe(fd) < 0)
		return 0;
	pid = fork();
	if (pid == 0)
		in_child(cases[i].run, fd);
	close(fd[1]);
	status = observe(pid, fd[0], text, sizeof(text));
	close(fd[0]);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
	    strncmp(text, cases[i].text, strlen(cases[i].text)) == 0)
		return 1;
	fprintf(stderr, "misuse: %s: status %#x, says: %s\n", cases[i].name,
		(unsigned)status, text);
	return 0;
}

int main(void)
{
	size_t failed = 0;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		failed += !is_caught(i);
	return failed ? 1 : 0;
}
