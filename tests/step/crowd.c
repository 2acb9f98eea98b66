/* SPDX-License-Identifier: MIT */
/* crowd.c - the others, who go on and find out what is broken. */
#include "crowd.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEAD_FILES_MAX 2 /* session files of the dead that may stay until somebody needs the slot */

struct view all;
struct peer steady;

static uint64_t pool_bytes(void)
{
	return scenario->topic.pool_bytes;
}

void crowd_create(void)
{
	shmq *q = session_open();

	deadline("shmq_topic_create");
	int r = shmq_topic_create(q, TOPIC, &scenario->topic);

	if (r != SHMQ_OK)
		broken("shmq_topic_create returned %d: %s", r, shmq_error(q));
	shmq_close(q);
}

void crowd_begin(void)
{
	crowd_create();
	crowd_attach();
}

void crowd_attach(void)
{
	view_open(&all, "the steady reader", SHMQ_SUB_HOLD, true);
	peer_open(&steady, W_STEADY, 0);
}

uint32_t crowd_wakes(void)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < 64; i++)
		n += world.shared->wakes[i];
	return n;
}

void crowd_compare(void)
{
	struct view fresh;

	view_open(&fresh, "a fresh reader", SHMQ_SUB_BROWSE, false);
	view_settle(&fresh);
	view_close(&fresh);
	view_settle(&all);
}

/* Publishes until there is no room; returns how many went in. */
static unsigned fill(unsigned writer, size_t bytes)
{
	struct peer p;
	unsigned n = 0;

	peer_open(&p, writer, SHMQ_PUB_NO_WAIT);
	while (n < 4 * scenario->topic.slots && peer_send(&p, bytes) == SHMQ_OK)
		n++;
	peer_close(&p);
	return n;
}

static unsigned fill_mixed(void)
{
	unsigned n = fill(W_FILL, 3000); /* until there is no slot */

	n += fill(W_FILL, 60000);
	view_settle(&all);
	n += fill(W_FILL, LARGE); /* until there is no extent: now those of the dead are needed */
	view_settle(&all);
	return n;
}

void crowd_fill_pool(void)
{
	fill(W_FILL, LARGE);
}

void crowd_fill(void)
{
	fill_mixed();
}

void crowd_must_fill(void)
{
	/* A reader that stands still may hold for a second, and these publishers do not wait. */
	if (fill_mixed() == 0 && !world.shared->stopped)
		broken("the topic is full though everything was read");
}

void crowd_recycle(void)
{
	static const size_t sizes[] = { SMALL, LARGE, 24, 60000, LARGE, 3000, LARGE };
	uint64_t bytes = 0;
	unsigned frames = 0;

	for (unsigned i = 0; frames <= 2 * scenario->topic.slots || bytes <= 2 * pool_bytes(); i++) {
		size_t size = sizes[i % 7];

		if (peer_send(&steady, size) != SHMQ_OK)
			broken("the steady publisher found the topic full");
		frames++;
		bytes += size;
		if (i % 3 == 2)
			view_take(&all, ALL_FRAMES);
	}
	peer_idle(&steady);
	view_settle(&all);
}

void crowd_churn(void)
{
	shmq *q[3];

	for (unsigned i = 0; i < 3; i++)
		q[i] = session_open();
	deadline("shmq_close");
	for (unsigned i = 0; i < 3; i++)
		shmq_close(q[i]);
	calm();
}

void crowd_one_shots(void)
{
	one_shot(W_ONE_SHOT, SMALL);
	one_shot(W_ONE_SHOT, 3000);
	view_settle(&all);
}

void crowd_lap(void)
{
	crowd_compare();
	crowd_must_fill();
	crowd_recycle();
	crowd_churn();
	crowd_one_shots();
	crowd_compare();
}

void crowd_dead_publisher(unsigned writer)
{
	struct peer p;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		broken("harness: fork");
	if (pid == 0) {
		peer_open(&p, writer, 0);
		peer_send(&p, SMALL);
		peer_accept(&p, SMALL);
		peer_refused(&p); /* never flushed: it must not be there */
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0) {
		if (world.outcome->verdict == VERDICT_FAIL)
			_exit(99); /* it has said why */
		broken("harness: a publisher that was to die ended with status %#x", (unsigned)status);
	}
}

/* How many large messages the topic takes. First the newest frame is made a large one, so that the
 * answer does not depend on what was last. */
static void check_capacity(void)
{
	for (unsigned i = 0; i < 3; i++) {
		if (peer_send(&steady, LARGE) != SHMQ_OK)
			broken("the steady publisher found the topic full");
		view_settle(&all);
	}
	peer_idle(&steady);
	uint32_t n = fill(W_CAPACITY, LARGE);

	view_settle(&all);
	world.outcome->capacity = n;
	if (n == 0 || n < world.baseline)
		broken("memory is lost: %u large messages fit, and %u when nobody was stopped", n,
		       world.baseline);
}

static void check_memory(shmq *q)
{
	static struct shmq_log_info log[SHMQ_PARTITIONS_MAX];
	struct shmq_topic_info info = { .logs = log };
	int r = shmq_topic_info(q, TOPIC, &info);

	if (r != SHMQ_OK)
		broken("shmq_topic_info returned %d: %s", r, shmq_error(q));
	if (log[0].memory_bytes > pool_bytes())
		broken("the topic took %llu bytes of memory, its pool has %llu",
		       (unsigned long long)log[0].memory_bytes, (unsigned long long)pool_bytes());
	if (log[0].end_offset != world.shared->end_seen)
		broken("shmq_topic_info ends at offset %llu, readers at %u",
		       (unsigned long long)log[0].end_offset, world.shared->end_seen);
	if (info.readers > 0)
		broken("%u readers are left", info.readers);
}

/* A dead reader that held nothing is found by those who take its place. */
static void replace_dead_readers(void)
{
	struct view v[CHILDREN];

	for (unsigned i = 0; i < CHILDREN; i++)
		view_open(&v[i], "a new reader", 0, false);
	for (unsigned i = 0; i < CHILDREN; i++)
		view_close(&v[i]);
}

void crowd_end(void)
{
	shmq *q;

	crowd_compare();
	check_capacity();
	crowd_compare();
	view_close(&all);
	peer_close(&steady);
	replace_dead_readers();
	for (unsigned i = 0; i < 3; i++) {
		q = session_open();
		shmq_close(q);
	}
	q = session_open();
	check_memory(q);
	unsigned files = world_count_files("sessions");

	if (files > 1 + DEAD_FILES_MAX)
		broken("%u names in sessions/, one session lives", files);
	shmq_close(q);
}
