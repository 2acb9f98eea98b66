/* SPDX-License-Identifier: MIT */
/*
 * consume.c - handing out frames: verified private copies, partition by partition in turn.
 *
 * What a death leaves: a reader word and gates, freed by the first publisher that they hold up.
 */
#include "consume.h"
#include "past.h"

#include <string.h>

/* ---- gates -------------------------------------------------------------------------- */

/* Each raise costs publishers a cache miss: not for every frame, but often enough that a publisher
 * which needs room finds most of what was read. */
void track_raise(struct shmq_sub *s, struct track *t, bool now)
{
	bool asleep = (load32_seq(&s->topic.bell->room) & (BELL_SLEEP | BELL_WAKING)) != 0;
	uint64_t to = t->ended ? GATE_NONE : t->position;

	if (s->reader.index == 0 || t->overrun || t->gate == to)
		return;
	if (!now && !asleep && t->position - t->gate < t->log.slot_count / 16 &&
	    t->gate_bytes < EXTENT_BYTES)
		return;
	if (!reader_gate_raise(&s->topic.readers, &s->reader, t->partition, t->gate, to))
		t->overrun = true; /* told when head has really passed us */
	t->gate = to;
	t->gate_bytes = 0;
	bell_ring(&s->topic.bell->room); /* tell:sleep, behind the CAS of the gate */
}

/* ---- one track ---------------------------------------------------------------------- */

static void track_end(struct shmq_sub *s, struct track *t)
{
	t->ended = true;
	track_raise(s, t, true);
}

/* Head has passed us: by a purge (go on in silence) or by publishers who did not wait. */
static int track_overrun(struct shmq_sub *s, struct track *t)
{
	for (;;) {
		uint64_t head = log_first(&t->log, t->position);
		struct frame f;
		int r;

		if (head <= t->position)
			return 0;
		r = log_peek(&s->q->error, &t->log, head, &f);
		if (r == SHMQ_OVERRUN)
			continue;
		if (r == SHMQ_EMPTY) { /* the newest frame is never reclaimed */
			track_end(s, t);
			return fail(&s->q->error, SHMQ_ECORRUPT,
			            "topic %s partition %u: its head is ahead of its newest frame",
			            s->topic.name, t->partition);
		}
		t->position = head;
		if (r != 0) /* damaged: read next, and reported then */
			return 0;
		if ((f.flags & FRAME_PURGE) || f.offset <= t->next_offset) {
			t->next_offset = f.offset;
			return 0;
		}
		s->missed += f.offset - t->next_offset;
		counter_add(&s->q->counters->messages_missed, f.offset - t->next_offset);
		fail(&s->q->error, SHMQ_OVERRUN,
		     "topic %s partition %u: publishers did not wait; %llu messages missed", s->topic.name,
		     t->partition, (unsigned long long)(f.offset - t->next_offset));
		t->next_offset = f.offset;
		return SHMQ_OVERRUN;
	}
}

static int track_damaged(struct shmq_sub *s, struct track *t)
{
	struct error why = s->q->error;

	if (ring_contradicts(&t->log, t->position))
		track_end(s, t); /* or it would go on like this for ever */
	t->position++;
	return fail(&s->q->error, SHMQ_ECORRUPT, "topic %s: %.400s", s->topic.name, why.text);
}

/* Whether the frame in s->copy has something for us. */
static bool track_wants(struct track *t, const struct frame *f)
{
	return f->count > 0 && f->offset + f->count > t->from_offset && f->offset < t->until_offset;
}

/* Field by field: a whole struct at once is zeroed by a string instruction first, 10 ns. */
static inline void batch_fill(struct shmq_sub *s, struct track *t, struct shmq_batch *b)
{
	const struct frame *f = s->columns.frame;

	b->topic = s->topic.name;
	b->partition = t->partition;
	b->offset = f->offset;
	b->count = f->count;
	b->time_ns = f->time_ns;
	b->whole = s->filter == NULL && !(f->flags & (FRAME_KEYS | FRAME_HEADERS)) &&
	           f->offset >= t->from_offset && f->count <= t->until_offset - f->offset;
	b->delimited = (f->flags & FRAME_DELIMITED) != 0;
	b->delim = f->delimiter;
	b->values = s->columns.values;
	b->value_bytes = f->value_bytes;
	b->private_ = s;
	for (unsigned i = 0; i < sizeof b->cursor / sizeof *b->cursor; i++)
		b->cursor[i] = 0;
	s->current = t;
	counter_add(&s->q->counters->messages_delivered, f->count);
	counter_add(&s->q->counters->bytes_delivered, f->value_bytes);
}

/* Steps over frames until one has something: 0 and *b, SHMQ_EMPTY (or ended), or what happened. */
static int track_next(struct shmq_sub *s, struct track *t, struct shmq_batch *b)
{
	int r = log_attached(&t->log) ? 0 : track_open(s, t);

	if (r == SHMQ_ECORRUPT) /* said once; the other partitions go on */
		track_end(s, t);
	while (r == 0) {
		const struct frame *f;

		if (t->position >= t->until_position || t->next_offset >= t->until_offset) {
			track_end(s, t);
			return SHMQ_EMPTY;
		}
		r = log_read(&s->q->error, &t->log, &t->position, &t->words, &s->copy);
		if (r == SHMQ_OVERRUN) {
			r = track_overrun(s, t);
			continue;
		}
		if (r == SHMQ_ECORRUPT)
			return track_damaged(s, t);
		if (r != 0)
			break;
		f = (const struct frame *)(const void *)s->copy.data;
		if (columns_open(f, &s->columns) < 0) {
			fail(&s->q->error, SHMQ_ECORRUPT, "partition %u: the frame at position %llu contradicts itself",
			     t->partition, (unsigned long long)t->position);
			return track_damaged(s, t);
		}
		t->position++;
		t->next_offset = f->offset + f->count;
		t->gate_bytes += f->length;
		if (track_wants(t, f)) {
			batch_fill(s, t, b);
			return 0;
		}
		track_raise(s, t, false);
	}
	return r;
}

int shmq_sub_next(shmq_sub *s, struct shmq_batch *b)
{
	bool empty = false;

	if (s->q->forked)
		return broker_check(s->q, true);
	if (s->current != NULL) { /* the previous batch was handled */
		track_raise(s, s->current, false);
		s->current = NULL;
	}
	for (unsigned n = 0; n < s->track_count; n++) {
		struct track *t = &s->tracks[s->turn];
		int r = SHMQ_END;

		if (++s->turn >= s->track_count)
			s->turn = 0;
		if (!t->ended)
			r = track_next(s, t, b);
		if (r == SHMQ_EMPTY && !t->ended) {
			empty = true;
			track_raise(s, t, true);
		} else if (r != SHMQ_END && r != SHMQ_EMPTY) {
			return r;
		}
	}
	if (empty && !topic_live(&s->topic)) /* nothing comes any more */
		return topic_gone(&s->topic);
	return empty ? SHMQ_EMPTY : SHMQ_END;
}

/* ---- messages of a batch ------------------------------------------------------------ */

int shmq_batch_next(struct shmq_batch *b, struct shmq_message *m)
{
	struct shmq_sub *s = (struct shmq_sub *)(uintptr_t)b->private_;
	const struct track *t = s->current;

	while (b->cursor[0] < b->count) {
		uint32_t row = (uint32_t)b->cursor[0]++;
		uint64_t offset = b->offset + row;
		int r;

		*m = (struct shmq_message){
		        .offset = offset, .partition = (int)b->partition, .time_ns = b->time_ns};
		r = columns_row(&s->columns, row, &b->cursor[1], m);
		if (r == 0 && s->columns.header_ends != NULL)
			r = columns_headers(&s->columns, row, &s->headers, m);
		if (r != 0)
			return fail(&s->q->error, r, "topic %s partition %u: message %llu contradicts its frame",
			            s->topic.name, b->partition, (unsigned long long)offset);
		if (offset < t->from_offset || offset >= t->until_offset)
			continue;
		if (s->filter != NULL && !shmq_filter_match(s->filter, m->key, m->key_len))
			continue;
		return 1;
	}
	return 0;
}

uint64_t shmq_sub_missed(const shmq_sub *s)
{
	return s->missed;
}

uint64_t shmq_sub_lag(shmq_sub *s)
{
	uint64_t lag = 0;

	for (unsigned i = 0; i < s->track_count && !s->q->forked; i++) {
		struct track *t = &s->tracks[i];
		struct frame f;
		uint64_t end;

		if (t->ended || track_open(s, t) != 0)
			continue;
		end = ring_end(&t->log);
		if (end > t->position && ring_peek(&s->q->error, &t->log, end - 1, &f) == 0)
			lag += log_count(&t->log, t->next_offset, f.offset + f.count);
	}
	return lag;
}
