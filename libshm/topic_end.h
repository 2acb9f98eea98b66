/* SPDX-License-Identifier: MIT */
/*
 * topic_end.h - how a topic ends: deleted, or moved to a new number; and finding what a name stands for.
 *
 * One CAS of the state word in t/N/topic is the moment of it: LIVE -> DELETED or LIVE -> MOVED(next).
 * The rest is done in this order, by whoever ended it or by anybody who meets the word afterwards, several
 * at once and each from the start:
 *   DELETED      free the name's word; wake who sleeps there; remove the files
 *   MOVED(next)  set next's first offset behind all of N's; put next in N's place; wake; remove the files
 * Publishers look at the word behind each link and acknowledge nothing that they linked where it is not
 * LIVE any more.
 */
#ifndef SHMQ_TOPIC_END_H
#define SHMQ_TOPIC_END_H

#include "registry.h"

/* The live topic of a name, with what others began finished on the way (a handle that only observes
 * looks through it instead). 0, SHMQ_ENOENT, SHMQ_ECORRUPT (out->number), or an error. */
int topic_find(shmq *q, const char *name, struct topic_brief *out);

/* Behind every offset that a topic's logs may have given out, into *offset. 0 or an error. */
int topic_offset_beyond(shmq *q, const struct topic_brief *topic, uint64_t *offset);

/* LIVE -> state. 0; SHMQ_EEXIST: another was faster; or an error. topic_find() does the rest. */
int topic_end(shmq *q, uint64_t number, uint64_t state);

/* LIVE -> DELETED of a topic whose file is damaged, as far as that can be had: its publishers look at
 * the state word. */
void topic_end_damaged(shmq *q, uint64_t number);

/* Wakes who sleeps in the topic and removes its files: of a number that no name stands for. */
void topic_remove(shmq *q, uint64_t number);

/* Removes what nobody can need any more: ended topics, those of dead creators, words without files. */
void topic_sweep(shmq *q);

#endif
