/* SPDX-License-Identifier: MIT */
/* seek.c - from offsets, counts and times to positions: binary search over frame headers. */
#include "consume.h"

/* The last position in [from, end) whose frame begins at or before `key`; `from` when none does. What
 * is damaged or gone meanwhile counts as before. */
static uint64_t search(struct shmq_sub *s, const struct track *t, uint64_t from, uint64_t end,
                       bool by_time, uint64_t key)
{
	uint64_t low = from, high = end;

	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		struct frame f;

		if (ring_peek(&s->q->error, &t->log, middle, &f) == 0 &&
		    (by_time ? f.time_ns : f.offset) > key)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* First position whose frame was linked at `ns` or later. */
static uint64_t search_time(struct shmq_sub *s, const struct track *t, uint64_t from, uint64_t end,
                            uint64_t ns)
{
	uint64_t at;
	struct frame f;

	if (end == from || ns == 0)
		return from;
	at = search(s, t, from, end, true, ns - 1);
	if (ring_peek(&s->q->error, &t->log, at, &f) == 0 && f.time_ns >= ns)
		return at;
	return at + 1;
}

static uint64_t offset_at(struct shmq_sub *s, const struct track *t, uint64_t position, uint64_t end,
                          uint64_t end_offset)
{
	struct frame f;

	if (position < end && ring_peek(&s->q->error, &t->log, position, &f) == 0)
		return f.offset;
	return end_offset;
}

static uint64_t log_end_offset(struct shmq_sub *s, const struct track *t, uint64_t end)
{
	struct frame f;

	if (end > 0 && ring_peek(&s->q->error, &t->log, end - 1, &f) == 0)
		return f.offset + f.count;
	return s->topic.first_offset;
}

static void seek_from(struct shmq_sub *s, struct track *t, uint64_t base, uint64_t end,
                      uint64_t end_offset)
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
		value = value > end_offset ? 0 : end_offset - value;
		/* fallthrough */
	case SHMQ_SEEK_OFFSET:
		t->from_offset = value;
		t->position = value >= end_offset ? end : search(s, t, base, end, false, value);
		break;
	}
	t->next_offset = offset_at(s, t, t->position, end, end_offset);
}

static void seek_until(struct shmq_sub *s, struct track *t, uint64_t base, uint64_t end,
                       uint64_t end_offset)
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
		t->until_position = search_time(s, t, base, end, value);
		break;
	case SHMQ_SEEK_LAST:
		t->until_offset = value > end_offset ? 0 : end_offset - value;
		break;
	case SHMQ_SEEK_OFFSET:
		t->until_offset = value;
		break;
	}
}

int track_seek(struct shmq_sub *s, struct track *t, uint64_t base)
{
	uint64_t end = ring_end(&t->log), end_offset;

	if (base > end)
		return fail(&s->q->error, SHMQ_ECORRUPT,
		            "topic %s partition %u: its head is ahead of its newest frame", s->topic.name,
		            t->partition);
	end_offset = log_end_offset(s, t, end);
	seek_from(s, t, base, end, end_offset);
	seek_until(s, t, base, end, end_offset);
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
