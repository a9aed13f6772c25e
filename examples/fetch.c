/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.c - fetches a page COUNT times, TASKS at once, by libcurl's multi interface
 *
 * libcurl says what it waits for, and each task waits for that.  What libcurl
 * points at may lie on a shared stack: it looks there only when its task calls it.
 */
#include "common.h"

#include <curl/curl.h>

#define PAGE_MS 10000L
#define SOCKETS 16 /* of a transfer: names, attempts to connect */

static const char usage[] = "usage: fetch [-s] TASKS COUNT URL\n"
			    "  -s  all tasks on one stack\n";

static unsigned left, ok, failed;
static FILE *nowhere;

struct waits {
	struct pollfd fds[SOCKETS];
	nfds_t count;
	int64_t timer;
};

static int on_socket(CURL *e, curl_socket_t fd, int what, void *arg, void *p)
{
	struct waits *w = arg;
	nfds_t i = 0;

	(void)e, (void)p;
	while (i < w->count && w->fds[i].fd != fd)
		i++;
	if (i == SOCKETS)
		return -1;	   /* fails the transfer */
	w->count += i == w->count; /* a new one */
	w->fds[i].fd = fd;
	w->fds[i].events = (what & CURL_POLL_IN ? POLLIN : 0) |
			   (what & CURL_POLL_OUT ? POLLOUT : 0);
	if (what == CURL_POLL_REMOVE)
		w->fds[i] = w->fds[--w->count];
	return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
	(void)multi;
	((struct waits *)arg)->timer = aco_io_after(ms); /* -1: never */
	return 0;
}

/* Returns -1 when the page has not come. */
static int fetch(CURLM *multi, CURL *easy, struct waits *w)
{
	int running = !curl_multi_add_handle(multi, easy), n = 0;
	CURLMsg *message;
	struct waits now;

	while (running) {
		now = *w; /* the calls change *w */
		n = aco_io_poll(now.fds, now.count, now.timer);
		if (n < 0)
			break;
		if (!n) {
			w->timer = ACO_IO_NEVER;
			curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0,
						 &running);
		}
		for (nfds_t i = 0; i < now.count; i++)
			if (now.fds[i].revents)
				curl_multi_socket_action(multi, now.fds[i].fd,
							 0, &running);
	}
	message = curl_multi_info_read(multi, &n);
	curl_multi_remove_handle(multi, easy);
	return message && message->data.result == CURLE_OK ? 0 : -1;
}

static void run(void *url)
{
	struct waits w = { .timer = ACO_IO_NEVER };
	CURLM *multi = curl_multi_init();
	CURL *easy = curl_easy_init();

	if (!multi || !easy || curl_easy_setopt(easy, CURLOPT_URL, url))
		die("libcurl");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, &w);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, &w);
	curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, PAGE_MS);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, nowhere);
	for (; left > 0; fetch(multi, easy, &w) ? failed++ : ok++)
		left--;
	curl_easy_cleanup(easy);
	curl_multi_cleanup(multi);
}

int main(int argc, char **argv)
{
	unsigned flags = parse_options(argc, argv, 3, 3, usage);
	unsigned tasks = parse_number(argv[optind], 1, 100000, usage);
	aco_io_t *io = aco_io_new(NULL);

	left = parse_number(argv[optind + 1], 1, 100000000, usage);
	nowhere = fopen("/dev/null", "w");
	if (!io || !nowhere || curl_global_init(CURL_GLOBAL_DEFAULT))
		die("start");
	while (tasks-- > 0)
		if (!aco_io_go(NULL, run, argv[optind + 2], flags))
			die("task");
	if (aco_io_run(io) || aco_io_destroy(io))
		die("scheduler");
	printf("%u ok, %u failed\n", ok, failed);
	return failed || fflush(stdout);
}
