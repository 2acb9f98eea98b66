/* SPDX-License-Identifier: MIT */
/* sim.c - a simulated disk as a whole: begin and end, what is on it, flipped bits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"

void sim_make(struct sim *sim, uint64_t seed)
{
	*sim = (struct sim){.dice = seed, .late_ops = 64, .clock = 1, .doing = "nothing yet"};
}

void sim_free(struct sim *sim)
{
	for (uint32_t n = 0; n < sim->inodes; n++)
		inode_drop(sim->inode[n]);
	for (unsigned n = 0; n < sim->flights; n++)
		blob_drop(sim->flight[n].blob);
	for (unsigned n = 0; n < sim->lates; n++)
		blob_drop(sim->late[n].blob);
	free(sim->inode);
	free(sim->visible.entry);
	free(sim->durable.entry);
	free(sim->entry_change);
	free(sim->handle);
	free(sim->flight);
	free(sim->late);
	*sim = (struct sim){0};
}

static bool is_open(const struct sim *sim, uint32_t number)
{
	for (int n = 0; n < sim->handles; n++) {
		if (sim->handle[n].open && sim->handle[n].inode == number)
			return true;
	}
	return false;
}

static bool has_name(const struct sim_dir *d, uint32_t number)
{
	for (size_t n = 0; n < d->entries; n++) {
		if (d->entry[n].inode == number)
			return true;
	}
	return false;
}

static bool is_moving(const struct sim *sim, uint32_t number)
{
	for (size_t n = 0; n < sim->entry_changes; n++) {
		if (sim->entry_change[n].entry.inode == number)
			return true;
	}
	for (unsigned n = 0; n < sim->flights; n++) {
		if (sim->flight[n].inode == number)
			return true;
	}
	for (unsigned n = 0; n < sim->lates; n++) {
		if (sim->late[n].inode == number)
			return true;
	}
	return false;
}

void inodes_sweep(struct sim *sim)
{
	for (uint32_t n = 0; n < sim->inodes; n++) {
		if (sim->inode[n] == NULL || is_open(sim, n) || has_name(&sim->visible, n) ||
		    has_name(&sim->durable, n) || is_moving(sim, n))
			continue;
		inode_drop(sim->inode[n]);
		sim->inode[n] = NULL;
	}
}

uint64_t sim_used(const struct sim *sim)
{
	uint64_t pages = 0;

	for (uint32_t n = 0; n < sim->inodes; n++) {
		if (sim->inode[n] != NULL && (has_name(&sim->visible, n) || is_open(sim, n)))
			pages += sim->inode[n]->visible.backed;
	}
	return pages * PAGE_BYTES;
}

int sim_flip(struct sim *sim, const char *name, uint64_t byte, unsigned bit)
{
	struct sim_entry *e = dir_find(&sim->visible, name);
	struct inode *i;
	unsigned char b;

	if (e == NULL)
		return -ENOENT;
	if (byte >= sim->inode[e->inode]->size || bit > 7)
		return -ERANGE;
	i = inode_own(sim, e->inode);
	pages_read(&i->visible, &b, 1, byte);
	b ^= (unsigned char)(1u << bit);
	pages_write(&i->visible, &b, 1, byte);
	pages_read(&i->durable, &b, 1, byte);
	b ^= (unsigned char)(1u << bit);
	pages_write(&i->durable, &b, 1, byte);
	sim->changes++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct sim_entry *)a)->name, ((const struct sim_entry *)b)->name);
}

int sim_each_file(const struct sim *sim,
		  int (*each)(void *context, const char *name, uint64_t bytes), void *context)
{
	struct sim_dir d = {0};
	int r = 0;

	dir_copy(&d, &sim->visible);
	if (d.entries > 0)
		qsort(d.entry, d.entries, sizeof *d.entry, by_name);
	for (size_t n = 0; n < d.entries && r == 0; n++)
		r = each(context, d.entry[n].name, sim->inode[d.entry[n].inode]->size);
	free(d.entry);
	return r;
}

bool sim_same(const struct sim *a, const struct sim *b)
{
	if (a->visible.entries != b->visible.entries)
		return false;
	for (size_t n = 0; n < a->visible.entries; n++) {
		const struct sim_entry *other = dir_find(&b->visible, a->visible.entry[n].name);
		const struct inode *x = a->inode[a->visible.entry[n].inode], *y;

		if (other == NULL)
			return false;
		y = b->inode[other->inode];
		if (x != y && (x->size != y->size || !pages_same(&x->visible, &y->visible)))
			return false;
	}
	return true;
}
