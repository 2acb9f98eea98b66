/* SPDX-License-Identifier: MIT */
/*
 * io_sync.c - a disk by plain system calls: what is submitted is done at once, and its end kept until it is reaped.
 * So submitting blocks, and reaping never does.
 */
#include "io_files.h"

#include <stdlib.h>

struct sync_disk {
	struct io_files files; /* first */
	unsigned first, n;     /* of done[], a ring */
	struct io_done done[IO_DEPTH];
};

static int keep(struct sync_disk *s, uint64_t tag, int64_t result)
{
	s->done[(s->first + s->n++) % IO_DEPTH] = (struct io_done){.tag = tag, .result = result};
	return 0;
}

static int sync_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at, bool durable,
                             uint64_t tag)
{
	struct sync_disk *s = (struct sync_disk *)io;

	if (s->n == IO_DEPTH)
		return -EBUSY;
	return keep(s, tag, durable ? files_write_durable(io, file, from, bytes, at)
	                            : files_write_once(io, file, from, bytes, at));
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
