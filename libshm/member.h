/* SPDX-License-Identifier: MIT */
/*
 * member.h - the consumers of a group: who is one, until when, and what they hold.
 *
 *   anything (seq)              ->  LIVE (seq + 1)    by the slot's session, when nothing of the slot's is held
 *   LIVE (until)                ->  LIVE (later)      by its session
 *   LIVE                        ->  BROKEN            by anybody: it has run out, or the session is proved dead
 *   LIVE                        ->  LEFT              by its session, when it has given back everything
 * A held word names slot and seq: it is nobody's once the lease has another seq, or is not LIVE. It is given
 * back by whoever meets it. Modelled in tests/model/lease.pml.
 */
#ifndef SHMQ_MEMBER_H
#define SHMQ_MEMBER_H

#include "group_file.h"

struct self { /* one's own membership */
	unsigned slot;
	uint64_t seq;
	uint64_t owner;      /* as it stands in words */
	struct member *entry;
};

/* Becomes a member (who does not consume holds what it settles only): what the last session in our slot left in this group is given back first. 0 or an error. */
int member_join(struct group *g, struct self *self, bool consumes);

/* Moves `until` to now + lease. False: the lease was broken. */
bool member_renew(struct group *g, const struct self *self);

/* Whether the lease stands; one load. */
static inline bool member_stands(const struct self *self)
{
	uint64_t w = load_seq(&self->entry->lease); /* lease pairs break */

	return lease_state(w) == LEASE_LIVE && lease_seq(w) == self->seq;
}

/* After a break: gives back everything of ours, and takes the next seq. */
int member_rejoin(struct group *g, struct self *self);

/* Gives back everything and leaves. */
void member_leave(struct group *g, struct self *self);

/* The same, but that of a dead session is broken here and now: a system call. */
bool member_lives(struct group *g, uint64_t owner);

/* Whether what `owner` (of a word) holds is nobody's any more. Only looks at the lease. */
bool member_is_broken(const struct group *g, uint64_t owner);

/* Breaks the leases of dead sessions, and (late_too) those that have run out. One consumer does it for all of them,
 * about twice a second. */
void members_look_after(struct group *g, bool late_too);

/* How many consumers' leases stand. */
unsigned members_alive(const struct group *g);

static inline struct member *member_at(const struct group *g, unsigned slot)
{
	return &g->file->members[slot];
}

static inline bool member_backed(const struct group *g, unsigned slot)
{
	return (load_acquire(&g->file->member_pages[slot / SLOT_PAGE_ENTRIES / 64]) >> /* member pairs join */
	                (slot / SLOT_PAGE_ENTRIES % 64) &
	        1) != 0;
}

/* Calls each() for every slot that was ever a member's, until it returns false. */
void members_each(const struct group *g, bool (*each)(void *context, unsigned slot, struct member *m),
                  void *context);

/* Says that something has come back, and wakes who waits for it. */
void group_tell(struct group *g);

#endif
