/* SPDX-License-Identifier: MIT */
/* sides.c - two processes on two CPUs. */
#include "sides.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared by the runner and both sides. */
struct run {
	const struct sides *sides;
	void *state;
	int (*work)(void *context, void *state, int side);
	void *context;
	atomic_uint ready;
};

static int flag_wait(const atomic_uint *flag, unsigned at_least)
{
	uint64_t deadline = now_ns() + WAIT_NS;

	while (atomic_load(flag) < at_least) {
		if (now_ns() > deadline)
			return complain("the other side did not come up within ten seconds");
		nap(50000);
	}
	return 0;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		complain_errno("a run that is not pinned to CPU %d", cpu);
}

static int side_main(struct run *r, int side)
{
	int rc;

	if (r->sides->attach && r->sides->attach(r->state, side))
		return 1;
	atomic_fetch_add(&r->ready, 1);
	rc = flag_wait(&r->ready, 2) || r->work(r->context, r->state, side);
	if (r->sides->detach)
		r->sides->detach(r->state);
	return rc;
}

static pid_t side_start(const struct bench *b, struct run *r, int side)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (b->cpus[0] != b->cpus[1] && !r->sides->threads)
			pin(b->cpus[side]);
		_exit(side_main(r, side));
	}
	if (pid < 0)
		complain_errno("fork");
	return pid;
}

/* Waits for one of them; 0 when it ended well. */
static int side_wait(pid_t pids[2], unsigned *left, bool quiet)
{
	int status;
	pid_t ended = wait(&status);

	if (ended < 0) {
		*left = 0;
		return complain_errno("wait");
	}
	for (int i = 0; i < 2; i++) {
		if (pids[i] != ended)
			continue;
		pids[i] = 0;
		--*left;
		if (WIFSIGNALED(status) && !quiet)
			complain("side %d: %s", i, strsignal(WTERMSIG(status)));
		return status ? -1 : 0;
	}
	return 0;
}

static int both_run(const struct bench *b, struct run *r)
{
	pid_t pids[2] = {0, 0};
	unsigned left = 0;
	bool failed = false;

	for (int i = 0; i < 2 && !failed; i++) {
		pids[i] = side_start(b, r, i);
		failed = pids[i] < 0;
		left += !failed;
	}
	while (left) {
		for (int i = 0; failed && i < 2; i++)
			if (pids[i] > 0)
				kill(pids[i], SIGKILL);
		if (side_wait(pids, &left, failed))
			failed = true;
	}
	return failed ? -1 : 0;
}

int sides_run(struct bench *b, const struct sides *sides,
	      int (*work)(void *context, void *state, int side), void *context)
{
	struct run *r = shared_alloc(sizeof(*r));
	int rc = -1;

	if (!r)
		return -1;
	*r = (struct run){.sides = sides, .work = work, .context = context};
	r->state = sides->prepare ? sides->prepare(b) : shared_alloc(SIDES_STATE_BYTES);
	if (r->state) {
		rc = both_run(b, r);
		if (sides->finish)
			sides->finish(r->state);
		if (!sides->prepare)
			shared_free(r->state, SIDES_STATE_BYTES);
	}
	shared_free(r, sizeof(*r));
	return rc;
}
