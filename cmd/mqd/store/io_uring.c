/* SPDX-License-Identifier: MIT */
/*
 * io_uring.c - a disk by one ring. It belongs to the thread that opened it; a forked child cannot use it.
 *
 * Each operation is given to the kernel when it is submitted, by a system call of its own: the caller may do something
 * else for long, and the disk works meanwhile. That costs 3 us of a CPU for each; with all that may be in flight, and
 * 4 KiB each, a call for all of them would make a tenth more writes; with one, or with four of 1 MiB, no more.
 * Registered files made none more, and registered buffers would have to be the caller's.
 *
 * A durable write alone is a plain call: through the ring it took 3 to 8 us more of 80, and with 64 publishers that wait
 * for the disk twice as long, as what they said in the meantime made a commit of its own.
 */
#include "io_files.h"

#include <liburing.h>
#include <stdlib.h>

struct uring {
	struct io_files files; /* first */
	struct io_uring ring;
	unsigned in_flight; /* submitted, not reaped */
	bool kept;          /* one was done at once, and is not reaped: */
	struct io_done done;
};

/* ---- submitting ---- */

static struct io_uring_sqe *next_entry(struct uring *u)
{
	return u->in_flight + u->kept < IO_DEPTH ? io_uring_get_sqe(&u->ring) : NULL;
}

/* The entry that the kernel did not take: the next call would submit it after all, when its bytes are somebody else's.
 * The kernel looks at the queue only in calls of this thread (there is no SQPOLL): nobody is reading it now. */
static void take_back(struct io_uring_sq *sq)
{
	sq->sqe_head = --sq->sqe_tail;
	*sq->ktail = sq->sqe_tail;
}

static int submit(struct uring *u, struct io_uring_sqe *sqe, uint64_t tag)
{
	int r;

	io_uring_sqe_set_data64(sqe, tag);
	r = io_uring_submit(&u->ring);
	if (r == 1) {
		u->in_flight++;
		return 0;
	}
	take_back(&u->ring.sq);
	return r < 0 ? r : -EAGAIN;
}

static int uring_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at, bool durable,
                              uint64_t tag)
{
	struct uring *u = (struct uring *)io;
	struct io_uring_sqe *sqe;

	if (durable && u->in_flight == 0 && !u->kept) {
		u->done = (struct io_done){.tag = tag, .result = files_write_durable(io, file, from, bytes, at)};
		u->kept = true;
		return 0;
	}
	sqe = next_entry(u);
	if (sqe == NULL)
		return -EBUSY;
	/* A write may be short: of what does not fit, as much as fits. */
	io_uring_prep_write(sqe, files_fd(io, file), from, bytes < INT32_MAX ? (unsigned)bytes : INT32_MAX, at);
	sqe->rw_flags = durable ? RWF_DSYNC : 0;
	return submit(u, sqe, tag);
}

static int uring_submit_sync(struct io *io, int file, uint64_t tag)
{
	struct uring *u = (struct uring *)io;
	struct io_uring_sqe *sqe = next_entry(u);

	if (sqe == NULL)
		return -EBUSY;
	io_uring_prep_fsync(sqe, files_fd(io, file), IORING_FSYNC_DATASYNC);
	return submit(u, sqe, tag);
}

/* ---- reaping ---- */

/* -EINTR does not hide a completion: the kernel says it only when there is none. */
static int wait_for_one(struct uring *u)
{
	struct io_uring_cqe *cqe;

	return io_uring_wait_cqe(&u->ring, &cqe);
}

static int uring_reap(struct io *io, struct io_done *done, unsigned max, bool wait)
{
	struct uring *u = (struct uring *)io;
	struct io_uring_cqe *cqe[IO_DEPTH];
	unsigned n;
	int r;

	if (u->kept && max > 0) {
		u->kept = false;
		done[0] = u->done;
		return 1;
	}
	r = wait && max > 0 && u->in_flight > 0 ? wait_for_one(u) : 0;

	if (r < 0)
		return r;
	n = io_uring_peek_batch_cqe(&u->ring, cqe, max < IO_DEPTH ? max : IO_DEPTH);
	for (unsigned i = 0; i < n; i++)
		done[i] = (struct io_done){.tag = io_uring_cqe_get_data64(cqe[i]), .result = cqe[i]->res};
	io_uring_cq_advance(&u->ring, n);
	u->in_flight -= n;
	return (int)n;
}

/* ---- from beginning to end ---- */

/* The kernel goes on reading the bytes of a write whose ring is gone: what is in flight is waited for. */
static void uring_free(struct io *io)
{
	struct uring *u = (struct uring *)io;
	struct io_done done[IO_DEPTH];
	int r = 0;

	while (u->in_flight > 0 && (r >= 0 || r == -EINTR))
		r = uring_reap(io, done, IO_DEPTH, true);
	io_uring_queue_exit(&u->ring);
	files_end(&u->files);
	free(u);
}

static const struct io_ops uring_ops = {
        .name = "uring",
        FILES_OPS,
        .submit_write = uring_submit_write,
        .submit_sync = uring_submit_sync,
        .reap = uring_reap,
        .free = uring_free,
};

/* Since Linux 6.1 completions can wait until they are asked for, instead of interrupting the thread in whatever it
 * does: with many in flight a sixth more. TASKRUN_FLAG tells whether there are any, without a call. */
static int begin_ring(struct io_uring *ring)
{
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
	                                     IORING_SETUP_TASKRUN_FLAG};
	int r = io_uring_queue_init_params(IO_DEPTH, ring, &p);

	if (r != -EINVAL)
		return r;
	p = (struct io_uring_params){0};
	r = io_uring_queue_init_params(IO_DEPTH, ring, &p);
	/* Before Linux 5.11 the library keeps a tag for itself: ~0. */
	if (r == 0 && !(p.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(ring);
		return -ENOSYS;
	}
	return r;
}

int io_uring_open(int dirfd, struct io **out)
{
	struct uring *u = calloc(1, sizeof *u);
	int r = u == NULL ? -ENOMEM : files_begin(&u->files, dirfd, &uring_ops);

	if (r == 0) {
		r = begin_ring(&u->ring);
		if (r < 0)
			files_end(&u->files);
	}
	if (r < 0) {
		free(u);
		return r;
	}
	*out = &u->files.io;
	return 0;
}
