/* SPDX-License-Identifier: MIT */
/* groups.h - the consumers of a group, one for each topic: what comes next, and signs of life. */
#ifndef MQSUB_GROUPS_H
#define MQSUB_GROUPS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "args.h"
#include "topics.h"

struct groups {
	struct topics *topics;
	struct args *args;
	bool ended[TOPICS_MAX]; /* nothing of what was there at the start is left (-e) */
	size_t turn;            /* whose turn it is */
	unsigned taken;         /* by it, in this turn */
	uint64_t in_hand;       /* messages that are neither settled nor given back */
	uint64_t opened;        /* of topics->opened: those that the clock of leases knows */
	uint64_t given_out;     /* messages so far, for -c */
	int64_t idle_since_ns;  /* CLOCK_MONOTONIC: since when none came */
	bool damage, gone, late;
	int status; /* why no more come, when groups_next() says GROUPS_OVER */
};

struct given { /* a message that is in hand */
	size_t topic;
	struct shmq_delivery delivery;
};

enum groups_result {
	GROUPS_MESSAGE,
	GROUPS_NOTHING, /* now */
	GROUPS_OVER,    /* and never again: the end (-e, -c), or status says why */
};

void groups_init(struct groups *g, struct topics *t, struct args *args, int64_t since_ns);

enum groups_result groups_next(struct groups *g, struct given *next);

/* Of it, for what is printed with it. */
struct origin groups_origin(const struct groups *g, const struct given *m);

/* Takes what settling a message said: true, it is not in hand any more (it may have been late). */
bool groups_settled(struct groups *g, const struct given *m, int rc, const char *what);

/* A message that is done when it is given out (-A) is not spoken of any more. */
void groups_forget(struct groups *g, const struct given *m);

/* Opens what has appeared and matches a pattern, now and then; groups_next() does so, too. */
void groups_follow(struct groups *g);

/* Says that this consumer lives, when it is time to. */
void groups_renew(struct groups *g);

/* Waits until there may be a message, something comes from the files, a signal came, or ns are
 * over. False: no message came within the wait that was asked for (-W), or there is worse: status.
 */
bool groups_wait(struct groups *g, const struct pollfd *polls, size_t count, int64_t ns);

/* A message came, or none is waited for: the wait that was asked for begins anew. */
void groups_busy(struct groups *g);

/* "topic 't', partition 0, offset 17" */
void groups_name(struct bytes *to, const struct groups *g, const struct given *m);

#endif
