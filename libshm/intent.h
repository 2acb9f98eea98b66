/* SPDX-License-Identifier: MIT */
/*
 * intent.h - what a session is about to link into a log, and what it settles with that; by session slot, in
 * the log's file.
 *
 *   IDLE(seq) -> ARMED(seq+1)             by its owner: the fields of seq+1 stand, its input is SETTLING next
 *   ARMED(seq) -> ARMED(seq+1)            by its owner: the position was taken, another is tried
 *   ARMED(seq) -> WON                     by a reclaimer, before the frame's slot is used again
 *   ARMED(seq) -> LOST                    by a resolver: the position is taken, and not by the owner's frame
 *   ARMED, WON, LOST -> IDLE              by its owner, or the slot's next session, when the input has left
 *                                         SETTLING
 * The seq is the slot's for ever. Modelled in tests/model/settle.pml.
 */
#ifndef SHMQ_INTENT_H
#define SHMQ_INTENT_H

#include "ring.h"

static inline bool intent_backed(const struct log *l, unsigned slot)
{
	return (load_acquire(&l->file->intent_pages[slot / SLOT_PAGE_ENTRIES / 64]) >> /* keep pairs arm */
	                (slot / SLOT_PAGE_ENTRIES % 64) &
	        1) != 0;
}

static inline struct intent *intent_of(const struct log *l, unsigned slot)
{
	struct intent *table = (struct intent *)(void *)((char *)l->map.at +
	                                                 log_intents_at(l->extent_count, (unsigned)l->slot_count));

	return &table[slot];
}

/* Backs the page of a slot's intent. 0 or SHMQ_ENOSPACE. */
int intent_reserve(struct error *e, struct log *l, unsigned slot);

/* What an intent is about, as its fields say. */
struct intent_view {
	uint64_t position, frame_word, null_word;
	uint64_t topic, group, incarnation, partition, offset;
};

/* The fields that belong to control c; false when control has moved on. */
bool intent_read(const struct intent *i, uint64_t c, struct intent_view *out);

/* Fields of a seq that is not ARMED yet. */
void intent_write(struct intent *i, uint64_t seq, const struct intent_view *v);

/* How an intent ended, decided here if it is not yet: true when its frame is linked. `word` is its input's,
 * which said SETTLING as `seen`: when it says something else by now the answer means nothing. Writes to the log.
 * Any number of resolvers at once, beside the owner: lock-free. */
bool intent_resolve(struct log *l, unsigned slot, const atomic_u64 *word, uint64_t seen);

/* Whoever owns the slot is dead: what it announced last is linked by now, or never will be. Its memory may be used
 * again after that, and its intent made IDLE. Costs a new session in the slot one move at most. */
void intent_close(struct log *l, unsigned slot);

/* Before head moves to `target`: whose frame leaves has WON. */
void intents_keep(const struct log *l, uint64_t target);

#endif
