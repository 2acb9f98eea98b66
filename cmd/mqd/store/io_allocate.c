/* SPDX-License-Identifier: MIT */
/*
 * io_allocate.c - blocks for a file before they are written.
 *
 * Where the filesystem cannot say that it keeps them (EOPNOTSUPP: ext3, NFS before 4.2, ramfs), zeros are written
 * where nothing is. Not by posix_fallocate(): what the C library does instead writes single bytes, which files past
 * the page cache refuse.
 */
#include "io_files.h"

#include <fcntl.h>
#include <unistd.h>

static _Alignas(IO_BLOCK) char zeros[64 * 1024];

/* Where the next hole, or data, is. A filesystem that does not tell of its holes says that there is one, behind the
 * end of the file: then what was a hole before stays one. */
static off_t seek(int fd, off_t from, int whence, off_t otherwise)
{
	off_t at = lseek(fd, from, whence);

	if (at < 0)
		return errno == ENXIO ? otherwise : -errno;
	return at;
}

static int write_zeros(struct io *io, int file, off_t from, off_t to)
{
	while (from < to) {
		size_t bytes = to - from < (off_t)sizeof zeros ? (size_t)(to - from) : sizeof zeros;
		int64_t n = files_write(io, file, zeros, bytes, (uint64_t)from);

		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		from += n;
	}
	return 0;
}

static int fill_holes(struct io *io, int file, off_t end)
{
	int fd = files_fd(io, file), r = 0;
	off_t from, to = 0;

	while (to < end && r == 0) {
		from = seek(fd, to, SEEK_HOLE, to); /* `to` lies behind the end */
		if (from < 0 || from >= end)
			return from < 0 ? (int)from : 0;
		to = seek(fd, from, SEEK_DATA, end);
		if (to < 0)
			return (int)to;
		r = write_zeros(io, file, from, to < end ? to : end);
	}
	return r;
}

/* After -ENOSPC the file may be longer than before. */
int files_allocate(struct io *io, int file, uint64_t bytes)
{
	int r;

	if (bytes == 0)
		return 0;
	UNINTERRUPTED(r, fallocate(files_fd(io, file), 0, 0, (off_t)bytes));
	if (r < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
		return fill_holes(io, file, (off_t)bytes);
	return r < 0 ? -errno : 0;
}
