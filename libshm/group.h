/* SPDX-License-Identifier: MIT */
/* group.h - a consumer's insides. */
#ifndef SHMQ_GROUP_H
#define SHMQ_GROUP_H

#include "frame.h"
#include "group_name.h"
#include "member.h"
#include "release.h"
#include "publish.h"
#include "settle.h"

#include <time.h>

#define FOUND_MAX 32u

/* A verified private copy of one frame of one log. */
struct frame_read {
	const struct log *log; /* which the rest is about */
	struct words words;
	struct copy copy;
	struct columns columns;
	struct column headers;
	uint64_t position;
	bool open;
};

/* One log as this consumer sees it: a partition, or the return log. */
struct lane {
	struct log log; /* read-only; not attached until publishers have made it; the return log's is the group's */
	struct window window;
	bool returns;
	unsigned partition;
	struct frame_read read;
	uint64_t row, row_end;      /* of the open frame: what is to be handed out next */
	uint64_t at;                /* place of `row` in the values */
	uint64_t next_position, run_end; /* frames behind it that the claim hint was moved over for us */
	uint64_t hint;              /* as we left it */
	uint64_t full_at;           /* shared: position + 1 of what cannot be claimed now; 0: none */
	uint64_t cursor;            /* ordered: the next offset to look at */
	uint64_t end_seen;          /* ordered: position where the log ended */
	uint64_t gate_position;     /* of the last gate */
	uint64_t gate_bytes;        /* of frames read since */
	uint64_t until;             /* SHMQ_CONSUME_EXIT_AT_END: the end that was there */
	uint64_t found[FOUND_MAX];  /* offsets that a sweep has found */
	unsigned found_count, found_next;
	uint64_t hint_swept;        /* the claim hint as of the last sweep for what it had passed */
	uint64_t stuck_floor;       /* where the floor stood at the last sweep, */
	uint64_t tick_floor;        /* and a second ago */
	uint64_t in_hand;           /* handed out and not settled */
	bool untaken;               /* ordered: the last look did not go on to what stops it */
	bool owned;                 /* ordered: ours, when last looked at */
	bool leaving;               /* ordered: to be given away when nothing of it is in hand */
	bool resting;               /* ordered: given away to others, for a while */
	bool ended;
};

/* A message in hand that was moved to the return log meanwhile. */
struct moved {
	unsigned partition;
	uint64_t incarnation, from, to; /* offsets */
};

struct shmq_group {
	struct group g;
	struct self self;
	unsigned flags;
	unsigned prefetch;
	struct lane *lanes; /* of the partitions, then that of the return log */
	unsigned lane_count, turn;
	struct frame_read spare;   /* of what a sweep has found */
	struct frame_read moving;  /* of messages that are moved */
	struct rows rows;
	struct column moved;       /* struct moved */
	uint64_t returned_seen;    /* as of the last sweep of everything */
	uint64_t swept_ns, renewed_ns, looked_ns, ticked_ns; /* CLOCK_MONOTONIC_COARSE */
	uint64_t due_ms;           /* the next WAITING message, CLOCK_BOOTTIME; UINT64_MAX: none known */
	bool sweep_cut;            /* the last sweep did not get to the end */
	bool late_untold;          /* the lease was found broken while waiting */
	bool settling;             /* in shmq_group_settle() */
	bool room_awaited;         /* publishers slept for room at the last tick */
	bool ticking;              /* a second has passed since this was true last */
	uint64_t share;            /* ordered: partitions that are ours to take */
	struct sync_wait sync;
	unsigned relaxes;          /* as in wait.h */
	uint64_t linked_ns;
	uint64_t random;
};

static inline uint64_t coarse_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t boot_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static inline struct lane *lane_returns(struct shmq_group *c)
{
	return &c->lanes[c->lane_count - 1];
}

static inline struct log *lane_log(struct shmq_group *c, struct lane *l)
{
	return l->returns ? &c->g.returns : &l->log;
}

/* group_next.c, not_done.c ---------------------------------------------------------------- */

/* Renews the lease when it is time to, and does what is due once a second. 0, SHMQ_LATE, or what happened. */
int consumer_keep_up(struct shmq_group *c);

/* Makes a WORKING message of ours a dead letter. 0; SHMQ_FULL: it waits instead; SHMQ_LATE; or an error: it is still
 * ours. */
int dead_letter(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, const struct shmq_failure *why);

/* Moves a WORKING message of ours to the return log, to be `state` (low) there. Same results. */
int move_to_returns(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t *word, enum word_state state,
                    uint64_t low, unsigned deliveries, uint64_t *new_offset);

/* take.c, ordered.c, lane.c, group_read.c ------------------------------------------------- */

/* The next message of one lane: 0 and *d, SHMQ_EMPTY, or what happened. */
int lane_next(struct shmq_group *c, struct lane *l, struct shmq_delivery *d);

/* Opens the log of a lane once it is made. 0, SHMQ_EMPTY, or an error. */
int lane_open_log(struct shmq_group *c, struct lane *l);

/* Forgets what it had claimed ahead; moves the claim hint back where it can. */
void lane_reset(struct shmq_group *c, struct lane *l);

/* Tells publishers how far the group has come; always, when `now`. */
void lane_raise(struct shmq_group *c, struct lane *l, bool now);

/* Ordered: gives a partition away (once nothing of it is in hand: group_next.c); how many we have. */
void lane_leave_when_done(struct shmq_group *c, struct lane *l);
void lane_disown(struct shmq_group *c, struct lane *l);
unsigned owned_count(const struct shmq_group *c);

/* One past the offsets that may have been claimed. */
uint64_t lane_limit(struct shmq_group *c, struct lane *l);

/* Reads the frame with an offset into *read, and its row into *m and *row. 0, SHMQ_OVERRUN, SHMQ_ECORRUPT, ... */
int row_read(struct group *g, const struct log *log, uint64_t offset, struct frame_read *read,
             struct shmq_message *m);
void frame_read_free(struct frame_read *r);

/* The frame at a position into *read; row `row` of it, *at being the place of a row before it, of `from`, and moved
 * behind it. 0 or as ring_read(). */
int frame_load(struct group *g, const struct log *log, uint64_t position, struct frame_read *read);
int row_at(struct group *g, struct frame_read *read, uint64_t from, uint64_t row, uint64_t *at,
           struct shmq_message *m);

/* group_settle.c ----------------------------------------------------------------------- */

/* Publishes messages (at least one) to p's topic and settles s's input with that; the target of *s is filled in.
 * input: whose key chooses the partition. renew: called all the time while it waits; what it returns but 0 ends
 * the wait. Results as shmq_group_settle(). */
int settle_into(struct settle *s, shmq_pub *p, const struct shmq_message *input, const struct shmq_message *m,
                size_t count, int64_t wait_ns, int (*renew)(void *context), void *context);

/* sweep.c ------------------------------------------------------------------------------ */

/* Looks at every word between floor and limit: gives back what broken leases hold, collects what may be taken.
 * `free_too`: also what nobody has claimed though the hint has passed it. */
int lane_sweep(struct shmq_group *c, struct lane *l, bool free_too);

/* Of all lanes, when something has come back, is due, or was never looked at. */
int sweep_if_needed(struct shmq_group *c, uint64_t now_ns, bool idle);

/* Makes a return row's word say what its frame says. 0, SHMQ_EMPTY (another was faster), or an error. */
int returns_wake_word(struct group *g, uint64_t offset, uint64_t word, struct frame_read *read);

/* Nothing is left of what was there at the start, but in the hands of others. */
bool lane_is_done(struct shmq_group *c, struct lane *l);

/* Moves what holds up the window, or memory that publishers wait for, to the return log. */
void lane_unblock(struct shmq_group *c, struct lane *l);

/* returns.c ---------------------------------------------------------------------------- */

/* The message that a WORKING or PARKED word of ours is about, as a new row of the return log that says `meta`. 0 and
 * *offset (may be NULL); SHMQ_FULL: no room within the capacity; SHMQ_LATE; an error. *word: the input's, as loaded;
 * still ours but on 0 and SHMQ_LATE. */
int returns_put(struct group *g, struct self *self, struct rows *rows, const struct window *w, unsigned partition,
                uint64_t incarnation, uint64_t offset, uint64_t *word, const struct shmq_message *m,
                const struct meta_return *meta, const void *text, uint64_t *new_offset);

/* The META_RETURN item of a row that was read from the return log; text points into the copy. False: damaged. */
bool returns_meta(const struct frame_read *read, struct meta_return *meta, const unsigned char **text);

#endif
