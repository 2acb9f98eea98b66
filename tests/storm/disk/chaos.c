/* SPDX-License-Identifier: MIT */
/* chaos.c - who is killed, stopped and started again; and the memory that is lost. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS 30000u

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

void tree_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static pid_t fork_mortal(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) {
		printf("Bail out! fork: %d\n", errno);
		exit(1);
	}
	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		_exit(1);
	return pid;
}

/* ---- mqd ------------------------------------------------------------------------------ */

static void daemon_log(char path[PATH_BYTES + 16])
{
	snprintf(path, PATH_BYTES + 16, "%s.log", store);
}

void daemon_start(struct chaos *c)
{
	char log[PATH_BYTES + 16];
	int fd;

	c->daemon_stopped = false;
	c->daemon = fork_mortal();
	if (c->daemon > 0)
		return;
	daemon_log(log);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd >= 0)
		dup2(fd, 2);
	execl(c->mqd, "mqd", "-b", dir, "--store", store, "--segment", "1M", "--io", c->io, (char *)NULL);
	perror(c->mqd);
	_exit(127);
}

void daemon_kill(struct chaos *c)
{
	int status = 0;

	if (c->daemon == 0)
		return;
	kill(c->daemon, SIGKILL);
	waitpid(c->daemon, &status, 0);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		violation("mqd ended with status %x", (unsigned)status);
	c->daemon = 0;
	c->daemon_stopped = false;
}

static void daemon_look(struct chaos *c)
{
	siginfo_t s = {0};

	if (c->daemon != 0 && waitid(P_PID, (id_t)c->daemon, &s, WEXITED | WNOHANG | WNOWAIT) == 0 && s.si_pid != 0)
		daemon_kill(c);
}

/* Every 50 to 300 ms, mostly. */
static void daemon_disturb(struct chaos *c)
{
	uint64_t now = now_ms();

	if (now < c->daemon_ms)
		return;
	c->daemon_ms = now + 50 + rng_below(&c->rng, rng_one_in(&c->rng, 8) ? 1200 : 250);
	if (c->daemon == 0) {
		daemon_start(c);
	} else if (c->daemon_stopped && rng_one_in(&c->rng, 2)) {
		kill(c->daemon, SIGCONT);
		c->daemon_stopped = false;
	} else if (!c->daemon_stopped && rng_one_in(&c->rng, 4)) {
		kill(c->daemon, SIGSTOP);
		c->daemon_stopped = true;
		c->daemon_stops++;
	} else {
		daemon_kill(c);
		c->daemon_kills++;
		if (rng_one_in(&c->rng, 4)) /* nobody is there for a moment */
			c->daemon_ms = now + rng_below(&c->rng, 150);
		else
			daemon_start(c);
	}
}

/* ---- workers -------------------------------------------------------------------------- */

static void worker_start(struct chaos *c, unsigned i)
{
	struct worker *w = &board->workers[i];
	struct rng r = rng_part(rng_u64(&c->rng), i);
	pid_t pid;

	w->resume_ms = 0;
	w->instance = ++board->instances;
	pid = fork_mortal();
	if (pid > 0) {
		w->pid = pid; /* it is shared with the child */
		return;
	}
	if (i < PUBLISHERS)
		publisher_run(i, &r);
	if (i < PUBLISHERS + CONSUMERS)
		consumer_run(i - PUBLISHERS, &r);
	rereader_run(i - PUBLISHERS - CONSUMERS, &r);
}

void workers_start(struct chaos *c)
{
	for (unsigned i = 0; i < WORKERS; i++)
		worker_start(c, i);
}

/* Over by itself, or killed: started again when `again`. */
void worker_reap(struct chaos *c, unsigned i, bool again)
{
	struct worker *w = &board->workers[i];
	uint64_t end = now_ms() + END_MS;
	int status;

	while (waitpid(w->pid, &status, WNOHANG) == 0) {
		if (now_ms() > end) {
			violation("worker %u (pid %d) does not end, in %s", i, (int)w->pid, w->doing);
			kill(w->pid, SIGKILL);
		}
		usleep(200);
	}
	if (!WIFSIGNALED(status) && (WEXITSTATUS(status) != 0 || (again && i >= PUBLISHERS)))
		violation("worker %u ended with %d in %s", i, WEXITSTATUS(status), w->doing);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		violation("worker %u: signal %d in %s", i, WTERMSIG(status), w->doing);
	worker_killed(w);
	w->pid = 0;
	if (again)
		worker_start(c, i);
}

void look_for_ended(struct chaos *c, bool again)
{
	daemon_look(c);
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &board->workers[i];
		siginfo_t s = {0};

		if (w->pid != 0 && waitid(P_PID, (id_t)w->pid, &s, WEXITED | WNOHANG | WNOWAIT) == 0 && s.si_pid != 0)
			worker_reap(c, i, again && i >= PUBLISHERS);
	}
}

static void disturb(struct chaos *c)
{
	unsigned i = rng_below(&c->rng, WORKERS);
	struct worker *w = &board->workers[i];

	if (w->pid == 0 || (w->resume_ms != 0 && !rng_one_in(&c->rng, 8)))
		return;
	if (rng_one_in(&c->rng, 3) && w->resume_ms == 0) {
		kill(w->pid, SIGSTOP);
		w->resume_ms = now_ms() + 1 + rng_below(&c->rng, rng_one_in(&c->rng, 3) ? 1500 : 100);
		c->stops++;
	} else if (i >= PUBLISHERS || rng_one_in(&c->rng, 3)) {
		kill(w->pid, SIGKILL);
		worker_reap(c, i, true);
		c->kills++;
	}
}

static void resume(bool all)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &board->workers[i];

		if (w->resume_ms != 0 && (all || w->resume_ms <= now_ms())) {
			w->resume_ms = 0;
			kill(w->pid, SIGCONT);
		}
	}
}

/* ---- memory --------------------------------------------------------------------------- */

static void workers_kill(struct chaos *c)
{
	for (unsigned i = 0; i < WORKERS; i++)
		if (board->workers[i].pid != 0)
			kill(board->workers[i].pid, SIGKILL);
	for (unsigned i = 0; i < WORKERS; i++)
		if (board->workers[i].pid != 0)
			worker_reap(c, i, false);
}

void memory_lose(struct chaos *c)
{
	unsigned order = rng_below(&c->rng, 3), pause_us = rng_below(&c->rng, 30000);

	if (order == 0) {
		daemon_kill(c);
		usleep(pause_us); /* what is linked and read meanwhile is never written */
	} else if (order == 1) {
		workers_kill(c);
		usleep(pause_us);
	}
	if (c->daemon != 0)
		kill(c->daemon, SIGKILL);
	workers_kill(c);
	daemon_kill(c);
	tree_remove(dir);
	life_end();
	c->lost++;
}

static void memory_disturb(struct chaos *c)
{
	uint64_t now = now_ms();

	if (!c->losses || now < c->loss_ms || board->life >= LIVES_MAX)
		return;
	memory_lose(c);
	if (!rng_one_in(&c->rng, 4))
		daemon_start(c);
	workers_start(c);
	now = now_ms();
	c->daemon_ms = now + rng_below(&c->rng, 400); /* also while it brings topics back */
	c->loss_ms = now + 200 + rng_below(&c->rng, 1200);
}

void rage(struct chaos *c, unsigned seconds)
{
	uint64_t end = now_ms() + seconds * 1000u;

	c->daemon_ms = now_ms() + 50 + rng_below(&c->rng, 250);
	c->loss_ms = now_ms() + 200 + rng_below(&c->rng, 1200);
	while (now_ms() < end && board->violations == 0) {
		usleep(100 + rng_below(&c->rng, 100 * c->calm));
		resume(false);
		look_for_ended(c, true);
		daemon_disturb(c);
		memory_disturb(c);
		if (c->calm > 1)
			disturb(c);
	}
	resume(true);
	if (c->daemon == 0)
		daemon_start(c);
	else if (c->daemon_stopped)
		kill(c->daemon, SIGCONT);
	c->daemon_stopped = false;
}
