/* SPDX-License-Identifier: MIT */
/* serve.c - mqd as a daemon: in the foreground, until INT or TERM; what it has to say on stderr. */
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mqd.h"
#include "server.h"

/* ---- systemd ---- */

/* sd_notify(3): one datagram to the socket that the environment names. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n == 0 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@') /* an abstract name */
		to.sun_path[0] = 0;
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	close(fd);
}

/* ---- signals ---- */

static atomic_u32 *work; /* the bell that mqd sleeps on, while it serves */
static void (*handle_stop)(int);

/* Between its last look and its sleep a signal would go unnoticed: the bell does not. */
static void on_stop(int sig)
{
	atomic_u32 *bell = work;

	handle_stop(sig);
	if (bell)
		bell_ring_always(bell);
}

static void follow(int sig)
{
	struct sigaction act;

	sigaction(sig, NULL, &act);
	if (act.sa_handler == SIG_IGN)
		return;
	handle_stop = act.sa_handler;
	act.sa_handler = on_stop;
	sigaction(sig, &act, NULL);
}

/* ---- what it says ---- */

static void say(void *context, enum say_level level, const char *sentence)
{
	const struct mqd_args *args = context;

	if (level == SAY_WARNING || level == SAY_NOTE || GIVEN(args, VERBOSE))
		warn_line("%s", sentence);
}

static void ready(void *context, const char *sentence)
{
	(void)context;
	warn_line("%s", sentence);
	notify("READY=1\nSTATUS=serving");
}

static int status_of_end(int rc)
{
	switch (rc) {
	case SHMQ_ELIMIT: /* another mqd */
		return EXIT_AGAIN;
	case SHMQ_ESTALE:
		return EXIT_CONFIG;
	case SHMQ_ESYSTEM:
		return EX_IOERR;
	default:
		return status_of(rc);
	}
}

int serve(const struct mqd_args *args)
{
	static struct server server;
	struct server_options o = {
	    .dir = args->dir,
	    .store = args->store,
	    .io = args->io,
	    .segment_bytes = args->segment_bytes,
	    .limit = args->store_limit,
	    .stop = &stop_signal,
	    .say = say,
	    .ready = ready,
	    .context = (void *)(uintptr_t)args,
	    .work = &work,
	};
	int rc;

	follow(SIGINT);
	follow(SIGTERM);
	rc = server_run(&server, &o);
	notify("STOPPING=1");
	if (rc == SHMQ_GONE)
		return EX_UNAVAILABLE;
	if (rc < 0) {
		warn_line("%s", server.error.text);
		return status_of_end(rc);
	}
	if (server.unfinished) {
		warn_line("stopped; not everything that was published is in the store: what is still in memory is"
			  " written by the next mqd, unless memory is lost before");
		return EXIT_AGAIN;
	}
	note("stopped; everything that was published is in the store");
	return 0;
}
