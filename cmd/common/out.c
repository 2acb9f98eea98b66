/* SPDX-License-Identifier: MIT */
/* out.c - bytes on their way to standard output. */
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
/* A write of this size costs so much for its bytes that the system call no longer counts; what is
 * as large as this is not copied to be written with others. */
#define PIECE_BYTES ((size_t)64 << 10)

void out_init(struct out *o, int fd)
{
	*o = (struct out){.fd = fd};

	int size = fcntl(fd, F_GETPIPE_SZ);
	/* fails for what is no pipe, and where the user's share of pipe memory is used up: then
	 * it stays as it is */
	if (size >= 0 && size < PIPE_BYTES)
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

void out_free(struct out *o)
{
	bytes_free(&o->held);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) { /* somebody shares it and made it non-blocking */
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			return errno;
		}
	}
	return 0;
}

int out_flush(struct out *o)
{
	size_t len = o->held.len;

	o->held.len = 0;
	return write_all(o->fd, o->held.data, len);
}

int out_full(struct out *o)
{
	return o->held.len >= PIECE_BYTES ? out_flush(o) : 0;
}

int out_write(struct out *o, const void *data, size_t len)
{
	if (len < PIECE_BYTES) {
		bytes_add(&o->held, data, len);
		return out_full(o);
	}
	int error = out_flush(o);
	return error ? error : write_all(o->fd, data, len);
}

bool out_reader_gone(const struct out *o)
{
	struct pollfd p = {.fd = o->fd};

	return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP);
}
