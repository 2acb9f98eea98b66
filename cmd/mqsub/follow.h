/* SPDX-License-Identifier: MIT */
/* follow.h - topics that a pattern stands for: those that are there, come, and go. */
#ifndef MQSUB_FOLLOW_H
#define MQSUB_FOLLOW_H

#include "topics.h"

/* Makes every topic that is there, matches, and is not open yet one of ours; opens none. Returns how
 * many of ours there would be: more than TOPICS_MAX, and not all of them are; or an error. */
int follow_list(struct topics *t);

/* Whether the pattern stands for any topic now: 1, 0 or an error. Cheap while *mark says that nothing
 * has changed; 0 at first. */
int follow_is_there(struct topics *t, const char *pattern, uint64_t *mark);

/* Opens what has appeared since, now and then; call it often. Returns 0, SHMQ_GONE (the runtime
 * directory was removed) or an error. */
int follow_look(struct topics *t);

/* How long one may sleep before the next look. */
int64_t follow_pause_ns(const struct topics *t);

/* The topic is said to be gone: true when it was deleted and only a pattern stands for it. It is not
 * ours any more then, which is told once. */
bool follow_leave(struct topics *t, size_t i);

#endif
