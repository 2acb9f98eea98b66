/* SPDX-License-Identifier: MIT */
/* restart.h - how long mqd takes to start when all memory is gone. */
#ifndef RESTART_H
#define RESTART_H

#include "bench.h"

/* One run: *seconds from the start of mqd until it says that it serves; *part is an unsigned: the store has
 * behind_bytes / part of messages. */
int restart_run(struct bench *b, const void *part, double *seconds);

extern const unsigned restart_all, restart_tenth;

#endif
