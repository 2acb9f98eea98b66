/* SPDX-License-Identifier: MIT */
/* search.c - from offsets and times to positions: binary search over frame headers. */
#include "search.h"

#include "past.h"

/* The lowest position that can still be there: memory that says otherwise must not make us walk 2^59. */
uint64_t log_lowest(const struct log *l, uint64_t end)
{
	return end > l->base.position + l->slot_count ? end - l->slot_count : l->base.position;
}

/* The nearest readable frame to `at` in (low, high): upwards first. Frames that are gone count as
 * unreadable. */
static bool peek_near(const struct log *l, uint64_t low, uint64_t high,
                      uint64_t *at, struct frame *f)
{
	struct error e;
	for (uint64_t i = *at; i < high; i++) {
		if (ring_peek(&e, l, i, f) == 0) {
			*at = i;
			return true;
		}
	}
	for (uint64_t i = *at; i-- > low + 1;) {
		if (ring_peek(&e, l, i, f) == 0) {
			*at = i;
			return true;
		}
	}
	return false;
}

/* The last readable position in [from, end) whose frame begins at or before `key`; `from` when there is
 * none. What is damaged behind it may hold the key, and is met, and told, by reading on. */
uint64_t log_search(const struct log *l, uint64_t from, uint64_t end,
                       bool by_time, uint64_t key)
{
	uint64_t lowest = log_lowest(l, end), low = from > lowest ? from : lowest, high = end, past;

	if (from < ring_head(l, end) && past_search(l, end, by_time, key, &past))
		return past > from ? past : from;

	while (low + 1 < high) { /* damaged from `from` on, the end that is known is below it */
		uint64_t middle = low + (high - low) / 2;
		struct frame f;

		if (!peek_near(l, low, high, &middle, &f))
			break;
		if ((by_time ? f.time_ns : f.offset) > key)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* First position whose frame was linked at `ns` or later, or cannot be read. */
uint64_t log_search_time(const struct log *l, uint64_t from, uint64_t end,
                            uint64_t ns)
{
	struct error e;
	uint64_t at;
	struct frame f = {0};

	if (end == from || ns == 0)
		return from;
	at = log_search(l, from, end, true, ns - 1);
	return log_peek(&e, l, at, &f) == 0 && f.time_ns < ns ? at + 1 : at;
}

/* The same as an end: what cannot be read may come before it, and is met. */
uint64_t log_search_time_end(const struct log *l, uint64_t from, uint64_t end,
                                uint64_t ns)
{
	struct error e;
	uint64_t at = log_search_time(l, from, end, ns);
	struct frame f;

	while (at < end && log_peek(&e, l, at, &f) == SHMQ_ECORRUPT)
		at++;
	return at;
}

/* Offset of the frame at a position; of a damaged one, where the readable one before it ends. */
uint64_t log_offset_at(const struct log *l, uint64_t position,
                          const struct known_end *end)
{
	struct error e;
	uint64_t i = position;
	struct frame f;

	if (position >= end->position)
		return end->offset;
	if (log_peek(&e, l, position, &f) == 0)
		return f.offset;
	while (i-- > log_lowest(l, position)) { /* what memory has let go says itself where it begins */
		int r = log_peek(&e, l, i, &f);

		if (r == 0)
			return f.offset + f.count;
		if (r == SHMQ_OVERRUN)
			break;
	}
	return l->base.offset;
}

struct known_end log_known_end(const struct log *l, uint64_t *end)
{
	struct error e;
	struct frame f;
	int r = 0;

	for (int tries = 0; tries < 100; tries++) { /* publishers may go a lap round in between */
		*end = ring_end(l);
		r = *end > l->base.position ? ring_peek(&e, l, *end - 1, &f) : 0;
		if (r != SHMQ_OVERRUN)
			break;
	}
	for (uint64_t i = *end; i > log_lowest(l, *end) && r != SHMQ_OVERRUN; i--) {
		r = ring_peek(&e, l, i - 1, &f);
		if (r == 0)
			return (struct known_end){i, f.offset + f.count};
	}
	return (struct known_end){*end == l->base.position ? *end : ring_head(l, *end), l->base.offset};
}

uint64_t log_position_of(const struct log *l, uint64_t from, uint64_t end, uint64_t offset)
{
	uint64_t at;
	struct error e;
	struct frame f;

	if (from >= end)
		return end;
	at = log_search(l, from, end, false, offset);
	return log_peek(&e, l, at, &f) == 0 && f.offset + f.count <= offset ? at + 1 : at;
}
