/* SPDX-License-Identifier: MIT */
/* seek.c - from offsets, counts and times to positions: binary search over frame headers. */
#include "consume.h"

/* Where a log ends, as far as its frames can be read: offset `offset` stands at `position`, or would.
 * When the newest frames are damaged, `position` is the first of them and the true end is beyond. */
struct known_end {
	uint64_t position, offset;
};

/* The lowest position that can still be there: memory that says otherwise must not make us walk 2^59. */
static uint64_t lowest(const struct track *t, uint64_t end)
{
	return end > t->log.slot_count ? end - t->log.slot_count : 0;
}

/* The nearest readable frame to `at` in (low, high): upwards first. Frames that are gone count as
 * unreadable. */
static bool peek_near(struct shmq_sub *s, const struct track *t, uint64_t low, uint64_t high,
                      uint64_t *at, struct frame *f)
{
	for (uint64_t i = *at; i < high; i++) {
		if (ring_peek(&s->q->error, &t->log, i, f) == 0) {
			*at = i;
			return true;
		}
	}
	for (uint64_t i = *at; i-- > low + 1;) {
		if (ring_peek(&s->q->error, &t->log, i, f) == 0) {
			*at = i;
			return true;
		}
	}
	return false;
}

/* The last readable position in [from, end) whose frame begins at or before `key`; `from` when there is
 * none. What is damaged behind it may hold the key, and is met, and told, by reading on. */
static uint64_t search(struct shmq_sub *s, const struct track *t, uint64_t from, uint64_t end,
                       bool by_time, uint64_t key)
{
	uint64_t low = from, high = end;

	while (low + 1 < high) { /* damaged from `from` on, the end that is known is below it */
		uint64_t middle = low + (high - low) / 2;
		struct frame f;

		if (!peek_near(s, t, low, high, &middle, &f))
			break;
		if ((by_time ? f.time_ns : f.offset) > key)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* First position whose frame was linked at `ns` or later, or cannot be read. */
static uint64_t search_time(struct shmq_sub *s, const struct track *t, uint64_t from, uint64_t end,
                            uint64_t ns)
{
	uint64_t at;
	struct frame f = {0};

	if (end == from || ns == 0)
		return from;
	at = search(s, t, from, end, true, ns - 1);
	return ring_peek(&s->q->error, &t->log, at, &f) == 0 && f.time_ns < ns ? at + 1 : at;
}

/* The same as an end: what cannot be read may come before it, and is met. */
static uint64_t search_time_end(struct shmq_sub *s, const struct track *t, uint64_t from, uint64_t end,
                                uint64_t ns)
{
	uint64_t at = search_time(s, t, from, end, ns);
	struct frame f;

	while (at < end && ring_peek(&s->q->error, &t->log, at, &f) == SHMQ_ECORRUPT)
		at++;
	return at;
}

/* Offset of the frame at a position; of a damaged one, where the readable one before it ends. */
static uint64_t offset_at(struct shmq_sub *s, const struct track *t, uint64_t position,
                          const struct known_end *end)
{
	uint64_t i = position;
	struct frame f;

	if (position >= end->position)
		return end->offset;
	if (ring_peek(&s->q->error, &t->log, position, &f) == 0)
		return f.offset;
	while (i-- > lowest(t, position)) {
		int r = ring_peek(&s->q->error, &t->log, i, &f);

		if (r == 0)
			return f.offset + f.count;
		if (r == SHMQ_OVERRUN)
			break;
	}
	return s->topic.first_offset;
}

static struct known_end log_end(struct shmq_sub *s, const struct track *t, uint64_t *end)
{
	struct frame f;
	int r = 0;

	for (int tries = 0; tries < 100; tries++) { /* publishers may go a lap round in between */
		*end = ring_end(&t->log);
		r = *end > 0 ? ring_peek(&s->q->error, &t->log, *end - 1, &f) : 0;
		if (r != SHMQ_OVERRUN)
			break;
	}
	for (uint64_t i = *end; i > lowest(t, *end) && r != SHMQ_OVERRUN; i--) {
		r = ring_peek(&s->q->error, &t->log, i - 1, &f);
		if (r == 0)
			return (struct known_end){i, f.offset + f.count};
	}
	return (struct known_end){*end == 0 ? 0 : ring_head(&t->log, *end), s->topic.first_offset};
}

static void seek_from(struct shmq_sub *s, struct track *t, uint64_t base, uint64_t end,
                      const struct known_end *known)
{
	uint64_t value = s->from.value;

	t->position = base;
	t->from_offset = 0;
	switch (s->from.kind) {
	case SHMQ_SEEK_BEGINNING:
		break;
	case SHMQ_SEEK_END:
		t->position = end;
		break;
	case SHMQ_SEEK_TIME:
		t->position = search_time(s, t, base, end, value);
		break;
	case SHMQ_SEEK_LAST:
		value = value > known->offset ? 0 : known->offset - value;
		/* fallthrough */
	case SHMQ_SEEK_OFFSET:
		t->from_offset = value;
		t->position = value >= known->offset ? known->position
		                                     : search(s, t, base, known->position, false, value);
		break;
	}
	if (t->position < base)
		t->position = base;
	t->next_offset = offset_at(s, t, t->position, known);
}

static void seek_until(struct shmq_sub *s, struct track *t, uint64_t base, uint64_t end,
                       const struct known_end *known)
{
	uint64_t value = s->until.value;

	t->until_offset = t->until_position = UINT64_MAX;
	if (s->flags & SHMQ_SUB_EXIT_AT_END)
		t->until_position = end;
	if (!s->until_set)
		return;
	switch (s->until.kind) {
	case SHMQ_SEEK_BEGINNING:
		t->until_position = base;
		break;
	case SHMQ_SEEK_END:
		t->until_position = end;
		break;
	case SHMQ_SEEK_TIME:
		t->until_position = search_time_end(s, t, base, end, value);
		break;
	case SHMQ_SEEK_LAST:
		t->until_offset = value > known->offset ? 0 : known->offset - value;
		break;
	case SHMQ_SEEK_OFFSET:
		t->until_offset = value;
		break;
	}
}

int track_seek(struct shmq_sub *s, struct track *t, uint64_t base)
{
	uint64_t end;
	struct known_end known = log_end(s, t, &end);

	if (base > end)
		return fail(&s->q->error, SHMQ_ECORRUPT,
		            "topic %s partition %u: its head is ahead of its newest frame", s->topic.name,
		            t->partition);
	if (base < lowest(t, end))
		base = lowest(t, end);
	seek_from(s, t, base, end, &known);
	seek_until(s, t, base, end, &known);
	t->ended = t->position >= t->until_position || t->next_offset >= t->until_offset;
	return 0;
}

void track_seek_absent(struct shmq_sub *s, struct track *t)
{
	bool over = (s->flags & SHMQ_SUB_EXIT_AT_END) ||
	            (s->until_set && s->until.kind != SHMQ_SEEK_OFFSET);

	t->position = 0;
	t->next_offset = s->topic.first_offset;
	t->from_offset = s->from.kind == SHMQ_SEEK_OFFSET ? s->from.value : 0;
	t->until_position = over ? 0 : UINT64_MAX;
	t->until_offset = s->until_set && s->until.kind == SHMQ_SEEK_OFFSET ? s->until.value : UINT64_MAX;
	t->ended = over || t->until_offset <= t->next_offset;
}
