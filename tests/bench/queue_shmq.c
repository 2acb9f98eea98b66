/* SPDX-License-Identifier: MIT */
/* queue_shmq.c - a shared group of four consumers. */
#include "queue.h"
#include "sides.h"
#include "stream.h"

#define TOPIC "bench.queue"
#define GROUP "workers"

static int group_make(struct bench *b)
{
	shmq_group *g;
	int rc;

	if (topic_fresh(b, TOPIC))
		return -1;
	rc = shmq_group_open(b->broker, TOPIC, GROUP, NULL, &g, NULL);
	shmq_group_close(g);
	return rc ? complain("%s", shmq_error(b->broker)) : 0;
}

static void finish(struct bench *b)
{
	topic_drop(b, TOPIC);
}

static int64_t publish(struct bench *b, uint64_t until_ns)
{
	struct shmq_open_options open = {.dir = b->broker_dir};
	struct stream_message text;
	struct shmq_message m = {.value = text.bytes, .value_len = STREAM_BYTES, .partition = -1};
	uint64_t n = 0;
	shmq_pub *p;
	shmq *q;

	stream_message_init(&text);
	if (shmq_open(&q, &open) || shmq_pub_open(q, TOPIC, NULL, &p, NULL))
		return complain("%s", shmq_error(q));
	do {
		for (unsigned i = 0; i < 1000 && n < QUEUE_MAX; i++, n++) {
			stream_message_number(&text, n);
			if (shmq_pub_send(p, &m))
				return complain("publish: %s", shmq_error(q));
		}
	} while (now_ns() < until_ns && n < QUEUE_MAX);
	if (shmq_pub_flush(p))
		return complain("publish: %s", shmq_error(q));
	shmq_pub_close(p);
	shmq_close(q);
	return (int64_t)n;
}

static int consume(struct bench *b, unsigned consumer)
{
	struct shmq_open_options open = {.dir = b->broker_dir};
	struct shmq_delivery d;
	shmq_group *g;
	shmq *q;
	int rc = 0;

	if (shmq_open(&q, &open) || shmq_group_open(q, TOPIC, GROUP, NULL, &g, NULL))
		return complain("%s", shmq_error(q));
	while (rc == 0) {
		rc = shmq_group_next(g, &d);
		if (rc == 0) {
			rc = queue_took(consumer, d.message.value, d.message.value_len);
			if (rc == 0)
				rc = shmq_group_ack(g, &d);
		} else if (rc == SHMQ_EMPTY) {
			if (queue_over(consumer))
				break;
			rc = shmq_group_wait(&g, 1, 1000000);
			if (rc == SHMQ_TIMEOUT)
				rc = 0;
		}
	}
	if (rc && rc != SHMQ_EMPTY)
		return complain_result(q, rc);
	shmq_group_close(g);
	shmq_close(q);
	return 0;
}

const struct queue_kind queue_shmq = {"shmq", group_make, finish, publish, consume};
