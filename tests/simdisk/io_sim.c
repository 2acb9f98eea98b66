/* SPDX-License-Identifier: MIT */
/* io_sim.c - struct io_ops over a simulated disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"

/* ---- files ---- */

static int open_handle(const struct io *io, struct sim *sim, uint32_t inode, unsigned flags)
{
	int n = 0;

	while (n < sim->handles && sim->handle[n].open)
		n++;
	if (n == sim->handles)
		sim->handle =
		    sim_realloc(sim->handle, (size_t)++sim->handles * sizeof *sim->handle);
	sim->handle[n] = (struct sim_handle){true, inode, flags, io};
	return n;
}

static int name_check(struct sim *sim, const char *name)
{
	if (name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	    strcmp(name, "..") != 0)
		return strlen(name) > SIM_NAME_MAX ? -ENAMETOOLONG : 0;
	blame(sim, "a name that is not one of a file here");
	return -EINVAL;
}

static int op_open(struct io *io, const char *name, unsigned flags)
{
	struct sim *sim = sim_of(io);
	int r = name_check(sim, name);
	const struct sim_entry *e;
	uint32_t inode;

	if (r == 0)
		r = begin(sim, "open", CAN_EIO | (flags & IO_CREATE ? CAN_ENOSPC : 0));
	if (r != 0)
		return r;
	e = dir_find(&sim->visible, name);
	if (!(flags & IO_CREATE))
		return e != NULL ? open_handle(io, sim, e->inode, flags) : -ENOENT;
	if (e != NULL)
		return -EEXIST;
	inode = inode_new(sim);
	dir_change(sim, name, inode, false);
	return open_handle(io, sim, inode, flags);
}

static void op_close(struct io *io, int file)
{
	struct sim *sim = sim_of(io);
	struct sim_handle *h = handle_of(sim, file);

	if (h == NULL)
		return;
	begin(sim, "close", 0);
	for (unsigned n = 0; n < sim->flights; n++) {
		if (sim->flight[n].file == file)
			blame(sim, "a file was closed with something in flight");
	}
	h->open = false;
	inodes_sweep(sim);
}

static int64_t op_size(struct io *io, int file)
{
	struct sim *sim = sim_of(io);
	const struct sim_handle *h = handle_of(sim, file);

	if (h == NULL)
		return -EBADF;
	begin(sim, "size", 0);
	return (int64_t)sim->inode[h->inode]->size;
}

static int op_resize(struct io *io, int file, uint64_t bytes)
{
	struct sim *sim = sim_of(io);
	int r = access_check(sim, file, NULL, 0, 0, true);
	uint32_t inode;
	uint64_t size;

	if (r == 0 && bytes > SIM_FILE_MAX)
		r = -EFBIG;
	if (r == 0)
		r = begin(sim, "resize", CAN_EIO);
	if (r != 0)
		return r;
	inode = sim->handle[file].inode;
	size = sim->inode[inode]->size;
	if (bytes != size)
		inode_change(
		    sim, inode,
		    (struct change){.kind = bytes < size ? CHANGE_CUT : CHANGE_GROW, .end = bytes},
		    PENDING);
	return 0;
}

static int op_allocate(struct io *io, int file, uint64_t bytes)
{
	struct sim *sim = sim_of(io);
	int r = access_check(sim, file, NULL, 0, 0, true);
	uint32_t inode;

	if (r == 0 && (bytes == 0 || bytes > SIM_FILE_MAX))
		r = bytes == 0 ? -EINVAL : -EFBIG;
	if (r == 0)
		r = begin(sim, "allocate", CAN_EIO | CAN_ENOSPC);
	if (r != 0)
		return r;
	inode = sim->handle[file].inode;
	if (!has_room(sim, pages_holes(&sim->inode[inode]->visible, 0, bytes)))
		return -ENOSPC;
	inode_change(sim, inode, (struct change){.kind = CHANGE_BACK, .end = bytes}, PENDING);
	return 0;
}

/* ---- reading and writing that blocks ---- */

static int64_t op_read(struct io *io, int file, void *to, size_t bytes, uint64_t at)
{
	struct sim *sim = sim_of(io);
	int r = access_check(sim, file, to, bytes, at, false);
	const struct inode *i;

	if (r == 0)
		r = begin(sim, "read", CAN_EIO);
	if (r != 0)
		return r;
	if (sim->handle[file].flags & IO_DIRECT)
		inode_reveal(sim, sim->handle[file].inode);
	i = sim->inode[sim->handle[file].inode];
	if (at >= i->size)
		return 0;
	if (bytes > i->size - at)
		bytes = (size_t)(i->size - at);
	pages_read(&i->visible, to, bytes, at);
	return (int64_t)bytes;
}

static int64_t op_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at)
{
	struct sim *sim = sim_of(io);
	int64_t r = access_check(sim, file, from, bytes, at, true);
	struct blob *b;
	int error;

	if (r != 0)
		return r;
	error = begin(sim, "write", CAN_EIO | CAN_ENOSPC | CAN_SHORT);
	b = blob_new(from, bytes);
	r = write_ends(sim, sim->handle[file].inode, b, at, false, error);
	blob_drop(b);
	return r;
}

static int op_sync(struct io *io, int file)
{
	struct sim *sim = sim_of(io);
	const struct sim_handle *h = handle_of(sim, file);
	int error;

	if (h == NULL)
		return -EBADF;
	error = begin(sim, "sync", CAN_EIO | CAN_ENOSPC);
	return sync_ends(sim, h->inode, sim->clock, error);
}

/* ---- names ---- */

static int op_rename(struct io *io, const char *from, const char *to)
{
	struct sim *sim = sim_of(io);
	int r = name_check(sim, from) != 0 ? name_check(sim, from) : name_check(sim, to);
	const struct sim_entry *e;

	if (r == 0)
		r = begin(sim, "rename", CAN_EIO | CAN_ENOSPC);
	if (r != 0)
		return r;
	e = dir_find(&sim->visible, from);
	if (e == NULL)
		return -ENOENT;
	if (strcmp(from, to) != 0)
		dir_change(sim, to, e->inode, false);
	return 0;
}

static int op_remove(struct io *io, const char *name)
{
	struct sim *sim = sim_of(io);
	int r = name_check(sim, name);
	const struct sim_entry *e;

	if (r == 0)
		r = begin(sim, "remove", CAN_EIO);
	if (r != 0)
		return r;
	e = dir_find(&sim->visible, name);
	if (e == NULL)
		return -ENOENT;
	dir_change(sim, name, e->inode, true);
	return 0;
}

static int op_sync_dir(struct io *io)
{
	struct sim *sim = sim_of(io);
	int r = begin(sim, "sync_dir", CAN_EIO);

	if (r != 0) {
		dir_lose(sim);
		return r;
	}
	dir_sync(sim);
	inodes_sweep(sim);
	return 0;
}

/* A copy, shuffled: each() may change the directory. */
static int op_list(struct io *io, int (*each)(void *context, const char *name), void *context)
{
	struct sim *sim = sim_of(io);
	int r = begin(sim, "list", CAN_EIO);
	struct sim_dir d = {0};

	if (r != 0)
		return r;
	dir_copy(&d, &sim->visible);
	for (; d.entries > 0 && r == 0; d.entries--) {
		size_t n = rng_below(dice(sim), d.entries);
		struct sim_entry e = d.entry[n];

		d.entry[n] = d.entry[d.entries - 1];
		r = each(context, e.name);
	}
	free(d.entry);
	return r;
}

static int op_space(struct io *io, uint64_t *free_bytes, uint64_t *all_bytes)
{
	struct sim *sim = sim_of(io);
	uint64_t used;

	begin(sim, "space", 0);
	used = sim_used(sim);
	*all_bytes = sim->capacity != 0 ? sim->capacity : 1ULL << 50;
	*free_bytes = used < *all_bytes ? *all_bytes - used : 0;
	return 0;
}

/* ---- begin and end ---- */

static void op_free(struct io *io)
{
	struct sim *sim = sim_of(io);

	flights_orphan(io);
	for (int n = 0; n < sim->handles; n++) {
		if (sim->handle[n].owner == io)
			sim->handle[n].open = false;
	}
	inodes_sweep(sim);
	free(io);
}

static const struct io_ops sim_ops = {
    .name = "sim",
    .open = op_open,
    .close = op_close,
    .size = op_size,
    .resize = op_resize,
    .allocate = op_allocate,
    .read = op_read,
    .write = op_write,
    .sync = op_sync,
    .rename = op_rename,
    .remove = op_remove,
    .sync_dir = op_sync_dir,
    .list = op_list,
    .space = op_space,
    .submit_write = op_submit_write,
    .submit_sync = op_submit_sync,
    .reap = op_reap,
    .free = op_free,
};

int sim_open(struct sim *sim, struct io **out)
{
	struct io_sim *io = sim_alloc(sizeof *io);

	*io = (struct io_sim){{&sim_ops}, sim};
	*out = &io->io;
	return 0;
}
