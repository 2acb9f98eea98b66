/* SPDX-License-Identifier: MIT */
/*
 * registry.h - which topic number a name stands for.
 *
 * A name may stand in any of NAME_WINDOW words from its hash on. Rules:
 *   1. A topic's files are complete before its number stands in any word. Numbers are never reused:
 *      so a word whose t/N/topic is not there is over for good, and anybody may free it.
 *   2. Enter: CAS a free word to TENTATIVE(n); free every other TENTATIVE word of the name in the
 *      window; then, if another LIVE word of it stands there, withdraw; else CAS one's own to LIVE(n).
 *      If that fails, somebody freed it: start again. (Looking for LIVE words first would miss one
 *      that goes live between the two looks.)
 *   3. No word is free: free the TENTATIVE ones, whosever they are, and those of rule 1; look again.
 *   4. Leave: CAS LIVE(n) -> free, after the topic's state says DELETED. Move: CAS LIVE(n) -> LIVE(m),
 *      after it says MOVED(m). Anybody who meets the state does it.
 *   5. What cannot be read (no descriptor left, no permission, another format) is nobody's to judge: the
 *      error is handed on. Only a file that is not there, or says another name, is not this name's.
 * Of two creators that look at each other one frees the other's word before the other goes live, or
 * sees it live: never two LIVE of one name. A creator that dies blocks nobody: its TENTATIVE word is
 * freed by the next one of that name, or by whoever needs room.
 * Modelled in tests/model/registry.pml.
 */
#ifndef SHMQ_REGISTRY_H
#define SHMQ_REGISTRY_H

#include "broker.h"

/* What stands in t/N/topic, checked: name and options may be relied upon. */
struct topic_brief {
	uint64_t number;
	uint64_t state; /* its state word; 0: the file is damaged, only the number is right */
	char name[SHMQ_NAME_MAX + 1];
	uint64_t creator, created_ns, first_offset;
	struct shmq_topic_options options;
};

/* Opens t/N: its descriptor, SHMQ_ENOENT, or an error. */
int topic_dir_open(struct error *e, const shmq *q, uint64_t number);

/* Maps and checks t/N/topic, given the descriptor of t/N. 0, SHMQ_ENOENT, SHMQ_ECORRUPT (and *brief has
 * the number), or an error. */
int topic_file_open(struct error *e, int dirfd, uint64_t number, bool writable, struct map *m,
                    struct topic_brief *brief);

/* The name that a partition's log has in t/N. */
void log_name(char name[32], unsigned partition);

/* topic_file_open() by number, and closed again. */
int topic_brief_read(shmq *q, uint64_t number, struct topic_brief *out);

/* Whose word the name is, whatever its state says. 0, SHMQ_ENOENT, SHMQ_ECORRUPT (its file is damaged:
 * out->number), or an error. */
int registry_find(shmq *q, const char *name, struct topic_brief *out);

/* Makes `name` stand for `number`. 0; SHMQ_EEXIST (the other one's state may say that it is over);
 * SHMQ_ELIMIT; or an error. Lock-free with back-off between creators of the same name. */
int registry_enter(shmq *q, const char *name, uint64_t number);

/* The name stands for `number` no longer. */
void registry_leave(shmq *q, const char *name, uint64_t number);

/* Replaces number by number in one CAS. Does nothing when the name does not stand for `from`. */
void registry_replace(shmq *q, const char *name, uint64_t from, uint64_t to);

/* Frees the words of numbers whose files are gone, and puts the other live ones into numbers[1 ..];
 * numbers[0] is how many: room for NAMES + 1. */
void registry_tidy(shmq *q, uint64_t *numbers);

/* Calls each() with every live number; stops when it returns non-zero and returns that. */
int registry_each(shmq *q, int (*each)(void *context, uint64_t number), void *context);

/* A fingerprint of all live words: another one when a name came, went, or stands for another number. */
uint64_t registry_mark(shmq *q);

/* Checksum of a topic file's immutable part. */
uint64_t topic_file_hash(const struct topic_file *t);

#endif
