/* SPDX-License-Identifier: MIT */
/* flight.c - operations on a simulated disk that are submitted, and complete in an order that dice
 * decide. */
#include <errno.h>
#include <string.h>

#include "op.h"

static int submit(struct sim *sim, struct flight f)
{
	f.inode = sim->handle[f.file].inode;
	f.clock = sim->clock++;
	sim->flight = sim_realloc(sim->flight, IO_DEPTH * sizeof *sim->flight);
	sim->flight[sim->flights++] = f;
	sim->changes += !f.sync;
	return 0;
}

int op_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at,
		    bool durable, uint64_t tag)
{
	struct sim *sim = sim_of(io);
	int r = access_check(sim, file, from, bytes, at, true);

	if (r == 0 && sim->flights == IO_DEPTH)
		r = -EBUSY;
	if (r != 0)
		return r;
	r = begin(sim, "submit_write", CAN_EIO | CAN_ENOSPC | CAN_SHORT);
	return submit(sim, (struct flight){.file = file,
					   .durable = durable,
					   .tag = tag,
					   .at = at,
					   .blob = blob_new(from, bytes),
					   .from = from,
					   .error = r});
}

int op_submit_sync(struct io *io, int file, uint64_t tag)
{
	struct sim *sim = sim_of(io);
	int error;

	if (handle_of(sim, file) == NULL)
		return -EBADF;
	if (sim->flights == IO_DEPTH)
		return -EBUSY;
	error = begin(sim, "submit_sync", CAN_EIO | CAN_ENOSPC);
	return submit(sim, (struct flight){.file = file, .sync = true, .tag = tag, .error = error});
}

static struct io_done complete(struct sim *sim, const struct flight *f)
{
	struct io_done done = {.tag = f->tag};

	if (f->sync) {
		done.result = sync_ends(sim, f->inode, f->clock, f->error);
		return done;
	}
	if (memcmp(f->from, f->blob->data, f->blob->bytes) != 0)
		blame(sim, "the bytes of a write were changed in flight");
	done.result = write_ends(sim, f->inode, f->blob, f->at, f->durable, f->error);
	blob_drop(f->blob);
	return done;
}

int op_reap(struct io *io, struct io_done *done, unsigned max, bool wait)
{
	struct sim *sim = sim_of(io);
	unsigned least = wait ? 1 : 0, most, n;

	begin(sim, "reap", 0);
	most = sim->flights < max ? sim->flights : max;
	if (most == 0)
		return 0;
	if (wait && sim->interrupt > 0 && rng_one_in(dice(sim), sim->interrupt))
		return -EINTR;
	n = least + rng_below(dice(sim), most - least + 1);
	for (unsigned i = 0; i < n; i++) {
		unsigned which = rng_below(dice(sim), sim->flights);
		struct flight f = sim->flight[which];

		sim->flights--;
		memmove(sim->flight + which, sim->flight + which + 1,
			(sim->flights - which) * sizeof f);
		done[i] = complete(sim, &f);
	}
	return (int)n;
}

void flights_orphan(struct io *io)
{
	struct sim *sim = sim_of(io);
	unsigned kept = 0;

	for (unsigned n = 0; n < sim->flights; n++) {
		if (sim->handle[sim->flight[n].file].owner != io) {
			sim->flight[kept++] = sim->flight[n];
			continue;
		}
		late_orphan(sim, &sim->flight[n], dice(sim));
		blob_drop(sim->flight[n].blob);
	}
	sim->flights = kept;
}
