/* SPDX-License-Identifier: MIT */
/* directory.c - names on the simulated disk: the durable ones, and what was done to them later. */
#include <stdlib.h>
#include <string.h>

#include "disk.h"

struct sim_entry *dir_find(const struct sim_dir *d, const char *name)
{
	for (size_t n = 0; n < d->entries; n++) {
		if (strcmp(d->entry[n].name, name) == 0)
			return &d->entry[n];
	}
	return NULL;
}

void dir_copy(struct sim_dir *to, const struct sim_dir *from)
{
	to->entry = sim_realloc(to->entry, from->entries * sizeof *to->entry);
	to->entries = from->entries;
	if (from->entries > 0)
		memcpy(to->entry, from->entry, from->entries * sizeof *to->entry);
}

static void dir_take(struct sim_dir *d, struct sim_entry *e)
{
	if (e != NULL)
		*e = d->entry[--d->entries];
}

void dir_apply(struct sim_dir *d, const struct entry_change *c)
{
	dir_take(d, dir_find(d, c->entry.name));
	if (c->removed)
		return;
	for (size_t n = d->entries;
	     n-- > 0;) { /* a rename: wherever a crash before would have left it */
		if (d->entry[n].inode == c->entry.inode)
			dir_take(d, &d->entry[n]);
	}
	d->entry = sim_realloc(d->entry, (d->entries + 1) * sizeof *d->entry);
	d->entry[d->entries++] = c->entry;
}

void dir_change(struct sim *sim, const char *name, uint32_t inode, bool removed)
{
	struct entry_change *c;

	sim->entry_change = sim_realloc(sim->entry_change, (sim->entry_changes + 1) * sizeof *c);
	c = &sim->entry_change[sim->entry_changes++];
	*c = (struct entry_change){.entry.inode = inode, .state = PENDING, .removed = removed};
	strcpy(c->entry.name, name);
	dir_apply(&sim->visible, c);
	sim->changes++;
}

/* What is certain behind a lost change stays in line: by name, the order holds. */
void dir_sync(struct sim *sim)
{
	size_t n = 0, certain;

	if (sim->entry_changes == 0)
		return;
	for (size_t c = 0; c < sim->entry_changes; c++) {
		if (sim->entry_change[c].state == PENDING)
			sim->entry_change[c].state = CERTAIN;
	}
	while (n < sim->entry_changes && sim->entry_change[n].state == CERTAIN)
		dir_apply(&sim->durable, &sim->entry_change[n++]);
	certain = n;
	sim->entry_changes -= certain;
	memmove(sim->entry_change, sim->entry_change + certain,
		sim->entry_changes * sizeof *sim->entry_change);
	sim->changes++;
}

void dir_lose(struct sim *sim)
{
	for (size_t c = 0; c < sim->entry_changes; c++) {
		if (sim->entry_change[c].state == PENDING)
			sim->entry_change[c].state = LOST;
	}
	sim->changes++;
}
