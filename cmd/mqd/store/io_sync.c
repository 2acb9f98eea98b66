/* SPDX-License-Identifier: MIT */
/*
 * io_sync.c - a disk by plain system calls: what is submitted is done at once, and its end kept until it is reaped.
 * So submitting blocks, and reaping never does.
 */
#include "io_files.h"

#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct sync_disk {
	struct io_files files; /* first */
	bool no_dsync;         /* the kernel, the filesystem or a filter refuses RWF_DSYNC */
	unsigned first, n;     /* of done[], a ring */
	struct io_done done[IO_DEPTH];
};

static int keep(struct sync_disk *s, uint64_t tag, int64_t result)
{
	s->done[(s->first + s->n++) % IO_DEPTH] = (struct io_done){.tag = tag, .result = result};
	return 0;
}

static int64_t write_once(int fd, const void *from, size_t bytes, uint64_t at)
{
	ssize_t n;

	UNINTERRUPTED(n, pwrite(fd, from, bytes, (off_t)at));
	return n < 0 ? -errno : n;
}

/* EPERM: what a filter of system calls says that does not know pwritev2(). */
static bool refused(int64_t r)
{
	return r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM;
}

static int64_t write_dsync(int fd, const void *from, size_t bytes, uint64_t at)
{
	struct iovec v = {.iov_base = (void *)from, .iov_len = bytes};
	ssize_t n;

	UNINTERRUPTED(n, pwritev2(fd, &v, 1, (off_t)at, RWF_DSYNC));
	return n < 0 ? -errno : n;
}

/* One call where that can be had: the device is then told to write through, and has nothing else to flush. */
static int64_t write_durable(struct sync_disk *s, int file, const void *from, size_t bytes, uint64_t at)
{
	int fd = files_fd(&s->files.io, file);
	int64_t n = s->no_dsync ? -EOPNOTSUPP : write_dsync(fd, from, bytes, at);
	int r;

	if (!refused(n))
		return n;
	n = write_once(fd, from, bytes, at);
	s->no_dsync = s->no_dsync || n >= 0;
	r = n < 0 ? 0 : files_sync(&s->files.io, file);
	return r < 0 ? r : n;
}

static int sync_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at, bool durable,
                             uint64_t tag)
{
	struct sync_disk *s = (struct sync_disk *)io;

	if (s->n == IO_DEPTH)
		return -EBUSY;
	return keep(s, tag, durable ? write_durable(s, file, from, bytes, at)
	                            : write_once(files_fd(io, file), from, bytes, at));
}

static int sync_submit_sync(struct io *io, int file, uint64_t tag)
{
	struct sync_disk *s = (struct sync_disk *)io;

	return s->n == IO_DEPTH ? -EBUSY : keep(s, tag, files_sync(io, file));
}

static int sync_reap(struct io *io, struct io_done *done, unsigned max, bool wait)
{
	struct sync_disk *s = (struct sync_disk *)io;
	unsigned n = 0;

	(void)wait;
	for (; n < max && s->n > 0; n++, s->n--) {
		done[n] = s->done[s->first];
		s->first = (s->first + 1) % IO_DEPTH;
	}
	return (int)n;
}

static void sync_free(struct io *io)
{
	files_end((struct io_files *)io);
	free(io);
}

static const struct io_ops sync_ops = {
        .name = "sync",
        FILES_OPS,
        .submit_write = sync_submit_write,
        .submit_sync = sync_submit_sync,
        .reap = sync_reap,
        .free = sync_free,
};

int io_sync_open(int dirfd, struct io **out)
{
	struct sync_disk *s = calloc(1, sizeof *s);
	int r = s == NULL ? -ENOMEM : files_begin(&s->files, dirfd, &sync_ops);

	if (r < 0) {
		free(s);
		return r;
	}
	*out = &s->files.io;
	return 0;
}
