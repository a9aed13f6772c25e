/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common.h - what the small programs on libaco-io have in common
 */
#ifndef COMMON_H
#define COMMON_H

#include <aco_io.h>

/* End the program with what, and the text of errno. */
void die(const char *what) __attribute__((noreturn));

/* ---- the command line; these end the program with usage ------------------- */

/*
 * The option -s, and from min to max arguments, which begin at argv[optind].
 * Returns the flags for tasks: ACO_IO_SHARED with -s, or 0.
 */
unsigned parse_options(int argc, char **argv, int min, int max,
		       const char *usage);
unsigned parse_number(const char *text, unsigned min, unsigned max,
		      const char *usage);
/* 0, for a free port, if text is NULL. */
unsigned parse_port(const char *text, const char *usage);

/* ---- connections; they are non-blocking ------------------------------------ */

/* A socket that listens on 127.0.0.1.  Says where on standard output. */
int listen_on(unsigned port);

/* A connection to the first address of host that can be reached, or -1 and a
   message.  One deadline for the name and for all attempts. */
int dial(const char *host, const char *port, int64_t deadline);

/* ---- servers; these end the program when they can't start ------------------ */

/*
 * Start the tasks of a server, which ends at SIGTERM or SIGINT: it listens on
 * port, and for each connection starts a task that calls serve(arg).  The
 * descriptor of the connection is descriptor(arg), and serve closes it.  The last
 * task calls ended() before it ends, if that is not NULL.
 */
void start_server(unsigned port, aco_io_func_t serve, unsigned flags,
		  void (*ended)(void));
int descriptor(const void *arg);
extern aco_io_group_t *connections; /* that these tasks are in */

/* All of it: a scheduler that runs such a server to its end. */
void run_server(unsigned port, aco_io_func_t serve, unsigned flags);

#endif /* COMMON_H */
