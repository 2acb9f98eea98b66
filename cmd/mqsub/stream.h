/* SPDX-License-Identifier: MIT */
/* stream.h - prints the messages of a group, and acks what was read. */
#ifndef MQSUB_STREAM_H
#define MQSUB_STREAM_H

#include "args.h"
#include "run.h"
#include "topics.h"

/* Prints what the group has not done until something ends it. Into a pipe: acks what its reader has
 * read, and gives the rest back. since_ns (CLOCK_MONOTONIC): when the wait for the first message
 * began. */
struct ending stream_run(struct topics *t, struct args *args, int64_t since_ns);

#endif
