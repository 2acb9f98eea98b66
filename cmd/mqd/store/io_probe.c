/* SPDX-License-Identifier: MIT */
/*
 * io_probe.c - which disk works here: found by doing what the store does, on a file of its own.
 *
 * What a kernel, a filesystem and a filter of system calls allow cannot be looked up; each of them may take the ring,
 * and then not one of the operations. A full disk is no refusal: a store that is full must open, to become less full.
 */
#include "io_files.h"

#include <stdio.h>
#include <string.h>

#define PROBE_NAME "io.probe" /* left behind only by who is killed in between, and removed by the next */

struct probe {
	struct io *io;
	int file;
	const char *what; /* was done last */
	_Alignas(IO_BLOCK) char block[IO_BLOCK];
};

static bool full(int64_t r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

/* `submitted` is what submitting said: 0 or -errno. The result of the operation, or `want` where the disk is full. */
static int64_t outcome(struct probe *p, int submitted, int64_t want)
{
	struct io_done done;
	int r = submitted;

	while (r == 0 || r == -EINTR)
		r = p->io->ops->reap(p->io, &done, 1, true);
	if (r == 1)
		return full(done.result) ? want : done.result;
	return r;
}

static int64_t probe_write(struct probe *p, bool durable)
{
	p->what = durable ? "a durable write" : "a write";
	return outcome(p, p->io->ops->submit_write(p->io, p->file, p->block, IO_BLOCK, 0, durable, 1), IO_BLOCK);
}

static int64_t probe_sync(struct probe *p)
{
	p->what = "a sync";
	return outcome(p, p->io->ops->submit_sync(p->io, p->file, 1), 0);
}

static int probe_operations(struct probe *p)
{
	int64_t r = probe_write(p, false);

	if (r == IO_BLOCK)
		r = probe_write(p, true);
	if (r == IO_BLOCK)
		r = probe_sync(p);
	return r > 0 ? -EIO : (int)r; /* a short write, for no reason */
}

static int probe_file(struct probe *p)
{
	p->what = "making a file";
	p->io->ops->remove(p->io, PROBE_NAME);
	p->file = p->io->ops->open(p->io, PROBE_NAME, IO_CREATE | IO_DIRECT);
	p->io->ops->remove(p->io, PROBE_NAME);
	return p->file < 0 ? p->file : 0;
}

/* 0, or -errno of p->what. *direct stays false where no file can be made. */
static int probe(struct probe *p, bool *direct)
{
	int r = probe_file(p);

	*direct = false;
	if (r < 0)
		return full(r) ? 0 : r;
	*direct = files_direct(p->io, p->file);
	r = probe_operations(p);
	p->io->ops->close(p->io, p->file);
	if (r != -EINVAL || !*direct)
		return r;
	files_refuse_direct(p->io);
	return probe(p, direct);
}

static int open_kind(int dirfd, int (*open)(int, struct io **), struct io **out, bool *direct, const char **what)
{
	struct probe p = {.what = "setting it up"};
	int r = open(dirfd, &p.io);

	if (r == 0) {
		r = probe(&p, direct);
		if (r < 0)
			p.io->ops->free(p.io);
	}
	*what = p.what;
	*out = r == 0 ? p.io : NULL;
	return r;
}

/* Who refuses is a filter more often than a kernel. */
static void say_why(char *why, size_t size, const char *kind, const char *what, int error)
{
	const char *hint = error == -EPERM    ? " (a seccomp filter, or kernel.io_uring_disabled)"
	                   : error == -ENOSYS ? " (the kernel, or a seccomp filter)"
	                                      : "";

	snprintf(why, size, "%s: %s: %s%s", kind, what, strerror(-error), hint);
}

int io_open(int dirfd, enum io_kind kind, struct io **out, bool *direct, char *why, size_t why_size)
{
	const char *what;
	int r;

	snprintf(why, why_size, "%s", "");
	if (kind != IO_SYNC) {
		r = open_kind(dirfd, io_uring_open, out, direct, &what);
		if (r == 0)
			return 0;
		say_why(why, why_size, "io_uring", what, r);
		if (kind == IO_URING)
			return r;
	}
	r = open_kind(dirfd, io_sync_open, out, direct, &what);
	if (r < 0) /* then the ring was not what is wrong here */
		say_why(why, why_size, "plain system calls", what, r);
	return r;
}
