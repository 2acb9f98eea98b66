/* SPDX-License-Identifier: MIT */
/* publish.c - publishers, at level shm and at level disk. */
#include "disk.h"

#include <stdio.h>
#include <unistd.h>

#define OPEN_MAX 20u

static shmq_pub *p;

/* A wait that is over is begun again. */
static void until_done(const char *what, int (*call)(shmq_pub *))
{
	int r;

	do {
		doing(what);
		r = call(p);
		board->sync_timeouts += r == SHMQ_TIMEOUT;
	} while (r == SHMQ_TIMEOUT || r == SHMQ_INTERRUPTED);
	if (r != 0)
		fatal(what, r);
}

static void send(uint32_t id)
{
	char body[BODY_MAX], key[16];
	struct shmq_message m = {.value = body, .value_len = message_make(body, id), .partition = (int)partition_of(id)};
	int r;

	if (id % 3 == 0) {
		m.key = key;
		m.key_len = (size_t)snprintf(key, sizeof key, "k%u", id % 50);
	}
	board->notes[id].sent = 1;
	do {
		doing("shmq_pub_send");
		r = shmq_pub_send(p, &m);
	} while (r == SHMQ_TIMEOUT || r == SHMQ_INTERRUPTED);
	if (r != 0)
		fatal("shmq_pub_send", r);
}

static void note(uint32_t from, uint32_t to, bool durable)
{
	for (uint32_t id = from; id < to; id++) {
		board->notes[id].flushed = board->life + 1;
		if (durable)
			board->notes[id].durable = 1;
	}
}

void publisher_run(unsigned number, struct rng *r)
{
	struct shmq_pub_options o = {.flags = SHMQ_PUB_NO_CREATE};
	enum topic topic = number < 2 ? IN : number < 4 ? WORK : LOG;
	uint32_t base = number * IDS, undurable = base + board->next[number], next = undurable;
	unsigned levels, pause_us;
	uint16_t instance = board->workers[number].instance;
	int e;

	me = &board->workers[number];
	rng = r;
	levels = 1 + rng_below(rng, 8); /* one sync in so many flushes */
	pause_us = rng_one_in(rng, 4) ? 20 : 400;
	if (rng_one_in(rng, 3))
		o.wait_ns = 20000000;
	broker_open(topic);
	doing("shmq_pub_open");
	e = shmq_pub_open(q, topic_names[topic], &o, &p, NULL);
	if (e != 0)
		fatal("shmq_pub_open", e);
	while (!board->stop_publishing && next < base + IDS - OPEN_MAX) {
		uint32_t first = next, count = 1 + rng_below(rng, OPEN_MAX);

		next += count;
		for (uint32_t id = first; id < next; id++)
			board->notes[id].instance = instance;
		board->next[number] = next - base; /* those of a killed one are never sent again */
		for (uint32_t id = first; id < next; id++)
			send(id);
		if (rng_one_in(rng, levels)) {
			until_done("shmq_pub_sync", shmq_pub_sync);
			note(undurable, next, true);
			undurable = next;
			board->syncs++;
		} else {
			until_done("shmq_pub_flush", rng_one_in(rng, 10) ? shmq_pub_idle : shmq_pub_flush);
			note(first, next, false);
		}
		board->flushed += count;
		usleep(rng_below(rng, count * pause_us));
	}
	until_done("shmq_pub_sync", shmq_pub_sync);
	note(undurable, next, true);
	doing("shmq_pub_close");
	shmq_pub_close(p);
	shmq_close(q);
	doing("ended");
	_exit(0);
}
