/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls-server.c - HTTP over TLS, with OpenSSL on non-blocking sockets
 *
 * OpenSSL reads and writes by itself and says what it wants to wait for: the task
 * waits for that and calls it again.  One deadline covers handshake, request,
 * answer and the end of a connection.
 */
#include "common.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>

#define CONNECTION_MS 10000
#define REQUEST_MAX 8192

static const char usage[] =
	"usage: tls-server [-s] CERTIFICATE KEY [PORT]\n"
	"  -s                all connections on one stack\n"
	"  CERTIFICATE, KEY  files, PEM\n"
	"  PORT              of 127.0.0.1; 0, the default: a free one\n";

static const char reply[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
			    "Content-Length: 6\r\n\r\nHello\n";

static SSL_CTX *tls;

/* In the heap, as what is OpenSSL's: it is too big for a shared stack. */
struct session {
	SSL *ssl;
	int fd;
	int64_t deadline;
	char request[REQUEST_MAX + 1];
};

/* After a call that returned result: wait, and say whether to call again. */
static int again(const struct session *s, int result)
{
	int error = SSL_get_error(s->ssl, result);
	int event = error == SSL_ERROR_WANT_READ    ? ACO_IO_READ
		    : error == SSL_ERROR_WANT_WRITE ? ACO_IO_WRITE
						    : 0;

	return event && aco_io_wait(s->fd, event, s->deadline) > 0;
}

/* The list of errors is the thread's, and other tasks leave theirs in it. */
static int call(const struct session *s, int (*function)(SSL *))
{
	int result;

	do {
		ERR_clear_error();
		result = function(s->ssl);
	} while (result <= 0 && again(s, result));
	return result;
}

static int read_request(struct session *s)
{
	int len = 0, n;

	while (!strstr(s->request, "\r\n\r\n")) {
		if (len == REQUEST_MAX)
			return -1; /* too long */
		do {
			ERR_clear_error();
			n = SSL_read(s->ssl, s->request + len,
				     REQUEST_MAX - len);
		} while (n <= 0 && again(s, n));
		if (n <= 0)
			return -1; /* too late, or gone */
		len += n;
	}
	return 0;
}

static int write_reply(SSL *ssl)
{
	return SSL_write(ssl, reply, sizeof(reply) - 1);
}

/*
 * To close a socket with unread input makes the kernel reset the connection, and
 * the peer may lose the reply: take what it still sends, a body say.
 */
static void say_goodbye(struct session *s)
{
	call(s, SSL_shutdown);
	shutdown(s->fd, SHUT_WR);
	while (aco_io_read(s->fd, s->request, REQUEST_MAX, s->deadline) > 0)
		;
}

static void serve(void *arg)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		perror("connection");
		aco_io_close(descriptor(arg));
		return;
	}
	s->fd = descriptor(arg);
	s->deadline = aco_io_after(CONNECTION_MS);
	s->ssl = SSL_new(tls);
	if (!s->ssl || !SSL_set_fd(s->ssl, s->fd))
		fputs("OpenSSL has no memory\n", stderr);
	else if (call(s, SSL_accept) > 0 && !read_request(s) &&
		 call(s, write_reply) > 0)
		say_goodbye(s);
	SSL_free(s->ssl);
	aco_io_close(s->fd);
	free(s);
}

int main(int argc, char **argv)
{
	unsigned flags = parse_options(argc, argv, 2, 3, usage);

	argv += optind;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL sends as it likes */
	tls = SSL_CTX_new(TLS_server_method());
	if (!tls || SSL_CTX_use_certificate_chain_file(tls, argv[0]) < 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, argv[1], SSL_FILETYPE_PEM) < 1) {
		ERR_print_errors_fp(stderr);
		return 1;
	}
	run_server(parse_port(argv[2], usage), serve, flags);
	SSL_CTX_free(tls);
	return 0;
}
