/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - starts a server of the I/O benchmark, loads it, and says what it took
 *
 *	load hello CPU CPU CONNECTIONS ROUNDS PROGRAM ARGUMENT...
 *		"ns=NUMBER idle=NUMBER": CPU time of the server for a request;
 *		bytes that it takes for an idle connection.
 *	load fairness CPU CPU PINGS PROGRAM ARGUMENT...
 *		"ns=NUMBER": CPU time that an echo server takes, from a byte that is
 *		sent to its echo, while another connection sends all it can; the
 *		99th percentile.
 *	load run CPU CPU PROGRAM ARGUMENT...
 *		"ns=NUMBER bytes=NUMBER": what the program takes until it ends.
 *	load serve CPU CPU PROGRAM ARGUMENT...
 *		"listening on URL": until this program gets SIGINT or SIGTERM.
 *
 * The processors are that of the server, and that of this program.  The server
 * gets the listening socket as descriptor 3, so that no connection comes too
 * early.  One that can't take it is named after the word "binds", and listens at
 * the port in BENCH_PORT.  The server is killed when this program ends, in
 * whatever way.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT 120 /* seconds */
#define LISTENER 3
#define BACKLOG 4096
#define STREAM 65536 /* bytes that a greedy client sends at once */

static pid_t server;
static clockid_t server_clock;
static struct sockaddr_in address;
static const char *program;
static int binds; /* the server makes its socket */
static int is_measured;

static __attribute__((__noreturn__)) void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s: %s\n", program, what, strerror(errno));
	exit(1);
}

/* What the server did is more than that a socket was closed, which its end does before
   it is there for waitpid(2).  To kill it then changes nothing. */
static __attribute__((__noreturn__)) void server_failed(const char *what)
{
	int status, error = errno;

	usleep(100000); /* to let it say why */
	kill(server, SIGKILL);
	if (waitpid(server, &status, 0) == server &&
	    (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL))
		fprintf(stderr, "load: %s: the server ended with %d\n", program,
			WIFEXITED(status) ? WEXITSTATUS(status)
					  : 128 + WTERMSIG(status));
	server = 0;
	errno = error;
	fail(what);
}

static void on_alarm(int signal)
{
	static const char message[] = "load: the server takes too long\n";

	(void)signal;
	if (write(2, message, sizeof(message) - 1) < 0)
		_exit(2);
	_exit(1);
}

/* ---- the server ---------------------------------------------------------- */

static void use_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

/* Who has it interrupts nobody when it wakes.  So a server finds all requests
   that a client sends before it reads. */
static void use_batch_scheduling(void)
{
	const struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &none))
		fail("sched_setscheduler");
}

static int make_listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(address);
	char port[16];

	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) ||
	    listen(fd, BACKLOG) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		fail("listen");
	snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
	setenv("BENCH_PORT", port, 1);
	return fd;
}

static void end_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		fail("prctl");
}

/* Of one that binds, the socket only finds a free port. */
static int listener_for_server(void)
{
	int fd = make_listener();

	if (!binds)
		return fd;
	close(fd);
	return -1;
}

static void start(int cpu, int listener, char **command)
{
	pid_t self = getpid();

	server = fork();
	if (server < 0)
		fail("fork");
	if (server == 0) {
		end_with_parent(self);
		use_cpu(cpu);
		if (is_measured)
			use_batch_scheduling();
		if (listener >= 0 && listener != LISTENER)
			dup2(listener, LISTENER);
		execv(command[0], command);
		fprintf(stderr, "load: %s: %s\n", program, strerror(errno));
		_exit(127);
	}
	if (listener >= 0)
		close(listener);
	if (clock_getcpuclockid(server, &server_clock))
		server_failed("its clock");
}

static double server_ns(void)
{
	struct timespec t;

	if (clock_gettime(server_clock, &t))
		server_failed("its clock");
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The number behind a name in a file of /proc, in KiB, or 0. */
static double kib_in(const char *file, const char *name)
{
	char path[64], line[256];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)server, file);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kib = strtod(line + strlen(name), NULL);
	if (f)
		fclose(f);
	return kib;
}

/* Resident memory and page tables.  VmRSS is not exact, but always there. */
static double server_bytes(void)
{
	double resident = kib_in("smaps_rollup", "Rss:");

	if (resident <= 0)
		resident = kib_in("status", "VmRSS:");
	return (resident + kib_in("status", "VmPTE:")) * 1024;
}

/* ---- connections --------------------------------------------------------- */

static int server_runs(void)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)server, &info,
		       WEXITED | WNOHANG | WNOWAIT) &&
	       !info.si_pid;
}

static void wait_for_port(void)
{
	int fd, error;

	do {
		usleep(10000);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		error = connect(fd, (struct sockaddr *)&address,
				sizeof(address));
		close(fd);
	} while (error && errno == ECONNREFUSED && server_runs());
	if (error)
		server_failed("connect");
}

/* An end by reset leaves no port that waits. */
static int connection(void)
{
	const struct linger reset = { 1, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		server_failed("connect");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void ask(int fd)
{
	static const char request[] = "GET /hello HTTP/1.1\r\n"
				      "Host: 127.0.0.1\r\n"
				      "\r\n";
	ssize_t len = sizeof(request) - 1;

	if (send(fd, request, (size_t)len, MSG_NOSIGNAL) != len)
		server_failed("send");
}

static size_t answer_size; /* of each one, when the first one has come */

static size_t find_size(const char *buf)
{
	const char *end = strstr(buf, "\r\n\r\n");
	const char *length = strcasestr(buf, "\r\ncontent-length:");

	if (!end || !length)
		return 0;
	return (size_t)(end + 4 - buf) + strtoul(length + 17, NULL, 10);
}

static void take_answer(int fd)
{
	size_t got = 0;
	char buf[1024];
	ssize_t n;

	do {
		n = read(fd, buf + got, sizeof(buf) - 1 - got);
		if (n <= 0) {
			errno = n ? errno : ECONNRESET;
			server_failed("no answer");
		}
		got += (size_t)n;
		buf[got] = 0;
		if (!answer_size)
			answer_size = find_size(buf);
	} while (got < answer_size || !answer_size);
	if (got != answer_size || strncmp(buf, "HTTP/1.1 200 ", 13) != 0) {
		errno = EPROTO;
		server_failed("wrong answer");
	}
}

/* ---- hello --------------------------------------------------------------- */

static void ask_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ask(fds[i]);
	for (size_t i = 0; i < n; i++)
		take_answer(fds[i]);
}

/* An answer now and then says that the server keeps up, so that no connection
   is lost for lack of a place in the queue. */
static void connect_all(int *fds, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++) {
		fds[i] = connection();
		if (i % 256 == 0)
			ask_all(&fds[i], 1);
	}
}

static void hello(size_t n, size_t rounds)
{
	int *fds = calloc(n, sizeof(*fds));
	double bytes, ns;

	use_batch_scheduling();
	if (!fds)
		fail("calloc");
	connect_all(fds, 0, 1);
	bytes = server_bytes();
	connect_all(fds, 1, n);
	ask_all(fds, n); /* the first costs more */
	ns = server_ns();
	for (size_t i = 0; i < rounds; i++)
		ask_all(fds, n);
	ns = server_ns() - ns;
	bytes = server_bytes() - bytes;
	printf("ns=%.1f idle=%.1f\n", ns / (double)n / (double)rounds,
	       n > 1 ? bytes / (double)(n - 1) : 0);
}

/* ---- fairness ------------------------------------------------------------ */

static char stream[STREAM];

/* Sends what there is room for, and takes what has come back. */
static void be_greedy(int fd)
{
	if (send(fd, stream, STREAM, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
	    errno != EAGAIN)
		server_failed("send");
	if (recv(fd, stream, STREAM, MSG_DONTWAIT) <= 0 && errno != EAGAIN)
		server_failed("recv");
}

static double ping(int greedy, int fd)
{
	struct pollfd fds[] = { { greedy, POLLIN | POLLOUT, 0 },
				{ fd, POLLIN, 0 } };
	double since = server_ns();
	char byte = 'p';

	if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
		server_failed("send");
	do {
		be_greedy(greedy);
		if (poll(fds, 2, -1) < 0)
			fail("poll");
	} while (!fds[1].revents);
	if (read(fd, &byte, 1) != 1)
		server_failed("no echo");
	return server_ns() - since;
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void fairness(size_t n)
{
	double *ns = calloc(n, sizeof(*ns));
	int greedy = connection(), fd = connection();

	if (!ns)
		fail("calloc");
	for (int i = 0; i < 1000; i++) /* until its buffers are full */
		be_greedy(greedy);
	for (size_t i = 0; i < n; i++)
		ns[i] = ping(greedy, fd);
	qsort(ns, n, sizeof(*ns), compare);
	printf("ns=%.1f\n", ns[(n - 1) * 99 / 100]);
}

/* ---- programs that end --------------------------------------------------- */

static double ns_of(struct timeval t)
{
	return (double)t.tv_sec * 1e9 + (double)t.tv_usec * 1e3;
}

static void run(void)
{
	struct rusage usage;
	int status;

	if (wait4(server, &status, 0, &usage) != server)
		fail("wait4");
	server = 0;
	if (status) {
		errno = ECHILD;
		fail("failed");
	}
	printf("ns=%.0f bytes=%.0f\n",
	       ns_of(usage.ru_utime) + ns_of(usage.ru_stime),
	       (double)usage.ru_maxrss * 1024);
}

/* ---- for other clients --------------------------------------------------- */

static void serve(void)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
	sigwait(&set, &signal);
}

/* ---- command line -------------------------------------------------------- */

static __attribute__((__noreturn__)) void usage(void)
{
	fputs("usage: load hello CPU CPU CONNECTIONS ROUNDS PROGRAM "
	      "ARGUMENT... "
	      "| fairness CPU CPU PINGS PROGRAM ARGUMENT... "
	      "| run CPU CPU PROGRAM ARGUMENT... "
	      "| serve CPU CPU PROGRAM ARGUMENT...\n",
	      stderr);
	exit(2);
}

static size_t number(const char *text, size_t least)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value < least || value > INT32_MAX)
		usage();
	return value;
}

static void stop_server(void)
{
	if (server <= 0)
		return;
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

/* How many numbers stand behind the first word. */
static int count_numbers(const char *what)
{
	if (!strcmp(what, "hello"))
		return 4;
	if (!strcmp(what, "fairness"))
		return 3;
	if (!strcmp(what, "run") || !strcmp(what, "serve"))
		return 2;
	usage();
}

/* The command, and whether it binds. */
static char **find_command(char **command)
{
	binds = command[0] && !strcmp(command[0], "binds");
	if (binds)
		command++;
	if (!command[0])
		usage();
	program = command[0];
	return command;
}

static void start_and_wait(const size_t *n, int listens, char **command)
{
	use_cpu((int)n[1]);
	atexit(stop_server);
	start((int)n[0], listens ? listener_for_server() : -1, command);
	if (binds)
		wait_for_port();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int numbers = count_numbers(what);
	size_t n[4] = { 0 };

	if (argc < 3 + numbers)
		usage();
	for (int i = 0; i < numbers; i++)
		n[i] = number(argv[2 + i], i >= 2);
	is_measured = strcmp(what, "serve") != 0;
	if (is_measured) {
		signal(SIGALRM, on_alarm);
		alarm(TIMEOUT);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start_and_wait(n, strcmp(what, "run") != 0,
		       find_command(argv + 2 + numbers));
	if (numbers == 4)
		hello(n[2], n[3]);
	else if (numbers == 3)
		fairness(n[2]);
	else if (is_measured)
		run();
	else
		serve();
	return 0;
}
