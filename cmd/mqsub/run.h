/* SPDX-License-Identifier: MIT */
/* run.h - reads topics and prints them. */
#ifndef MQSUB_RUN_H
#define MQSUB_RUN_H

#include "args.h"
#include "out.h"
#include "topics.h"

struct ending {
	int status; /* of the process */
	int signal; /* not 0: it dies of this one instead */
	uint64_t printed;
};

/* Prints what the topics have until something ends it; all that was printed is then written.
 * since_ns (CLOCK_MONOTONIC): when the wait for the first message began. */
struct ending run(struct topics *t, struct args *args, struct out *out, int64_t since_ns);

#endif
