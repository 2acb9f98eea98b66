/* SPDX-License-Identifier: MIT */
/* curve.c - what one message costs when there are many groups, or many messages wait. In one process, one thing
 * after the other: the cost itself, not what a second CPU hides of it. */
#include "curve.h"

#include <stdio.h>
#include <string.h>

#include "sides.h"

#define TOPIC "bench.curve"

const struct curve curve_publish_1 = {.groups = 1, .publish = true};
const struct curve curve_publish_16 = {.groups = 16, .publish = true};
const struct curve curve_publish_256 = {.groups = 256, .publish = true};
const struct curve curve_groups_1 = {.groups = 1};
const struct curve curve_groups_16 = {.groups = 16};
const struct curve curve_groups_256 = {.groups = 256};
const struct curve curve_backlog_none = {.groups = 1, .backlog = CURVE_MESSAGES};
const struct curve curve_backlog_1m = {.groups = 1, .backlog = 1000000};
const struct curve curve_backlog_100m = {.groups = 1, .backlog = 100000000};

/* A message of 4 bytes: a hundred million of them fit into the memory of one partition. */
#define VALUE_BYTES 4

static int topic_make(struct bench *b)
{
	struct shmq_topic_options options = {.pool_bytes = 1u << 30};
	int rc = shmq_topic_delete(b->broker, TOPIC);

	if ((rc && rc != SHMQ_ENOENT) || shmq_topic_create(b->broker, TOPIC, &options))
		return complain("topic %s: %s", TOPIC, shmq_error(b->broker));
	return 0;
}

static int group_open(struct bench *b, unsigned i, shmq_group **g)
{
	char name[32];

	snprintf(name, sizeof name, "group%u", i);
	return shmq_group_open(b->broker, TOPIC, name, NULL, g, NULL) ? complain("%s", shmq_error(b->broker)) : 0;
}

static int groups_make(struct bench *b, const struct curve *curve)
{
	for (unsigned i = 0; i < curve->groups; i++) {
		shmq_group *g;

		if (group_open(b, i, &g))
			return -1;
		shmq_group_close(g);
	}
	return 0;
}

static int publish(struct bench *b, uint64_t n, double *seconds)
{
	static const char value[VALUE_BYTES] = "1234";
	struct shmq_message m = {.value = value, .value_len = VALUE_BYTES, .partition = -1};
	uint64_t start = now_ns();
	shmq_pub *p;

	if (shmq_pub_open(b->broker, TOPIC, NULL, &p, NULL))
		return complain("%s", shmq_error(b->broker));
	for (uint64_t i = 0; i < n; i++)
		if (shmq_pub_send(p, &m))
			return complain("publish: %s", shmq_error(b->broker));
	if (shmq_pub_flush(p))
		return complain("publish: %s", shmq_error(b->broker));
	*seconds = (double)(now_ns() - start) / 1e9 / (double)n;
	shmq_pub_close(p);
	return 0;
}

static int consume(struct bench *b, unsigned group, uint64_t n)
{
	struct shmq_delivery d;
	shmq_group *g;
	int rc = 0;

	if (group_open(b, group, &g))
		return -1;
	for (uint64_t i = 0; i < n && rc == 0; i++) {
		rc = shmq_group_next(g, &d);
		if (rc == 0)
			rc = shmq_group_ack(g, &d);
	}
	if (rc)
		complain_result(b->broker, rc);
	shmq_group_close(g);
	return rc ? -1 : 0;
}

int curve_run(struct bench *b, const struct curve *curve, double *seconds)
{
	uint64_t n = curve->backlog ? curve->backlog : CURVE_MESSAGES, start;
	int rc;

	if (topic_make(b) || groups_make(b, curve))
		return -1;
	rc = publish(b, n, seconds);
	start = now_ns();
	for (unsigned i = 0; i < curve->groups && rc == 0 && !curve->publish; i++)
		rc = consume(b, i, CURVE_MESSAGES);
	if (!curve->publish)
		*seconds = (double)(now_ns() - start) / 1e9 / CURVE_MESSAGES / curve->groups;
	topic_drop(b, TOPIC);
	return rc;
}
