/* SPDX-License-Identifier: MIT */
/* settle.h - what becomes of a message when its process said or showed how it went. */
#ifndef MQSUB_SETTLE_H
#define MQSUB_SETTLE_H

#include "work.h"

/* Each of these settles the message of a busy job, which is then not busy, and says on standard
 * error what is worth it. */
void settle_ack(struct work *w, struct job *job);
void settle_release(struct work *w, struct job *job);
/* To be tried again after delay_ns (SHMQ_BACKOFF: as the group says), because of what the text
 * says. */
void settle_retry(struct work *w, struct job *job, int64_t delay_ns, const struct shmq_failure *why,
		  const char *text);
void settle_dead(struct work *w, struct job *job, const struct shmq_failure *why, const char *text);

/* By how the child ended, with its last words: dead (65, 100), or to be tried again. */
void settle_failed(struct work *w, struct job *job);
/* The same, but always to be tried again. */
void settle_ended(struct work *w, struct job *job);

#endif
