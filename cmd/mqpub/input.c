/* SPDX-License-Identifier: MIT */
/* input.c - the FILEs, or standard input, one after the other as cat reads them. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stop.h"
#include "tool.h"

#define PIPE_BYTES     (64 << 10) /* what a pipe holds unless it was widened */
#define PIPE_BYTES_ASK (1 << 20)  /* the most that anybody may ask for, unless set otherwise */

static char dash[] = "-";
static char *const only_stdin[] = {dash};

void input_none(struct input *in)
{
	*in = (struct input){.fd = -1, .stdin_from = -1};
}

void input_init(struct input *in, char *const *names, size_t count, bool copies)
{
	input_none(in);
	in->names = count ? names : only_stdin;
	in->count = count ? count : 1;
	in->copies = copies;
	in->starts = calloc(in->count, sizeof(*in->starts));
	if (!in->starts)
		die(EX_OSERR, "no memory for %zu files", in->count);
}

static void failed(struct input *in, const char *why, int status)
{
	warn_line("%s: %s", in->name, why);
	if (!in->status)
		in->status = status;
}

static void close_this(struct input *in)
{
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	in->fd = -1;
}

/* It would be read for ever. */
static bool is_output(const struct input *in, const struct stat *st)
{
	struct stat out;

	return in->copies && S_ISREG(st->st_mode) && fstat(STDOUT_FILENO, &out) == 0 &&
	       out.st_dev == st->st_dev && out.st_ino == st->st_ino;
}

/* NULL, or why the open one cannot be read. */
static const char *look(struct input *in, struct stat *st)
{
	if (in->fd < 0 || fstat(in->fd, st) < 0)
		return strerror(errno);
	if (S_ISDIR(st->st_mode))
		return strerror(EISDIR);
	return is_output(in, st) ? "input file is output file" : NULL;
}

static bool open_this(struct input *in, const char *name)
{
	bool is_stdin = strcmp(name, "-") == 0;
	const char *why;
	struct stat st;

	in->name = is_stdin ? "standard input" : name;
	in->widened = false;
	/* O_NONBLOCK: a FIFO without a writer is waited for in input_wait(), where we hold nothing
	 */
	in->fd = is_stdin ? STDIN_FILENO : open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	why = look(in, &st);
	if (why) {
		failed(in, why, EX_NOINPUT);
		close_this(in);
		return false;
	}
	in->regular = S_ISREG(st.st_mode);
	if (in->regular)
		(void)posix_fadvise(in->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	if (is_stdin && in->stdin_from < 0)
		in->stdin_from = lseek(in->fd, 0, SEEK_CUR);
	in->starts[in->started++] = (struct input_start){in->name, in->bytes};
	return true;
}

bool input_first(struct input *in)
{
	in->ahead = input_next(in);
	return in->ahead;
}

bool input_next(struct input *in)
{
	if (in->ahead) {
		in->ahead = false;
		return true;
	}
	close_this(in);
	while (in->next < in->count)
		if (open_this(in, in->names[in->next++]))
			return true;
	return false;
}

const char *input_name_at(const struct input *in, uint64_t byte)
{
	size_t i = in->started - 1; /* there is one, as something was read */

	while (i > 0 && in->starts[i].byte > byte)
		i--;
	return in->starts[i].name;
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
		failed(in, strerror(errno), EX_IOERR);
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

/* Of standard input what is before the place where reading began does not count. */
static uint64_t stdin_total(const struct input *in, const struct stat *st)
{
	off_t from = in->stdin_from < 0 ? lseek(STDIN_FILENO, 0, SEEK_CUR) : in->stdin_from;

	return from < st->st_size ? (uint64_t)(st->st_size - from) : 0;
}

uint64_t input_total(const struct input *in)
{
	bool stdin_counted = false;
	uint64_t total = 0;

	for (size_t i = 0; i < in->count; i++) {
		bool is_stdin = strcmp(in->names[i], "-") == 0;
		struct stat st;
		int rc = is_stdin ? fstat(STDIN_FILENO, &st) : stat(in->names[i], &st);

		if (rc < 0 || !S_ISREG(st.st_mode))
			return 0;
		if (!is_stdin)
			total += (uint64_t)st.st_size;
		else if (!stdin_counted) /* named again, it is at its end already */
			total += stdin_total(in, &st);
		stdin_counted |= is_stdin;
	}
	return total;
}
