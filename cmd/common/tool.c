/* SPDX-License-Identifier: MIT */
/* tool.c - lines on stderr, exit status, signals and the broker, the same for every tool. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "escape.h"

const char *tool_name = "shmq";
bool tool_quiet;
void (*tool_before_line)(void);
void (*tool_on_wait)(void);
volatile sig_atomic_t stop_signal;

static struct bytes bus_line; /* made beforehand: the handler may only write() */

/* ---- lines ---- */

/* Names and records that a line quotes may hold any byte: it stays one line all the same, and
 * commands no terminal. */
static void compose(struct bytes *to, const char *fmt, va_list ap)
{
	static bool inside;
	struct bytes plain = {0};

	if (inside) /* no memory for a line, and none for the line that says so */
		_exit(EX_OSERR);
	inside = true;
	bytes_printf(&plain, "%s: ", tool_name);
	bytes_vprintf(&plain, fmt, ap);
	escape_for_terminal(to, plain.data, plain.len);
	bytes_byte(to, '\n');
	bytes_free(&plain);
	inside = false;
}

/* One write per line: lines of several processes on one stderr must not mix. */
static void line(const char *fmt, va_list ap)
{
	struct bytes text = {0};

	compose(&text, fmt, ap);
	if (tool_before_line)
		tool_before_line();
	fwrite(text.data, 1, text.len, stderr);
	bytes_free(&text);
}

void warn_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void note(const char *fmt, ...)
{
	va_list ap;

	if (tool_quiet)
		return;
	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(fmt, ap);
	va_end(ap);
	exit(status);
}

/* ---- exit status ---- */

int status_of(int shmq_code)
{
	switch (shmq_code) {
	case SHMQ_OK:
	case SHMQ_END:
		return EX_OK;
	case SHMQ_EMPTY:
		return EXIT_NOTHING;
	case SHMQ_EINVAL:
		return EX_USAGE;
	case SHMQ_EDATA:
	case SHMQ_ECORRUPT:
		return EX_DATAERR;
	case SHMQ_GONE:
	case SHMQ_ENOENT:
	case SHMQ_EDAEMON:
		return EX_UNAVAILABLE;
	case SHMQ_EFORKED:
		return EX_SOFTWARE;
	case SHMQ_ESYSTEM:
	case SHMQ_ENOMEM:
		return EX_OSERR;
	case SHMQ_EEXIST:
	case SHMQ_ENOSPACE:
		return EX_CANTCREAT;
	case SHMQ_FULL:
	case SHMQ_OVERRUN:
	case SHMQ_TIMEOUT:
	case SHMQ_INTERRUPTED:
	case SHMQ_LATE:
	case SHMQ_ELIMIT:
		return EXIT_AGAIN;
	case SHMQ_EFORMAT:
		return EXIT_FORMAT;
	case SHMQ_EACCESS:
		return EX_NOPERM;
	case SHMQ_ESTALE:
	case SHMQ_ECONFIG:
		return EXIT_CONFIG;
	default:
		return EX_SOFTWARE;
	}
}

static const char *result_words(int code)
{
	switch (code) {
	case SHMQ_FULL:
		return "no room";
	case SHMQ_OVERRUN:
		return "messages were missed";
	case SHMQ_GONE:
		return "the topic was deleted or its runtime directory removed";
	case SHMQ_TIMEOUT:
		return "the wait is over";
	case SHMQ_INTERRUPTED:
		return "interrupted by a signal";
	case SHMQ_ENOMEM:
		return "out of memory";
	default:
		return "failed";
	}
}

void die_shmq(shmq *q, int code, const char *what)
{
	const char *why = q ? shmq_error(q) : "";

	/* results leave the sentence of an earlier error alone: it is not theirs */
	if (code >= 0 || !*why)
		why = result_words(code);
	die(status_of(code), "%s: %s", what, why);
}

/* ---- the broker ---- */

static void tell_waiting(void *context, const char *sentence)
{
	(void)context;
	if (tool_on_wait)
		tool_on_wait();
	note("%s", sentence);
}

/* The stand-in is opened the wrong way round, so that using it fails. */
void streams_fill(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(EX_OSERR);
}

__attribute__((format(printf, 1, 2))) static void keep_bus_line(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	bus_line.len = 0;
	compose(&bus_line, fmt, ap);
	va_end(ap);
}

int tool_try_open(const char *dir, unsigned flags, shmq **q)
{
	struct shmq_open_options options = {
	    .dir = dir, .flags = flags, .program = tool_name, .notice = tell_waiting};
	int rc;

	streams_fill();
	rc = shmq_open(q, &options);
	if (rc < 0)
		return rc;
	keep_bus_line("memory of the broker %s was cut short: a file there was truncated, or its"
		      " filesystem failed",
		      shmq_dir(*q));
	return rc;
}

shmq *tool_open(const char *dir, unsigned flags)
{
	shmq *q = NULL;
	int rc = tool_try_open(dir, flags, &q);

	if (rc == SHMQ_ENOENT && flags & SHMQ_CREATE) /* what is missing is above the directory */
		die(EX_CANTCREAT, "cannot open the broker: %s", shmq_error(q));
	if (rc < 0)
		die_shmq(q, rc, "cannot open the broker");
	return q;
}

/* ---- signals ---- */

static void on_stop(int sig)
{
	if (stop_signal) {
		signal(sig, SIG_DFL);
		raise(sig); /* blocked until this handler returns, then deadly */
		return;
	}
	stop_signal = sig;
}

static void on_bus(int sig)
{
	ssize_t n = write(STDERR_FILENO, bus_line.data, bus_line.len);

	(void)n;
	(void)sig;
	_exit(EX_IOERR);
}

static void catch_stop(int sig)
{
	struct sigaction act = {.sa_handler = on_stop}; /* no SA_RESTART: read() must return */
	struct sigaction was;

	/* a shell without job control starts background commands with INT ignored */
	if (sigaction(sig, NULL, &was) == 0 && was.sa_handler == SIG_IGN)
		return;
	sigemptyset(&act.sa_mask);
	sigaddset(&act.sa_mask, SIGINT);
	sigaddset(&act.sa_mask, SIGTERM);
	sigaction(sig, &act, NULL);
}

void signals_install(void)
{
	struct sigaction bus = {.sa_handler = on_bus};

	catch_stop(SIGINT);
	catch_stop(SIGTERM);
	if (bus_line.len == 0)
		keep_bus_line("a mapped file was truncated");
	sigemptyset(&bus.sa_mask);
	sigaction(SIGBUS, &bus, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* beyond ulimit -f: an error, not death */
}

void die_of_signal(int sig)
{
	sigset_t set;

	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + sig); /* where sig does not kill, as a shell would have said */
}

void stdout_finish(void)
{
	bool failed = ferror(stdout) != 0;

	if (fflush(stdout) == 0 && !failed)
		return;
	if (errno == EPIPE)
		die_of_signal(SIGPIPE);
	die(EX_IOERR, "standard output: %s", strerror(errno));
}
