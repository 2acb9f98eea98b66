/* SPDX-License-Identifier: MIT */
/*
 * mirror.c - a simulated disk whose files stand in a real directory, too.
 *
 * The library reads the store by itself, from files. So whatever mqd does to the disk is done to a directory on tmpfs
 * when the disk has done it: readers see what the page cache would show them. What the disk does by itself (late writes)
 * comes with mirror_refresh(). Allocations of the simulation do not count for memory.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run.h"

#define FILES 64

struct mirror {
	struct io io;
	struct io *under;
	int dir;
	int fd[FILES];
	struct {
		bool used;
		int file;
		const void *from;
		uint64_t tag, at;
	} flight[IO_DEPTH];
};

static struct mirror *of(struct io *io)
{
	return (struct mirror *)(void *)io;
}

/* The call on the disk itself. */
#define UNDER(result, call)                         \
	do {                                        \
		uint64_t armed_ = memory_fail_at;   \
		memory_fail_at = 0;                 \
		(result) = (call);                  \
		memory_fail_at = armed_;            \
	} while (0)

static void must(bool done, const char *what)
{
	if (done)
		return;
	printf("Bail out! the mirror of the disk: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(2);
}

static void put(int fd, const void *from, size_t bytes, uint64_t at)
{
	must(pwrite(fd, from, bytes, (off_t)at) == (ssize_t)bytes, "writing");
}

static int mirrored_open(struct io *io, const char *name, unsigned flags)
{
	struct mirror *m = of(io);
	int file;

	UNDER(file, m->under->ops->open(m->under, name, flags));
	if (file < 0)
		return file;
	must(file < FILES, "too many files");
	m->fd[file] = openat(m->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(m->fd[file] >= 0, name);
	return file;
}

static void mirrored_close(struct io *io, int file)
{
	struct mirror *m = of(io);

	m->under->ops->close(m->under, file);
	close(m->fd[file]);
	m->fd[file] = -1;
}

static int64_t mirrored_size(struct io *io, int file)
{
	return of(io)->under->ops->size(of(io)->under, file);
}

static int mirrored_resize(struct io *io, int file, uint64_t bytes)
{
	struct mirror *m = of(io);
	int r;

	UNDER(r, m->under->ops->resize(m->under, file, bytes));
	if (r == 0)
		must(ftruncate(m->fd[file], (off_t)bytes) == 0, "cutting");
	return r;
}

static int mirrored_allocate(struct io *io, int file, uint64_t bytes)
{
	struct mirror *m = of(io);
	struct stat st;
	int r;

	UNDER(r, m->under->ops->allocate(m->under, file, bytes));
	must(fstat(m->fd[file], &st) == 0, "looking");
	if (r == 0 && st.st_size < (off_t)bytes)
		must(ftruncate(m->fd[file], (off_t)bytes) == 0, "growing");
	return r;
}

static int64_t mirrored_read(struct io *io, int file, void *to, size_t bytes, uint64_t at)
{
	int64_t n;

	UNDER(n, of(io)->under->ops->read(of(io)->under, file, to, bytes, at));
	if (n > 0) /* past the page cache: others see it now, too */
		put(of(io)->fd[file], to, (size_t)n, at);
	return n;
}

static int64_t mirrored_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at)
{
	int64_t n;

	UNDER(n, of(io)->under->ops->write(of(io)->under, file, from, bytes, at));
	if (n > 0)
		put(of(io)->fd[file], from, (size_t)n, at);
	return n;
}

static int mirrored_sync(struct io *io, int file)
{
	int r;

	UNDER(r, of(io)->under->ops->sync(of(io)->under, file));
	return r;
}

static int mirrored_rename(struct io *io, const char *from, const char *to)
{
	struct mirror *m = of(io);
	int r;

	UNDER(r, m->under->ops->rename(m->under, from, to));
	if (r == 0)
		must(renameat(m->dir, from, m->dir, to) == 0, from);
	return r;
}

static int mirrored_remove(struct io *io, const char *name)
{
	int r;

	UNDER(r, of(io)->under->ops->remove(of(io)->under, name));
	if (r == 0)
		must(unlinkat(of(io)->dir, name, 0) == 0, name);
	return r;
}

static int mirrored_sync_dir(struct io *io)
{
	int r;

	UNDER(r, of(io)->under->ops->sync_dir(of(io)->under));
	return r;
}

static int mirrored_list(struct io *io, int (*each)(void *context, const char *name), void *context)
{
	int r;

	UNDER(r, of(io)->under->ops->list(of(io)->under, each, context));
	return r;
}

static int mirrored_space(struct io *io, uint64_t *free_bytes, uint64_t *all_bytes)
{
	return of(io)->under->ops->space(of(io)->under, free_bytes, all_bytes);
}

static int mirrored_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at, bool durable,
                                 uint64_t tag)
{
	struct mirror *m = of(io);
	unsigned n = 0;
	int r;

	UNDER(r, m->under->ops->submit_write(m->under, file, from, bytes, at, durable, tag));
	while (m->flight[n].used)
		n++;
	if (r == 0) {
		m->flight[n].used = true;
		m->flight[n].file = file;
		m->flight[n].from = from;
		m->flight[n].tag = tag;
		m->flight[n].at = at;
	}
	return r;
}

static int mirrored_submit_sync(struct io *io, int file, uint64_t tag)
{
	int r;

	UNDER(r, of(io)->under->ops->submit_sync(of(io)->under, file, tag));
	return r;
}

static int mirrored_reap(struct io *io, struct io_done *done, unsigned max, bool wait)
{
	struct mirror *m = of(io);
	int r;

	UNDER(r, m->under->ops->reap(m->under, done, max, wait));
	for (int i = 0; i < r; i++)
		for (unsigned n = 0; n < IO_DEPTH; n++) {
			if (!m->flight[n].used || m->flight[n].tag != done[i].tag)
				continue;
			if (done[i].result > 0)
				put(m->fd[m->flight[n].file], m->flight[n].from, (size_t)done[i].result, m->flight[n].at);
			m->flight[n].used = false;
		}
	return r;
}

static void mirrored_free(struct io *io)
{
	struct mirror *m = of(io);

	m->under->ops->free(m->under);
	for (int i = 0; i < FILES; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	close(m->dir);
	free(m);
}

static const struct io_ops mirror_ops = {.name = "sim",
                                         .open = mirrored_open,
                                         .close = mirrored_close,
                                         .size = mirrored_size,
                                         .resize = mirrored_resize,
                                         .allocate = mirrored_allocate,
                                         .read = mirrored_read,
                                         .write = mirrored_write,
                                         .sync = mirrored_sync,
                                         .rename = mirrored_rename,
                                         .remove = mirrored_remove,
                                         .sync_dir = mirrored_sync_dir,
                                         .list = mirrored_list,
                                         .space = mirrored_space,
                                         .submit_write = mirrored_submit_write,
                                         .submit_sync = mirrored_submit_sync,
                                         .reap = mirrored_reap,
                                         .free = mirrored_free};

int mirror_open(struct sim *disk, const char *dir, struct io **out)
{
	struct mirror *m = calloc(1, sizeof *m);

	must(m != NULL, "memory");
	m->io.ops = &mirror_ops;
	for (int i = 0; i < FILES; i++)
		m->fd[i] = -1;
	m->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(m->dir >= 0, dir);
	*out = &m->io;
	return sim_open(disk, &m->under);
}

/* ---- all of it ------------------------------------------------------------------------ */

struct refresh {
	struct io *io;
	int dir;
	unsigned char *now, *was;
	size_t capacity;
};

static int refresh_one(void *context, const char *name, uint64_t bytes)
{
	struct refresh *f = context;
	int file = f->io->ops->open(f->io, name, IO_READ_ONLY), fd;
	struct stat st;

	fd = openat(f->dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(file >= 0 && fd >= 0 && fstat(fd, &st) == 0, name);
	if (bytes > f->capacity) {
		f->capacity = bytes;
		f->now = realloc(f->now, bytes);
		f->was = realloc(f->was, bytes);
		must(f->now != NULL && f->was != NULL, "memory");
	}
	if (st.st_size != (off_t)bytes)
		must(ftruncate(fd, (off_t)bytes) == 0, name);
	must(f->io->ops->read(f->io, file, f->now, bytes, 0) == (int64_t)bytes &&
	             pread(fd, f->was, bytes, 0) == (ssize_t)bytes,
	     name);
	if (memcmp(f->now, f->was, bytes) != 0)
		put(fd, f->now, bytes, 0);
	f->io->ops->close(f->io, file);
	close(fd);
	return 0;
}

void mirror_refresh(const struct sim *disk, const char *dir)
{
	struct refresh f = {.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	struct sim copy;

	must(f.dir >= 0, dir);
	sim_copy(disk, &copy);
	must(sim_open(&copy, &f.io) == 0, "opening");
	sim_each_file(&copy, refresh_one, &f);
	f.io->ops->free(f.io);
	sim_free(&copy);
	free(f.now);
	free(f.was);
	close(f.dir);
}
