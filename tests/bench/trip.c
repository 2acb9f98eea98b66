/* SPDX-License-Identifier: MIT */
/* trip.c - one run of round trips of any kind. */
#include "trip.h"

#include <string.h>
#include <sys/resource.h>

#define SLICES_MAX 4096

/* Shared by the runner and both sides. */
struct trip_run {
	const struct trip_kind *kind;
	uint64_t run_ns;
	double ns;         /* side 0 writes */
	uint64_t trips;    /* side 0 writes */
	uint64_t slept[2]; /* each its own */
	double slices[SLICES_MAX];
};

static uint64_t sleeps_so_far(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_nvcsw;
}

static int message_ping(const struct trip_kind *k, void *state, uint64_t first, uint64_t n)
{
	unsigned char out[TRIP_BYTES], in[TRIP_BYTES];

	memset(out, '.', sizeof(out));
	for (uint64_t number = first; n--; number++) {
		memcpy(out, &number, sizeof(number));
		if (k->send(state, out) || k->receive(state, in) ||
		    memcmp(out, in, sizeof(out)) != 0)
			return -1;
	}
	return 0;
}

static int message_pong(const struct trip_kind *k, void *state)
{
	unsigned char message[TRIP_BYTES];
	uint64_t number, expected = 0;

	do {
		if (k->receive(state, message))
			return -1;
		memcpy(&number, message, sizeof(number));
		if ((number != expected++ && number != TRIP_STOP) || k->send(state, message))
			return -1;
	} while (number != TRIP_STOP);
	return 0;
}

static int ping(const struct trip_kind *k, void *state, uint64_t first, uint64_t n)
{
	return k->ping ? k->ping(state, first, n) : message_ping(k, state, first, n);
}

/* The median over slices, not the mean over the run: a slice in which the machine did something
 * else must not decide. A slice is long enough to hold its share of memory reclaim. */
static int pings(struct trip_run *r, void *state)
{
	const struct trip_kind *k = r->kind;
	uint64_t start = now_ns(), before = start, next = 0;
	unsigned n = 0;

	while (n < SLICES_MAX && (n < 5 || before - start < r->run_ns)) {
		uint64_t after;

		if (ping(k, state, next, k->slice))
			return complain("%s: a number did not come back", k->sides.name);
		next += k->slice;
		after = now_ns();
		r->slices[n++] = (double)(after - before) / k->slice;
		before = after;
	}
	r->trips = next;
	r->ns = summarise(r->slices, n).median;
	return ping(k, state, TRIP_STOP, 1);
}

static int pongs(struct trip_run *r, void *state)
{
	const struct trip_kind *k = r->kind;
	int rc = k->pong ? k->pong(state) : message_pong(k, state);

	return rc ? complain("%s: a number was lost on the way there", k->sides.name) : 0;
}

static int trip_side(void *context, void *state, int side)
{
	struct trip_run *r = context;
	uint64_t before = sleeps_so_far();
	int rc = side == 0 ? pings(r, state) : pongs(r, state);

	r->slept[side] = sleeps_so_far() - before;
	return rc;
}

static int sleep_check(const struct trip_run *r)
{
	for (int i = 0; i < 2; i++)
		if (r->slept[i] < r->trips / 10 * 9)
			return complain("%s: side %d slept only %llu times in %llu trips",
					r->kind->sides.name, i, (unsigned long long)r->slept[i],
					(unsigned long long)r->trips);
	return 0;
}

int trip_run(struct bench *b, const struct trip_kind *kind, double *seconds)
{
	struct trip_run *r = shared_alloc(sizeof(*r));
	int rc;

	if (!r)
		return -1;
	r->kind = kind;
	r->run_ns = b->run_ns;
	rc = sides_run(b, &kind->sides, trip_side, r);
	if (rc == 0 && kind->sleeps)
		rc = sleep_check(r);
	*seconds = r->ns / 1e9;
	shared_free(r, sizeof(*r));
	return rc;
}
