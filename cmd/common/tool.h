/* SPDX-License-Identifier: MIT */
/*
 * tool.h - what every tool does the same way: its lines on stderr, its exit status, its
 * signals, and opening the broker.
 */
#ifndef TOOL_H
#define TOOL_H

#include <signal.h>
#include <stdbool.h>
#include <sysexits.h>

#include "shmq.h"

enum exit_status {                   /* beside those of <sysexits.h>, which keep their names */
		   EXIT_NOTHING = 1, /* ran fine, nothing found */
		   EXIT_FORMAT = EX_PROTOCOL, /* 76: another version of the memory format */
		   EXIT_CONFIG = EX_CONFIG,   /* 78 */
		   EXIT_AGAIN = EX_TEMPFAIL,  /* 75: full, timed out, overrun */
};

extern const char *tool_name; /* set first thing in main() */
extern bool tool_quiet;       /* -q: note() prints nothing */

extern void (*tool_before_line)(void); /* NULL, or clears what stands in the terminal's line */
extern void (*tool_on_wait)(void); /* NULL, or called when a wait for room has lasted a second */

/* One line "tool: ..." on stderr, of any length, with control bytes escaped. fmt has no newline and
 * no full stop at its end. */
void warn_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The exit status for an enum shmq_result or shmq_error. */
int status_of(int shmq_code);

/* "tool: what: sentence" with the handle's last sentence, exit status_of(code). q may be NULL. */
_Noreturn void die_shmq(shmq *q, int code, const char *what);

/* Opens something in the place of each standard stream that is closed: the first file that is
 * opened would take it otherwise, and be written to. */
void streams_fill(void);

/* Opens the broker (dir NULL: the default one) with enum shmq_open_flags, or dies. Waits for
 * room longer than a second are told on stderr (unless -q). 73 when it is to be made and cannot. */
shmq *tool_open(const char *dir, unsigned flags);

/* The same, but returns shmq_open()'s result; *q must be closed either way. */
int tool_try_open(const char *dir, unsigned flags, shmq **q);

/* INT and TERM set stop_signal and interrupt system calls; the second one kills. PIPE is
 * ignored, so that write() says EPIPE. BUS (a mapped file was truncated) is one line and exit 74.
 */
void signals_install(void);
extern volatile sig_atomic_t stop_signal; /* the INT or TERM that came; 0: none */

/* Ends the process by sig, as if it had never been caught. */
_Noreturn void die_of_signal(int sig);

/* Flushes stdout; a failed write is an error (74), a reader that left is SIGPIPE. */
void stdout_finish(void);

#endif
