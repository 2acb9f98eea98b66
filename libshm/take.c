/* SPDX-License-Identifier: MIT */
/*
 * take.c - claiming messages and handing them out.
 *
 * Shared groups: a consumer moves the claim hint over a run of rows, then claims each by a CAS of its word when its
 * turn comes. Who dies or stands still in between has only moved a hint: sweeps find what nobody has claimed.
 * Ordered groups: the owner of a partition claims from the floor on, one after the other, and passes nothing.
 */
#include "group.h"

#include "clock.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MAX 64u /* frames claimed ahead */
#define BURY_PAUSE_MS 1000u /* until a message that could not be made a dead letter is looked at again */
#define FULL_PAUSE_MS 10u /* until a full window is looked at again */

/* ---- reading ------------------------------------------------------------------------ */

void frame_read_free(struct frame_read *r)
{
	free(r->copy.data);
	column_free(&r->headers);
	*r = (struct frame_read){0};
}

/* What is known of another log says nothing of this one: positions and offsets are the same. */
static void read_turn_to(struct frame_read *read, const struct log *log)
{
	if (read->log == log)
		return;
	read->log = log;
	read->open = false;
	read->words.from = read->words.to = 0;
}

static int frame_load(struct group *g, const struct log *log, uint64_t position, struct frame_read *read)
{
	int r;

	read_turn_to(read, log);
	if (read->open && read->position == position)
		return 0;
	read->open = false;
	r = ring_read(&g->q->error, log, position, &read->words, &read->copy);
	if (r != 0)
		return r;
	if (columns_open((const struct frame *)(const void *)read->copy.data, &read->columns) < 0)
		return fail(&g->q->error, SHMQ_ECORRUPT, "topic %s: the frame at position %llu contradicts itself",
		            g->topic.name, (unsigned long long)position);
	read->position = position;
	read->open = true;
	return 0;
}

/* Row `row`; *at is the place of a row before it, of `from`, and is moved behind it. */
static int row_at(struct group *g, struct frame_read *read, uint64_t from, uint64_t row, uint64_t *at,
                  struct shmq_message *m)
{
	const struct frame *f = read->columns.frame;
	int r = 0;

	*m = (struct shmq_message){.offset = f->offset + row, .time_ns = f->time_ns};
	if (!(f->flags & FRAME_DELIMITED))
		from = row;
	for (uint64_t i = from; i <= row && r == 0; i++)
		r = columns_row(&read->columns, (uint32_t)i, at, m);
	if (r == 0 && read->columns.header_ends != NULL)
		r = columns_headers(&read->columns, (uint32_t)row, &read->headers, m);
	if (r != 0)
		return fail(&g->q->error, r, "topic %s: message %llu contradicts its frame", g->topic.name,
		            (unsigned long long)m->offset);
	return 0;
}

int row_read(struct group *g, const struct log *log, uint64_t offset, struct frame_read *read, struct shmq_message *m)
{
	uint64_t end, head, position, at = 0;
	const struct frame *f;
	int r;

	read_turn_to(read, log);
	if (!read->open || offset < read->columns.frame->offset ||
	    offset - read->columns.frame->offset >= read->columns.frame->count) {
		end = ring_end(log);
		head = ring_head(log, end);
		if (head >= end)
			return SHMQ_OVERRUN;
		position = log_search(log, head, end, false, offset);
		r = frame_load(g, log, position, read);
		if (r != 0)
			return r;
	}
	f = read->columns.frame;
	if (offset < f->offset)
		return SHMQ_OVERRUN; /* head has passed it */
	if (offset - f->offset >= f->count) {
		/* Also where the search found nothing any more, and we have the frame that it began at. */
		if (ring_look(log, read->position) == SHMQ_OVERRUN)
			return SHMQ_OVERRUN;
		return fail(&g->q->error, SHMQ_ECORRUPT, "topic %s: message %llu is in no frame", g->topic.name,
		            (unsigned long long)offset);
	}
	return row_at(g, read, 0, offset - f->offset, &at, m);
}

/* ---- lanes -------------------------------------------------------------------------- */

int lane_open_log(struct shmq_group *c, struct lane *l)
{
	int r;

	if (l->returns || log_attached(&l->log))
		return 0;
	if (!topic_log_made(&c->g.topic, l->partition))
		return SHMQ_EMPTY;
	r = topic_log_open(&c->g.topic, l->partition, false, &l->log);
	if (r == SHMQ_ENOENT) {
		r = topic_check_linked(&c->g.topic);
		if (r == 0)
			r = fail(&c->g.q->error, SHMQ_ECORRUPT, "topic %s partition %u: its log is missing",
			         c->g.topic.name, l->partition);
	}
	return r;
}

static void hint_give_back(struct lane *l)
{
	bool open = l->read.open && l->row < l->row_end;
	uint64_t hint = l->hint;

	/* Only while nobody has moved it further: what lies between is then claimed by nobody but us. */
	if (hint != 0 && (open || l->next_position < l->run_end))
		cas_acq_rel(&l->window.line->claim_hint, &hint,
		            open ? claim_make(l->read.position, l->row) : claim_make(l->next_position, 0));
}

void lane_reset(struct shmq_group *c, struct lane *l)
{
	if (!l->returns && c->g.config.o.mode == SHMQ_GROUP_SHARED)
		hint_give_back(l);
	l->row = l->row_end = l->next_position = l->run_end = l->hint = 0;
	l->found_count = l->found_next = 0;
	l->cursor = 0;
}

/* The position that the claim hint means; *row of the frame there. */
static uint64_t hint_position(struct lane *l, uint64_t *row, uint64_t *hint)
{
	*hint = load_acquire(&l->window.line->claim_hint);
	*row = claim_row(*hint);
	return claim_position(*hint, ring_head(&l->log, l->gate_position));
}

static uint64_t claimed_until(struct shmq_group *c, struct lane *l)
{
	const struct log *log = lane_log(c, l);
	uint64_t row, hint, position, end;
	struct error e;
	struct frame f;

	if (!log_attached(log))
		return l->window.base;
	if (l->returns || c->g.config.o.mode == SHMQ_GROUP_ORDERED)
		return log_known_end(log, &end).offset;
	position = hint_position(l, &row, &hint);
	if (row > 0 && ring_peek(&e, log, position, &f) == 0)
		return f.offset + (row < f.count ? row : f.count);
	if (position > 0 && ring_peek(&e, log, position - 1, &f) == 0)
		return f.offset + f.count;
	if (ring_peek(&e, log, position, &f) == 0)
		return f.offset;
	return window_floor(&l->window); /* where it begins, or damage */
}

uint64_t lane_limit(struct shmq_group *c, struct lane *l)
{
	uint64_t limit = claimed_until(c, l), floor = window_floor(&l->window);

	return limit > floor ? limit : floor; /* a hint that was given back may be behind it */
}

/* ---- gates -------------------------------------------------------------------------- */

/* Of the frame with the first message that is not done. */
static uint64_t floor_position(struct shmq_group *c, struct lane *l)
{
	uint64_t floor = window_advance(&l->window, lane_limit(c, l)), end = ring_end(&l->log);
	uint64_t head = ring_head(&l->log, end), at;
	struct error e;
	struct frame f;

	if (head >= end)
		return end;
	if (l->gate_position > head && l->gate_position < end)
		head = l->gate_position;
	at = log_search(&l->log, head, end, false, floor);
	return ring_peek(&e, &l->log, at, &f) == 0 && f.offset + f.count <= floor ? at + 1 : at;
}

void lane_raise(struct shmq_group *c, struct lane *l, bool now)
{
	struct topic *t = &c->g.topic;
	bool asleep = (load32_seq(&t->bell->room) & (BELL_SLEEP | BELL_WAKING)) != 0;
	uint64_t word, position;

	if (l->returns || !log_attached(&l->log))
		return;
	if (!now && !asleep && l->gate_bytes < EXTENT_BYTES &&
	    l->read.position - l->gate_position < l->log.slot_count / 16)
		return;
	l->gate_bytes = 0;
	position = floor_position(c, l);
	word = load_acquire(&t->bell->readers[c->g.reader]);
	if (reader_word_state(word) != READER_GROUP || reader_word_group(word) != c->g.number ||
	    reader_word_incarnation(word) != (c->g.incarnation & 0xffff))
		return; /* deleted, or moved: seen by the next call */
	if (position == l->gate_position && !asleep)
		return;
	reader_gate_lift(&t->readers, c->g.reader, word, l->partition, position);
	l->gate_position = position;
	bell_ring(&t->bell->room); /* tell:sleep, behind the CAS of the gate */
}

/* A message that cannot be read, and all that nobody has taken of what is unreadable behind it: DONE. */
static void lane_damaged(struct shmq_group *c, struct lane *l, uint64_t offset)
{
	const struct log *log = lane_log(c, l);
	uint64_t end = ring_end(log), head = ring_head(log, end), to = offset + 1, word;
	struct error e;
	struct frame f;

	uint64_t at = head < end ? log_search(log, head, end, false, offset) : end;

	/* Its header may be good: then it says how many they are. */
	if (at < end && ring_peek(&e, log, at, &f) == 0 && f.offset <= offset && f.offset + f.count > offset) {
		to = f.offset + f.count;
		at = end;
	}
	for (uint64_t i = at + 1; i < end; i++)
		if (ring_peek(&e, log, i, &f) == 0 && f.offset > offset) {
			to = f.offset;
			break;
		}
	for (uint64_t o = offset; o < to; o++) {
		enum word_says says = window_look(&l->window, o, &word);

		if (says == SAYS_BEYOND || window_reserve(&e, &l->window, o) < 0)
			break;
		if (says == SAYS_FREE || (says == SAYS_HELD && word_state(word) == WORD_WAITING))
			window_set(&l->window, o, word, window_done(&l->window, o, word));
	}
}

/* The frame at a position, met by who came to it first: its messages are DONE, so that it is told once. */
static void frame_damaged(struct shmq_group *c, struct lane *l, uint64_t position)
{
	struct error e;
	struct frame f;

	if (ring_peek(&e, &l->log, position, &f) == 0)
		lane_damaged(c, l, f.offset);
	else if (position == 0)
		lane_damaged(c, l, c->g.topic.first_offset);
	else if (ring_peek(&e, &l->log, position - 1, &f) == 0)
		lane_damaged(c, l, f.offset + f.count);
	/* else it cannot be told where it begins: found by a sweep */
}

/* Messages that publishers did not keep for us, or a purge removed (0). */
static int lane_overrun(struct shmq_group *c, struct lane *l)
{
	uint64_t head = ring_head(&l->log, l->gate_position), skipped;
	struct error e;
	struct frame f;

	if (ring_peek(&e, &l->log, head, &f) != 0)
		return 0; /* moved on, or damaged: met again */
	skipped = window_skip_to(&l->window, f.offset);
	l->found_count = l->found_next = 0;
	if (skipped == 0 || (f.flags & FRAME_PURGE))
		return 0;
	counter_add(&c->g.q->counters->messages_missed, skipped);
	fail(&c->g.q->error, SHMQ_OVERRUN, "topic %s partition %u: publishers did not wait; group %s missed %llu messages",
	     c->g.topic.name, l->partition, c->g.name, (unsigned long long)skipped);
	return SHMQ_OVERRUN;
}

/* ---- claiming ----------------------------------------------------------------------- */

static enum word_state taken_as(const struct shmq_group *c)
{
	if (c->flags & SHMQ_CONSUME_AT_MOST_ONCE)
		return WORD_DONE;
	return c->flags & SHMQ_CONSUME_MANUAL_START ? WORD_CLAIMED : WORD_WORKING;
}

/* Claims a message whose word says `word` (free, or WAITING): 1, and *word is ours; 0: another was faster; or an
 * error. */
static int claim(struct shmq_group *c, struct lane *l, uint64_t offset, enum word_says says, enum word_state as,
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
		next = window_next(&l->window, offset, *word, word_tag(*word) + 1, deliveries, as, c->self.owner);
	if (!window_set(&l->window, offset, *word, next))
		return 0;
	*word = next;
	return 1;
}

static void hand_out(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word, struct shmq_delivery *d)
{
	d->attempt = word_deliveries(word);
	if (word_state(word) == WORD_CLAIMED)
		d->attempt++;
	d->private_[0] = l->returns ? UINT64_MAX : l->partition;
	d->private_[1] = offset;
	d->private_[2] = l->returns ? 0 : c->g.incarnation;
	d->private_[3] = c->self.owner << 8 | (d->attempt & 0xff);
	c->current = l;
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

static bool filter_passes(const struct shmq_group *c, const struct shmq_message *m)
{
	const char *filter = c->g.config.o.filter;

	return filter == NULL || shmq_filter_match(filter, m->key, m->key_len);
}

/* A message that does not match is nobody's: DONE, by whoever passes it. */
static void pass_over(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word)
{
	if (window_reserve(&c->g.q->error, &l->window, offset) == 0 &&
	    window_set(&l->window, offset, word, window_done(&l->window, offset, word)))
		counter_add(&c->self.entry->filtered, 1);
}

/* ---- what a sweep has found --------------------------------------------------------- */

/* Its deliveries were used up by consumers that died, or could not get it into the return log. */
static int bury(struct shmq_group *c, struct lane *l, uint64_t offset, uint64_t word)
{
	uint64_t mine = window_next(&l->window, offset, word, word_tag(word) + 1, word_deliveries(word), WORD_WORKING,
	                            c->self.owner);
	int r;

	if (!window_set(&l->window, offset, word, mine))
		return SHMQ_EMPTY;
	r = dead_letter(c, l, offset, &mine, NULL);
	if (r < 0) { /* it is nobody's work: another time */
		window_set(&l->window, offset, mine,
		           window_next(&l->window, offset, mine, word_tag(mine), word_deliveries(mine), WORD_WAITING,
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
	if (says == SAYS_FREE && !filter_passes(c, &d->message)) {
		pass_over(c, l, offset, word);
		return SHMQ_EMPTY;
	}
	if (says == SAYS_HELD && word_deliveries(word) >= c->g.config.o.retries)
		return bury(c, l, offset, word);
	r = claim(c, l, offset, says, taken_as(c), &word);
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
static uint64_t window_room(struct shmq_group *c, struct lane *l, uint64_t offset)
{
	uint64_t floor = window_floor(&l->window), count = l->window.count;

	if (offset < floor + count) /* also below the floor: the hint was given back, and others were faster */
		return floor + count - offset;
	floor = window_advance(&l->window, lane_limit(c, l));
	return offset < floor + count ? floor + count - offset : 0;
}

/* Something is there, but not for us now: acks of others make room, and ring no bell. */
static int full(struct shmq_group *c, struct lane *l)
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
			cas_acq_rel(&l->window.line->claim_hint, &hint, claim_make(position + 1, 0));
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
		int r = ring_peek(&c->g.q->error, &l->log, position, &f);

		if (r == SHMQ_OVERRUN) {
			r = lane_overrun(c, l);
			head = ring_head(&l->log, position);
			if (head > position)
				cas_acq_rel(&l->window.line->claim_hint, &hint, claim_make(head, 0));
			if (r != 0)
				return r;
			continue;
		}
		if (r == SHMQ_ECORRUPT) {
			/* How many rows it had cannot be told: the next frame says where it ends. */
			if (!cas_acq_rel(&l->window.line->claim_hint, &hint, claim_make(position + 1, 0)))
				continue; /* met by another */
			frame_damaged(c, l, position);
			return r;
		}
		if (r != 0)
			return r;
		if (f.count == 0 || row >= f.count) {
			cas_acq_rel(&l->window.line->claim_hint, &hint, claim_make(position + 1, 0));
			continue;
		}
		if (f.offset + row >= l->until) {
			l->full_at = position + 1;
			return SHMQ_EMPTY;
		}
		room = window_room(c, l, f.offset + row);
		if (room == 0)
			return full(c, l);
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
		if (!cas_acq_rel(&l->window.line->claim_hint, &hint, next))
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
			return full(c, l);
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
		if (!filter_passes(c, &d->message)) {
			pass_over(c, l, offset, word);
			continue;
		}
		r = claim(c, l, offset, says, taken_as(c), &word);
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
	if (says == SAYS_FREE && !filter_passes(c, &d->message)) {
		pass_over(c, l, offset, word);
		return SHMQ_EMPTY;
	}
	if (says == SAYS_HELD && word_deliveries(word) >= c->g.config.o.retries)
		return bury(c, l, offset, word);
	r = claim(c, l, offset, says, taken_as(c), &word);
	if (r <= 0)
		return r < 0 ? r : SHMQ_EMPTY;
	l->cursor++;
	hand_out(c, l, offset, word, d);
	return 0;
}

static int ordered_next(struct shmq_group *c, struct lane *l, struct shmq_delivery *d)
{
	uint64_t end, limit;

	if (!own(c, l) || l->leaving)
		return SHMQ_EMPTY;
	if (l->in_hand > 0 && !(c->flags & SHMQ_CONSUME_PIPELINED))
		return SHMQ_EMPTY;
	limit = log_known_end(&l->log, &end).offset;
	l->end_seen = end;
	if (limit > l->until)
		limit = l->until;
	if (l->cursor == 0 || l->cursor < window_floor(&l->window))
		l->cursor = window_advance(&l->window, limit);
	while (l->cursor < limit) {
		uint64_t word;
		enum word_says says = window_look(&l->window, l->cursor, &word);
		int r;

		if (says == SAYS_BEYOND && window_room(c, l, l->cursor) == 0)
			return full(c, l);
		if (says == SAYS_DONE || says == SAYS_BELOW || says == SAYS_BEYOND) {
			l->cursor += says != SAYS_BEYOND;
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
		if (r != SHMQ_EMPTY)
			return r;
		lane_raise(c, l, false);
	}
	return SHMQ_EMPTY;
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
