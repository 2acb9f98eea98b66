/* SPDX-License-Identifier: MIT */
/* io_sim.c - struct io_ops over a simulated disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"

struct io_sim {
	struct io io;
	struct sim *sim;
};

/* How an operation can fail as planned. */
enum { CAN_EIO = 1, CAN_ENOSPC = 2, CAN_SHORT = 4 };

static struct sim *sim_of(struct io *io)
{
	return ((struct io_sim *)io)->sim;
}

static struct rng *dice(struct sim *sim)
{
	_Static_assert(sizeof(struct rng) == sizeof sim->dice, "the generator is its state");
	return (struct rng *)&sim->dice;
}

static void blame(struct sim *sim, const char *what)
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

	if (f->at == 0 || sim->ops < f->at || !fits)
		return 0;
	sim->faults++;
	if (!f->for_ever)
		f->at = 0;
	return f->error;
}

/* Before each operation. 0, or how it is to fail. */
static int begin(struct sim *sim, const char *doing, int can)
{
	int r = 0;

	sim->ops++;
	sim->doing = doing;
	late_land(sim);
	if (sim->at != NULL)
		r = sim->at(sim->context, sim, sim->ops);
	return r < 0 && can != 0 ? r : planned(sim, can);
}

static struct sim_handle *handle_of(struct sim *sim, int file)
{
	if (file >= 0 && file < sim->handles && sim->handle[file].open)
		return &sim->handle[file];
	blame(sim, "a file that is not open");
	return NULL;
}

/* 0, or what such an access is refused with. */
static int access_check(struct sim *sim, int file, const void *buffer, size_t bytes, uint64_t at,
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

/* Whether so many holes can be filled. */
static bool has_room(const struct sim *sim, uint64_t holes)
{
	return holes == 0 || sim->capacity == 0 ||
	       sim_used(sim) + holes * PAGE_BYTES <= sim->capacity;
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
	i = sim->inode[sim->handle[file].inode];
	if (at >= i->size)
		return 0;
	if (bytes > i->size - at)
		bytes = (size_t)(i->size - at);
	pages_read(&i->visible, to, bytes, at);
	return (int64_t)bytes;
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

/* The write completes. How much of one that failed is there is not known, and no sync makes it so.
 */
static int64_t write_ends(struct sim *sim, uint32_t inode, const struct blob *b, uint64_t at,
			  bool durable, int error)
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

static int sync_ends(struct sim *sim, uint32_t inode, uint64_t clock, int error)
{
	if (error != 0)
		inode_lose(sim, inode);
	else
		inode_sync(sim, inode, clock);
	return error;
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

/* ---- in flight ---- */

static int submit(struct sim *sim, struct flight f)
{
	f.inode = sim->handle[f.file].inode;
	f.clock = sim->clock++;
	sim->flight = sim_realloc(sim->flight, IO_DEPTH * sizeof *sim->flight);
	sim->flight[sim->flights++] = f;
	sim->changes += !f.sync;
	return 0;
}

static int op_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at,
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

static int op_submit_sync(struct io *io, int file, uint64_t tag)
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

static int op_reap(struct io *io, struct io_done *done, unsigned max, bool wait)
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

/* ---- begin and end ---- */

static void op_free(struct io *io)
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
