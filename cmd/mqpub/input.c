/* SPDX-License-Identifier: MIT */
/* input.c - the FILEs, or standard input, one after the other as cat reads them. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stop.h"
#include "tool.h"

#define PIPE_BYTES     (64 << 10) /* what a pipe holds unless it was widened */
#define PIPE_BYTES_ASK (1 << 20)  /* the most that anybody may ask for, unless set otherwise */

static char dash[] = "-";
static char *const only_stdin[] = {dash};

void input_init(struct input *in, char *const *names, size_t count)
{
	*in = (struct input){
	    .names = count ? names : only_stdin, .count = count ? count : 1, .fd = -1};
}

static void failed(struct input *in, int error, int status)
{
	warn_line("%s: %s", in->name, strerror(error));
	if (!in->status)
		in->status = status;
}

static void close_this(struct input *in)
{
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	in->fd = -1;
}

static bool open_this(struct input *in, const char *name)
{
	bool is_stdin = strcmp(name, "-") == 0;
	struct stat st;

	in->name = is_stdin ? "standard input" : name;
	in->widened = false;
	/* O_NONBLOCK: a FIFO without a writer is waited for in input_wait(), where we hold nothing
	 */
	in->fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (in->fd < 0 || fstat(in->fd, &st) < 0) {
		failed(in, errno, EX_NOINPUT);
		close_this(in);
		return false;
	}
	in->regular = S_ISREG(st.st_mode);
	if (in->regular)
		(void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return true;
}

bool input_next(struct input *in)
{
	close_this(in);
	while (in->next < in->count)
		if (open_this(in, in->names[in->next++]))
			return true;
	return false;
}

bool input_ready(const struct input *in)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};

	return in->regular || poll(&p, 1, 0) != 0;
}

bool input_wait(const struct input *in)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};

	while (!stop_wait(&p, SHMQ_FOREVER))
		if (stop_signal)
			return false;
	return true;
}

ssize_t input_read(struct input *in, void *buffer, size_t room)
{
	ssize_t n = read(in->fd, buffer, room);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return INPUT_AGAIN;
		failed(in, errno, errno == EISDIR ? EX_NOINPUT : EX_IOERR);
		return INPUT_FAILED;
	}
	/* a pipe that was found full has a writer that waits for us: let it go further ahead; what
	 * is no pipe, or may not be widened, stays as it is */
	if (n >= PIPE_BYTES && !in->widened && !in->regular) {
		in->widened = true;
		(void)fcntl(in->fd, F_SETPIPE_SZ, PIPE_BYTES_ASK);
	}
	in->bytes += (uint64_t)n;
	return n;
}

void input_unread(const struct input *in, size_t bytes)
{
	if (in->regular && bytes > 0)
		(void)lseek(in->fd, -(off_t)bytes, SEEK_CUR);
}

uint64_t input_total(const struct input *in)
{
	uint64_t total = 0;

	for (size_t i = 0; i < in->count; i++) {
		struct stat st;
		int rc = strcmp(in->names[i], "-") == 0 ? fstat(STDIN_FILENO, &st)
							: stat(in->names[i], &st);

		if (rc < 0 || !S_ISREG(st.st_mode))
			return 0;
		total += (uint64_t)st.st_size;
	}
	return total;
}
