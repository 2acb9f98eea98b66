/* SPDX-License-Identifier: MIT */
/* durable.c - publishers that wait after each message until it is on disk: each a process, all of them on one topic. */
#include "durable.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"
#include "stream.h"

#define TOPIC "bench.durable"
#define MOST  64u

const struct durable_kind durable_1 = {.publishers = 1};
const struct durable_kind durable_1_new = {.publishers = 1, .new_store = true};
const struct durable_kind durable_64 = {.publishers = 64};

/* Shared by all of them. */
struct durable {
	atomic_uint ready, go;
	uint64_t until_ns; /* valid after go */
	struct {
		uint64_t n, end_ns;
	} did[MOST];
};

static int publish(shmq *q, shmq_pub *p, struct durable *d, unsigned self)
{
	struct stream_message text;
	struct shmq_message m = {.value = text.bytes, .value_len = STREAM_BYTES, .partition = -1};

	stream_message_init(&text);
	do {
		stream_message_number(&text, d->did[self].n++);
		if (shmq_pub_send(p, &m) || shmq_pub_sync(p))
			return complain("publish: %s", shmq_error(q));
		d->did[self].end_ns = now_ns();
	} while (d->did[self].end_ns < d->until_ns);
	return 0;
}

static int publisher(const struct bench *b, struct durable *d, unsigned self)
{
	struct shmq_open_options open = {.dir = b->broker_dir};
	shmq_pub *p;
	shmq *q;
	int rc;

	if (shmq_open(&q, &open) || shmq_pub_open(q, TOPIC, NULL, &p, NULL))
		return complain("%s", shmq_error(q));
	atomic_fetch_add(&d->ready, 1);
	while (!atomic_load(&d->go))
		nap(100000);
	rc = publish(q, p, d, self);
	shmq_pub_close(p);
	shmq_close(q);
	return rc;
}

static int all_ready(struct durable *d, unsigned publishers)
{
	uint64_t deadline = now_ns() + WAIT_NS;

	while (atomic_load(&d->ready) < publishers) {
		if (now_ns() > deadline)
			return complain("%u of %u publishers came up", atomic_load(&d->ready), publishers);
		nap(100000);
	}
	return 0;
}

static int publishers_end(const pid_t *pids, unsigned n, bool kill_them)
{
	int rc = 0, status;

	for (unsigned i = 0; i < n; i++) {
		if (kill_them)
			kill(pids[i], SIGKILL);
		if (waitpid(pids[i], &status, 0) != pids[i] || status)
			rc = -1;
	}
	return rc ? complain("a publisher failed") : 0;
}

static int publishers_run(struct bench *b, struct durable *d, unsigned publishers, double *rate)
{
	uint64_t start, end = 0, n = 0;
	unsigned started = 0;
	pid_t pids[MOST];
	bool failed;

	fflush(NULL);
	for (; started < publishers; started++) {
		pids[started] = fork();
		if (pids[started] == 0)
			_exit(publisher(b, d, started) != 0);
		if (pids[started] < 0)
			break;
	}
	failed = started < publishers || all_ready(d, publishers);
	start = now_ns();
	d->until_ns = start + b->run_ns;
	atomic_store(&d->go, 1);
	if (publishers_end(pids, started, failed) || failed)
		return -1;
	for (unsigned i = 0; i < publishers; i++) {
		n += d->did[i].n;
		end = d->did[i].end_ns > end ? d->did[i].end_ns : end;
	}
	*rate = (double)n * 1e9 / (double)(end - start);
	return topic_count_check(b, TOPIC, n);
}

int durable_run(struct bench *b, const void *kind, double *rate)
{
	const struct durable_kind *k = kind;
	struct durable *d = shared_alloc(sizeof *d);
	struct store store;
	int rc;

	if (!d)
		return -1;
	rc = store_begin(b, &store);
	if (rc == 0)
		rc = store_topic(b, TOPIC, 0);
	if (rc == 0 && !k->new_store)
		rc = store_settle(b, &store);
	if (rc == 0)
		rc = publishers_run(b, d, k->publishers, rate);
	if (store_end(b, &store))
		rc = -1;
	shared_free(d, sizeof *d);
	return rc;
}
