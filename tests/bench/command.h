/* SPDX-License-Identifier: MIT */
/* command.h - runs programs, alone or joined by pipes. */
#ifndef COMMAND_H
#define COMMAND_H

#include <sys/types.h>

#include "bench.h"

#define COMMAND_WORDS 16
#define COMMANDS_MAX  16

/* Words: "@topic" "@lines" "@file" "@socket" stand for what their names say, "@disk" for a directory on a disk. */
struct command {
	const char *words[COMMAND_WORDS];
	const char *in;  /* a file, "@file", or NULL: /dev/null */
	const char *out; /* a file, COMMAND_CAPTURE, or NULL: /dev/null */
	bool pipe;       /* out is the next command's in */
};

#define COMMAND_CAPTURE "@capture" /* its output is a number that commands_wait() is to return */

#define BENCH_TOPIC "bench.lines"

/* Started commands; COMMANDS_NONE to begin with. */
struct commands {
	pid_t pids[COMMANDS_MAX];
	const char *names[COMMANDS_MAX];
	unsigned n;
	int capture; /* a descriptor, or -1 */
	int pipe;    /* reading end that waits for the next command, or -1 */
	bool failed; /* one could not be started: commands_wait() ends the others */
};

#define COMMANDS_NONE ((struct commands){.capture = -1, .pipe = -1})

/* The path of a program: a tool under test or one in PATH. NULL: not there. Valid until the next
 * call. */
const char *program_path(const struct bench *b, const char *name);

/* Starts one more. -1: said why, and commands_wait() will end the others. */
int command_start(const struct bench *b, struct commands *running, const struct command *c);

/* Waits for all; when one does not exit with 0 the others are killed and -1 returned. *captured
 * (may be NULL) is the number that the capturing command printed. */
int commands_wait(struct commands *running, uint64_t *captured);

/* The bare start of a program, for who measures it; fds become its input and output. */
int command_spawn(const char *path, const char **words, const int fds[2], pid_t *pid);

/* The words of a command with their meaning put in; NULL-terminated. */
void command_words(const struct bench *b, const struct command *c,
		   const char *words[COMMAND_WORDS + 1]);

#endif
