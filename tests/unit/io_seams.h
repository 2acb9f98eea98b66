/* SPDX-License-Identifier: MIT */
/*
 * io_seams.h - for io_disk.h: the calls that stand between a disk and the kernel (the linker is told so: see Makefile),
 * so that they refuse what this kernel takes, and tell what was asked for.
 */
#ifndef IO_SEAMS_H
#define IO_SEAMS_H

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io_files.h"
#include "tap.h"

static size_t pwrite_most; /* bytes that pwrite() writes at one time; 0: as usual */
static bool refuse_direct_writes, refuse_fallocate, fdatasync_fails;
static int refuse_dsync; /* the error; 0: not */
static unsigned dsyncs, fdatasyncs;
static unsigned interrupts; /* that many calls are interrupted before they begin */

static bool is_refused(int fd)
{
	return refuse_direct_writes && (fcntl(fd, F_GETFL) & O_DIRECT);
}

static int fails(int error)
{
	errno = error;
	return -1;
}

static bool is_interrupted(void)
{
	if (interrupts == 0)
		return false;
	interrupts--;
	return true;
}

ssize_t __real_pwrite(int fd, const void *from, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t bytes, off_t at)
{
	if (is_interrupted() || is_refused(fd))
		return fails(is_refused(fd) ? EINVAL : EINTR);
	return __real_pwrite(fd, from, pwrite_most > 0 && bytes > pwrite_most ? pwrite_most : bytes, at);
}

ssize_t __real_pread(int fd, void *to, size_t bytes, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t bytes, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t bytes, off_t at)
{
	return is_interrupted() ? fails(EINTR) : __real_pread(fd, to, bytes, at);
}

ssize_t __real_pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags);
ssize_t __wrap_pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	if (is_interrupted() || is_refused(fd))
		return fails(is_refused(fd) ? EINVAL : EINTR);
	dsyncs += flags == RWF_DSYNC;
	return refuse_dsync ? fails(refuse_dsync) : __real_pwritev2(fd, v, n, at, flags);
}

static unsigned drops; /* of what the page cache has */

int __real_posix_fadvise(int fd, off_t from, off_t bytes, int advice);
int __wrap_posix_fadvise(int fd, off_t from, off_t bytes, int advice);
int __wrap_posix_fadvise(int fd, off_t from, off_t bytes, int advice)
{
	drops += advice == POSIX_FADV_DONTNEED;
	return __real_posix_fadvise(fd, from, bytes, advice);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fdatasync(int fd)
{
	if (is_interrupted())
		return fails(EINTR);
	fdatasyncs++;
	return fdatasync_fails ? fails(EIO) : __real_fdatasync(fd);
}

int __real_fallocate(int fd, int mode, off_t from, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t bytes);
int __wrap_fallocate(int fd, int mode, off_t from, off_t bytes)
{
	if (is_interrupted())
		return fails(EINTR);
	return refuse_fallocate ? fails(EOPNOTSUPP) : __real_fallocate(fd, mode, from, bytes);
}

/* ---- the ring ---- */

static bool refuse_setup_flags; /* as before Linux 6.0 */
static unsigned submit_fails;   /* that many times */
static struct io_uring_sqe last_entry;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
	return refuse_setup_flags && p->flags != 0 ? -EINVAL : __real_io_uring_queue_init_params(entries, ring, p);
}

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	last_entry = ring->sq.sqes[(ring->sq.sqe_tail - 1) & ring->sq.ring_mask];
	if (submit_fails == 0)
		return __real_io_uring_submit(ring);
	/* As far as the library comes before it asks the kernel. */
	submit_fails--;
	*ring->sq.ktail = ring->sq.sqe_head = ring->sq.sqe_tail;
	return -EAGAIN;
}

#endif
