/* SPDX-License-Identifier: MIT */
/* group_actors.h - what the processes of a case do with groups. */
#ifndef GROUP_ACTORS_H
#define GROUP_ACTORS_H

#include "case.h"

/* Two groups of the topic, with messages in all states; when `dies`, some are in the hands of this process at its end. */
void groups_first(const struct plan *p, shmq *q, struct rng *r, bool dies);

/* So many calls of one consumer: settle: into a topic, too. When nothing changes any more it must come to an end. */
void consume(const struct plan *p, shmq *q, struct rng *r, const char *topic, unsigned calls, bool settle);

/* So many calls from outside; also of dead letters. */
void administer_groups(shmq *q, struct rng *r, const char *topic, unsigned calls);

/* What actors.c lends: reads every byte; the sentence of the last error. */
void touch(const void *data, size_t bytes);
void message_touch(const struct shmq_message *m);
const char *sentence(shmq *q);
struct shmq_seek some_seek(struct rng *r);

#endif
