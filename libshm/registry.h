/* SPDX-License-Identifier: MIT */
/*
 * registry.h - which topic number a name stands for.
 *
 * A name may stand in any of NAME_WINDOW words from its hash on. Rules:
 *   1. A topic's files are complete before its number stands in any word.
 *   2. Enter: CAS a free word to TENTATIVE(n); free every other TENTATIVE word of the name in the
 *      window; then, if another LIVE word of it stands there, withdraw; else CAS one's own to LIVE(n).
 *      If that fails, somebody freed it: start again. (Looking for LIVE words first would miss one
 *      that goes live between the two looks.)
 *   3. Leave: CAS LIVE(n) -> free.
 * Numbers are never reused, so no word ever repeats. Of two creators that look at each other one
 * frees the other's word before the other goes live, or sees it live: never two LIVE of one name.
 * A creator that dies blocks nobody: its TENTATIVE word is freed by the next one of that name.
 * Modelled in tests/model/registry.pml.
 */
#ifndef SHMQ_REGISTRY_H
#define SHMQ_REGISTRY_H

#include "broker.h"

/* The number of a live topic into *number; 0, SHMQ_ENOENT, or an error. */
int registry_find(shmq *q, const char *name, uint64_t *number);

/* Makes `name` stand for `number`. 0; SHMQ_EEXIST and *existing; SHMQ_ELIMIT. Lock-free with
 * back-off between creators of the same name. */
int registry_enter(shmq *q, const char *name, uint64_t number, uint64_t *existing);

/* The name stands for `number` no longer. False when it did not. */
bool registry_leave(shmq *q, const char *name, uint64_t number);

/* Replaces number by number in one CAS (repair). False when the name did not stand for `from`. */
bool registry_replace(shmq *q, const char *name, uint64_t from, uint64_t to);

/* Calls each() with every live number; stops when it returns non-zero and returns that. */
int registry_each(shmq *q, int (*each)(void *context, uint64_t number), void *context);

/* Reads the name (and creator) out of t/N/topic. 0, SHMQ_ENOENT, or an error. */
struct topic_brief {
	char name[SHMQ_NAME_MAX + 1];
	uint64_t creator, created_ns, first_offset;
	bool deleted;
	struct shmq_topic_options options;
};
int topic_brief_read(shmq *q, uint64_t number, struct topic_brief *out);

/* Checksum of a topic file's immutable part. */
uint64_t topic_file_hash(const struct topic_file *t);

#endif
