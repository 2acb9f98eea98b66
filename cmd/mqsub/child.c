/* SPDX-License-Identifier: MIT */
/* child.c - starts a process, reads its pipes, and ends it. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "tool.h"
#include "topics.h"

#define GRACE_NS   INT64_C(5000000000) /* between TERM and KILL */
#define READ_BYTES ((size_t)64 << 10)  /* what a pipe holds */
#define PAGE_BYTES 4096                /* what every pipe takes, however many there are */

/* ---- finding it ---- */

static bool is_program(const char *path, int *error)
{
	struct stat st;

	if (access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		return true;
	if (errno == EACCES || access(path, F_OK) == 0)
		*error = 126;
	return false;
}

int child_find(struct child_plan *plan, char **command)
{
	const char *dirs = getenv("PATH");
	struct bytes path = {0};
	int error = 127;

	plan->name = command[0];
	plan->argv = command;
	if (strchr(plan->name, '/')) {
		plan->path = command[0];
		return is_program(plan->path, &error) ? 0 : error;
	}
	for (const char *dir = dirs ? dirs : "/bin:/usr/bin"; *plan->name; dir++) {
		size_t n = strcspn(dir, ":");

		path.len = 0;
		bytes_add(&path, dir, n);
		bytes_text(&path, n > 0 ? "/" : "./"); /* an empty one is the current one */
		bytes_add(&path, plan->name, strlen(plan->name) + 1);
		plan->path = path.data;
		if (is_program(path.data, &error))
			return 0;
		dir += n;
		if (!*dir)
			break;
	}
	return error;
}

/* ---- starting it ---- */

/* Once made, the same for all: handlers and ignored signals are not inherited, the mask is the one
 * that we were started with, and a signal of the terminal is for us, who decide. */
static posix_spawnattr_t *attributes(void)
{
	static posix_spawnattr_t attr;
	static bool made;
	sigset_t defaults;

	if (made)
		return &attr;
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGXFSZ);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					    POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, events_inherited_mask());
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setpgroup(&attr, 0);
	made = true;
	return &attr;
}

struct ends { /* of its pipes, on its side */
	int in, out, err;
};

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_ends(struct ends *e)
{
	close_end(&e->in);
	close_end(&e->out);
	close_end(&e->err);
}

/* Two ends that no other process gets; ours does not wait. */
static bool make_pipe(int *ours, int *its, bool we_read)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		return false;
	*ours = p[we_read ? 0 : 1];
	*its = p[we_read ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

static int open_empty(void)
{
	static int empty = -1; /* one for all: it has no position */

	if (empty < 0)
		empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return empty;
}

static bool make_pipes(struct child *c, const struct child_plan *plan, struct ends *its)
{
	return make_pipe(&c->err, &its->err, true) &&
	       (!plan->catch_output || make_pipe(&c->out, &its->out, true)) &&
	       (!plan->feed || make_pipe(&c->in, &its->in, false));
}

static int spawn(struct child *c, const struct child_plan *plan, char **environment,
		 const struct ends *its)
{
	posix_spawn_file_actions_t files;
	int error;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, its->in >= 0 ? its->in : open_empty(),
					 STDIN_FILENO);
	if (its->out >= 0)
		posix_spawn_file_actions_adddup2(&files, its->out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, its->err, STDERR_FILENO);
	error = posix_spawn(&c->pid, plan->path, &files, attributes(), plan->argv, environment);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

int child_start(struct child *c, const struct child_plan *plan, char **environment, int in)
{
	struct ends its = {in, -1, -1};
	struct bytes said = c->said;
	int error;

	said.len = 0;
	*c = (struct child){.in = -1, .out = -1, .err = -1, .said = said, .kill_ns = INT64_MAX};
	error = make_pipes(c, plan, &its) ? spawn(c, plan, environment, &its) : errno;
	close_ends(&its);
	if (error)
		child_close(c);
	return error;
}

/* ---- its standard input ---- */

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return false;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* What a pipe takes at once. */
static int piped_input(const void *data, size_t len)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) != 0)
		return -1;
	if (len > PAGE_BYTES)
		fcntl(p[1], F_SETFL, O_NONBLOCK); /* who uses many pipes is given small ones */
	bool whole = write(p[1], data, len) == (ssize_t)len;
	close(p[1]);
	if (whole)
		return p[0];
	close(p[0]);
	return -1;
}

static int file_input(const void *data, size_t len)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write_all(fd, data, len) && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

int child_input(const void *data, size_t len)
{
	int fd = len <= READ_BYTES ? piped_input(data, len) : -1;

	return fd >= 0 ? fd : file_input(data, len);
}

/* ---- what it prints ---- */

/* Appends what is there to a buffer. 1: there may be more; 0: there is nothing now; -1: it is over.
 */
static int read_some(int fd, struct bytes *to)
{
	ssize_t n = read(fd, bytes_reserve(to, READ_BYTES), READ_BYTES);

	if (n > 0) {
		to->len += (size_t)n;
		return (size_t)n == READ_BYTES ? 1 : 0;
	}
	if (n < 0 && errno == EINTR)
		return 1;
	return n < 0 && errno == EAGAIN ? 0 : -1;
}

bool child_read_output(struct child *c, struct bytes *to)
{
	int more;

	while ((more = read_some(c->out, to)) > 0)
		;
	if (more < 0)
		close_end(&c->out);
	return more == 0;
}

void child_read_error(struct child *c)
{
	size_t before, old;
	int more;

	do {
		before = c->said.len;
		more = read_some(c->err, &c->said);
		if (c->said.len > before)
			events_write(STDERR_FILENO, c->said.data + before, c->said.len - before);
		old = c->said.len > SHMQ_FAILURE_TEXT_MAX ? c->said.len - SHMQ_FAILURE_TEXT_MAX : 0;
		if (old > 0) {
			memmove(c->said.data, c->said.data + old, SHMQ_FAILURE_TEXT_MAX);
			c->said.len = SHMQ_FAILURE_TEXT_MAX;
		}
	} while (more > 0);
	if (more < 0)
		close_end(&c->err);
}

/* ---- its end ---- */

/* Its process group is the one with its number, unless it left that. */
static void send_signal(const struct child *c, int sig)
{
	if (!c->ended && kill(-c->pid, sig) != 0)
		kill(c->pid, sig);
}

void child_end(struct child *c)
{
	send_signal(c, SIGTERM);
	send_signal(c, SIGCONT); /* who is stopped would not notice */
	c->kill_ns = deadline_ns(monotonic_ns(), GRACE_NS);
}

void child_kill(struct child *c)
{
	send_signal(c, SIGKILL);
	c->kill_ns = INT64_MAX;
}

void child_close(struct child *c)
{
	close_end(&c->in);
	close_end(&c->out);
	close_end(&c->err);
	c->pid = 0;
}

int child_failure_status(const struct child *c)
{
	return WIFSIGNALED(c->status) ? 256 + WTERMSIG(c->status) : WEXITSTATUS(c->status);
}

void child_end_text(struct bytes *to, const struct child *c)
{
	if (WIFSIGNALED(c->status))
		bytes_printf(to, "killed by signal %d (%s)", WTERMSIG(c->status),
			     strsignal(WTERMSIG(c->status)));
	else
		bytes_printf(to, "exit status %d", WEXITSTATUS(c->status));
}
