/* SPDX-License-Identifier: MIT */
/*
 * release.h - giving back what somebody holds who is gone, or stood still for longer than its lease.
 *
 * Always in this order: load the word, find its owner's lease broken, CAS the word that was loaded.
 */
#ifndef SHMQ_RELEASE_H
#define SHMQ_RELEASE_H

#include "member.h"

/* Gives back one word, held by nobody any more: CLAIMED, WORKING -> WAITING (what was begun stays counted);
 * what is settling as its intent says. 1; 0: it says something else by now; or an error: not now. */
int word_give_back(struct group *g, const struct window *w, uint64_t offset, uint64_t word);

/* Of a settling word. target: the log with its intent; NULL: as the member entry says. Same
 * results. */
int word_resolve(struct group *g, const struct window *w, uint64_t offset, uint64_t word, struct log *target);

/* Gives back all words of a session slot in all windows; seq: of this lease only, UINT64_MAX: of any; charge: what
 * was begun stays counted. 0 or an error. In the incarnation that is open. Only for the
 * slot's session. */
int slot_give_back(struct group *g, unsigned slot, uint64_t seq, bool charge);

/* Decides about every word that is settling, whoever holds it: of windows that are not used any more. 0 or an
 * error. */
int window_settle_all(struct group *g, const struct window *w);

/* Opens a group by its numbers, and the windows of one incarnation (0: of the current one). 0, SHMQ_ENOENT, or an
 * error: *out is to be closed with group_close_files() in any case. */
int group_open_numbers(shmq *q, uint64_t topic, uint64_t number, uint64_t incarnation, struct group *out);

#endif
