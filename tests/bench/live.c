/* SPDX-License-Identifier: MIT */
/* live.c - a publisher at a fixed rate and a subscriber that is never behind, each a process. */
#include "live.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sides.h"
#include "stream.h"

#define TICK_NS     1000000u
#define PHASES      2
#define SAMPLES_MAX 200000u /* the first message of each batch */

struct live {
	pid_t pids[2];
	atomic_uint ready, phase; /* 1 and 2; 0: before them, 3: over */
	struct live_phase {
		uint64_t start_ns, end_ns, messages;
		unsigned n;
		double samples[SAMPLES_MAX];
	} phases[PHASES + 1]; /* [0]: of no interest */
};

static int publish(struct live *l, shmq *q, shmq_pub *p)
{
	struct stream_message text;
	struct shmq_message m = {.value = text.bytes, .value_len = STREAM_BYTES, .partition = -1};
	uint64_t next = now_ns();

	stream_message_init(&text);
	while (atomic_load(&l->phase) <= PHASES) {
		uint64_t now = now_ns();

		if (now < next) {
			nap(next - now);
			continue;
		}
		next += TICK_NS;
		stream_message_number(&text, now);
		for (unsigned i = 0; i < LIVE_RATE / (1000000000u / TICK_NS); i++)
			if (shmq_pub_send(p, &m))
				return complain("live publisher: %s", shmq_error(q));
		if (shmq_pub_flush(p))
			return complain("live publisher: %s", shmq_error(q));
	}
	return 0;
}

static int take(struct live_phase *phase, struct shmq_batch *batch)
{
	struct shmq_message m;
	uint64_t sent;
	int rc = shmq_batch_next(batch, &m);

	if (rc != 1 || m.value_len != STREAM_BYTES)
		return complain("live subscriber: a message of another size");
	memcpy(&sent, m.value, sizeof sent);
	if (phase->n < SAMPLES_MAX)
		phase->samples[phase->n++] = (double)(now_ns() - sent) / 1e9;
	phase->messages += batch->count;
	return 0;
}

static int receive(struct live *l, shmq *q, shmq_sub *s)
{
	struct shmq_batch batch;
	unsigned phase;
	int rc;

	while ((phase = atomic_load(&l->phase)) <= PHASES) {
		rc = shmq_sub_next(s, &batch);
		if (rc == SHMQ_OK)
			rc = take(&l->phases[phase], &batch);
		else if (rc == SHMQ_EMPTY && (rc = shmq_sub_wait(&s, 1, 100000000)) == SHMQ_TIMEOUT)
			rc = 0;
		if (rc)
			return complain_result(q, rc);
	}
	return 0;
}

static int side_main(struct live *l, const char *dir, const char *topic, int side)
{
	struct shmq_open_options open = {.dir = dir};
	struct shmq_sub_options end = {.from = {.kind = SHMQ_SEEK_END}};
	shmq_pub *p = NULL;
	shmq_sub *s = NULL;
	shmq *q;
	int rc;

	if (shmq_open(&q, &open) ||
	    (side == 0 ? shmq_pub_open(q, topic, NULL, &p, NULL) : shmq_sub_open(q, topic, &end, &s)))
		return complain("%s", shmq_error(q));
	atomic_fetch_add(&l->ready, 1);
	rc = side == 0 ? publish(l, q, p) : receive(l, q, s);
	shmq_pub_close(p);
	shmq_sub_close(s);
	shmq_close(q);
	return rc;
}

static int both_end(struct live *l, int sig)
{
	int rc = 0, status;

	for (int i = 0; i < 2; i++) {
		if (l->pids[i] <= 0)
			continue;
		if (sig)
			kill(l->pids[i], sig);
		if (waitpid(l->pids[i], &status, 0) != l->pids[i] || status)
			rc = -1;
	}
	return rc;
}

static int both_wait(struct live *l)
{
	uint64_t deadline = now_ns() + WAIT_NS;

	while (atomic_load(&l->ready) < 2) {
		if (now_ns() > deadline)
			return complain("the live publisher and subscriber did not come up");
		nap(100000);
	}
	return 0;
}

struct live *live_start(struct bench *b, const char *topic)
{
	struct live *l = shared_alloc(sizeof *l);

	if (!l)
		return NULL;
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		l->pids[i] = fork();
		if (l->pids[i] == 0)
			_exit(side_main(l, b->broker_dir, topic, i) != 0);
	}
	if (l->pids[0] < 0 || l->pids[1] < 0 || both_wait(l)) {
		both_end(l, SIGKILL);
		shared_free(l, sizeof *l);
		return NULL;
	}
	return l;
}

void live_phase(struct live *l)
{
	unsigned phase = atomic_load(&l->phase);

	if (phase >= 1)
		l->phases[phase].end_ns = now_ns();
	if (phase < PHASES)
		l->phases[phase + 1].start_ns = now_ns();
	atomic_store(&l->phase, phase + 1);
}

int live_end(struct live *l, double rate[2], double p99[2])
{
	int rc;

	while (atomic_load(&l->phase) <= PHASES)
		live_phase(l);
	rc = both_end(l, 0) ? complain("the live publisher or subscriber failed") : 0;
	for (unsigned i = 0; i < PHASES; i++) {
		struct live_phase *phase = &l->phases[i + 1];

		rate[i] = (double)phase->messages * 1e9 / (double)(phase->end_ns - phase->start_ns);
		summarise(phase->samples, phase->n);
		p99[i] = phase->n ? phase->samples[(uint64_t)phase->n * 99 / 100] : 0;
		if (rc == 0 && phase->n == 0)
			rc = complain("the live subscriber received nothing");
	}
	shared_free(l, sizeof *l);
	return rc;
}
