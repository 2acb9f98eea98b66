/* SPDX-License-Identifier: MIT */
/*
 * lane.c - one log as a consumer sees it: how far others have claimed, what publishers are told, what is damaged or
 * gone.
 */
#include "take.h"
#include "past.h"

#include <string.h>

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
		claim_move(&l->window, &hint,
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
uint64_t hint_position(struct lane *l, uint64_t *row, uint64_t *hint)
{
	*hint = claim_look(&l->window);
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
	if (row > 0 && log_peek(&e, log, position, &f) == 0)
		return f.offset + (row < f.count ? row : f.count);
	if (position > log->base.position && log_peek(&e, log, position - 1, &f) == 0)
		return f.offset + f.count;
	if (position == log->base.position) /* all that came before memory was made anew */
		return log->base.offset;
	if (log_peek(&e, log, position, &f) == 0)
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
	uint64_t head = ring_head(&l->log, end);

	if (l->gate_position > head && l->gate_position < end)
		head = l->gate_position;
	return log_position_of(&l->log, head, end, floor);
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
	if (topic_on_disk(t)) { /* the disk holds back publishers, not we: mqd is told instead */
		window_advance(&l->window, lane_limit(c, l));
		topic_mark_acked(t);
		return;
	}
	position = floor_position(c, l);
	word = group_reader_word(&c->g);
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
void lane_damaged(struct shmq_group *c, struct lane *l, uint64_t offset)
{
	const struct log *log = lane_log(c, l);
	uint64_t end = ring_end(log), head = log_first(log, end), to = offset + 1, word;
	uint64_t at = head < end ? log_search(log, head, end, false, offset) : end;
	struct error e;
	struct frame f;

	/* Its header may be good: then it says how many they are. */
	if (at < end && log_peek(&e, log, at, &f) == 0 && f.offset <= offset && f.offset + f.count > offset) {
		to = f.offset + f.count;
		at = end;
	}
	for (uint64_t i = at + 1; i < end; i++)
		if (log_peek(&e, log, i, &f) == 0 && f.offset > offset) {
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
void frame_damaged(struct shmq_group *c, struct lane *l, uint64_t position)
{
	struct error e;
	struct frame f;

	if (log_peek(&e, &l->log, position, &f) == 0)
		lane_damaged(c, l, f.offset);
	else if (position == l->log.base.position)
		lane_damaged(c, l, l->log.base.offset);
	else if (log_peek(&e, &l->log, position - 1, &f) == 0)
		lane_damaged(c, l, f.offset + f.count);
	/* else it cannot be told where it begins: found by a sweep */
}

/* Messages that publishers did not keep for us, or a purge removed (0). */
int lane_overrun(struct shmq_group *c, struct lane *l)
{
	uint64_t head = log_first(&l->log, l->gate_position), skipped;
	struct error e;
	struct frame f;

	if (log_peek(&e, &l->log, head, &f) != 0)
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
