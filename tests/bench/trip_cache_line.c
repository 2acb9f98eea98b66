/* SPDX-License-Identifier: MIT */
/* trip_cache_line.c - the fastest there and back that the machine can do: one side writes a cache
 * line, the other sees it and writes it back. One line, not one for each direction: that would be
 * slower, and the reference is to be the hardest one. */
#include "trip.h"

struct line {
	_Atomic uint64_t word;
};

/* The word is 2 * (number + 2) on the way there and one more on the way back: 0 is nothing yet, 2
 * is TRIP_STOP. There is no pause in the loops: it would only make the reference slower. */
static uint64_t word_of(uint64_t number)
{
	return 2 * (number + 2);
}

static int ping(void *state, uint64_t first, uint64_t n)
{
	struct line *l = state;

	for (uint64_t word = word_of(first); n--; word += 2) {
		uint64_t seen;

		atomic_store_explicit(&l->word, word, memory_order_release);
		do
			seen = atomic_load_explicit(&l->word, memory_order_acquire);
		while (seen == word);
		if (seen != word + 1)
			return -1;
	}
	return 0;
}

static int pong(void *state)
{
	struct line *l = state;
	uint64_t own = 0, word;

	for (uint64_t expected = word_of(0); own != word_of(TRIP_STOP) + 1; expected += 2) {
		do
			word = atomic_load_explicit(&l->word, memory_order_acquire);
		while (word == own);
		if (word != expected && word != word_of(TRIP_STOP))
			return -1;
		own = word + 1;
		atomic_store_explicit(&l->word, own, memory_order_release);
	}
	return 0;
}

const struct trip_kind trip_cache_line = {
    .sides = {.name = "cache line"},
    .ping = ping,
    .pong = pong,
    .slice = 2000,
};
