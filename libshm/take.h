/* SPDX-License-Identifier: MIT */
/* take.h - claiming, for take.c, ordered.c and lane.c. */
#ifndef SHMQ_TAKE_H
#define SHMQ_TAKE_H

#include "group.h"

/* lane.c: the position that the claim hint means; *row of the frame there. */
uint64_t hint_position(struct lane *l, uint64_t *row, uint64_t *hint);

/* A message that cannot be read, and all that nobody has taken of what is unreadable behind it: DONE. The same for the
 * frame at a position. */
void lane_damaged(struct shmq_group *c, struct lane *l, uint64_t offset);
void frame_damaged(struct shmq_group *c, struct lane *l, uint64_t position);

/* Messages that publishers did not keep for us: SHMQ_OVERRUN; or a purge removed: 0. */
int lane_overrun(struct shmq_group *c, struct lane *l);

/* take.c: how a message is claimed by this consumer. */
enum word_state taken_as(const struct shmq_group *c);

/* Claims a message whose word says `word` (free, or WAITING): 1, and *word is ours; 0: another was faster; or an
 * error. */
int claim_word(struct shmq_group *c, struct lane *l, uint64_t offset, enum word_says says, enum word_state as,
               uint64_t *word);
void hand_out(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word, struct shmq_delivery *d);

/* Whether the group's filter lets a message pass; one that it does not is DONE, by whoever passes it. */
bool group_wants(const struct shmq_group *c, const struct shmq_message *m);
void pass_over(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word);

/* A message whose deliveries are used up becomes a dead letter. SHMQ_EMPTY or an error. */
int bury(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word);

/* Rows that there are words for, from `offset` on; and when there are none: looked at again soon. SHMQ_EMPTY. */
uint64_t window_room(struct shmq_group *c, struct lane *l, uint64_t offset);
int window_full(struct shmq_group *c, struct lane *l);

/* ordered.c: the next message of a partition that is ours, or becomes ours. */
int ordered_next(struct shmq_group *c, struct lane *l, struct shmq_delivery *d);

#endif
