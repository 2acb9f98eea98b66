/* SPDX-License-Identifier: MIT */
/* search.h - from offsets and times to positions: binary search over frame headers of one log. */
#ifndef SHMQ_SEARCH_H
#define SHMQ_SEARCH_H

#include "ring.h"

/* Where a log ends, as far as its frames can be read: offset `offset` stands at `position`, or would.
 * When the newest frames are damaged, `position` is the first of them and the true end is beyond. */
struct known_end {
	uint64_t position, offset;
};

/* *end: the true one. */
struct known_end log_known_end(const struct log *l, uint64_t *end);

/* The lowest position that can still be there: memory that says otherwise must not make us walk 2^59. */
uint64_t log_lowest(const struct log *l, uint64_t end);

/* The last readable position in [from, end) whose frame begins at or before `key` (an offset, or a time);
 * `from` when there is none. What is damaged behind it may hold the key, and is met, and told, by
 * reading on. */
uint64_t log_search(const struct log *l, uint64_t from, uint64_t end, bool by_time, uint64_t key);

/* First position whose frame was linked at `ns` or later, or cannot be read. */
uint64_t log_search_time(const struct log *l, uint64_t from, uint64_t end, uint64_t ns);

/* The same as an end: what cannot be read may come before it, and is met. */
uint64_t log_search_time_end(const struct log *l, uint64_t from, uint64_t end, uint64_t ns);

/* Position of the frame with an offset, or of the one behind it when it is over there: what is needed of [from, end)
 * by who needs the messages from `offset` on. */
uint64_t log_position_of(const struct log *l, uint64_t from, uint64_t end, uint64_t offset);

/* Offset of the frame at a position; of a damaged one, where the readable one before it ends. */
uint64_t log_offset_at(const struct log *l, uint64_t position, const struct known_end *end);

#endif
