/* SPDX-License-Identifier: MIT */
/* seek.c - where a subscriber begins and ends. */
#include "consume.h"
#include "past.h"
#include "search.h"

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
		t->position = log_search_time(&t->log, base, end, value);
		break;
	case SHMQ_SEEK_LAST:
		value = log_back(&t->log, known->offset, value);
		/* fallthrough */
	case SHMQ_SEEK_OFFSET:
		t->from_offset = value;
		t->position = value >= known->offset ? known->position
		                                     : log_search(&t->log, base, known->position, false, value);
		break;
	}
	if (t->position < base)
		t->position = base;
	t->next_offset = log_offset_at(&t->log, t->position, known);
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
		t->until_position = log_search_time_end(&t->log, base, end, value);
		break;
	case SHMQ_SEEK_LAST:
		t->until_offset = log_back(&t->log, known->offset, value);
		break;
	case SHMQ_SEEK_OFFSET:
		t->until_offset = value;
		break;
	}
}

int track_seek(struct shmq_sub *s, struct track *t, uint64_t base)
{
	uint64_t end;
	struct known_end known = log_known_end(&t->log, &end);

	if (base > end)
		return fail(&s->q->error, SHMQ_ECORRUPT,
		            "topic %s partition %u: its head is ahead of its newest frame", s->topic.name,
		            t->partition);
	if (t->log.past == NULL && base < log_lowest(&t->log, end))
		base = log_lowest(&t->log, end);
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
