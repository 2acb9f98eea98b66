/* SPDX-License-Identifier: MIT */
/* verify.c - what must hold after mqd was begun again: topics and their messages. Groups are in verify_groups.c. */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------------------- */

static void message_seen(struct run *r, struct topic_record *t, const struct shmq_message *m, uint64_t next[PARTITIONS])
{
	struct entry *e = entry_at(&t->log[m->partition], m->offset);
	uint64_t message = 0;

	if (!message_read(m->value, m->value_len, &message, t->number, (uint32_t)m->partition) || e == NULL ||
	    e->message != message)
		failed(r, "topic %llu partition %d offset %llu: shows message %llu, was published with %llu",
		       (unsigned long long)t->number, m->partition, (unsigned long long)m->offset, (unsigned long long)message,
		       (unsigned long long)(e != NULL ? e->message : 0));
	if (e->lost)
		failed(r, "topic %llu partition %d offset %llu: was lost, and is there again", (unsigned long long)t->number,
		       m->partition, (unsigned long long)m->offset);
	if (m->offset < next[m->partition])
		failed(r, "topic %llu partition %d: offset %llu behind %llu", (unsigned long long)t->number, m->partition,
		       (unsigned long long)m->offset, (unsigned long long)next[m->partition]);
	next[m->partition] = m->offset + 1;
	e->present = true;
	tally->read++;
}

static void messages_read(struct run *r, const char *name, struct topic_record *t)
{
	struct shmq_sub_options o = {.flags = SHMQ_SUB_BROWSE | SHMQ_SUB_EXIT_AT_END};
	uint64_t next[PARTITIONS] = {0};
	shmq *q = r->client[0].q;
	struct shmq_message m;
	struct shmq_batch b;
	shmq_sub *s;
	int result = shmq_sub_open(q, name, &o, &s);

	if (result != 0)
		failed(r, "shmq_sub_open %s: %d %s", name, result, shmq_error(q));
	while ((result = shmq_sub_next(s, &b)) == 0) {
		int rows;

		while ((rows = shmq_batch_next(&b, &m)) == 1)
			message_seen(r, t, &m, next);
		if (rows != 0)
			failed(r, "shmq_batch_next %s: %d %s", name, rows, shmq_error(q));
	}
	if (result != SHMQ_END)
		failed(r, "reading topic %s: %d %s", name, result, shmq_error(q));
	shmq_sub_close(s);
}

/* ---- what may be missing ---------------------------------------------------------------- */

static void front_verify(struct run *r, struct topic_record *t, unsigned p, uint32_t first, uint64_t bytes)
{
	struct entries *l = &t->log[p];

	for (uint32_t k = 0; k < first; k++) {
		struct place at = {topic_index(&r->account, t), p, k};

		if (l->at[k].lost || l->at[k].purged)
			continue;
		if (t->retain_bytes != 0 && bytes >= t->retain_bytes)
			continue;
		if (t->retain_acked && (l->at[k].was_acked || acked_by_all(&r->account, at)))
			continue;
		failed(r, "topic %llu partition %u offset %llu%s: gone; %llu bytes are left, retention %llu%s",
		       (unsigned long long)t->number, p, (unsigned long long)l->at[k].offset,
		       l->at[k].durable ? ", durable" : "", (unsigned long long)bytes, (unsigned long long)t->retain_bytes,
		       t->retain_acked ? " or acked" : "");
	}
}

/* What is there is one piece: from what retention has left, up to at least what was durable. */
static void log_verify(struct run *r, struct topic_record *t, unsigned p, enum since since)
{
	struct entries *l = &t->log[p];
	uint32_t first = l->count, end = 0;
	uint64_t bytes = 0;

	for (uint32_t k = 0; k < l->count; k++)
		if (l->at[k].present) {
			first = first == l->count ? k : first;
			end = k + 1;
			bytes += l->at[k].bytes;
		}
	if (first == l->count) /* nothing: as if behind everything that may be gone */
		for (first = end = 0; end < l->count && (l->at[end].lost || l->at[end].purged); end++)
			first = end + 1;
	for (uint32_t k = first; k < l->count; k++) {
		struct entry *e = &l->at[k];

		if (e->lost || e->present)
			continue;
		if (k < end && !e->purged)
			failed(r, "topic %llu partition %u offset %llu: missing between others", (unsigned long long)t->number, p,
			       (unsigned long long)e->offset);
		if (k >= end && (e->durable || since != SINCE_POWER) && !e->purged)
			failed(r, "topic %llu partition %u offset %llu%s: lost; %u of %u are there", (unsigned long long)t->number,
			       p, (unsigned long long)e->offset, e->durable ? ", durable" : "", end, l->count);
		if (k >= end && since == SINCE_POWER)
			e->lost = true;
	}
	front_verify(r, t, p, first, bytes);
	for (uint32_t k = 0; k < l->count && since == SINCE_POWER; k++) {
		l->at[k].durable = l->at[k].durable || l->at[k].present;
		l->at[k].purged = l->at[k].purged && !l->at[k].present; /* else that was not durable */
	}
}

/* ---- topics ------------------------------------------------------------------------------ */

struct listed {
	struct run *r;
	bool there[TOPICS_MADE];
	char name[TOPICS_MADE][SHMQ_NAME_MAX + 1];
};

static int topic_listed(void *context, const char *name, uint64_t number)
{
	struct listed *l = context;
	struct topic_record *t = topic_numbered(&l->r->account, number);

	if (t == NULL)
		failed(l->r, "topic %s, number %llu: was never made", name, (unsigned long long)number);
	if (t->lost || t->deleted_durable)
		failed(l->r, "topic %s, number %llu: was %s, and is back", name, (unsigned long long)number,
		       t->lost ? "lost" : "deleted");
	l->there[topic_index(&l->r->account, t)] = true;
	snprintf(l->name[topic_index(&l->r->account, t)], SHMQ_NAME_MAX + 1, "%s", name);
	return 0;
}

static void topic_verify(struct run *r, struct topic_record *t, bool there, const char *name, enum since since)
{
	if (!there) {
		if (t->deleted || t->lost)
			t->deleted_durable = t->deleted;
		else if (t->durable || since != SINCE_POWER)
			failed(r, "topic %llu is gone", (unsigned long long)t->number);
		t->lost = t->lost || !t->deleted;
		return;
	}
	if (since != SINCE_POWER && t->deleted)
		failed(r, "topic %llu was deleted, and is back", (unsigned long long)t->number);
	t->deleted = false; /* that was not durable */
	t->durable = t->durable || since == SINCE_POWER;
	for (unsigned p = 0; p < PARTITIONS; p++)
		for (uint32_t k = 0; k < t->log[p].count; k++)
			t->log[p].at[k].present = false;
	messages_read(r, name, t);
	for (unsigned p = 0; p < PARTITIONS; p++)
		log_verify(r, t, p, since);
}

void verify(struct run *r, enum since since)
{
	struct listed l = {.r = r};
	int result;

	mirror_refresh(&r->disk, r->store);
	result = shmq_topic_list(r->client[0].q, topic_listed, &l);
	if (result != 0)
		failed(r, "shmq_topic_list: %s", shmq_error(r->client[0].q));
	for (unsigned i = 0; i < r->account.topics; i++)
		note(r, "since %d: topic %u is %s; durable %d, deleted %d, lost %d", since, i, l.there[i] ? "there" : "not there",
		     r->account.topic[i].durable, r->account.topic[i].deleted, r->account.topic[i].lost);
	for (unsigned i = 0; i < r->account.topics; i++)
		topic_verify(r, &r->account.topic[i], l.there[i], l.name[i], since);
	groups_verify(r, since);
	settles_verify(r);
}
