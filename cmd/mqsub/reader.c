/* SPDX-License-Identifier: MIT */
/*
 * reader.c - how much of what was written was read.
 *
 * FIONREAD says of either end of a pipe how many bytes stand in it, also when the reader is gone.
 * What was written and does not stand there was read.
 */
#include "reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "events.h"

/* A pipe that is not full has room for a page: POLLOUT says no more than that. */
#define PAGE_BYTES 4096

void reader_init(struct reader *r, int fd)
{
	struct stat st;
	int size = fcntl(fd, F_GETPIPE_SZ);

	*r = (struct reader){.fd = fd};
	r->pipe = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
	r->capacity = size > PAGE_BYTES ? (size_t)size : PAGE_BYTES;
}

void reader_look(struct reader *r)
{
	int unread = 0;

	if (r->pipe)
		ioctl(r->fd, FIONREAD, &unread);
	if (unread >= 0 && (uint64_t)unread <= r->written &&
	    r->written - (uint64_t)unread > r->read)
		r->read = r->written - (uint64_t)unread;
}

size_t reader_room(const struct reader *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLOUT};

	if (!r->pipe)
		return SIZE_MAX;
	if (r->read == r->written)
		return r->capacity;
	return poll(&p, 1, 0) == 1 ? PAGE_BYTES : 0;
}

bool reader_gone(const struct reader *r)
{
	struct pollfd p = {.fd = r->fd};

	return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP);
}

void reader_wait_room(const struct reader *r, int64_t ns)
{
	struct pollfd p = {.fd = r->fd, .events = POLLOUT};

	events_poll(&p, 1, ns);
}

void reader_wait(const struct reader *r, int64_t ns)
{
	struct pollfd p = {.fd = r->fd};

	events_poll(&p, 1, ns);
}
