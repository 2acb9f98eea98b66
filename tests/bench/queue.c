/* SPDX-License-Identifier: MIT */
/* queue.c - a work queue: one process publishes, four share what comes. */
#include "queue.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stream.h"

/* Shared by all processes of a run. */
struct run {
	atomic_ullong published;   /* UINT64_MAX: not known yet */
	atomic_uint ready;
	_Alignas(64) struct {
		_Alignas(64) atomic_ullong n;
	} taken[QUEUE_CONSUMERS];
	_Atomic unsigned char seen[QUEUE_MAX];
};

static struct run *run;

int queue_took(unsigned consumer, const void *message, size_t bytes)
{
	uint64_t number = 0, count = 0;

	if (bytes >= sizeof number)
		memcpy(&number, message, sizeof number);
	count = number;
	if (number >= QUEUE_MAX || stream_take(message, bytes, &count) != 0)
		return complain("a message that nobody published, or not as it was");
	if (atomic_fetch_add_explicit(&run->seen[number], 1, memory_order_relaxed) != 0)
		return complain("message %llu came twice", (unsigned long long)number);
	atomic_store_explicit(&run->taken[consumer].n, run->taken[consumer].n + 1, memory_order_relaxed);
	return 0;
}

static uint64_t taken(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < QUEUE_CONSUMERS; i++)
		sum += atomic_load_explicit(&run->taken[i].n, memory_order_relaxed);
	return sum;
}

bool queue_over(unsigned consumer)
{
	(void)consumer;
	return taken() >= atomic_load(&run->published);
}

static int side(struct bench *b, const struct queue_kind *kind, unsigned who)
{
	int64_t n;

	if (who > 0) {
		atomic_fetch_add(&run->ready, 1);
		return kind->consume(b, who - 1);
	}
	while (atomic_load(&run->ready) < QUEUE_CONSUMERS)
		nap(50000);
	n = kind->publish(b, now_ns() + b->run_ns);
	if (n < 0)
		return -1;
	atomic_store(&run->published, (uint64_t)n);
	return 0;
}

static int sides_wait(pid_t *pids, unsigned left)
{
	int rc = 0, status;

	while (left > 0) {
		pid_t ended = wait(&status);

		if (ended < 0)
			return complain_errno("wait");
		for (unsigned i = 0; i <= QUEUE_CONSUMERS; i++) {
			if (pids[i] == ended) {
				pids[i] = 0;
				left--;
				rc |= status;
			} else if (rc && pids[i] > 0) {
				kill(pids[i], SIGKILL);
			}
		}
	}
	return rc ? -1 : 0;
}

int queue_run(struct bench *b, const struct queue_kind *kind, double *rate)
{
	pid_t pids[QUEUE_CONSUMERS + 1] = {0};
	uint64_t start, all;
	int rc = 0;

	run = shared_alloc(sizeof *run);
	if (!run)
		return -1;
	run->published = UINT64_MAX;
	if (kind->prepare && kind->prepare(b)) {
		shared_free(run, sizeof *run);
		return -1;
	}
	start = now_ns();
	fflush(NULL);
	for (unsigned i = 0; i <= QUEUE_CONSUMERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(side(b, kind, i) ? 1 : 0);
	}
	rc = sides_wait(pids, QUEUE_CONSUMERS + 1);
	all = taken();
	*rate = (double)all * 1e9 / (double)(now_ns() - start);
	if (rc == 0 && all != run->published)
		rc = complain("%s: %llu messages acked, %llu published", kind->name, (unsigned long long)all,
			      (unsigned long long)run->published);
	if (kind->finish)
		kind->finish(b);
	shared_free(run, sizeof *run);
	return rc;
}
