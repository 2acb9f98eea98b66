/* SPDX-License-Identifier: MIT */
/* out.h - bytes on their way to standard output: held together, written in large pieces. */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "bytes.h"

struct out {
	int fd;
	struct bytes held; /* add to it, then call out_full() or out_flush() */
};

/* Asks for a pipe of 1 MiB, where fd is one. */
void out_init(struct out *o, int fd);
void out_free(struct out *o);

/* All of these: 0, or the errno of write(2). What was held is then lost, but for what the reader
 * got. They block while the reader does not read; signal handlers do not end them. */
int out_flush(struct out *o);
int out_full(struct out *o);                                /* flushes when much is held */
int out_write(struct out *o, const void *data, size_t len); /* what is held, then data */

/* Is it known that nobody will read what would be written? */
bool out_reader_gone(const struct out *o);

#endif
