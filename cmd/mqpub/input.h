/* SPDX-License-Identifier: MIT */
/*
 * input.h - the FILEs, or standard input, one after the other as cat reads them. What cannot be
 * read is told, remembered in status, and left out. Nothing here blocks but input_wait().
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct input {
	char *const *names; /* "-": standard input */
	size_t count, next;
	struct input_start {
		const char *name; /* as it is called in messages */
		uint64_t byte;    /* where in all of the input it begins */
	} *starts;                /* of those that were opened */
	size_t started;
	bool copies; /* what is read is copied to standard output, which must not be read then */
	bool ahead;  /* the open one has not been asked for yet */
	const char *name; /* of the open one */
	int fd;           /* -1: none is open */
	off_t stdin_from; /* where in standard input reading began; -1: it has not */
	bool regular;
	bool widened;   /* it is a pipe, and was asked for more room */
	uint64_t bytes; /* read so far, of all of them */
	int status;     /* 0, or of the first that could not be read: EX_NOINPUT, EX_IOERR */
};

enum {
	INPUT_END = 0,     /* there is no more in this one */
	INPUT_AGAIN = -1,  /* there is nothing just now */
	INPUT_FAILED = -2, /* it cannot be read (any more), and the user knows */
};

/* count 0: standard input. */
void input_init(struct input *in, char *const *names, size_t count, bool copies);

/* No file at all. */
void input_none(struct input *in);

/* Opens the first one ahead of input_next(); false: there is none that can be opened. */
bool input_first(struct input *in);

/* The file that a byte of the input came from. */
const char *input_name_at(const struct input *in, uint64_t byte);

/* Opens the next one that can be opened; false: there are no more. */
bool input_next(struct input *in);

/* Would input_read() say something else than INPUT_AGAIN? */
bool input_ready(const struct input *in);

/* Waits until it would. False: a signal to stop came. */
bool input_wait(const struct input *in);

/* Bytes read, at least 1; or one of the above. */
ssize_t input_read(struct input *in, void *buffer, size_t room);

/* Gives back the last bytes that were read, where that is possible: what another program then
 * reads from the same open file is what was not used here. */
void input_unread(const struct input *in, size_t bytes);

/* Bytes of all of them together, 0 when that cannot be known. */
uint64_t input_total(const struct input *in);

#endif
