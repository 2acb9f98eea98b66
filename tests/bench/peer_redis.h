/* SPDX-License-Identifier: MIT */
/* peer_redis.h - a Redis server beside a measurement. */
#ifndef PEER_REDIS_H
#define PEER_REDIS_H

#include "command.h"

/* NULL, or why rows with Redis are skipped; with its client library, too. */
const char *redis_missing(const struct bench *b);
const char *redis_library_missing(const struct bench *b);

/* One run: *rate is entries a second through a stream that is on disk before each batch of 500 is answered, until
 * another process has read them all. */
int redis_durable_run(struct bench *b, const void *what, double *rate);

/* Starts a server on a socket in the work directory and waits until it answers; ends it. */
int redis_start(struct bench *b, struct commands *beside);
void redis_stop(struct commands *beside);

#endif
