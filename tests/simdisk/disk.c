/* SPDX-License-Identifier: MIT */
/* disk.c - files of the simulated disk: what is durable, and what came later. */
#include "disk.h"

#include <stdlib.h>
#include <string.h>

struct blob *blob_new(const void *from, size_t bytes)
{
	struct blob *b = sim_alloc(sizeof *b + bytes);

	b->holders = 1;
	b->bytes = bytes;
	memcpy(b->data, from, bytes);
	return b;
}

struct blob *blob_hold(struct blob *b)
{
	if (b != NULL)
		b->holders++;
	return b;
}

void blob_drop(struct blob *b)
{
	if (b != NULL && --b->holders == 0)
		free(b);
}

/* ---- inodes ---- */

struct inode *inode_hold(struct inode *i)
{
	if (i != NULL)
		i->holders++;
	return i;
}

void inode_drop(struct inode *i)
{
	if (i == NULL || --i->holders > 0)
		return;
	for (size_t n = 0; n < i->changes; n++)
		blob_drop(i->change[n].blob);
	free(i->change);
	pages_drop(&i->visible);
	pages_drop(&i->durable);
	free(i);
}

struct inode *inode_own(struct sim *sim, uint32_t number)
{
	struct inode *i = sim->inode[number], *copy;

	if (i->holders == 1)
		return i;
	copy = sim_alloc(sizeof *copy);
	*copy = (struct inode){.holders = 1,
			       .size = i->size,
			       .durable_size = i->durable_size,
			       .change = sim_alloc(i->changes * sizeof *i->change),
			       .changes = i->changes};
	pages_share(&copy->visible, &i->visible);
	pages_share(&copy->durable, &i->durable);
	for (size_t n = 0; n < i->changes; n++) {
		copy->change[n] = i->change[n];
		blob_hold(copy->change[n].blob);
	}
	inode_drop(i);
	return sim->inode[number] = copy;
}

uint32_t inode_new(struct sim *sim)
{
	uint32_t n = 0;

	while (n < sim->inodes && sim->inode[n] != NULL)
		n++;
	if (n == sim->inodes) {
		sim->inode = sim_realloc(sim->inode, (n + 1) * sizeof *sim->inode);
		sim->inodes++;
	}
	sim->inode[n] = sim_alloc(sizeof **sim->inode);
	*sim->inode[n] = (struct inode){.holders = 1};
	return n;
}

/* ---- changes ---- */

struct change change_of_write(const struct inode *i, const struct blob *b, uint64_t at)
{
	uint64_t from = at - at % SIM_SECTOR;
	uint64_t to = (at + b->bytes + SIM_SECTOR - 1) / SIM_SECTOR * SIM_SECTOR;
	struct change c = {.kind = CHANGE_WRITE, .end = at + b->bytes, .at = from};

	c.blob = sim_alloc(sizeof *c.blob + (size_t)(to - from));
	c.blob->holders = 1;
	c.blob->bytes = (size_t)(to - from);
	if (c.blob->bytes != b->bytes) {
		pages_read(&i->visible, c.blob->data, SIM_SECTOR, from);
		pages_read(&i->visible, c.blob->data + c.blob->bytes - SIM_SECTOR, SIM_SECTOR,
			   to - SIM_SECTOR);
	}
	memcpy(c.blob->data + (at - from), b->data, b->bytes);
	return c;
}

void change_apply(const struct change *c, struct pages *to, uint64_t *size)
{
	if (c->kind == CHANGE_CUT) {
		pages_cut(to, c->end);
		*size = *size < c->end ? *size : c->end;
		return;
	}
	if (c->kind == CHANGE_WRITE)
		pages_write(to, c->blob->data, c->blob->bytes, c->at);
	else if (c->kind == CHANGE_BACK)
		pages_back(to, c->end);
	*size = *size > c->end ? *size : c->end;
}

/* Merges what is certain, and has nothing unsettled before it, into the durable bytes. */
static void inode_settle(struct inode *i)
{
	size_t certain = 0;

	while (certain < i->changes && i->change[certain].state == CERTAIN)
		certain++;
	if (certain == i->changes) { /* the same bytes, and no copying */
		pages_share(&i->durable, &i->visible);
		i->durable_size = i->size;
	}
	for (size_t n = 0; n < certain; n++) {
		if (certain < i->changes)
			change_apply(&i->change[n], &i->durable, &i->durable_size);
		blob_drop(i->change[n].blob);
	}
	i->changes -= certain;
	if (certain > 0)
		memmove(i->change, i->change + certain, i->changes * sizeof *i->change);
}

void inode_change(struct sim *sim, uint32_t number, struct change c, enum state state)
{
	struct inode *i = inode_own(sim, number);

	change_apply(&c, &i->visible, &i->size);
	c.state = state;
	c.clock = sim->clock++;
	i->change = sim_realloc(i->change, (i->changes + 1) * sizeof *i->change);
	i->change[i->changes++] = c;
	inode_settle(i);
	sim->changes++;
}

void inode_sync(struct sim *sim, uint32_t number, uint64_t clock)
{
	struct inode *i = sim->inode[number];

	if (i->changes == 0)
		return;
	i = inode_own(sim, number);
	for (size_t n = 0; n < i->changes; n++) {
		if (i->change[n].state == PENDING && i->change[n].clock < clock)
			i->change[n].state = CERTAIN;
	}
	inode_settle(i);
	sim->changes++;
}

void inode_lose(struct sim *sim, uint32_t number)
{
	struct inode *i = inode_own(sim, number);

	for (size_t n = 0; n < i->changes; n++) {
		if (i->change[n].state == PENDING)
			i->change[n].state = LOST;
	}
	sim->changes++;
}
