/* SPDX-License-Identifier: MIT */
/*
 * image.c - what a crash leaves of a simulated disk.
 *
 * Every choice comes from the seed and from what it is made for, so that it does not depend on the
 * order of the others. If each sector of a write were old or new on its own, hardly any image would
 * hold a commit of 64 KiB as a whole, or nothing of it: so each write is first wholly there, wholly
 * not, or torn, with odds that an image has in common. Every combination stays possible.
 */
#include <stdlib.h>
#include <string.h>

#include "op.h"

struct draw {
	enum sim_mode mode;
	uint64_t seed;
	unsigned odds; /* of 8, that what was not synced is there */
};

/* Streams of numbers: one for each inode, each change, each flight. */
static struct rng draw_for(const struct draw *d, unsigned kind, uint64_t n)
{
	return rng_part(d->seed, 8 * n + kind);
}

static bool in_eight(struct rng *r, unsigned odds)
{
	return rng_below(r, 8) < odds;
}

/* What stands in a sector that the power left in the middle of being written. */
static void sector_spoil(struct rng *r, unsigned char *sector, const unsigned char *new)
{
	unsigned cut = rng_below(r, SIM_SECTOR);

	switch (rng_below(r, 3)) {
	case 0:
		memset(sector, 0, SIM_SECTOR);
		break;
	case 1:
		memcpy(sector, new, cut);
		break;
	default:
		for (unsigned n = 0; n < SIM_SECTOR; n++)
			sector[n] = (unsigned char)rng_u64(r);
	}
}

static void write_torn(const struct draw *d, struct rng *r, const struct change *c, struct pages *p)
{
	unsigned odds = 1 + rng_below(r, 7);
	unsigned spoiled = d->mode == SIM_GARBAGE ? 2 : 0; /* of 8 */

	for (size_t n = 0; n < c->blob->bytes; n += SIM_SECTOR) {
		const unsigned char *new = c->blob->data + n;
		unsigned char sector[SIM_SECTOR];

		if (in_eight(r, spoiled)) {
			pages_read(p, sector, SIM_SECTOR, c->at + n);
			sector_spoil(r, sector, new);
			pages_write(p, sector, SIM_SECTOR, c->at + n);
		} else if (c->state == LOST && in_eight(r, 2)) {
			memset(sector, 0, SIM_SECTOR);
			pages_write(p, sector, SIM_SECTOR, c->at + n);
		} else if (in_eight(r, odds)) {
			pages_write(p, new, SIM_SECTOR, c->at + n);
		}
	}
}

/* Returns whether something of it may be there. */
static bool write_draw(const struct draw *d, struct rng *r, const struct change *c, struct pages *p)
{
	if (c->state != CERTAIN && d->mode == SIM_OLD)
		return false;
	if (c->state != CERTAIN && d->mode != SIM_NEW) {
		if (rng_one_in(r, 2)) {
			write_torn(d, r, c, p);
			return true;
		}
		if (!in_eight(r, d->odds))
			return false;
	}
	pages_write(p, c->blob->data, c->blob->bytes, c->at);
	return true;
}

static bool took_place(const struct draw *d, struct rng *r, enum state state)
{
	if (state == CERTAIN || d->mode == SIM_OLD || d->mode == SIM_NEW)
		return state == CERTAIN || d->mode == SIM_NEW;
	return in_eight(r, d->odds);
}

/* Sizes and allocation are kept in order by the filesystem's own journal: those before `until` are
 * there. Lost ones each on its own. */
static void file_changes(const struct draw *d, const struct inode *i, size_t until,
			 struct inode *after)
{
	for (size_t n = 0; n < i->changes; n++) {
		const struct change *c = &i->change[n];
		struct rng r = draw_for(d, 1, c->clock);
		bool there =
		    c->state == LOST ? took_place(d, &r, LOST) : c->state == CERTAIN || n < until;

		if (c->kind == CHANGE_WRITE) {
			write_draw(d, &r, c, &after->durable);
			if (there && after->durable_size < c->end)
				after->durable_size = c->end;
		} else if (there) {
			change_apply(c, &after->durable, &after->durable_size);
		}
	}
}

static void file_flight(const struct draw *d, const struct inode *i, const struct flight *f,
			struct inode *after)
{
	struct rng r = draw_for(d, 2, f->clock);
	struct change c = change_of_write(i, f->blob, f->at);
	bool there = write_draw(d, &r, &c, &after->durable);

	if (there && (d->mode == SIM_NEW || in_eight(&r, d->odds)) && after->durable_size < c.end)
		after->durable_size = c.end;
	blob_drop(c.blob);
}

/* Whether a write is in flight, or late. */
static bool is_written(const struct sim *sim, uint32_t number)
{
	for (unsigned n = 0; n < sim->flights; n++) {
		if (sim->flight[n].inode == number && !sim->flight[n].sync)
			return true;
	}
	for (unsigned n = 0; n < sim->lates; n++) {
		if (sim->late[n].inode == number)
			return true;
	}
	return false;
}

static bool is_quiet(const struct sim *sim, uint32_t number)
{
	return !is_written(sim, number) && sim->inode[number]->changes == 0;
}

static struct inode *file_image(const struct draw *d, const struct sim *sim, uint32_t number)
{
	struct inode *i = sim->inode[number], *after;
	struct rng r = draw_for(d, 0, number);
	size_t until = rng_one_in(&r, 2) ? i->changes : rng_below(&r, i->changes + 1);

	if (is_quiet(sim, number))
		return inode_hold(i);
	if (d->mode == SIM_OLD || d->mode == SIM_NEW)
		until = d->mode == SIM_NEW ? i->changes : 0;
	after = sim_alloc(sizeof *after);
	*after = (struct inode){.holders = 1, .durable_size = i->durable_size};
	pages_share(&after->durable, &i->durable);
	file_changes(d, i, until, after);
	for (unsigned n = 0; n < sim->lates; n++) {
		if (sim->late[n].inode == number)
			file_flight(d, i, &sim->late[n], after);
	}
	for (unsigned n = 0; n < sim->flights; n++) {
		if (sim->flight[n].inode == number && !sim->flight[n].sync)
			file_flight(d, i, &sim->flight[n], after);
	}
	pages_cut(&after->durable, after->durable_size);
	pages_share(&after->visible, &after->durable);
	after->size = after->durable_size;
	return after;
}

static bool is_lost_only(const struct sim *sim, uint32_t number)
{
	const struct inode *i = sim->inode[number];
	bool any = false;

	for (size_t n = 0; n < i->changes; n++) {
		if (i->change[n].state == PENDING)
			return false;
		any = any || i->change[n].state == LOST;
	}
	return any && !is_written(sim, number);
}

void inode_reveal(struct sim *sim, uint32_t number)
{
	struct draw d = {.mode = SIM_MIXED};
	struct inode *after;

	if (!is_lost_only(sim, number))
		return;
	d.seed = rng_u64(dice(sim));
	d.odds = 1 + rng_below(dice(sim), 7);
	after = file_image(&d, sim, number);
	inode_drop(sim->inode[number]);
	sim->inode[number] = after;
	sim->changes++;
}

void sim_image(const struct sim *sim, uint64_t seed, enum sim_mode mode, struct sim *out)
{
	struct draw d = {.mode = mode, .seed = seed};
	struct rng r = draw_for(&d, 3, 0);

	d.odds = 1 + rng_below(&r, 7);
	sim_make(out, rng_u64(&r));
	out->capacity = sim->capacity;
	out->late_ops = sim->late_ops;
	dir_copy(&out->visible, &sim->durable);
	for (size_t n = 0; n < sim->entry_changes; n++) {
		if (took_place(&d, &r, sim->entry_change[n].state))
			dir_apply(&out->visible, &sim->entry_change[n]);
	}
	dir_copy(&out->durable, &out->visible);
	out->inode = sim_alloc(sim->inodes * sizeof *out->inode);
	memset(out->inode, 0, sim->inodes * sizeof *out->inode);
	out->inodes = sim->inodes;
	for (size_t n = 0; n < out->visible.entries; n++) {
		uint32_t number = out->visible.entry[n].inode;

		out->inode[number] = file_image(&d, sim, number);
	}
}

/* ---- a process that dies ---- */

/* All but what is in flight. */
static void copy_quiet(const struct sim *sim, struct sim *out)
{
	sim_make(out, sim->dice);
	out->capacity = sim->capacity;
	out->late_ops = sim->late_ops;
	out->clock = sim->clock;
	dir_copy(&out->visible, &sim->visible);
	dir_copy(&out->durable, &sim->durable);
	out->entry_change = sim_alloc(sim->entry_changes * sizeof *out->entry_change);
	out->entry_changes = sim->entry_changes;
	if (sim->entry_changes > 0)
		memcpy(out->entry_change, sim->entry_change,
		       sim->entry_changes * sizeof *out->entry_change);
	out->inode = sim_alloc(sim->inodes * sizeof *out->inode);
	out->inodes = sim->inodes;
	for (uint32_t n = 0; n < sim->inodes; n++)
		out->inode[n] = inode_hold(sim->inode[n]);
	for (unsigned n = 0; n < sim->lates; n++)
		late_add(out, &sim->late[n], sim->late[n].due);
}

void sim_late(const struct sim *sim, struct sim *out, uint64_t seed)
{
	struct rng r = rng_part(seed, 0);

	copy_quiet(sim, out);
	out->dice = rng_u64(&r);
	for (unsigned n = 0; n < out->lates; n++) { /* their operations are not counted on */
		if (out->late[n].due != UINT64_MAX)
			out->late[n].due -= sim->ops;
	}
	for (unsigned n = 0; n < sim->flights; n++)
		late_orphan(out, &sim->flight[n], &r);
	inodes_sweep(out);
}

void sim_copy(const struct sim *sim, struct sim *out)
{
	copy_quiet(sim, out);
	for (unsigned n = 0; n < sim->flights; n++)
		late_add(out, &sim->flight[n], UINT64_MAX);
	out->ops = sim->ops;
	inodes_sweep(out);
}
