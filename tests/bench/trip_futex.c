/* SPDX-License-Identifier: MIT */
/* trip_futex.c - the cheapest there and back between two processes that both sleep. */
#include "trip.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

struct words {
	_Alignas(128) atomic_uint there;
	_Alignas(128) atomic_uint back;
	_Alignas(128) char end;
};

static int word_send(atomic_uint *word, unsigned value)
{
	atomic_store(word, value);
	return syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? -1 : 0;
}

/* Sleeps at once, without a look that would have found the answer of a quick partner. */
static int word_wait(atomic_uint *word, unsigned old, unsigned *value)
{
	do {
		if (syscall(SYS_futex, word, FUTEX_WAIT, old, NULL, NULL, 0) && errno != EAGAIN &&
		    errno != EINTR)
			return -1;
		*value = atomic_load(word);
	} while (*value == old);
	return 0;
}

/* A word holds the low half of the number + 2: 0 is nothing yet, 1 is TRIP_STOP. */
static int ping(void *state, uint64_t first, uint64_t n)
{
	struct words *w = state;

	for (unsigned word = (unsigned)(first + 2), answer; n--; word++) {
		unsigned old = atomic_load(&w->back);

		if (word_send(&w->there, word) || word_wait(&w->back, old, &answer) ||
		    answer != word)
			return -1;
	}
	return 0;
}

static int pong(void *state)
{
	struct words *w = state;
	unsigned seen = 0, word, expected = 2;

	for (; seen != 1; expected++) {
		if (word_wait(&w->there, seen, &word) || (word != expected && word != 1))
			return -1;
		seen = word;
		if (word_send(&w->back, word))
			return -1;
	}
	return 0;
}

const struct trip_kind trip_futex = {
    .sides = {.name = "futex"},
    .ping = ping,
    .pong = pong,
    .slice = 200,
    .sleeps = true,
};
