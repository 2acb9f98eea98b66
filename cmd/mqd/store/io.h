/* SPDX-License-Identifier: MIT */
/*
 * io.h - what the store asks of a disk: one table, and who fills it.
 *
 *   io_uring.c   one ring, on the thread that calls
 *   io_sync.c    plain system calls: where io_uring is refused (a seccomp filter, an old kernel)
 *   tests/simdisk/io_sim.c   a disk that forgets what was not synced
 *
 * All belong to one directory and one thread. A file is a small number, as a descriptor is. Results below 0 are
 * -errno. A directory entry that was made, renamed or removed survives a power loss only after sync_dir(); data and
 * the size of a file only after a sync of it that was submitted when the write had completed, or a write that was
 * submitted as durable.
 */
#ifndef MQD_IO_H
#define MQD_IO_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Buffers, lengths and places in files are multiples of this, for files opened IO_DIRECT. */
#define IO_BLOCK 4096u

/* Operations in flight at one time; submitting more is -EBUSY. */
#define IO_DEPTH 32u

enum io_flags {
	IO_CREATE = 1,    /* the file must not be there: -EEXIST */
	IO_READ_ONLY = 2,
	IO_DIRECT = 4,    /* past the page cache, where the filesystem knows it: else reads drop from it what they read, as
	                     after a failed write it says what the disk has not */
};

/* How an operation ended. */
struct io_done {
	uint64_t tag;
	int64_t result; /* bytes written, possibly too few; of a sync 0; or -errno */
};

struct io;
struct io_ops {
	const char *name; /* "uring", "sync": for the line that mqd starts with */

	int (*open)(struct io *io, const char *name, unsigned flags); /* the file, >= 0 */
	void (*close)(struct io *io, int file);                       /* nothing of it may be in flight */
	int64_t (*size)(struct io *io, int file);
	int (*resize)(struct io *io, int file, uint64_t bytes);       /* cuts, or grows by a hole */
	int (*allocate)(struct io *io, int file, uint64_t bytes);     /* backs [0, bytes): -ENOSPC now, not later */

	/* These block, and are not interrupted by signals. A short count is returned as it is: of a read at the end of
	   the file; of a write, what came before an error. */
	int64_t (*read)(struct io *io, int file, void *to, size_t bytes, uint64_t at);
	int64_t (*write)(struct io *io, int file, const void *from, size_t bytes, uint64_t at);
	int (*sync)(struct io *io, int file);

	int (*rename)(struct io *io, const char *from, const char *to); /* replaces `to` */
	int (*remove)(struct io *io, const char *name);
	int (*sync_dir)(struct io *io);
	/* Calls each() with every name but . and .., in any order, until it returns non-zero: returns that. */
	int (*list)(struct io *io, int (*each)(void *context, const char *name), void *context);
	/* Of the filesystem, for who is not root. */
	int (*space)(struct io *io, uint64_t *free_bytes, uint64_t *all_bytes);

	/* These do not block, where that can be had. The bytes stay as they are until the operation is reaped.
	   durable: completes only when the bytes would survive a power loss; with nothing else in flight it may block,
	   as a call that waits costs less than one that tells, and one that asks. A sync covers the writes that were
	   reaped before it was submitted. Several may be in flight, and complete in any order. */
	int (*submit_write)(struct io *io, int file, const void *from, size_t bytes, uint64_t at, bool durable,
	                    uint64_t tag);
	int (*submit_sync)(struct io *io, int file, uint64_t tag);
	/* Up to `max` that have completed; with `wait` at least one, unless none is in flight. Returns how many;
	   -EINTR: a signal handler ran before one had (or the process was stopped, and goes on). */
	int (*reap)(struct io *io, struct io_done *done, unsigned max, bool wait);

	void (*free)(struct io *io); /* closes all files; waits for what is in flight, and drops its results */
};

struct io { /* the head of each implementation's own struct */
	const struct io_ops *ops;
};

/* All of it: 0, or the error that a short write was the first sign of. What is not whole blocks is written again. */
static inline int io_write_whole(struct io *io, int file, const void *from, size_t bytes, uint64_t at)
{
	unsigned tries = 0;

	for (size_t done = 0; done < bytes;) {
		int64_t n = io->ops->write(io, file, (const char *)from + done, bytes - done, at + done);

		if (n < 0 || n == (int64_t)(bytes - done))
			return n < 0 ? (int)n : 0;
		if (n < IO_BLOCK && ++tries == 3)
			return -EIO;
		done += (size_t)n / IO_BLOCK * IO_BLOCK;
	}
	return 0;
}

enum io_kind { IO_AUTO, IO_URING, IO_SYNC };

/* A disk for the files of one directory, given by a descriptor, which is duplicated. IO_AUTO tries io_uring with the
 * operations that the store uses on a file of its own in that directory, which is removed again, and takes plain
 * system calls where one fails; `why` (a sentence, else "") then says what was refused. IO_URING fails instead. 0 or
 * -errno, which `why` explains, too. direct: whether files opened IO_DIRECT really are. A ring belongs to the thread
 * that opens it: not to another, not to a forked child. */
int io_open(int dirfd, enum io_kind kind, struct io **out, bool *direct, char *why, size_t why_size);

/* The same for one kind, without a probe. */
int io_uring_open(int dirfd, struct io **out);
int io_sync_open(int dirfd, struct io **out);

#endif
