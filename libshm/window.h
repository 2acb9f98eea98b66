/* SPDX-License-Identifier: MIT */
/*
 * window.h - who has which message of one log: a word for each of W messages from the floor on.
 *
 *   DONE of an earlier lap = free
 *   free -> CLAIMED(s) -> WORKING(s) -> DONE
 *      |                   |  given back, lease broken, owner dead
 *      +-> WORKING(s)      v
 *                       WAITING(due) -> CLAIMED | WORKING ...
 *   WORKING(s) -> SETTLING(s) -> DONE or WAITING         (settle.h)
 *   PARKED -> PARKED_SETTLING(s) -> DONE or PARKED; PARKED -> WAITING (requeued); PARKED -> DONE (dropped)
 *
 * Each arrow is one CAS of the word that was loaded. The floor only passes DONE words, and a word is believed
 * only while floor <= offset < floor + W: then it can be about no other message.
 * Progress: lock-free; a participant that is stopped anywhere costs the others nothing.
 */
#ifndef SHMQ_WINDOW_H
#define SHMQ_WINDOW_H

#include "durable.h"
#include "map.h"

struct window {
	struct map *map;  /* of the file that the words stand in; not owned */
	struct window_line *line;
	atomic_u64 *words;
	size_t words_at;  /* in that file */
	uint64_t base;    /* offset of the first word */
	uint64_t count;   /* W */
	unsigned shift;   /* W is 2^this */
	const struct done_span *done; /* what was done when memory was made anew; */
	uint64_t done_count, done_end; /* nothing at or above done_end */
	struct durable durable; /* of topics on disk: which offsets no message has; else none */
};

/* count: W, a power of two; the words begin at byte words_at of the file, its spans at spans_at, `spans` in all. */
void window_init(struct window *w, struct map *map, struct window_line *line, size_t words_at, uint64_t count,
                 size_t spans_at, uint64_t spans);

/* What a line of a file that is made says of its spans, which begin with number `first` there. */
void window_done_set(struct window_line *line, uint64_t first, const struct done_span *done, uint64_t count);

/* Whether a line's spans are what was written, and its floor can be: what the file's dimensions do not say. */
bool window_line_check(const struct window_line *line, const struct done_span *spans, uint64_t count);

/* How many of the messages that were done when memory was made anew are in [from, to); whether one is. */
uint64_t window_done_between(const struct window *w, uint64_t from, uint64_t to);
static inline bool window_was_done(const struct window *w, uint64_t offset)
{
	return offset < w->done_end && window_done_between(w, offset, offset + 1) != 0;
}

static inline uint64_t window_lap(const struct window *w, uint64_t offset)
{
	return ((offset - w->base) >> w->shift) + 1;
}

static inline uint64_t window_floor(const struct window *w)
{
	return load_acquire(&w->line->floor_hint); /* floor pairs finish */
}

/* Backs the page of an offset's word. 0 or SHMQ_ENOSPACE. Before anything is claimed there. */
int window_reserve(struct error *e, const struct window *w, uint64_t offset);

/* What a message's word says of it. */
enum word_says {
	SAYS_FREE,    /* nobody has claimed it yet */
	SAYS_HELD,    /* current: CLAIMED .. PARKED_SETTLING */
	SAYS_DONE,
	SAYS_BELOW,   /* the floor has passed it: DONE */
	SAYS_BEYOND,  /* it is W or more above the floor: it has no word yet */
};
/* The lowest offset below `until`, where the log ends, that can have a word: memory that says otherwise must not make
 * us walk 2^53. */
static inline uint64_t window_from(const struct window *w, uint64_t until)
{
	uint64_t floor = window_floor(w);

	return until > w->count && floor < until - w->count ? until - w->count : floor;
}

/* Whether no message has this offset, as memory was made anew there; and where they go on. */
static inline bool window_in_gap(const struct window *w, uint64_t offset, uint64_t *to)
{
	return durable_is(&w->durable) && durable_in_gap(&w->durable, offset, to);
}

static inline atomic_u64 *window_word(const struct window *w, uint64_t offset)
{
	return &w->words[(offset - w->base) & (w->count - 1)];
}

static inline bool window_backed(const struct window *w, uint64_t offset)
{
	return ((offset - w->base) & (w->count - 1)) < load_acquire(&w->line->words_reserved); /* floor:finish */
}

/* No word says anything of it. */
static inline enum word_says window_silent(const struct window *w, uint64_t offset)
{
	return window_was_done(w, offset) ? SAYS_DONE : SAYS_FREE;
}

/* *word: as loaded, where it says FREE or HELD. Inline: it is asked for every message. */
static inline enum word_says window_look(const struct window *w, uint64_t offset, uint64_t *word)
{
	uint64_t floor = window_floor(w), lap = window_lap(w, offset);

	if (offset < floor)
		return SAYS_BELOW;
	if (offset - floor >= w->count) /* before the word: it may be DONE for the message W before */
		return SAYS_BEYOND;
	if (!window_backed(w, offset)) {
		*word = 0;
		return window_silent(w, offset);
	}
	*word = load_seq(window_word(w, offset)); /* settle pairs intent */
	if (word_state(*word) == WORD_DONE) {
		if (word_done_lap(*word) < lap)
			return window_silent(w, offset);
		return word_done_lap(*word) == lap ? SAYS_DONE : SAYS_BELOW;
	}
	/* Behind the load: while the floor has not passed the message, no later one has its word. */
	if (window_floor(w) > offset)
		return SAYS_BELOW;
	/* A lap that cannot be is damage: the message is rather delivered again than lost. */
	return word_state(*word) <= WORD_PARKED_SETTLING && word_lap(*word) == (lap & 0xff) ? SAYS_HELD
	                                                                                       : window_silent(w, offset);
}

/* One CAS from what was loaded. Sequentially consistent: settling counts on it. */
static inline bool window_set(const struct window *w, uint64_t offset, uint64_t from, uint64_t to)
{
	return cas_seq(window_word(w, offset), &from, to); /* finish:floor, settle:intent */
}

/* The word for a new owner or state of a message. */
static inline uint64_t window_next(const struct window *w, uint64_t offset, uint64_t tag, uint64_t deliveries,
                                   enum word_state state, uint64_t low)
{
	return word_make(window_lap(w, offset), tag, deliveries, state, low);
}
static inline uint64_t window_done(const struct window *w, uint64_t offset, uint64_t word)
{
	return word_done(window_lap(w, offset), word_tag(word), word_deliveries(word));
}

/* Where the next consumer looks; a hint: a stale one costs a look. */
static inline uint64_t claim_look(const struct window *w)
{
	return load_seq(&w->line->claim_hint); /* a hint; sleep pairs tell, for who waits beside others */
}
static inline bool claim_move(const struct window *w, uint64_t *from, uint64_t to)
{
	return cas_acq_rel(&w->line->claim_hint, from, to); /* a hint */
}

/* How far the floor could move over DONE words. */
uint64_t window_reach(const struct window *w, uint64_t limit);

/* Moves the floor over DONE words, not beyond `limit` (what can have been claimed). Returns it. */
uint64_t window_advance(const struct window *w, uint64_t limit);

/* Everything before `offset` is gone from the log, whatever became of it: its words are DONE, and the floor
 * moves there. Returns how many had not been. */
uint64_t window_skip_to(const struct window *w, uint64_t offset);

/* Due times: CLOCK_BOOTTIME in ms, compared by distance. No delay is longer than 30 days: what seems to be farther
 * ahead is long past. */
#define DUE_MAX_MS (31 * INT64_C(86400000))
static inline int64_t word_due_in_ms(uint64_t word, uint64_t now_ms)
{
	int64_t ms = (int64_t)((word_low(word) - now_ms) << (64 - WORD_LOW_BITS)) >> (64 - WORD_LOW_BITS);

	return ms > DUE_MAX_MS ? 0 : ms;
}

#endif
