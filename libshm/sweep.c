/* SPDX-License-Identifier: MIT */
/*
 * sweep.c - finding what has come back: words of broken leases, messages whose time has come, and those that the
 * claim hint passed though nobody has claimed them.
 *
 * Whoever gives something back counts `returned` up; a consumer that sees another count than at its last sweep looks
 * at every word between floor and hint. So nobody has to be alive for a message to be found.
 */
#include "group.h"

#define SWEEP_PAUSE_NS 1000000u   /* between two sweeps of a consumer that has other work */
#define STUCK_PAUSE_NS 20000000u  /* until what the hint has passed is taken from who may still be coming to it */
#define UNBLOCK_MAX    1024u      /* messages moved at once */

/* ---- rows of the return log --------------------------------------------------------- */

int returns_wake_word(struct group *g, uint64_t offset, uint64_t word, struct frame_read *read)
{
	const struct window *w = &g->returns_window;
	struct shmq_message m;
	struct meta_return meta;
	int r = row_read(g, &g->returns, offset, read, &m);

	if (r == 0 && !returns_meta(read, &meta, NULL))
		r = SHMQ_ECORRUPT;
	if (r == 0 && meta.state != WORD_WAITING && meta.state != WORD_WORKING && meta.state != WORD_CLAIMED &&
	    meta.state != WORD_PARKED)
		r = SHMQ_ECORRUPT;
	if (r == 0)
		r = window_reserve(&g->q->error, w, offset);
	if (r != 0)
		return r;
	return window_set(w, offset, word,
	                  window_next(w, offset, word_tag(word) + 1, meta.deliveries,
	                              (enum word_state)meta.state, meta.low))
	               ? 0
	               : SHMQ_EMPTY;
}

/* ---- one lane ----------------------------------------------------------------------- */

static void found(struct lane *l, uint64_t offset)
{
	l->found[l->found_count++] = offset;
}

/* One word. False: cannot go on now. */
static bool look_at(struct shmq_group *c, struct lane *l, uint64_t offset, bool free_too, uint64_t now_ms)
{
	uint64_t word;
	enum word_says says = window_look(&l->window, offset, &word);

	if (says == SAYS_BEYOND)
		return false;
	if (says == SAYS_FREE && l->returns) {
		int r = returns_wake_word(&c->g, offset, word, &c->moving);

		if (r == SHMQ_ECORRUPT) /* passed over, and told, by who takes it */
			found(l, offset);
		if (r < 0)
			return r == SHMQ_ECORRUPT;
		says = window_look(&l->window, offset, &word);
	}
	if (says == SAYS_FREE && free_too)
		found(l, offset);
	if (says == SAYS_HELD && word_is_held(word) && word_low(word) != c->self.owner &&
	    member_is_broken(&c->g, word_low(word))) {
		word_give_back(&c->g, &l->window, offset, word);
		says = window_look(&l->window, offset, &word);
	}
	if (says == SAYS_HELD && word_state(word) == WORD_WAITING) {
		int64_t due = word_due_in_ms(word, now_ms);

		if (due <= 0)
			found(l, offset);
		else if (now_ms + (uint64_t)due < c->due_ms)
			c->due_ms = now_ms + (uint64_t)due;
	}
	return true;
}

int lane_sweep(struct shmq_group *c, struct lane *l, bool free_too)
{
	uint64_t limit, now = boot_ms(), floor, hint = claim_look(&l->window);
	int r = l->ended ? SHMQ_EMPTY : lane_open_log(c, l);

	if (r == SHMQ_EMPTY || r == SHMQ_ECORRUPT) /* that: said by who takes from it */
		return 0;
	if (r != 0)
		return r;
	if (!l->returns && c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		return 0; /* its owner looks at each word in its turn */
	l->found_count = l->found_next = 0;
	limit = lane_limit(c, l);
	floor = window_advance(&l->window, limit);
	for (uint64_t o = floor; o < limit; o++) {
		if (window_in_gap(&l->window, o, &o) && o >= limit)
			break;
		if (l->found_count == FOUND_MAX) {
			c->sweep_cut = true;
			break;
		}
		if (!look_at(c, l, o, free_too, now))
			break;
	}
	l->stuck_floor = floor;
	if (free_too && l->found_count < FOUND_MAX)
		l->hint_swept = hint;
	return 0;
}

/* ---- when --------------------------------------------------------------------------- */

int sweep_if_needed(struct shmq_group *c, uint64_t now, bool idle)
{
	uint64_t returned = load_seq(&c->g.file->returned); /* sleep pairs tell */
	bool changed = returned != c->returned_seen || c->sweep_cut || (c->due_ms != UINT64_MAX && boot_ms() >= c->due_ms);
	uint64_t pause = changed ? SWEEP_PAUSE_NS : STUCK_PAUSE_NS;
	int r = 0;

	if (!idle && now - c->swept_ns < pause)
		return 0;
	c->swept_ns = now;
	c->returned_seen = returned;
	c->sweep_cut = false;
	if (changed) /* all lanes are looked at: else what waits in the others is still known */
		c->due_ms = UINT64_MAX;
	for (unsigned i = 0; i < c->lane_count && r == 0; i++) {
		struct lane *l = &c->lanes[i];
		bool stuck = l->stuck_floor == window_floor(&l->window);
		bool moved = !l->returns && claim_look(&l->window) != l->hint_swept;

		/* Nothing has come back, and nothing was passed since the last look. */
		if (!changed && !moved && !(stuck && !idle))
			continue;

		/* Others that live may still come to what the hint has passed: they are left the time for it, but
		   for one that has nothing else to do. */
		r = lane_sweep(c, l, idle || changed || stuck);
	}
	return r;
}

bool lane_is_done(struct shmq_group *c, struct lane *l)
{
	uint64_t end, until = l->until, floor = window_floor(&l->window), lives = UINT64_MAX;

	if (l->ended)
		return true;
	if (lane_open_log(c, l) != 0) /* nothing was there at the start, or nothing can be read */
		return l->until <= l->window.base;
	if (l->returns)
		until = log_known_end(&c->g.returns, &end).offset;
	for (uint64_t o = floor; o < until; o++) {
		uint64_t word;
		enum word_says says = window_look(&l->window, o, &word);

		if (says == SAYS_DONE || says == SAYS_BELOW)
			continue;
		if (says != SAYS_HELD && window_in_gap(&l->window, o, &o)) {
			o--; /* nothing to wait for, though the floor has not come to it, or nobody has moved it since */
			continue;
		}
		if (says != SAYS_HELD || word_state(word) == WORD_WAITING)
			return false;
		if (!word_is_held(word) || word_low(word) == lives)
			continue;
		if (word_low(word) == c->self.owner || !member_lives(&c->g, word_low(word)))
			return false; /* in hand; or its owner is dead, and nobody has noticed yet */
		lives = word_low(word);
	}
	return true;
}

/* ---- what stands in the way --------------------------------------------------------- */

/* The window has no word left for the next message (once it had none: an eighth of them), or publishers have waited
 * for us for a second. */
static bool blocked(struct shmq_group *c, struct lane *l, uint64_t floor, bool tick, bool before)
{
	uint64_t limit = lane_limit(c, l);

	if (l->returns)
		return tick && limit - floor >= l->window.count - l->window.count / 4;
	if (limit - floor >= l->window.count - (before ? l->window.count / 8 : 0))
		return true;
	return tick && l->tick_floor == floor && log_attached(&l->log) && c->room_awaited;
}

static void note_moved(struct shmq_group *c, const struct lane *l, uint64_t from, uint64_t to)
{
	struct moved m = {.partition = l->partition,
	                  .incarnation = l->returns ? 0 : c->g.incarnation,
	                  .from = from,
	                  .to = to};

	memcpy(c->moved.data + c->moved.used, &m, sizeof m); /* room was made before */
	c->moved.used += sizeof m;
}

/* Moves the message at the floor, if it waits, or is ours. True: look at the next one. */
static bool move_floor(struct shmq_group *c, struct lane *l, uint64_t floor, bool tick)
{
	uint64_t word, to;
	enum word_says says = window_look(&l->window, floor, &word);

	if (says != SAYS_HELD)
		return false;
	if (word_state(word) == WORD_WAITING) {
		uint64_t mine = window_next(&l->window, floor, word_tag(word) + 1, word_deliveries(word),
		                            WORD_WORKING, c->self.owner);
		uint64_t due = word_low(word);

		if (!window_set(&l->window, floor, word, mine))
			return true;
		if (move_to_returns(c, l, floor, &mine, WORD_WAITING, due, word_deliveries(word), NULL) == 0)
			return true;
		window_set(&l->window, floor, mine,
		           window_next(&l->window, floor, word_tag(mine), word_deliveries(mine), WORD_WAITING, due));
		return false;
	}
	if (!tick || (word_state(word) != WORD_WORKING && word_state(word) != WORD_CLAIMED) ||
	    word_low(word) != c->self.owner ||
	    column_room(&c->moved, sizeof(struct moved)) < 0)
		return false;
	if (move_to_returns(c, l, floor, &word, word_state(word), c->self.owner, word_deliveries(word), &to) != 0)
		return false;
	note_moved(c, l, floor, to);
	return true;
}

void lane_unblock(struct shmq_group *c, struct lane *l)
{
	bool tick = c->ticking;

	if (lane_open_log(c, l) != 0 || c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		return;
	for (unsigned n = 0; n < UNBLOCK_MAX; n++) {
		uint64_t floor = window_advance(&l->window, lane_limit(c, l));

		if (!blocked(c, l, floor, tick, n > 0) || !move_floor(c, l, floor, tick))
			break;
		l->tick_floor = window_floor(&l->window); /* go on as long as it helps */
	}
	if (tick)
		l->tick_floor = window_floor(&l->window);
}
