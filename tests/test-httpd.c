/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-httpd.c - the example servers, end to end over loopback
 *
 * The environment names the programs: HTTPD and HTTPD_THREADS.  Each test runs
 * with every row of configs.  Nothing here sleeps or measures: what a test has
 * to wait for, it waits for on a socket.
 */
#define _GNU_SOURCE 1
#define _FILE_OFFSET_BITS 64

#include <check.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <regex.h>
#include <sched.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BIG_SIZE (3 * 1024 * 1024 + 7)

static const char *const configs[][4] = {
	{ "httpd", "--stack=standalone", NULL },
	{ "httpd", "--stack=shared", "--threads=2", NULL },
	{ "httpd", "--stack=shared", NULL },
	{ "httpd", "--stack=standalone", "--threads=2", NULL },
	{ "httpd-threads", NULL },
};

/* The rows that there is a test for; the first two in a sample, see common.sh. */
static int rows(void)
{
	const char *sample = getenv("ACO_TEST_SAMPLE");

	if (sample && atoi(sample) > 1)
		return 2;
	return sizeof(configs) / sizeof(configs[0]);
}

static pid_t server_pid;
static FILE *server_err;
static unsigned port;
static bool use_ipv6;	/* the server is at ::1 */
static rlim_t fd_limit; /* not 0: for the server */
static const char *trouble;
static int troubles; /* lines that stop() has seen */
static char root[256];
static char shm[32]; /* a directory in memory, or empty */

/* ---------------------------------------------------------------- server -- */

static const char *program(const char *name)
{
	const char *path;

	if (!strcmp(name, "httpd")) {
		path = getenv("HTTPD");
		return path ? path : "./examples/httpd";
	}
	path = getenv("HTTPD_THREADS");
	return path ? path : "./examples/httpd-threads";
}

/* Run a program with its stdout and stderr in pipes. */
static pid_t run(const char *const *argv, FILE **out, FILE **err)
{
	struct rlimit limit = { fd_limit, fd_limit };
	int o[2], e[2];
	pid_t pid;

	ck_assert_int_eq(pipe2(o, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(e, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		/* So that a test that fails leaves nothing behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(o[1], STDOUT_FILENO);
		dup2(e[1], STDERR_FILENO);
		if (fd_limit)
			setrlimit(RLIMIT_NOFILE, &limit);
		execv(argv[0], (char **)argv);
		_exit(127);
	}
	close(o[1]);
	close(e[1]);
	*out = fdopen(o[0], "r");
	*err = fdopen(e[0], "r");
	return pid;
}

/* Start the server of row i with more arguments, the last of them NULL. */
static void start(int i, const char *const *more)
{
	const char *argv[24] = { program(configs[i][0]), "--port=0", "--root",
				 root };
	int n = 4, k;
	char line[128];
	FILE *out;

	for (k = 1; configs[i][k]; k++)
		argv[n++] = configs[i][k];
	for (k = 0; more && more[k]; k++)
		argv[n++] = more[k];
	server_pid = run(argv, &out, &server_err);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
	use_ipv6 = strstr(line, "http://[::1]:") != NULL;
	ck_assert_int_eq(sscanf(line,
				use_ipv6 ? "listening on http://[::1]:%u\n"
					 : "listening on http://127.0.0.1:%u\n",
				&port),
			 1);
	fclose(out);
}

static int wait_for(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The server ends well and says so, after the lines of its error log.  All of
   those have the text trouble in them; without one there are none. */
static void stop(int signo)
{
	unsigned long requests, peak, switches, rss;
	char line[256], name[32];

	if (signo)
		ck_assert_int_eq(kill(server_pid, signo), 0);
	ck_assert_int_eq(wait_for(server_pid), 0);
	server_pid = 0;
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), server_err));
	for (troubles = 0; trouble && strstr(line, trouble); troubles++)
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), server_err));
	ck_assert_int_eq(sscanf(line,
				"%31[^:]: requests=%lu connections_peak="
				"%lu switches=%lu max_rss_kib=%lu\n",
				name, &requests, &peak, &switches, &rss),
			 5);
	ck_assert_ptr_null(fgets(line, sizeof(line), server_err));
	fclose(server_err);
}

/* ---------------------------------------------------------------- client -- */

static int dial_with(int rcvbuf)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(use_ipv6 ? AF_INET6 : AF_INET,
			SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	ck_assert_int_eq(use_ipv6 ? connect(fd, (void *)&v6, sizeof(v6))
				  : connect(fd, (void *)&v4, sizeof(v4)),
			 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int dial(void)
{
	return dial_with(0);
}

static void put_bytes(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		ck_assert_int_gt(n, 0);
		data += n;
		len -= n;
	}
}

static void put(int fd, const char *text)
{
	put_bytes(fd, text, strlen(text));
}

/* All that comes until the end; a reset ends it, too. */
static size_t get_rest(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += n;
	buf[len] = '\0';
	return len;
}

/* The head of one reply, byte by byte, so that no byte after it is lost. */
static int get_head(int fd, char *head, size_t size)
{
	size_t len = 0;
	int status;

	do {
		ck_assert_uint_lt(len, size - 1);
		ck_assert_int_eq(read(fd, head + len, 1), 1);
		head[++len] = '\0';
	} while (len < 4 || strcmp(head + len - 4, "\r\n\r\n") != 0);
	ck_assert_int_eq(sscanf(head, "HTTP/1.1 %d ", &status), 1);
	return status;
}

static size_t content_length(const char *head)
{
	const char *field = strstr(head, "\r\nContent-Length: ");

	ck_assert_ptr_nonnull(field);
	return strtoul(field + 18, NULL, 10);
}

/* One reply; returns its status, the body in body (size bytes). */
static int get_reply(int fd, char *body, size_t size)
{
	char head[1024];
	int status = get_head(fd, head, sizeof(head));
	size_t len = content_length(head), got = 0;
	ssize_t n;

	ck_assert_uint_lt(len, size);
	for (; got < len; got += n) {
		n = read(fd, body + got, len - got);
		ck_assert_int_gt(n, 0);
	}
	body[len] = '\0';
	return status;
}

static int ask(int fd, const char *target)
{
	char request[4096], body[4096];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n",
		 target);
	put(fd, request);
	return get_reply(fd, body, sizeof(body));
}

/* One of the numbers of /status. */
static unsigned long counter(int fd, const char *name)
{
	char body[1024], *line;

	put(fd, "GET /status HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	line = strstr(body, name);
	ck_assert_ptr_nonnull(line);
	return strtoul(line + strlen(name) + 1, NULL, 10);
}

/* One of the numbers of /stats. */
static unsigned long count(int fd, const char *name)
{
	char body[1024], line[64], *at;

	put(fd, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	snprintf(line, sizeof(line), "%s ", name);
	at = strstr(body, line);
	ck_assert_msg(at && (at == body || at[-1] == '\n'), "%s: %s", name,
		      body);
	return strtoul(at + strlen(line), NULL, 10);
}

/* Until all connections but fd have gone. */
static void wait_until_alone(int fd)
{
	while (counter(fd, "connections") != 1)
		sched_yield();
}

static void expect_end(int fd)
{
	char c;

	ck_assert_int_eq(read(fd, &c, 1), 0);
	close(fd);
}

/* -------------------------------------------------------------- fixtures -- */

static void write_file(const char *name, const char *data, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
}

static char *big_content(void)
{
	char *data = malloc(BIG_SIZE);
	uint32_t x = 1;
	size_t i;

	ck_assert_ptr_nonnull(data);
	for (i = 0; i < BIG_SIZE; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = x >> 24;
	}
	return data;
}

static void shell(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd '%s' && %s", root, command);
	ck_assert_int_eq(system(line), 0);
}

static void make_root(void)
{
	const char *tmp = getenv("TMPDIR");
	char *big = big_content(), path[512];

	snprintf(root, sizeof(root), "%s/test-httpd.XXXXXX",
		 tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(root));
	strcat(root, "/root");
	ck_assert_int_eq(mkdir(root, 0700), 0);
	write_file("index.html", "index\n", 6);
	write_file("empty.txt", "", 0);
	write_file("../secret", "secret\n", 7);
	write_file("big.bin", big, BIG_SIZE);
	free(big);
	snprintf(path, sizeof(path), "%s/socket", root);
	ck_assert_int_eq(mknod(path, S_IFSOCK | 0600, 0), 0);
	strcpy(shm, "/dev/shm/test-httpd.XXXXXX");
	if (!mkdtemp(shm))
		shm[0] = '\0';
	shell("mkdir sub && echo sub >sub/a+b.txt && mkfifo fifo &&"
	      "ln -s ../secret link && ln -s .. up && ln -s / top &&"
	      "truncate -s 268435456 huge.bin");
}

static void remove_root(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/file", shm);
	unlink(path);
	rmdir(shm);
	shell("cd .. && rm -rf root secret *.log && rmdir \"$PWD\"");
}

static void kill_server(void)
{
	if (server_pid > 0) {
		kill(server_pid, SIGKILL);
		waitpid(server_pid, NULL, 0);
	}
	server_pid = 0;
	fd_limit = 0;
	trouble = NULL;
}

/* ----------------------------------------------------------------- tests -- */

START_TEST(options)
{
	static const char *const bad[] = {
		"--nonsense",	     "--port",	   "--port=65536",
		"--port=1x",	     "--port=",	   "--stack-size=1",
		"--idle-timeout=-1", "--grace=1s", "extra",
	};
	const char *argv[3] = { program(configs[_i][0]), NULL, NULL };
	char line[256];
	FILE *out, *err;
	pid_t pid;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		argv[1] = bad[i];
		pid = run(argv, &out, &err);
		do
			ck_assert_ptr_nonnull(fgets(line, sizeof(line), err));
		while (strncmp(line, "usage: ", 7) != 0);
		ck_assert_int_eq(wait_for(pid), 2);
		fclose(out);
		fclose(err);
	}
	for (i = 0; i < 2; i++) {
		argv[1] = i ? "--help" : "--version";
		pid = run(argv, &out, &err);
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
		while (fgets(line, sizeof(line), out))
			;
		ck_assert_int_eq(wait_for(pid), 0);
		fclose(out);
		fclose(err);
	}
}
END_TEST

/* It reads all that comes from the program, which ends with status. */
static void expect_output(const char *const *argv, int status, char *out_text,
			  char *err_text, size_t size)
{
	FILE *out, *err;
	pid_t pid = run(argv, &out, &err);

	out_text[fread(out_text, 1, size - 1, out)] = '\0';
	err_text[fread(err_text, 1, size - 1, err)] = '\0';
	ck_assert_int_eq(wait_for(pid), status);
	fclose(out);
	fclose(err);
}

START_TEST(says_it_is_an_example)
{
	static const char text[] = "not a server for production.\n";
	const char *argv[] = { program(configs[_i][0]), "--help", NULL };
	char out[8192], err[8192], line[128];
	FILE *f;

	expect_output(argv, 0, out, err, sizeof(out));
	ck_assert_ptr_nonnull(strstr(out, text));
	argv[1] = "--port=0";
	server_pid = run(argv, &f, &server_err);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_ptr_nonnull(strstr(line, text));
	fclose(f);
	stop(SIGINT);
}
END_TEST

/* What can't be listened on is named, with its port. */
START_TEST(address_in_use)
{
	const char *argv[] = { program(configs[_i][0]), NULL, NULL };
	char option[32], expected[128], out[256], err[256];

	start(_i, NULL);
	snprintf(option, sizeof(option), "--port=%u", port);
	argv[1] = option;
	expect_output(argv, 1, out, err, sizeof(err));
	ck_assert_str_eq(out, "");
	snprintf(expected, sizeof(expected),
		 "%s: listen on 127.0.0.1:%u: Address already in use\n",
		 configs[_i][0], port);
	ck_assert_str_eq(err, expected);
	stop(SIGINT);
}
END_TEST

START_TEST(host_names)
{
	static const char *const more[] = { "--host=localhost", NULL };
	const char *argv[] = { program(configs[_i][0]), NULL, NULL };
	char option[320] = "--host=", out[256], err[512];
	int fd;

	start(_i, more);
	fd = dial();
	ck_assert_int_eq(ask(fd, "/hello"), 200);
	close(fd);
	stop(SIGINT);
	/* Too long for a name, so that no name server is asked. */
	memset(option + strlen(option), 'a', 300);
	argv[1] = option;
	expect_output(argv, 1, out, err, sizeof(err));
	ck_assert_ptr_nonnull(strstr(err, option + strlen("--host=")));
}
END_TEST

/* Three requests in a row, cut in two at each place. */
START_TEST(split)
{
	static const char requests[] =
		"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
		"POST /discard HTTP/1.1\r\nHost: x\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n"
		"\r\nHEAD /index.html HTTP/1.1\r\nHost: x\r\n"
		"Connection: close\r\n\r\n";
	int other, fd;
	char buf[4096], *at;
	size_t i;

	start(_i, NULL);
	other = dial();
	for (i = 0; i <= strlen(requests); i++) {
		fd = dial();
		put_bytes(fd, requests, i);
		/* Gives the server the time to see the first part alone. */
		ck_assert_int_eq(ask(other, "/hello"), 200);
		put(fd, requests + i);
		get_rest(fd, buf, sizeof(buf));
		close(fd);
		ck_assert_int_eq(strncmp(buf, "HTTP/1.1 200 OK\r\n", 17), 0);
		at = strstr(buf + 1, "HTTP/1.1 200 OK\r\n");
		ck_assert_ptr_nonnull(at);
		ck_assert_ptr_nonnull(strstr(at, "\r\n\r\n5 bytes\n"));
		at = strstr(at + 1, "HTTP/1.1 200 OK\r\n");
		ck_assert_ptr_nonnull(at);
		ck_assert_ptr_nonnull(strstr(at, "Content-Length: 6\r\n"));
		ck_assert_ptr_nonnull(strstr(at, "Connection: close\r\n"));
		ck_assert_str_eq(strstr(at, "\r\n\r\n"), "\r\n\r\n");
	}
	close(other);
	stop(SIGINT);
}
END_TEST

/* Many requests without reading a reply: more than fits into a buffer. */
START_TEST(pipeline)
{
	static const char request[] =
		"GET /hello HTTP/1.1\r\nHost: a-name-of-some-length\r\n\r\n";
	char all[200 * sizeof(request)] = "", body[256];
	int fd, i;

	for (i = 0; i < 200; i++)
		strcpy(all + i * strlen(request), request);
	start(_i, NULL);
	fd = dial();
	put(fd, all);
	for (i = 0; i < 200; i++)
		ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	ck_assert_uint_eq(counter(fd, "requests"), 201);
	close(fd);
	stop(SIGINT);
}
END_TEST

#define END " HTTP/1.1\r\nHost: x\r\n"
static const struct {
	int status;
	const char *request;
} refused[] = {
	{ 400, "\026\003\001\002\r\n" },
	{ 400, "GARBAGE\r\n\r\n" },
	{ 400, "GET /hello HTTP/1.1\r\n\r\n" },
	{ 400, "GET /hello" END "Host: y\r\n\r\n" },
	{ 400, "GET /hello HTTP/1.1\r\nX: host\r\nHos: x\r\n\r\n" },
	{ 400, "GET /hello" END "Content-Length: 1\r\n"
	       "Content-Length: 2\r\n\r\n" },
	{ 400, "GET /hello" END "Content-Length: 1\r\n"
	       "Transfer-Encoding: chunked\r\n\r\n" },
	{ 400, "POST /discard" END "Transfer-Encoding: chunked\r\n\r\nx\r\n" },
	{ 400, "POST /discard" END "Content-Length : 1\r\n\r\n" },
	{ 400, "POST /discard" END "Transfer-Encoding : chunked\r\n\r\n" },
	{ 413, "POST /discard" END "Content-Length: 1001\r\n\r\n" },
	{ 413, "POST /discard" END "Content-Length: 1001\r\n"
	       "Expect: 100-continue\r\n\r\n" },
	{ 413, "POST /discard" END "Transfer-Encoding: chunked\r\n\r\n"
	       "ffffff\r\n@" },
	{ 414, "GET /@" END "\r\n" },
	{ 417, "POST /discard" END "Expect: miracles\r\n\r\n" },
	{ 431, "GET /hello" END "X: @@@" },
	{ 431, "POST /discard" END "Transfer-Encoding: chunked\r\n\r\n"
	       "1\r\na\r\n0\r\nX: @@@" },
	{ 431, "POST /discard" END "Transfer-Encoding: chunked\r\n\r\n"
	       "1;x=@@@" },
	{ 501, "FROBNICATE /hello" END "\r\n" },
	{ 501, "CONNECT x:80" END "\r\n" },
	{ 505, "GET /hello HTTP/2.0\r\nHost: x\r\n\r\n" },
};

/* Each '@' stands for 2100 letters: more than a URL may have. */
static void put_expanded(int fd, const char *text)
{
	char letters[2100];

	memset(letters, 'a', sizeof(letters));
	for (;;) {
		put_bytes(fd, text, strcspn(text, "@"));
		text += strcspn(text, "@");
		if (!*text++)
			break;
		put_bytes(fd, letters, sizeof(letters));
	}
}

/* Refused requests end their connection and no other. */
START_TEST(refusals)
{
	static const char *const more[] = { "--max-head=4096",
					    "--max-body=1000", NULL };
	char body[1024];
	int fd, other;
	size_t i;

	start(_i, more);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		other = dial();
		put(other, "GET /hello HTT");
		fd = dial();
		put_expanded(fd, refused[i].request);
		ck_assert_msg(get_reply(fd, body, sizeof(body)) ==
				      refused[i].status,
			      "%.40s: %s", refused[i].request, body);
		expect_end(fd);
		put(other, "P/1.1\r\nHost: x\r\n\r\n");
		ck_assert_int_eq(get_reply(other, body, sizeof(body)), 200);
		close(other);
	}
	stop(SIGINT);
}
END_TEST

/* What is wrong with these leaves the connection in order. */
START_TEST(targets)
{
	static const struct {
		int status;
		const char *target;
	} table[] = {
		{ 200, "/" },
		{ 200, "/index.html?query#fragment" },
		{ 200, "/empty.txt" },
		{ 200, "/sub/a+b.txt" },
		{ 200, "/%73ub//a%2Bb.txt" },
		{ 200, "http://x/sub/./a+b.txt" },
		{ 404, "/sub" },
		{ 404, "/sub/" },
		{ 404, "/missing" },
		{ 404, "/index.html/" },
		{ 403, "/../secret" },
		{ 403, "/%2e%2e/secret" },
		{ 403, "/..%2fsecret" },
		{ 403, "/sub/../../secret" },
		{ 403, "/link" },
		{ 403, "/fifo" },
		{ 403, "/socket" },
		{ 404, "/up/secret" },
		{ 404, "/top/etc/passwd" },
		{ 400, "/%00" },
		{ 400, "/index.html%00.txt" },
		{ 400, "/%" },
		{ 400, "/%4" },
		{ 400, "/%zz" },
		{ 200, "http://x/hello?q" },
		{ 400, "http://x" },
		{ 400, "ftp://x/hello" },
		{ 400, "*" },
		{ 200, "/sleep?ms=1" },
		{ 400, "/sleep" },
		{ 400, "/sleep?ms=-1" },
		{ 400, "/sleep?ms=1000000" },
		{ 405, "/discard" },
	};
	size_t i;
	int fd;

	start(_i, NULL);
	fd = dial();
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ck_assert_msg(ask(fd, table[i].target) == table[i].status, "%s",
			      table[i].target);
	close(fd);
	stop(SIGINT);
}
END_TEST

/* A connection more is a co more, and on a shared stack its bytes are copied: at
   least two of three are served by one thread. */
START_TEST(counts_of_libaco)
{
	int is_shared = configs[_i][1] && strstr(configs[_i][1], "shared");
	int fd, other[2];

	start(_i, NULL);
	fd = dial();
	if (!strcmp(configs[_i][0], "httpd-threads")) {
		ck_assert_int_eq(ask(fd, "/stats"), 404);
	} else {
		unsigned long cos = count(fd, "aco_cos");
		unsigned long stacks = count(fd, "aco_stacks");

		other[0] = dial();
		other[1] = dial();
		for (int i = 0; i < 4; i++) {
			ck_assert_int_eq(ask(other[i % 2], "/hello"), 200);
			ck_assert_int_eq(ask(fd, "/hello"), 200);
		}
		/* another thread of the server may still begin */
		ck_assert_uint_ge(count(fd, "aco_cos"), cos + 2);
		ck_assert_uint_ge(count(fd, "aco_cos_peak"), cos + 2);
		ck_assert_uint_ge(count(fd, "aco_stacks"),
				  stacks + (is_shared ? 0 : 2));
		ck_assert_uint_ge(count(fd, "aco_stacks_peak"), stacks);
		count(fd, "aco_stacks_cached");
		ck_assert_int_eq(count(fd, "aco_copies_total") > 0, is_shared);
		ck_assert_int_eq(count(fd, "aco_copied_bytes_total") > 0,
				 is_shared);
		ck_assert_int_eq(count(fd, "aco_save_bytes") > 0, is_shared);
		close(other[0]);
		close(other[1]);
	}
	close(fd);
	stop(SIGINT);
}
END_TEST

START_TEST(methods)
{
	char head[1024], body[1024];
	int fd, other;

	start(_i, NULL);
	fd = dial();
	put(fd, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(get_head(fd, head, sizeof(head)), 405);
	ck_assert_ptr_nonnull(strstr(head, "\r\nAllow: GET, HEAD\r\n"));
	read(fd, body, content_length(head));
	put(fd, "PROPFIND /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 501);
	put(fd, "HEAD /missing HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(get_head(fd, head, sizeof(head)), 404);
	/* The peer asks before it sends. */
	put(fd, "PUT /discard HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
		"Expect: 100-continue\r\n\r\n");
	ck_assert_int_eq(get_head(fd, head, sizeof(head)), 100);
	put(fd, "body");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	ck_assert_str_eq(body, "4 bytes\n");
	/* One that may not know the answer, and here has time to see it. */
	other = dial();
	put(other, "PUT /discard HTTP/1.0\r\nContent-Length: 4\r\n"
		   "Expect: 100-continue\r\n\r\n");
	ck_assert_int_eq(ask(fd, "/hello"), 200);
	put(other, "body");
	ck_assert_int_eq(get_reply(other, body, sizeof(body)), 200);
	expect_end(other);
	/* Upgrades are not taken. */
	put(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
		"Upgrade: websocket\r\n\r\nGET /hello HTTP/1.1\r\n"
		"Host: x\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	close(fd);
	stop(SIGINT);
}
END_TEST

START_TEST(keep_alive)
{
	char head[1024], body[1024];
	int fd;

	start(_i, NULL);
	fd = dial();
	put(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	ck_assert_int_eq(get_head(fd, head, sizeof(head)), 200);
	ck_assert_ptr_nonnull(strstr(head, "\r\nConnection: keep-alive\r\n"));
	read(fd, body, content_length(head));
	put(fd, "GET /hello HTTP/1.0\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	expect_end(fd);
	fd = dial();
	put(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 200);
	expect_end(fd);
	stop(SIGINT);
}
END_TEST

START_TEST(big_file)
{
	char *expected = big_content(), *got = malloc(BIG_SIZE + 1);
	int fd, i;

	ck_assert_ptr_nonnull(got);
	start(_i, NULL);
	fd = dial();
	for (i = 0; i < 2; i++)
		put(fd, "GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n");
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(get_reply(fd, got, BIG_SIZE + 1), 200);
		ck_assert_int_eq(memcmp(got, expected, BIG_SIZE), 0);
	}
	close(fd);
	free(expected);
	free(got);
	stop(SIGINT);
}
END_TEST

/* The value of a field of a head, which is written there. */
static const char *field(const char *head, const char *name, char *value)
{
	const char *at = strstr(head, name);

	value[0] = '\0';
	if (at)
		sscanf(at + strlen(name), ": %99[^\r]", value);
	return value;
}

/* Ask for /index.html, which is 6 bytes long, with more fields. */
static int ask_index(int fd, const char *fields, char *head, size_t size)
{
	char request[512];

	snprintf(request, sizeof(request), "GET /index.html" END "%s\r\n",
		 fields);
	put(fd, request);
	return get_head(fd, head, size);
}

static void expect_body(int fd, const char *head, const char *expected)
{
	char body[100];
	size_t len = content_length(head), got = 0;
	ssize_t n;

	ck_assert_uint_eq(len, strlen(expected));
	for (; got < len; got += n) {
		n = read(fd, body + got, len - got);
		ck_assert_int_gt(n, 0);
	}
	ck_assert_int_eq(memcmp(body, expected, len), 0);
}

static void set_time(const char *name, time_t when)
{
	struct timespec times[2] = { { .tv_sec = when }, { .tv_sec = when } };
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

#define SINCE "If-Modified-Since: "
START_TEST(if_modified_since)
{
	static const struct {
		int status;
		const char *fields;
	} table[] = {
		{ 304, SINCE "Sun, 06 Nov 1994 08:49:37 GMT\r\n" },
		{ 304, "if-modified-since:Mon, 07 Nov 1994 08:49:37 GMT \r\n" },
		{ 304, SINCE "Sunday, 06-Nov-94 08:49:37 GMT\r\n" },
		{ 304, SINCE "Sun Nov  6 08:49:37 1994\r\n" },
		{ 200, SINCE "Sun, 06 Nov 1994 08:49:36 GMT\r\n" },
		{ 200, SINCE "yesterday\r\n" },
		{ 200, SINCE "Sun, 06 Nov 1994 08:49:37 GMT, or some time "
			     "later, but which day it was is not known\r\n" },
		{ 200, SINCE "Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			     "If-None-Match: \"tag\"\r\n" },
	};
	char head[1024], value[100];
	size_t i;
	int fd;

	set_time("index.html", 784111777);
	start(_i, NULL);
	fd = dial();
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		ck_assert_msg(ask_index(fd, table[i].fields, head,
					sizeof(head)) == table[i].status,
			      "%s", table[i].fields);
		ck_assert_str_eq(field(head, "\r\nLast-Modified", value),
				 "Sun, 06 Nov 1994 08:49:37 GMT");
		if (table[i].status == 200)
			expect_body(fd, head, "index\n");
		else
			ck_assert_ptr_null(strstr(head, "Content-Length"));
	}
	close(fd);
	stop(SIGINT);
}
END_TEST

#define IF_RANGE(date) "If-Range: " date "\r\nRange: bytes=1-2\r\n"
static const struct {
	const char *fields;
	int status;
	const char *content_range, *body;
} ranges[] = {
	{ "Range: bytes=0-0\r\n", 206, "bytes 0-0/6", "i" },
	{ "Range: bytes=2-4\r\n", 206, "bytes 2-4/6", "dex" },
	{ "RANGE:BYTES=2-4 \r\n", 206, "bytes 2-4/6", "dex" },
	{ "Range: bytes=2-\r\n", 206, "bytes 2-5/6", "dex\n" },
	{ "Range: bytes=5-99\r\n", 206, "bytes 5-5/6", "\n" },
	{ "Range: bytes=5-99999999999999999999999\r\n", 206, "bytes 5-5/6",
	  "\n" },
	{ "Range: bytes=-2\r\n", 206, "bytes 4-5/6", "x\n" },
	{ "Range: bytes=-7\r\n", 206, "bytes 0-5/6", "index\n" },
	{ "Range: bytes=6-\r\n", 416, "bytes */6", NULL },
	{ "Range: bytes=99999999999999999999999-\r\n", 416, "bytes */6", NULL },
	{ "Range: bytes=-0\r\n", 416, "bytes */6", NULL },
	{ "Range: bytes=3-2\r\n", 200, "", "index\n" },
	{ "Range: bytes=-\r\n", 200, "", "index\n" },
	{ "Range: bytes=\r\n", 200, "", "index\n" },
	{ "Range: bytes=1\r\n", 200, "", "index\n" },
	{ "Range: bytes=--1\r\n", 200, "", "index\n" },
	{ "Range: bytes=0-0,2-2\r\n", 200, "", "index\n" },
	{ "Range: lines=0-0\r\n", 200, "", "index\n" },
	{ "Range: bytes=0-0\r\nRange: bytes=1-1\r\n", 200, "", "index\n" },
	{ IF_RANGE("Sun, 06 Nov 1994 08:49:37 GMT"), 206, "bytes 1-2/6", "nd" },
	{ IF_RANGE("Mon, 07 Nov 1994 08:49:37 GMT"), 200, "", "index\n" },
	{ IF_RANGE("\"tag\""), 200, "", "index\n" },
};

START_TEST(byte_ranges)
{
	char head[1024], body[256], value[100];
	size_t i;
	int fd;

	set_time("index.html", 784111777);
	start(_i, NULL);
	fd = dial();
	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		ck_assert_msg(ask_index(fd, ranges[i].fields, head,
					sizeof(head)) == ranges[i].status,
			      "%s%s", ranges[i].fields, head);
		ck_assert_str_eq(field(head, "\r\nContent-Range", value),
				 ranges[i].content_range);
		if (ranges[i].body)
			expect_body(fd, head, ranges[i].body);
		else
			read(fd, body, content_length(head));
	}
	put(fd, "HEAD /index.html" END "Range: bytes=1-2\r\n\r\n");
	ck_assert_int_eq(get_head(fd, head, sizeof(head)), 200);
	ck_assert_uint_eq(content_length(head), 6);
	ck_assert_str_eq(field(head, "\r\nAccept-Ranges", value), "bytes");
	put(fd, "GET /empty.txt" END "Range: bytes=0-\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 416);
	close(fd);
	stop(SIGINT);
}
END_TEST

/* Of a file that takes more than one call to send. */
START_TEST(big_range)
{
	char *expected = big_content(), *got = malloc(BIG_SIZE + 1);
	int fd;

	ck_assert_ptr_nonnull(got);
	start(_i, NULL);
	fd = dial();
	put(fd, "GET /big.bin" END "Range: bytes=1000003-\r\n\r\n");
	ck_assert_int_eq(get_reply(fd, got, BIG_SIZE + 1), 206);
	ck_assert_int_eq(memcmp(got, expected + 1000003, BIG_SIZE - 1000003),
			 0);
	close(fd);
	free(expected);
	free(got);
	stop(SIGINT);
}
END_TEST

/* Peers that vanish in the middle of everything, politely or not. */
START_TEST(vanish)
{
	static const char *const parts[] = {
		"",
		"G",
		"GET /hello HTTP/1.1\r\nHost: ",
		"POST /discard HTTP/1.1\r\nHost: x\r\nContent-Length: "
		"9\r\n\r\n",
		("POST /discard HTTP/1.1\r\nHost: x\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n5\r\nab"),
		"GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
	};
	struct linger reset = { 1, 0 };
	int other, fd;
	size_t i;

	start(_i, NULL);
	other = dial();
	for (i = 0; i < 2 * sizeof(parts) / sizeof(parts[0]); i++) {
		fd = dial();
		put(fd, parts[i / 2]);
		ck_assert_int_eq(ask(other, "/hello"), 200);
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
				   sizeof(reset));
		close(fd);
	}
	wait_until_alone(other);
	close(other);
	stop(SIGINT);
}
END_TEST

/* By Ctrl-Z, or by a debugger: what waits for input goes on. */
START_TEST(stop_and_continue)
{
	int fd[8], i, status;

	start(_i, NULL);
	for (i = 0; i < 8; i++) {
		fd[i] = dial();
		ck_assert_int_eq(ask(fd[i], "/hello"), 200);
	}
	kill(server_pid, SIGSTOP);
	ck_assert_int_eq(waitpid(server_pid, &status, WUNTRACED), server_pid);
	kill(server_pid, SIGCONT);
	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(ask(fd[i], "/hello"), 200);
		close(fd[i]);
	}
	stop(SIGINT);
}
END_TEST

/* Years that HTTP, and even a struct tm, can't write. */
START_TEST(odd_times)
{
	static const long long times[] = { 253402300800, 67768036191676800 };
	const char *more[] = { "--root", shm, NULL };
	struct timespec ts[2] = { { 0 } };
	char path[64], head[1024];
	struct stat st;
	size_t i;
	int fd;

	if (sizeof(time_t) < 8 || !shm[0])
		return;
	snprintf(path, sizeof(path), "%s/file", shm);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	start(_i, more);
	fd = dial();
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		ts[1].tv_sec = (time_t)times[i];
		ck_assert_int_eq(utimensat(AT_FDCWD, path, ts, 0), 0);
		ck_assert_int_eq(stat(path, &st), 0);
		if (st.st_mtime != ts[1].tv_sec)
			continue; /* more than its file system can keep */
		put(fd, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n");
		ck_assert_int_eq(get_head(fd, head, sizeof(head)), 200);
		ck_assert_ptr_null(strstr(head, "Last-Modified"));
	}
	close(fd);
	stop(SIGINT);
}
END_TEST

/* False: the connection had been idle for too long before it was asked for anything,
   as this process has to wait for a processor, too.  Else it was after the answer. */
static bool ask_before_the_end(int fd)
{
	static const char request[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
	char reply[1024];

	send(fd, request, strlen(request), MSG_NOSIGNAL);
	get_rest(fd, reply, sizeof(reply));
	close(fd);
	if (!reply[0])
		return false;
	ck_assert_int_eq(strncmp(reply, "HTTP/1.1 200 OK\r\n", 17), 0);
	return true;
}

START_TEST(idle_timeout)
{
	static const char *const more[] = { "--idle-timeout=0.1", NULL };
	int fd;

	start(_i, more);
	fd = dial();
	expect_end(fd);
	do
		fd = dial();
	while (!ask_before_the_end(fd));
	stop(SIGINT);
}
END_TEST

START_TEST(read_timeout)
{
	static const char *const more[] = { "--read-timeout=0.1", NULL };
	static const char *const parts[] = {
		"G",
		"GET /hello HTTP/1.1\r\n",
		("POST /discard HTTP/1.1\r\nHost: x\r\n"
		 "Content-Length: 2\r\n\r\n1"),
	};
	char body[256];
	size_t i;
	int fd;

	start(_i, more);
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		fd = dial();
		put(fd, parts[i]);
		ck_assert_int_eq(get_reply(fd, body, sizeof(body)), 408);
		expect_end(fd);
	}
	stop(SIGINT);
}
END_TEST

/* Until the only other request is being worked on, or has been. */
static void wait_for_request(int other)
{
	unsigned long asked = 0;

	while (counter(other, "requests") != ++asked + 1)
		sched_yield();
}

/* A peer that asks for a lot and takes nothing. */
START_TEST(write_timeout)
{
	static const char *const more[] = { "--write-timeout=0.1", NULL };
	int fd, other;

	start(_i, more);
	other = dial();
	fd = dial_with(4096);
	put(fd, "GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for_request(other);
	wait_until_alone(other);
	close(fd);
	close(other);
	stop(SIGINT);
}
END_TEST

/* One that lasts until its body has come. */
START_TEST(shutdown_finishes_requests)
{
	static const char *const more[] = { "--grace=100", NULL };
	static const int signals[] = { SIGINT, SIGTERM };
	char head[1024], body[256];
	int fd, idle, i;

	for (i = 0; i < 2; i++) {
		start(_i, more);
		idle = dial();
		ck_assert_int_eq(ask(idle, "/hello"), 200);
		fd = dial();
		put(fd, "POST /discard" END "Content-Length: 4\r\n"
			"Expect: 100-continue\r\n\r\n");
		ck_assert_int_eq(get_head(fd, head, sizeof(head)), 100);
		ck_assert_int_eq(kill(server_pid, signals[i]), 0);
		expect_end(idle);
		put(fd, "body");
		ck_assert_int_eq(get_head(fd, head, sizeof(head)), 200);
		ck_assert_ptr_nonnull(strstr(head, "Connection: close\r\n"));
		read(fd, body, content_length(head));
		expect_end(fd);
		stop(0);
	}
}
END_TEST

/* Requests that take longer than the grace time are cut off. */
START_TEST(shutdown_ends_requests)
{
	static const char *const more[] = { "--grace=0.1", NULL };
	int fd, other, stalled;

	start(_i, more);
	other = dial();
	fd = dial();
	put(fd, "GET /sleep?ms=10000 HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_for_request(other);
	stalled = dial_with(4096);
	put(stalled, "GET /huge.bin HTTP/1.1\r\nHost: x\r\n\r\n");
	while (counter(other, "connections") != 3)
		sched_yield();
	ck_assert_int_eq(kill(server_pid, SIGINT), 0);
	expect_end(other);
	expect_end(fd);
	stop(0);
	close(stalled);
}
END_TEST

START_TEST(connection_limit)
{
	static const char *const more[] = { "--max-connections=2", NULL };
	int a, b, c;
	char body[256];

	start(_i, more);
	a = dial();
	b = dial();
	ck_assert_int_eq(ask(a, "/hello"), 200);
	ck_assert_int_eq(ask(b, "/hello"), 200);
	c = dial();
	ck_assert_int_eq(get_reply(c, body, sizeof(body)), 503);
	expect_end(c);
	close(b);
	wait_until_alone(a);
	b = dial();
	ck_assert_int_eq(ask(b, "/hello"), 200);
	close(a);
	close(b);
	trouble = "Z refused: the limit of 2 connections is reached\n";
	stop(SIGINT);
	ck_assert_int_gt(troubles, 0);
}
END_TEST

/* Without descriptors left, connections wait and are served later. */
START_TEST(fd_limit_reached)
{
	char line[256];
	int fd[60], i;

	fd_limit = 32;
	trouble = "Z accept: Too many open files\n";
	start(_i, NULL);
	for (i = 0; i < 60; i++)
		fd[i] = dial();
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), server_err));
	ck_assert_ptr_nonnull(strstr(line, trouble));
	/* Any of them may be the ones that were accepted, on two threads. */
	for (i = 0; i < 60; i++)
		put(fd[i], "GET /hello HTTP/1.1\r\nHost: x\r\n"
			   "Connection: close\r\n\r\n");
	for (i = 0; i < 60; i++) {
		char body[256];

		ck_assert_int_eq(get_reply(fd[i], body, sizeof(body)), 200);
		close(fd[i]);
	}
	stop(SIGINT);
}
END_TEST

/* All connections at once, each in another state. */
START_TEST(many)
{
	char body[256];
	int fd[200], i, round;

	start(_i, NULL);
	for (i = 0; i < 200; i++)
		fd[i] = dial();
	for (round = 0; round < 5; round++) {
		for (i = 0; i < 200; i++)
			put(fd[i], i % 3 ? "GET /hello HTTP/1.1\r\nHo"
					 : "GET /sleep?ms=5 HTTP/1.1\r\nHo");
		for (i = 199; i >= 0; i--)
			put(fd[i], "st: x\r\n\r\n");
		for (i = 0; i < 200; i++)
			ck_assert_int_eq(get_reply(fd[i], body, sizeof(body)),
					 200);
	}
	ck_assert_uint_eq(counter(fd[0], "connections_peak"), 200);
	for (i = 1; i < 200; i++)
		close(fd[i]);
	wait_until_alone(fd[0]);
	close(fd[0]);
	stop(SIGINT);
}
END_TEST

static void check_access_log(FILE *log, const char *const *expected)
{
	static const char start_of_line[] =
		"^127\\.0\\.0\\.1 - - \\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:"
		"[0-9]{2}:[0-9]{2}:[0-9]{2} \\+0000\\] ";
	char line[8192], pattern[4096];
	regex_t regex;

	for (; *expected; expected++) {
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), log));
		snprintf(pattern, sizeof(pattern), "%s%s\n$", start_of_line,
			 *expected);
		ck_assert_int_eq(
			regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
		ck_assert_msg(!regexec(&regex, line, 0, NULL, 0), "%s: %s",
			      *expected, line);
		regfree(&regex);
	}
	ck_assert_ptr_null(fgets(line, sizeof(line), log));
}

START_TEST(access_log)
{
	static const char *const expected[] = {
		"\"GET /hello\\?a HTTP/1\\.1\" 200 [0-9]{2}",
		"\"HEAD /index\\.html HTTP/1\\.1\" 200 0",
		"\"GET /%69ndex.html HTTP/1\\.1\" 200 6",
		"\"GET /big\\.bin HTTP/1\\.1\" 200 3145735",
		"\"POST /discard HTTP/1\\.1\" 200 8",
		"\"GET /a\\\\x22b\\\\x5c HTTP/1\\.1\" 404 14",
		"\"DELETE / HTTP/1\\.0\" 405 23",
		"\"-\" 400 16",
		NULL,
	};
	static const char requests[] =
		"GET /hello?a" END "\r\nHEAD /index.html" END "\r\n"
		"GET /%69ndex.html" END "\r\nGET /big.bin" END "\r\n"
		"POST /discard" END "Content-Length: 2\r\n\r\nxy"
		"GET /a\"b\\" END "\r\nDELETE / HTTP/1.0\r\n\r\n";
	char name[300], option[400], *rest = malloc(BIG_SIZE + 4096);
	const char *more[] = { option, NULL };
	FILE *log;
	int fd;

	snprintf(name, sizeof(name), "%s/../access.log", root);
	snprintf(option, sizeof(option), "--access-log=%s", name);
	unlink(name);
	start(_i, more);
	fd = dial();
	put(fd, requests);
	get_rest(fd, rest, BIG_SIZE + 4096);
	close(fd);
	fd = dial();
	put(fd, "\026\003\001\r\n");
	get_rest(fd, rest, BIG_SIZE);
	close(fd);
	stop(SIGINT);
	log = fopen(name, "r");
	ck_assert_ptr_nonnull(log);
	check_access_log(log, expected);
	fclose(log);
	unlink(name);
	free(rest);
}
END_TEST

/* Start the server with its access log in the pipe that is returned. */
static FILE *start_with_log(int i)
{
	const char *argv[] = { program(configs[i][0]), "--port=0",
			       "--access-log=-",       configs[i][1],
			       configs[i][2],	       NULL };
	char line[128];
	FILE *out;

	server_pid = run(argv, &out, &server_err);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
	ck_assert_int_eq(
		sscanf(line, "listening on http://127.0.0.1:%u\n", &port), 1);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
	return out;
}

START_TEST(access_log_in_a_pipe)
{
	static const char *const expected[] = {
		"\"GET /hello HTTP/1\\.1\" 200 [0-9]{2}", NULL
	};
	FILE *out = start_with_log(_i);
	int fd = dial();

	ck_assert_int_eq(ask(fd, "/hello"), 200);
	close(fd);
	stop(SIGINT);
	check_access_log(out, expected);
	fclose(out);
}
END_TEST

/* More than the pipe and the buffers hold, in few lines, and no one reads them: all
   requests are answered, and the server ends when it is told to. */
START_TEST(access_log_stalls)
{
	FILE *out = start_with_log(_i);
	int fd = dial(), i;
	char target[1000] = "/hello?";

	memset(target + strlen(target), 'a',
	       sizeof(target) - 1 - strlen(target));
	for (i = 0; i < 400; i++)
		ck_assert_int_eq(ask(fd, target), 200);
	close(fd);
	trouble = "Z the end of the access log could not be written\n";
	stop(SIGINT);
	ck_assert_int_gt(troubles, 0);
	fclose(out);
}
END_TEST

START_TEST(error_log)
{
	char name[300], option[400], line[256];
	const char *more[] = { option, "--max-connections=1", NULL };
	FILE *log;
	int a, b;

	snprintf(name, sizeof(name), "%s/../error.log", root);
	snprintf(option, sizeof(option), "--error-log=%s", name);
	unlink(name);
	start(_i, more);
	a = dial();
	ck_assert_int_eq(ask(a, "/hello"), 200);
	b = dial();
	ck_assert_int_eq(get_reply(b, line, sizeof(line)), 503);
	close(a);
	close(b);
	stop(SIGINT);
	log = fopen(name, "r");
	ck_assert_ptr_nonnull(log);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), log));
	ck_assert_str_eq(strchr(line, ' '),
			 " refused: the limit of 1 connections is reached\n");
	ck_assert_ptr_null(fgets(line, sizeof(line), log));
	fclose(log);
	unlink(name);
}
END_TEST

START_TEST(log_that_cannot_be_written)
{
	const char *argv[] = { program(configs[_i][0]), NULL, NULL };
	char out[256], err[256];

	argv[1] = "--access-log=/nonexistent/log";
	expect_output(argv, 1, out, err, sizeof(err));
	ck_assert_ptr_nonnull(
		strstr(err, ": /nonexistent/log: No such file or directory\n"));
	argv[1] = "--error-log=/nonexistent/log";
	expect_output(argv, 1, out, err, sizeof(err));
	ck_assert_ptr_nonnull(
		strstr(err, ": /nonexistent/log: No such file or directory\n"));
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("httpd");
	TCase *tc = tcase_create("all");

	suite_add_tcase(suite, tc);
	tcase_set_timeout(tc, 300);
	tcase_add_unchecked_fixture(tc, make_root, remove_root);
	tcase_add_checked_fixture(tc, NULL, kill_server);
	tcase_add_loop_test(tc, options, 0, rows());
	tcase_add_loop_test(tc, says_it_is_an_example, 0, rows());
	tcase_add_loop_test(tc, address_in_use, 0, rows());
	tcase_add_loop_test(tc, host_names, 0, rows());
	tcase_add_loop_test(tc, split, 0, rows());
	tcase_add_loop_test(tc, pipeline, 0, rows());
	tcase_add_loop_test(tc, refusals, 0, rows());
	tcase_add_loop_test(tc, targets, 0, rows());
	tcase_add_loop_test(tc, counts_of_libaco, 0, rows());
	tcase_add_loop_test(tc, methods, 0, rows());
	tcase_add_loop_test(tc, keep_alive, 0, rows());
	tcase_add_loop_test(tc, big_file, 0, rows());
	tcase_add_loop_test(tc, if_modified_since, 0, rows());
	tcase_add_loop_test(tc, byte_ranges, 0, rows());
	tcase_add_loop_test(tc, big_range, 0, rows());
	tcase_add_loop_test(tc, vanish, 0, rows());
	tcase_add_loop_test(tc, stop_and_continue, 0, rows());
	tcase_add_loop_test(tc, odd_times, 0, rows());
	tcase_add_loop_test(tc, idle_timeout, 0, rows());
	tcase_add_loop_test(tc, read_timeout, 0, rows());
	tcase_add_loop_test(tc, write_timeout, 0, rows());
	tcase_add_loop_test(tc, shutdown_finishes_requests, 0, rows());
	tcase_add_loop_test(tc, shutdown_ends_requests, 0, rows());
	tcase_add_loop_test(tc, connection_limit, 0, rows());
	tcase_add_loop_test(tc, fd_limit_reached, 0, rows());
	tcase_add_loop_test(tc, many, 0, rows());
	tcase_add_loop_test(tc, access_log, 0, rows());
	tcase_add_loop_test(tc, access_log_in_a_pipe, 0, rows());
	tcase_add_loop_test(tc, access_log_stalls, 0, rows());
	tcase_add_loop_test(tc, error_log, 0, rows());
	tcase_add_loop_test(tc, log_that_cannot_be_written, 0, rows());
	return suite;
}

int main(void)
{
	SRunner *runner;
	int failed;

	if (access(program("httpd"), X_OK) ||
	    access(program("httpd-threads"), X_OK)) {
		puts("the example servers were not built");
		return 77;
	}
	runner = srunner_create(make_suite());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
