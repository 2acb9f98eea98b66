/* SPDX-License-Identifier: MIT */
/* child.h - one process that is started for messages: its pipes, its end, and being ended. */
#ifndef MQSUB_CHILD_H
#define MQSUB_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"
#include "shmq.h"

/* How every one of them is started. */
struct child_plan {
	const char *name; /* as it was typed */
	char *path;       /* where it was found */
	char **argv;
	bool catch_output; /* its standard output comes to us; else it is ours */
	bool feed;         /* its standard input is a pipe from us; else a file for each start */
};

struct child { /* pid 0: there is none */
	pid_t pid;
	int in, out, err;  /* our ends of its pipes; -1: none, or closed */
	bool watched;      /* bytes in them end events_wait() */
	bool ended;        /* it was waited for: */
	int status;        /* as waitpid(2) says it */
	struct bytes said; /* its standard error, the last 4 KiB or a bit more */
	int64_t kill_ns;   /* CLOCK_MONOTONIC: when TERM has not helped; INT64_MAX: none was sent */
};

/* Looks for the program as a shell would. 0, or 127 (it is not there) or 126 (it is no program), as
 * xargs and shells say it. */
int child_find(struct child_plan *plan, char **command);

/* Starts it with that environment, in a process group of its own. in: its standard input, unless
 * the plan is to feed it; -1: empty. It is closed. 0 or errno. */
int child_start(struct child *c, const struct child_plan *plan, char **environment, int in);

/* A file that the bytes can be read from, or -1 and errno. It waits for nobody. */
int child_input(const void *data, size_t len);

/* Reads what is there. *to gets the standard output. False: the end is reached, and it is closed.
 */
bool child_read_output(struct child *c, struct bytes *to);

/* Passes on what it said on standard error, and keeps the end of it. */
void child_read_error(struct child *c);

/* TERM to it and all that it started, and KILL when kill_ns is over. */
void child_end(struct child *c);
void child_kill(struct child *c);

/* Closes what is open; there is none then. What it said and how it ended is kept. */
void child_close(struct child *c);

/* What becomes known with a message: status as in struct shmq_failure, and its last words. */
int child_failure_status(const struct child *c);

/* "exit status 3", "killed by signal 9 (Killed)" */
void child_end_text(struct bytes *to, const struct child *c);

#endif
