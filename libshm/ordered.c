/* SPDX-License-Identifier: MIT */
/*
 * ordered.c - ordered groups: who owns a partition, and its messages one after the other.
 *
 * The owner claims from the floor on, and passes nothing: what a former owner holds is decided first.
 */
#include "take.h"

#define LOOKS_MAX 100u /* at one message that came to nothing, in one call */

/* ---- ordered groups ----------------------------------------------------------------- */

/* Whether the partition is ours; takes it when it is nobody's, and ours to take. */
static bool own(struct shmq_group *c, struct lane *l)
{
	uint64_t w = load_seq(&l->window.line->owner); /* owner pairs take */

	if ((w & OWNER_HELD) && owner_low(w) == c->self.owner)
		return true;
	if (l->owned) { /* taken from us */
		l->owned = false;
		l->cursor = 0;
	}
	if (l->resting || ((w & OWNER_HELD) && !member_is_broken(&c->g, owner_low(w))))
		return false;
	if (owned_count(c) >= c->share)
		return false;
	if (!cas_seq(&l->window.line->owner, &w, owner_make(owner_generation(w) + 1, c->self.owner))) /* take:owner */
		return false;
	l->owned = true;
	l->cursor = 0;
	return true;
}

void lane_disown(struct shmq_group *c, struct lane *l)
{
	uint64_t w = load_seq(&l->window.line->owner); /* owner pairs take */

	if ((w & OWNER_HELD) && owner_low(w) == c->self.owner)
		cas_seq(&l->window.line->owner, &w, owner_none(owner_generation(w) + 1)); /* take:owner */
	l->owned = l->leaving = false;
	l->cursor = 0;
	group_tell(&c->g);
}

unsigned owned_count(const struct shmq_group *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->lane_count; i++)
		n += c->lanes[i].owned;
	return n;
}

/* The message at `offset`: mostly the next row of the open frame, or the first of the next. */
static int ordered_read(struct shmq_group *c, struct lane *l, uint64_t offset, struct shmq_message *m)
{
	const struct frame *f = l->read.columns.frame;
	uint64_t row, from;

	if (!l->read.open || offset < f->offset || offset - f->offset >= f->count) {
		bool next = l->read.open && offset == f->offset + f->count &&
		            frame_load(&c->g, &l->log, l->read.position + 1, &l->read) == 0 &&
		            l->read.columns.frame->offset == offset && l->read.columns.frame->count > 0;
		int r = next ? 0 : row_read(&c->g, &l->log, offset, &l->read, m);

		l->row = l->at = 0;
		if (r != 0)
			return r;
		f = l->read.columns.frame;
		l->gate_bytes += f->length;
	}
	row = offset - f->offset;
	if (row < l->row)
		l->row = l->at = 0;
	from = l->row;
	l->row = row + 1;
	return row_at(&c->g, &l->read, from, row, &l->at, m);
}

/* A free or due message in its turn. 0 and *d; SHMQ_EMPTY: look again, at l->cursor; or what happened. */
static int ordered_take(struct shmq_group *c, struct lane *l, enum word_says says, uint64_t word,
                        struct shmq_delivery *d)
{
	uint64_t offset = l->cursor;
	int r = ordered_read(c, l, offset, &d->message);

	if (r == SHMQ_OVERRUN)
		return lane_overrun(c, l) != 0 ? SHMQ_OVERRUN : SHMQ_EMPTY;
	if (r == SHMQ_ECORRUPT)
		lane_damaged(c, l, offset);
	if (r != 0)
		return r;
	d->message.partition = (int)l->partition;
	if (says == SAYS_FREE && !group_wants(c, &d->message)) {
		pass_over(c, l, offset, word);
		return SHMQ_EMPTY;
	}
	if (says == SAYS_HELD && word_deliveries(word) >= c->g.config.o.retries)
		return bury(c, l, offset, word);
	r = claim_word(c, l, offset, says, taken_as(c), &word);
	if (r <= 0)
		return r < 0 ? r : SHMQ_EMPTY;
	l->cursor++;
	hand_out(c, l, offset, word, d);
	return 0;
}

int ordered_next(struct shmq_group *c, struct lane *l, struct shmq_delivery *d)
{
	uint64_t looked_at = UINT64_MAX;
	unsigned looks = 0;
	uint64_t end, limit;

	if (!own(c, l) || l->leaving)
		return SHMQ_EMPTY;
	if (l->in_hand > 0 && !(c->flags & SHMQ_CONSUME_PIPELINED))
		return SHMQ_EMPTY;
	l->untaken = false;
	limit = log_known_end(&l->log, &end).offset;
	l->end_seen = end;
	if (limit > l->until)
		limit = l->until;
	if (l->cursor == 0 || l->cursor < window_floor(&l->window))
		l->cursor = window_advance(&l->window, limit);
	while (l->cursor < limit) {
		uint64_t word = 0;
		enum word_says says = window_look(&l->window, l->cursor, &word);
		int r;

		/* What is in hand keeps the floor from passing the gap. */
		if ((says == SAYS_FREE || says == SAYS_BEYOND) && window_in_gap(&l->window, l->cursor, &l->cursor))
			continue;
		if (says == SAYS_BEYOND && window_room(c, l, l->cursor) == 0)
			return window_full(c, l);
		if (says == SAYS_DONE || says == SAYS_BELOW || says == SAYS_BEYOND) {
			l->cursor += says != SAYS_BEYOND;
			if (says == SAYS_BELOW && l->cursor < window_floor(&l->window))
				l->cursor = window_floor(&l->window);
			continue;
		}
		if (says == SAYS_HELD && word_is_held(word)) {
			if (word_low(word) == c->self.owner && (c->flags & SHMQ_CONSUME_PIPELINED)) {
				l->cursor++; /* in hand */
				continue;
			}
			if (word_low(word) == c->self.owner || !member_is_broken(&c->g, word_low(word)))
				return SHMQ_EMPTY;
			/* Whoever had the partition before us: decided before anything behind it is begun. */
			if (word_give_back(&c->g, &l->window, l->cursor, word) < 0)
				return SHMQ_EMPTY;
			continue;
		}
		if (says == SAYS_HELD && word_state(word) == WORD_WAITING) {
			int64_t due = word_due_in_ms(word, boot_ms());

			if (due > 0) {
				if (boot_ms() + (uint64_t)due < c->due_ms)
					c->due_ms = boot_ms() + (uint64_t)due;
				return SHMQ_EMPTY;
			}
		}
		r = ordered_take(c, l, says, word, d);
		if (r != SHMQ_EMPTY) {
			l->untaken = true;
			return r;
		}
		if (l->cursor != looked_at)
			looks = 0;
		looked_at = l->cursor;
		if (++looks > LOOKS_MAX) /* damage: head has passed it, and where to cannot be read */
			return window_full(c, l);
		lane_raise(c, l, false);
	}
	return SHMQ_EMPTY;
}
