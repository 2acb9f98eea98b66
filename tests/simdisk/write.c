/* SPDX-License-Identifier: MIT */
/* write.c - how writes and syncs on a simulated disk end: whole, short, without room, failed. */
#include <errno.h>

#include "op.h"

bool has_room(const struct sim *sim, uint64_t holes)
{
	return holes == 0 || sim->capacity == 0 ||
	       sim_used(sim) + holes * PAGE_BYTES <= sim->capacity;
}

/* How many of the bytes there is room for. */
static size_t room_for(const struct sim *sim, const struct inode *i, size_t bytes, uint64_t at)
{
	size_t fit = 0;

	if (has_room(sim, pages_holes(&i->visible, at, bytes)))
		return bytes;
	for (size_t next; fit < bytes; fit = next) {
		next = fit + PAGE_BYTES - (at + fit) % PAGE_BYTES;
		if (next > bytes)
			next = bytes;
		if (!has_room(sim, pages_holes(&i->visible, at, next)))
			break;
	}
	return fit;
}

static size_t whole_sectors(struct sim *sim, size_t bytes)
{
	size_t n = rng_below(dice(sim), bytes);

	return bytes > SIM_SECTOR ? n / SIM_SECTOR * SIM_SECTOR : n;
}

static void write_lands(struct sim *sim, uint32_t inode, const struct blob *b, size_t bytes,
			uint64_t at, enum state state)
{
	struct blob *part = bytes < b->bytes ? blob_new(b->data, bytes) : NULL;

	if (bytes > 0)
		inode_change(sim, inode,
			     change_of_write(sim->inode[inode], part != NULL ? part : b, at),
			     state);
	blob_drop(part);
}

int64_t write_ends(struct sim *sim, uint32_t inode, const struct blob *b, uint64_t at, bool durable,
		   int error)
{
	size_t bytes = b->bytes;

	if (error == -EIO && bytes > 0)
		write_lands(sim, inode, b,
			    rng_one_in(dice(sim), 2) ? bytes : whole_sectors(sim, bytes), at, LOST);
	if (error < 0 || bytes == 0)
		return error < 0 ? error : 0;
	if (error == SIM_SHORT)
		bytes = whole_sectors(sim, bytes);
	else
		bytes = room_for(sim, sim->inode[inode], bytes, at);
	if (bytes == 0 && error == 0)
		return -ENOSPC;
	write_lands(sim, inode, b, bytes, at, durable ? CERTAIN : PENDING);
	return (int64_t)bytes;
}

int sync_ends(struct sim *sim, uint32_t inode, uint64_t clock, int error)
{
	if (error != 0)
		inode_lose(sim, inode);
	else
		inode_sync(sim, inode, clock);
	return error;
}
