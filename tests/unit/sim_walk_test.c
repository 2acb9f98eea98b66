/* SPDX-License-Identifier: MIT */
/*
 * sim_walk_test.c - the simulated disk against a second, naive account of it.
 *
 * Random writes, syncs, completions and failed syncs on one file of allocated sectors; beside it is
 * kept, for every sector, which versions a crash may leave. Images are then held against that: what
 * may not be is not there, and what may be is seen sooner or later.
 */
#include <errno.h>

#include "io_sim.h"
#include "rng.h"
#include "tap.h"

#define SECTORS 24u
#define STEPS   60u
#define WALKS   150u
#define IMAGES  12u

/* One write to one sector: every eighth byte of it says which. */
struct version {
	uint64_t stamp;
	uint64_t completed; /* when; 0: in flight */
	bool lost;          /* by a failed sync; then it may also read as zeros */
};

static struct {
	struct version v[STEPS + 1]; /* the first is durable */
	unsigned count;
} sector[SECTORS];

static struct submitted {
	bool active, sync, durable;
	unsigned first, count;
	uint64_t stamp, clock;
	uint64_t data[SECTORS * SIM_SECTOR / 8];
} submitted[IO_DEPTH];

static uint64_t now;

static void need(bool holds)
{
	if (!holds) {
		puts("Bail out! a call that cannot fail did");
		exit(1);
	}
}

/* A completed version goes behind all completed ones, those in flight stay last. */
static void account_write(unsigned s, uint64_t stamp, bool durable)
{
	unsigned from = 0, to = 0;
	struct version v = {.stamp = stamp, .completed = ++now};

	for (; from < sector[s].count; from++) { /* it was in flight, or never */
		if (sector[s].v[from].stamp != stamp &&
		    (!durable || sector[s].v[from].completed == 0))
			sector[s].v[to++] = sector[s].v[from];
	}
	sector[s].count = to + 1;
	while (to > 0 && sector[s].v[to - 1].completed == 0) {
		sector[s].v[to] = sector[s].v[to - 1];
		to--;
	}
	sector[s].v[to] = v;
}

static void account_sync(uint64_t clock)
{
	for (unsigned s = 0; s < SECTORS; s++) {
		unsigned last = 0;

		for (unsigned n = 1; n < sector[s].count; n++) {
			const struct version *v = &sector[s].v[n];

			if (v->completed != 0 && v->completed < clock && !v->lost)
				last = n;
		}
		sector[s].count -= last;
		memmove(sector[s].v, sector[s].v + last, sector[s].count * sizeof *sector[s].v);
	}
}

/* The first one is durable, the others are not. */
static void account_lost(void)
{
	for (unsigned s = 0; s < SECTORS; s++) {
		for (unsigned n = 1; n < sector[s].count; n++) {
			if (sector[s].v[n].completed != 0)
				sector[s].v[n].lost = true;
		}
	}
}

static bool allowed(unsigned s, uint64_t stamp, bool garbage)
{
	for (unsigned n = 0; n < sector[s].count; n++) {
		if (sector[s].v[n].stamp == stamp || (stamp == 0 && sector[s].v[n].lost))
			return true;
	}
	return garbage && sector[s].count > 1;
}

/* Whether a sector is as it can be: of all old and all new images it is known how. */
static bool right(unsigned s, const uint64_t *w, enum sim_mode mode)
{
	for (unsigned i = 1; i < SIM_SECTOR / 8; i++) {
		if (w[i] != w[0])
			return mode == SIM_GARBAGE && sector[s].count > 1;
	}
	if (mode == SIM_OLD)
		return w[0] == sector[s].v[0].stamp;
	if (mode == SIM_NEW)
		return w[0] == sector[s].v[sector[s].count - 1].stamp;
	return allowed(s, w[0], mode == SIM_GARBAGE);
}

/* How many sectors are not. */
static unsigned judge(const struct sim *sim, uint64_t seed, enum sim_mode mode)
{
	uint64_t got[SECTORS * SIM_SECTOR / 8];
	unsigned wrong = 0;
	struct sim after;
	struct io *io;
	int file;

	sim_image(sim, seed, mode, &after);
	need(sim_open(&after, &io) == 0);
	file = io->ops->open(io, "f", IO_READ_ONLY);
	need(file >= 0 && io->ops->read(io, file, got, sizeof got, 0) == sizeof got);
	for (unsigned s = 0; s < SECTORS; s++)
		wrong += !right(s, got + s * SIM_SECTOR / 8, mode);
	io->ops->free(io);
	sim_free(&after);
	return wrong;
}

static void stamp_all(uint64_t *data, uint64_t stamp, unsigned sectors)
{
	for (unsigned i = 0; i < sectors * SIM_SECTOR / 8; i++)
		data[i] = stamp;
}

static void step_submit(struct io *io, int file, struct rng *r, uint64_t stamp)
{
	unsigned n = 0;
	struct submitted *s;

	while (n < IO_DEPTH && submitted[n].active)
		n++;
	if (n == IO_DEPTH)
		return;
	s = &submitted[n];
	*s = (struct submitted){.active = true, .sync = rng_one_in(r, 3), .stamp = stamp};
	if (s->sync) {
		s->clock = ++now;
		need(io->ops->submit_sync(io, file, n) == 0);
		return;
	}
	s->first = rng_below(r, SECTORS);
	s->count = 1 + rng_below(r, SECTORS - s->first);
	s->durable = rng_one_in(r, 3);
	stamp_all(s->data, stamp, s->count);
	for (unsigned i = s->first; i < s->first + s->count; i++)
		sector[i].v[sector[i].count++] = (struct version){.stamp = stamp};
	need(io->ops->submit_write(io, file, s->data, s->count * SIM_SECTOR, s->first * SIM_SECTOR,
				   s->durable, n) == 0);
}

static void step_reap(struct io *io)
{
	struct io_done done[3];
	int n = io->ops->reap(io, done, 3, false);

	for (int i = 0; i < n; i++) {
		struct submitted *s = &submitted[done[i].tag];

		s->active = false;
		if (s->sync && done[i].result == 0)
			account_sync(s->clock);
		else if (s->sync)
			account_lost();
		for (unsigned k = s->first; !s->sync && k < s->first + s->count; k++)
			account_write(k, s->stamp, s->durable);
	}
}

static void step_write(struct io *io, int file, struct rng *r, uint64_t stamp)
{
	uint64_t data[SECTORS * SIM_SECTOR / 8];
	unsigned first = rng_below(r, SECTORS), count = 1 + rng_below(r, SECTORS - first);

	stamp_all(data, stamp, count);
	need(io->ops->write(io, file, data, count * SIM_SECTOR, first * SIM_SECTOR) ==
	     count * SIM_SECTOR);
	for (unsigned s = first; s < first + count; s++)
		account_write(s, stamp, false);
}

static void step_sync(struct sim *sim, struct io *io, int file, struct rng *r)
{
	if (rng_one_in(r, 3)) {
		sim->fault = (struct sim_fault){.at = sim->ops + 1, .error = -EIO};
		need(io->ops->sync(io, file) == -EIO);
		account_lost();
	} else {
		need(io->ops->sync(io, file) == 0);
		account_sync(++now);
	}
}

/* Returns how many sectors of images were wrong. */
static unsigned walk(uint64_t seed)
{
	struct rng r = rng_part(seed, 7);
	unsigned wrong = 0;
	struct sim sim;
	struct io *io;
	int file;

	sim_make(&sim, seed);
	need(sim_open(&sim, &io) == 0);
	file = io->ops->open(io, "f", IO_CREATE);
	need(io->ops->allocate(io, file, SECTORS * SIM_SECTOR) == 0);
	need(io->ops->sync(io, file) == 0 && io->ops->sync_dir(io) == 0);
	memset(sector, 0, sizeof sector);
	memset(submitted, 0, sizeof submitted);
	now = 1;
	for (unsigned s = 0; s < SECTORS; s++) {
		sector[s].v[0].completed = now;
		sector[s].count = 1;
	}
	for (uint64_t step = 1; step <= STEPS; step++) {
		switch (rng_below(&r, 8)) {
		case 0:
		case 1:
			step_write(io, file, &r, step);
			break;
		case 2:
		case 3:
		case 4:
			step_submit(io, file, &r, step);
			break;
		case 5:
			step_sync(&sim, io, file, &r);
			break;
		default:
			step_reap(io);
		}
		for (unsigned i = 0; i < IMAGES; i++)
			wrong +=
			    judge(&sim, step * IMAGES + i, i % 3 == 0 ? SIM_GARBAGE : SIM_MIXED);
		wrong += judge(&sim, step, SIM_OLD) + judge(&sim, step, SIM_NEW);
	}
	need(sim.misuse == NULL);
	io->ops->free(io);
	sim_free(&sim);
	return wrong;
}

int main(void)
{
	unsigned wrong = 0, walks = 0;

	while (walks < WALKS && wrong == 0)
		wrong = walk(++walks);
	is_u64(wrong, 0, "every image is one that can be; walk %u", walks);
	return done();
}
