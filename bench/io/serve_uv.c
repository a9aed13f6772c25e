/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_uv.c - callbacks of libuv
 */
#include "hello.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct connection {
	uv_tcp_t tcp;
	uv_timer_t *timer; /* of a request, or NULL */
	unsigned matched;
	/* of an echo */
	uv_write_t write;
	char *buf;
};

static uv_loop_t *loop;
static int is_echo, has_timers;

static void check(int result, const char *what)
{
	if (result >= 0)
		return;
	errno = -result;
	hello_fail(what);
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	free(c->buf);
	free(c);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

static void end(struct connection *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
	if (c->timer)
		uv_close((uv_handle_t *)c->timer, on_timer_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	end(timer->data);
}

/* Anew for each request. */
static void start_timer(struct connection *c)
{
	if (c->timer)
		check(uv_timer_start(c->timer, on_timeout, HELLO_TIMEOUT_MS, 0),
		      "uv_timer_start");
}

static void make_timer(struct connection *c)
{
	c->timer = malloc(sizeof(*c->timer));
	if (!c->timer)
		hello_fail("malloc");
	check(uv_timer_init(loop, c->timer), "uv_timer_init");
	c->timer->data = c;
	start_timer(c);
}

static void give_buffer(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	(void)hint;
	*buf = is_echo ? uv_buf_init(c->buf, HELLO_ECHO)
		       : uv_buf_init(hello_buffer, sizeof(hello_buffer));
}

/* uv_try_write() is the fastest way. */
static void on_request(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	uv_buf_t answer = uv_buf_init((char *)(uintptr_t)hello_answer,
				      (unsigned)hello_answer_size);

	(void)buf;
	if (n < 0)
		end(c);
	if (n <= 0)
		return;
	start_timer(c);
	for (unsigned heads = hello_heads(&c->matched, hello_buffer, (size_t)n);
	     heads; heads--)
		if (uv_try_write(stream, &answer, 1) !=
		    (int)hello_answer_size) {
			end(c);
			return;
		}
}

static void on_data(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *write, int status)
{
	if (status < 0)
		end(write->data);
	else
		uv_read_start(write->handle, give_buffer, on_data);
}

/* Nothing is read before all is written, as there is one buffer. */
static void on_data(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	uv_buf_t rest;
	int sent;

	if (n < 0)
		end(c);
	if (n <= 0)
		return;
	rest = uv_buf_init(buf->base, (unsigned)n);
	sent = uv_try_write(stream, &rest, 1);
	if (sent == n)
		return;
	if (sent > 0)
		rest = uv_buf_init(buf->base + sent, (unsigned)(n - sent));
	uv_read_stop(stream);
	c->write.data = c;
	if (uv_write(&c->write, stream, &rest, 1, on_written))
		end(c);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct connection *c = calloc(1, sizeof(*c));

	check(status, "uv_listen");
	if (!c)
		hello_fail("calloc");
	check(uv_tcp_init(loop, &c->tcp), "uv_tcp_init");
	c->tcp.data = c;
	if (is_echo && !(c->buf = malloc(HELLO_ECHO)))
		hello_fail("malloc");
	if (has_timers)
		make_timer(c);
	check(uv_accept(listener, (uv_stream_t *)&c->tcp), "uv_accept");
	check(uv_read_start((uv_stream_t *)&c->tcp, give_buffer,
			    is_echo ? on_data : on_request),
	      "uv_read_start");
}

int main(int argc, char **argv)
{
	struct hello_args args = hello_parse(argc, argv);
	uv_tcp_t listener;

	is_echo = !strcmp(args.what, "echo");
	has_timers = args.has_timers;
	if (!is_echo && strcmp(args.what, "hello") != 0)
		hello_usage();
	signal(SIGPIPE, SIG_IGN);
	loop = uv_default_loop();
	check(uv_tcp_init(loop, &listener), "uv_tcp_init");
	check(uv_tcp_open(&listener, HELLO_LISTENER), "uv_tcp_open");
	check(uv_listen((uv_stream_t *)&listener, HELLO_BACKLOG, on_connection),
	      "uv_listen");
	return uv_run(loop, UV_RUN_DEFAULT);
}
