/* SPDX-License-Identifier: MIT */
/* io_files.c - the open files of a disk, and the calls on one of them that block. */
#include "io_files.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

int files_begin(struct io_files *f, int dirfd, const struct io_ops *ops)
{
	*f = (struct io_files){.io.ops = ops, .dir = fcntl(dirfd, F_DUPFD_CLOEXEC, 0)};
	return f->dir < 0 ? -errno : 0;
}

void files_end(struct io_files *f)
{
	for (int file = 0; file < f->room; file++)
		if (f->open[file].fd >= 0)
			close(f->open[file].fd);
	free(f->open);
	close(f->dir);
}

/* ---- the table ---- */

static struct open_file *open_file(const struct io *io, int file)
{
	const struct io_files *f = (const struct io_files *)io;

	assert(file >= 0 && file < f->room && f->open[file].fd >= 0);
	return &f->open[file];
}

int files_fd(const struct io *io, int file)
{
	return open_file(io, file)->fd;
}

bool files_direct(const struct io *io, int file)
{
	return open_file(io, file)->direct;
}

void files_refuse_direct(struct io *io)
{
	((struct io_files *)io)->no_direct = true;
}

static int free_number(struct io_files *f)
{
	int file = 0, room = f->room > 0 ? 2 * f->room : 16;
	struct open_file *more;

	while (file < f->room && f->open[file].fd >= 0)
		file++;
	if (file < f->room)
		return file;
	more = reallocarray(f->open, (size_t)room, sizeof *more);
	if (more == NULL)
		return -ENOMEM;
	for (int i = f->room; i < room; i++)
		more[i] = (struct open_file){.fd = -1};
	f->open = more;
	f->room = room;
	return file;
}

/* Not given to open(): a filesystem that refuses it there (EINVAL) has by then made the file, and a second try would
 * not know whether it was there before. */
static bool set_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

int files_open(struct io *io, const char *name, unsigned flags)
{
	struct io_files *f = (struct io_files *)io;
	int mode = (flags & IO_READ_ONLY ? O_RDONLY : O_RDWR) | (flags & IO_CREATE ? O_CREAT | O_EXCL : 0);
	int file = free_number(f);
	int fd;

	if (file < 0)
		return file;
	UNINTERRUPTED(fd, openat(f->dir, name, mode | O_CLOEXEC, 0600));
	if (fd < 0)
		return -errno;
	f->open[file].fd = fd;
	f->open[file].direct = (flags & IO_DIRECT) && !f->no_direct && set_direct(fd);
	f->open[file].drop = (flags & IO_DIRECT) && !f->open[file].direct;
	return file;
}

void files_close(struct io *io, int file)
{
	struct open_file *o = open_file(io, file);

	close(o->fd); /* what was written is safe after a sync, or not at all: an error here says nothing */
	o->fd = -1;
}

/* ---- one file ---- */

int64_t files_size(struct io *io, int file)
{
	struct stat st;

	return fstat(files_fd(io, file), &st) < 0 ? -errno : st.st_size;
}

int files_resize(struct io *io, int file, uint64_t bytes)
{
	int r;

	UNINTERRUPTED(r, ftruncate(files_fd(io, file), (off_t)bytes));
	return r < 0 ? -errno : 0;
}

int64_t files_read(struct io *io, int file, void *to, size_t bytes, uint64_t at)
{
	ssize_t n;

	if (open_file(io, file)->drop)
		(void)posix_fadvise(files_fd(io, file), (off_t)at, (off_t)bytes, POSIX_FADV_DONTNEED); /* what is not dirty */
	UNINTERRUPTED(n, pread(files_fd(io, file), to, bytes, (off_t)at));
	return n < 0 ? -errno : n;
}

int64_t files_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at)
{
	int fd = files_fd(io, file);
	size_t written = 0;
	ssize_t n = 0;

	while (written < bytes) {
		UNINTERRUPTED(n, pwrite(fd, (const char *)from + written, bytes - written, (off_t)(at + written)));
		if (n <= 0)
			break;
		written += (size_t)n;
	}
	return written > 0 || n == 0 ? (int64_t)written : -errno;
}

/* The size of a file is part of what fdatasync() keeps; only its times are not. */
int files_sync(struct io *io, int file)
{
	int r;

	UNINTERRUPTED(r, fdatasync(files_fd(io, file)));
	return r < 0 ? -errno : 0;
}

/* ---- one call ---- */

int64_t files_write_once(struct io *io, int file, const void *from, size_t bytes, uint64_t at)
{
	ssize_t n;

	UNINTERRUPTED(n, pwrite(files_fd(io, file), from, bytes, (off_t)at));
	return n < 0 ? -errno : n;
}

/* EPERM: what a filter of system calls says that does not know pwritev2(). */
static bool refused(int64_t r)
{
	return r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM;
}

static int64_t write_dsync(int fd, const void *from, size_t bytes, uint64_t at)
{
	struct iovec v = {.iov_base = (void *)(uintptr_t)from, .iov_len = bytes};
	ssize_t n;

	UNINTERRUPTED(n, pwritev2(fd, &v, 1, (off_t)at, RWF_DSYNC));
	return n < 0 ? -errno : n;
}

/* One call where that can be had: the device is then told to write through, and has nothing else to flush. */
int64_t files_write_durable(struct io *io, int file, const void *from, size_t bytes, uint64_t at)
{
	struct io_files *f = (struct io_files *)io;
	int64_t n = f->no_dsync ? -EOPNOTSUPP : write_dsync(files_fd(io, file), from, bytes, at);
	int r;

	if (!refused(n))
		return n;
	n = files_write_once(io, file, from, bytes, at);
	f->no_dsync = f->no_dsync || n >= 0;
	r = n < 0 ? 0 : files_sync(io, file);
	return r < 0 ? r : n;
}
