/* SPDX-License-Identifier: MIT */
/* late.c - writes that land when the process that submitted them is dead. */
#include <stdlib.h>
#include <string.h>

#include "disk.h"

static void late_put(struct sim *sim, struct flight f)
{
	sim->late = sim_realloc(sim->late, (sim->lates + 1) * sizeof *sim->late);
	sim->late[sim->lates++] = f;
}

void late_add(struct sim *sim, const struct flight *f, uint64_t due)
{
	struct flight copy = *f;

	if (f->sync)
		return;
	blob_hold(copy.blob);
	copy.due = due;
	late_put(sim, copy);
}

/* A buffered write can be cut short by the signal that kills: whole sectors from its begin on. */
void late_orphan(struct sim *sim, const struct flight *f, struct rng *r)
{
	struct flight copy = *f;
	size_t part;

	if (f->sync || rng_one_in(r, 4))
		return;
	part = rng_one_in(r, 4) ? rng_below(r, f->blob->bytes) / SIM_SECTOR * SIM_SECTOR
				: f->blob->bytes;
	if (part == 0)
		return;
	copy.blob = part < f->blob->bytes ? blob_new(f->blob->data, part) : blob_hold(f->blob);
	copy.due = sim->ops + 1;
	if (!rng_one_in(r, 4))
		copy.due += rng_below(r, sim->late_ops > 0 ? sim->late_ops : 1);
	late_put(sim, copy);
}

void late_land(struct sim *sim)
{
	for (unsigned n = 0; n < sim->lates;) {
		struct flight f = sim->late[n];
		struct change c;

		if (f.due > sim->ops) {
			n++;
			continue;
		}
		sim->lates--;
		memmove(sim->late + n, sim->late + n + 1, (sim->lates - n) * sizeof *sim->late);
		c = change_of_write(sim->inode[f.inode], f.blob, f.at);
		inode_change(sim, f.inode, c, PENDING);
		blob_drop(f.blob);
	}
}
