/* SPDX-License-Identifier: MIT */
/* op.c - what operations on a simulated disk begin with: the count, the hook, faults, checks. */
#include <string.h>

#include "op.h"

#include <errno.h>

struct sim *sim_of(struct io *io)
{
	return ((struct io_sim *)io)->sim;
}

struct rng *dice(struct sim *sim)
{
	_Static_assert(sizeof(struct rng) == sizeof sim->dice, "the generator is its state");
	return (struct rng *)&sim->dice;
}

void blame(struct sim *sim, const char *what)
{
	if (sim->misuse == NULL)
		sim->misuse = what;
}

static int planned(struct sim *sim, int can)
{
	struct sim_fault *f = &sim->fault;
	bool fits = (f->error == -EIO && can & CAN_EIO) ||
		    (f->error == -ENOSPC && can & CAN_ENOSPC) ||
		    (f->error == SIM_SHORT && can & CAN_SHORT);

	if (f->at == 0 || sim->ops < f->at || !fits || (f->doing != NULL && strcmp(f->doing, sim->doing) != 0))
		return 0;
	sim->faults++;
	if (!f->for_ever)
		f->at = 0;
	return f->error;
}

int begin(struct sim *sim, const char *doing, int can)
{
	int r = 0;

	sim->ops++;
	sim->doing = doing;
	late_land(sim);
	if (sim->at != NULL)
		r = sim->at(sim->context, sim, sim->ops);
	return r < 0 && can != 0 ? r : planned(sim, can);
}

struct sim_handle *handle_of(struct sim *sim, int file)
{
	if (file >= 0 && file < sim->handles && sim->handle[file].open)
		return &sim->handle[file];
	blame(sim, "a file that is not open");
	return NULL;
}

int access_check(struct sim *sim, int file, const void *buffer, size_t bytes, uint64_t at,
		 bool write)
{
	const struct sim_handle *h = handle_of(sim, file);

	if (h == NULL)
		return -EBADF;
	if (write && h->flags & IO_READ_ONLY) {
		blame(sim, "a write to a file that was opened to read");
		return -EBADF;
	}
	if (h->flags & IO_DIRECT && ((uintptr_t)buffer | bytes | at) % IO_BLOCK != 0) {
		blame(sim, "a direct access that is not in whole blocks");
		return -EINVAL;
	}
	return at > SIM_FILE_MAX || bytes > SIM_FILE_MAX - at ? -EFBIG : 0;
}
