/* SPDX-License-Identifier: MIT */
/*
 * take.c - claiming messages and handing them out.
 *
 * Shared groups: a consumer moves the claim hint over a run of rows, then claims each by a CAS of its word when its
 * turn comes. Who dies or stands still in between has only moved a hint: sweeps find what nobody has claimed.
 * (Ordered groups: ordered.c.)
 */
#include "take.h"

#include "clock.h"
#include "past.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MAX 64u /* frames claimed ahead */
#define BURY_PAUSE_MS 1000u /* until a message that could not be made a dead letter is looked at again */
#define FULL_PAUSE_MS 10u /* until a full window is looked at again */

/* ---- claiming ----------------------------------------------------------------------- */

enum word_state taken_as(const struct shmq_group *c)
{
	if (c->flags & SHMQ_CONSUME_AT_MOST_ONCE)
		return WORD_DONE;
	return c->flags & SHMQ_CONSUME_MANUAL_START ? WORD_CLAIMED : WORD_WORKING;
}

/* Claims a message whose word says `word` (free, or WAITING): 1, and *word is ours; 0: another was faster; or an
 * error. */
int claim_word(struct shmq_group *c, struct lane *l, uint64_t offset, enum word_says says, enum word_state as,
                  uint64_t *word)
{
	unsigned deliveries = says == SAYS_FREE ? 0 : word_deliveries(*word);
	uint64_t next;
	int r = window_reserve(&c->g.q->error, &l->window, offset);

	if (r < 0)
		return r;
	if (as != WORD_CLAIMED && deliveries < 255)
		deliveries++;
	if (as == WORD_DONE)
		next = word_done(window_lap(&l->window, offset), word_tag(*word) + 1, deliveries);
	else
		next = window_next(&l->window, offset, word_tag(*word) + 1, deliveries, as, c->self.owner);
	if (!window_set(&l->window, offset, *word, next))
		return 0;
	*word = next;
	return 1;
}

void hand_out(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word, struct shmq_delivery *d)
{
	d->attempt = word_deliveries(word);
	if (word_state(word) == WORD_CLAIMED)
		d->attempt++;
	d->private_[0] = l->returns ? UINT64_MAX : l->partition;
	d->private_[1] = offset;
	d->private_[2] = l->returns ? 0 : c->g.incarnation;
	d->private_[3] = c->self.owner << 8 | (d->attempt & 0xff);
	if (word_state(word) != WORD_DONE)
		l->in_hand++;
	else
		counter_add(&c->self.entry->acked, 1);
	counter_add(&c->self.entry->delivered, 1);
	if (d->attempt > 1)
		counter_add(&c->self.entry->redelivered, 1);
	counter_add(&c->g.q->counters->messages_delivered, 1);
	counter_add(&c->g.q->counters->bytes_delivered, d->message.value_len);
}

bool group_wants(const struct shmq_group *c, const struct shmq_message *m)
{
	const char *filter = c->g.config.o.filter;

	return filter == NULL || shmq_filter_match(filter, m->key, m->key_len);
}

/* A message that does not match is nobody's: DONE, by whoever passes it. */
void pass_over(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word)
{
	if (window_reserve(&c->g.q->error, &l->window, offset) == 0 &&
	    window_set(&l->window, offset, word, window_done(&l->window, offset, word)))
		counter_add(&c->self.entry->filtered, 1);
}

/* ---- what a sweep has found --------------------------------------------------------- */

/* Its deliveries were used up by consumers that died, or could not get it into the return log. */
int bury(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word)
{
	uint64_t mine = window_next(&l->window, offset, word_tag(word) + 1, word_deliveries(word), WORD_WORKING,
	                            c->self.owner);
	int r;

	if (!window_set(&l->window, offset, word, mine))
		return SHMQ_EMPTY;
	r = dead_letter(c, l, offset, &mine, NULL);
	if (r < 0) { /* it is nobody's work: another time */
		window_set(&l->window, offset, mine,
		           window_next(&l->window, offset, word_tag(mine), word_deliveries(mine), WORD_WAITING,
		                       boot_ms() + BURY_PAUSE_MS));
		group_tell(&c->g); /* when that is */
	}
	return r < 0 ? r : SHMQ_EMPTY;
}

/* 0 and *d; SHMQ_EMPTY: it is another's, or nothing came of it; or what happened. */
static int take_found(struct shmq_group *c, struct lane *l, uint64_t offset, struct shmq_delivery *d)
{
	uint64_t word;
	enum word_says says = window_look(&l->window, offset, &word);
	struct meta_return meta;
	int r;

	if (says != SAYS_FREE && !(says == SAYS_HELD && word_state(word) == WORD_WAITING &&
	                           word_due_in_ms(word, boot_ms()) <= 0))
		return SHMQ_EMPTY;
	r = row_read(&c->g, lane_log(c, l), offset, &c->spare, &d->message);
	if (r == 0 && l->returns && !returns_meta(&c->spare, &meta, NULL))
		r = fail(&c->g.q->error, SHMQ_ECORRUPT, "group %s: row %llu of its return log is damaged", c->g.name,
		         (unsigned long long)offset);
	if (r == SHMQ_OVERRUN && l->returns) /* it was moved meanwhile */
		return SHMQ_EMPTY;
	if (r == SHMQ_OVERRUN)
		return lane_overrun(c, l) != 0 ? SHMQ_OVERRUN : SHMQ_EMPTY;
	if (r == SHMQ_ECORRUPT) /* nobody can be given it: passed over, and said once */
		lane_damaged(c, l, offset);
	if (r != 0)
		return r;
	if (l->returns) {
		if (says == SAYS_FREE)
			return SHMQ_EMPTY; /* its word first: sweep.c */
		d->message.partition = (int)meta.origin_partition;
		d->message.offset = meta.origin_offset;
		d->message.time_ns = meta.origin_ns;
	} else {
		d->message.partition = (int)l->partition;
	}
	if (says == SAYS_FREE && !group_wants(c, &d->message)) {
		pass_over(c, l, offset, word);
		return SHMQ_EMPTY;
	}
	if (says == SAYS_HELD && word_deliveries(word) >= c->g.config.o.retries)
		return bury(c, l, offset, word);
	r = claim_word(c, l, offset, says, taken_as(c), &word);
	if (r <= 0)
		return r < 0 ? r : SHMQ_EMPTY;
	hand_out(c, l, offset, word, d);
	return 0;
}

static int next_found(struct shmq_group *c, struct lane *l, struct shmq_delivery *d)
{
	int r = SHMQ_EMPTY;

	while (r == SHMQ_EMPTY && l->found_next < l->found_count)
		r = take_found(c, l, l->found[l->found_next++], d);
	if (r < 0) /* it is looked at again */
		c->sweep_cut = true;
	return r;
}

/* ---- shared groups ------------------------------------------------------------------ */

/* Rows that there are words for, from `offset` on. */
uint64_t window_room(struct shmq_group *c, struct lane *l, uint64_t offset)
{
	uint64_t floor = window_floor(&l->window), count = l->window.count;

	if (offset < floor + count) /* also below the floor: the hint was given back, and others were faster */
		return floor + count - offset;
	floor = window_advance(&l->window, lane_limit(c, l));
	return offset < floor + count ? floor + count - offset : 0;
}

/* Something is there, but not for us now: acks of others make room, and ring no bell. */
int window_full(struct shmq_group *c, struct lane *l)
{
	uint64_t later = boot_ms() + FULL_PAUSE_MS, row, hint;

	l->full_at = hint_position(l, &row, &hint) + 1;
	if (later < c->due_ms)
		c->due_ms = later;
	return SHMQ_EMPTY;
}

/* Opens the frame at which a run begins, at its row. 0, SHMQ_OVERRUN, or an error. */
static int run_begin(struct shmq_group *c, struct lane *l, uint64_t position, uint64_t row, uint64_t hint)
{
	/* Mostly it is open, and was left a little before: who claims few rows at a time must not copy and search all
	   of it for each of them. */
	uint64_t from = l->read.open && l->read.position == position && l->row <= row ? l->row : 0;
	struct shmq_message m;
	int r = from == 0 ? frame_load(&c->g, &l->log, position, &l->read) : 0;

	l->row = row;
	if (r == SHMQ_ECORRUPT) { /* all of it, also what others would claim */
		frame_damaged(c, l, position);
		if (claim_row(hint) != 0)
			claim_move(&l->window, &hint, claim_make(position + 1, 0));
	}
	if (r != 0)
		return r;
	if (from == 0) {
		l->at = 0;
		l->gate_bytes += l->read.columns.frame->length;
	}
	if (row > from && (l->read.columns.frame->flags & FRAME_DELIMITED))
		r = row_at(&c->g, &l->read, from, row - 1, &l->at, &m);
	return r;
}

/* Moves the hint over what is to be ours next. 0; SHMQ_EMPTY: nothing there, or no room in the window. */
static int reserve(struct shmq_group *c, struct lane *l)
{
	for (;;) {
		uint64_t row, hint, position = hint_position(l, &row, &hint), head, rows, room, next, more = 0;
		struct frame f;
		int r = log_peek(&c->g.q->error, &l->log, position, &f);

		if (r == SHMQ_OVERRUN) {
			r = lane_overrun(c, l);
			head = log_first(&l->log, position);
			if (head > position)
				claim_move(&l->window, &hint, claim_make(head, 0));
			if (r != 0)
				return r;
			continue;
		}
		if (r == SHMQ_ECORRUPT) {
			/* How many rows it had cannot be told: the next frame says where it ends. */
			if (!claim_move(&l->window, &hint, claim_make(position + 1, 0)))
				continue; /* met by another */
			frame_damaged(c, l, position);
			return r;
		}
		if (r != 0)
			return r;
		if (f.count == 0 || row >= f.count) {
			claim_move(&l->window, &hint, claim_make(position + 1, 0));
			continue;
		}
		if (f.offset + row >= l->until) {
			l->full_at = position + 1;
			return SHMQ_EMPTY;
		}
		room = window_room(c, l, f.offset + row);
		if (room == 0)
			return window_full(c, l);
		rows = f.count - row < c->prefetch ? f.count - row : c->prefetch;
		if (rows > room)
			rows = room;
		if (rows > l->until - f.offset - row)
			rows = l->until - f.offset - row;
		if (row + rows == f.count) { /* more frames like it, if they are there */
			uint64_t most = (c->prefetch - rows) / f.count;

			while (more < most && more < RUN_MAX && rows + more * f.count < room &&
			       f.offset + f.count + more * f.count < l->until &&
			       ring_look(&l->log, position + 1 + more) == 0)
				more++;
			next = claim_make(position + 1 + more, 0);
		} else {
			next = claim_make(position, row + rows);
		}
		if (!claim_move(&l->window, &hint, next))
			continue;
		l->hint = next;
		l->full_at = 0;
		l->next_position = position + 1;
		l->run_end = position + 1 + more;
		r = run_begin(c, l, position, row, next);
		l->row_end = r == 0 ? row + rows : l->row;
		if (r != SHMQ_OVERRUN)
			return r;
	}
}

/* The next frame of the run. */
static int next_frame(struct shmq_group *c, struct lane *l)
{
	uint64_t position = l->next_position++;
	int r = frame_load(&c->g, &l->log, position, &l->read);

	l->row = l->row_end = l->at = 0;
	if (r == SHMQ_OVERRUN) {
		l->next_position = l->run_end;
		return lane_overrun(c, l);
	}
	if (r == SHMQ_ECORRUPT)
		frame_damaged(c, l, position);
	if (r != 0)
		return r;
	l->row_end = l->read.columns.frame->count;
	l->gate_bytes += l->read.columns.frame->length;
	return 0;
}

/* The rows of the open frame. 0 and *d; SHMQ_EMPTY: none is left, or (row < row_end) the window is full; an error. */
static int next_row(struct shmq_group *c, struct lane *l, struct shmq_delivery *d)
{
	while (l->row < l->row_end) {
		uint64_t offset = l->read.columns.frame->offset + l->row, word;
		enum word_says says = window_look(&l->window, offset, &word);
		int r;

		if (says == SAYS_BEYOND && window_room(c, l, offset) == 0)
			return window_full(c, l);
		if (says == SAYS_BEYOND)
			continue;
		r = row_at(&c->g, &l->read, l->row, l->row, &l->at, &d->message);
		if (r != 0) { /* what follows of this frame cannot be told either */
			l->row_end = l->row;
			l->read.open = false;
			lane_damaged(c, l, offset);
			return r;
		}
		l->row++;
		if (says != SAYS_FREE)
			continue; /* another has it, or had */
		d->message.partition = (int)l->partition;
		if (!group_wants(c, &d->message)) {
			pass_over(c, l, offset, word);
			continue;
		}
		r = claim_word(c, l, offset, says, taken_as(c), &word);
		if (r < 0) { /* it is looked at again */
			l->row_end = l->row;
			c->sweep_cut = true;
			return r;
		}
		if (r == 0)
			continue;
		hand_out(c, l, offset, word, d);
		return 0;
	}
	return SHMQ_EMPTY;
}

static int shared_next(struct shmq_group *c, struct lane *l, struct shmq_delivery *d)
{
	for (;;) {
		int r;

		if (l->read.open && l->row < l->row_end) {
			r = next_row(c, l, d);
			if (r != SHMQ_EMPTY || l->row < l->row_end)
				return r;
		}
		if (l->read.open) /* its rows are handed out: what was done of it and before it may go */
			lane_raise(c, l, false);
		r = l->next_position < l->run_end ? next_frame(c, l) : reserve(c, l);
		if (r != 0)
			return r;
	}
}

int lane_next(struct shmq_group *c, struct lane *l, struct shmq_delivery *d)
{
	int r = lane_open_log(c, l);

	if (r != 0)
		return r;
	if (!l->returns && c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		return ordered_next(c, l, d);
	r = next_found(c, l, d);
	return r != SHMQ_EMPTY || l->returns ? r : shared_next(c, l, d);
}
