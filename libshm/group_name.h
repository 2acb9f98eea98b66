/* SPDX-License-Identifier: MIT */
/*
 * group_name.h - which group of a topic a name stands for: made, found, moved, deleted.
 *
 * A group stands in a reader word of the topic's bell file, which holds back publishers as its gates say.
 *   1. Number first, files second, word GROUP last: so a GROUP word whose group.L is not there, or says DELETED,
 *      is over, and anybody frees it. Files of a number that stands in no word belong to a maker that gave up
 *      or died, and anybody removes them: such a number never comes back.
 *   2. Make: CAS a free word to TENTATIVE(L), which holds everything; free every other TENTATIVE word that may be
 *      of the name; if a GROUP word of it stands there withdraw; else CAS one's own to GROUP. If that fails
 *      somebody freed it: start again, with another number. (As the registry of topics: registry.h.)
 *   3. Delete: the state word LIVE -> DELETED is the moment of it; then the reader word, then the files.
 *   4. Move (a seek): link group.L.window.(I+1); give the reader word incarnation I+1, which voids all gates,
 *      and bump the heads; CAS current I -> I+1: the moment of it. Whoever finds the next window, or a reader
 *      word that is ahead, goes on.
 * Modelled in tests/model/group.pml.
 */
#ifndef SHMQ_GROUP_NAME_H
#define SHMQ_GROUP_NAME_H

#include "group_file.h"

int group_name_check(struct error *e, const char *name);

/* Opens the live group of a name in g->topic: g->number, g->reader, and its files. 0, SHMQ_ENOENT, or an error. */
int group_find(struct group *g, const char *name, bool writable);

/* The same, but opens group.L only: what else it has may be damaged. */
int group_find_file(struct group *g, const char *name, bool writable);

/* Makes it, and opens it. 0, SHMQ_EEXIST (another was faster), or an error. */
int group_make(struct group *g, const char *name, const struct group_config *config,
               const struct shmq_seek *from);

/* Counts an attach into the state word: false when the group is over. */
bool group_count_attach(struct group *g);

/* LIVE -> DELETED and the rest of it. state: as loaded, nobody has attached since; 0: whoever is there.
 * False: not deleted. */
bool group_end(struct group *g, uint64_t state);

/* What is left to do where the state word says DELETED. */
void group_end_finish(struct group *g);

/* Puts a group in the hands of another incarnation that begins at `places`; *incarnation is its number, others may
 * have moved the group on since. 0, or an error. */
int group_move(struct group *g, const struct window_place *places, uint64_t *incarnation);

/* Goes on with a move that somebody has begun. 0, or an error: not now. */
int group_move_finish(struct group *g);

/* Calls each() with an open group (its file only) for each live one, until it returns non-zero. */
int group_each(struct group *g, int (*each)(void *context, struct group *g), void *context);

/* Deletes the group that stands in a reader word when it has been idle for as long as its options say. True when
 * it no longer holds anything. */
bool group_expire(struct topic *t, unsigned reader, uint64_t word);

/* Who a group is, for sentences: its name, and one of its consumers. */
void group_describe(struct topic *t, unsigned reader, uint64_t word, char *text, size_t bytes);

/* Removes the files of groups that were never finished. */
void group_sweep(struct topic *t);

#endif
