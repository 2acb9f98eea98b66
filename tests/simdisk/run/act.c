/* SPDX-License-Identifier: MIT */
/* act.c - what clients do, one thing after the other, and how it is noted. Nothing here waits for mqd. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "publish.h"

#define MS 1000000
#define ROWS 8u

static const char *const topic_name[TOPIC_NAMES] = {"in", "mid", "out", "work"};
static const char *const group_name[2] = {"a", "b"};
static unsigned char content[ROWS][1u << 17];

/* ---- handles ------------------------------------------------------------------------ */

void act_begin(struct run *r)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct shmq_open_options o = {.dir = r->dir, .program = "client"};

		if (shmq_open(&r->client[i].q, &o) != 0)
			failed(r, "shmq_open: %s", shmq_error(r->client[i].q));
	}
}

void act_forget(struct run *r)
{
	memset(r->client, 0, sizeof r->client);
	memset(r->hand, 0, sizeof r->hand);
}

static void hand_drop(struct run *r, unsigned client, unsigned group)
{
	for (unsigned i = 0; i < HAND; i++)
		if (r->hand[i].used && r->hand[i].group == group && (client == NONE || r->hand[i].client == client))
			r->hand[i].used = false;
}

static void group_close(struct run *r, unsigned client, unsigned group)
{
	hand_drop(r, client, group);
	shmq_group_close(r->client[client].group[group]);
	r->client[client].group[group] = NULL;
}

static void topic_close_all(struct run *r, unsigned topic)
{
	for (unsigned c = 0; c < CLIENTS; c++) {
		for (unsigned g = 0; g < r->account.groups; g++)
			if (r->account.group[g].topic == topic && r->client[c].group[g] != NULL)
				group_close(r, c, g);
		shmq_pub_close(r->client[c].pub[topic]);
		r->client[c].pub[topic] = NULL;
	}
}

static bool topic_is(const struct topic_record *t)
{
	return !t->deleted && !t->lost;
}

static bool group_is(const struct run *r, unsigned group)
{
	const struct group_record *g = &r->account.group[group];

	return !g->deleted && !g->lost && topic_is(&r->account.topic[g->topic]);
}

shmq_pub *act_pub(struct run *r, unsigned client, unsigned topic)
{
	struct client *c = &r->client[client];
	struct shmq_pub_options o = {.flags = SHMQ_PUB_NO_CREATE | SHMQ_PUB_NO_WAIT};
	const struct topic_record *t = &r->account.topic[topic];

	if (c->pub[topic] == NULL && shmq_pub_open(c->q, topic_name[t->name], &o, &c->pub[topic], NULL) != 0)
		failed(r, "shmq_pub_open %s: %s", topic_name[t->name], shmq_error(c->q));
	return c->pub[topic];
}

shmq_group *act_group(struct run *r, unsigned client, unsigned group)
{
	struct client *c = &r->client[client];
	const struct group_record *g = &r->account.group[group];
	struct shmq_consume_options o = {.flags = SHMQ_CONSUME_NO_CREATE | (g->ordered ? SHMQ_CONSUME_PIPELINED : 0),
	                                 .prefetch = 16};
	const char *topic = topic_name[r->account.topic[g->topic].name];

	if (c->group[group] == NULL &&
	    shmq_group_open(c->q, topic, group_name[g->name], &o, &c->group[group], NULL) != 0)
		failed(r, "shmq_group_open %s/%s: %s", topic, group_name[g->name], shmq_error(c->q));
	return c->group[group];
}

static unsigned any_topic(struct run *r)
{
	unsigned n = r->account.topics > 0 ? rng_below(&r->rng, r->account.topics) : 0;

	for (unsigned i = 0; i < r->account.topics; i++)
		if (topic_is(&r->account.topic[(n + i) % r->account.topics]))
			return (n + i) % r->account.topics;
	return NONE;
}

static unsigned any_group(struct run *r)
{
	unsigned n = r->account.groups > 0 ? rng_below(&r->rng, r->account.groups) : 0;

	for (unsigned i = 0; i < r->account.groups; i++)
		if (group_is(r, (n + i) % r->account.groups))
			return (n + i) % r->account.groups;
	return NONE;
}

/* ---- publishing ---------------------------------------------------------------------- */

static size_t any_size(struct run *r)
{
	if (r->plan.big && rng_one_in(&r->rng, 2))
		return MESSAGE_MIN + rng_below(&r->rng, 60000);
	return MESSAGE_MIN + rng_below(&r->rng, rng_one_in(&r->rng, 4) ? 4000 : 200);
}

static unsigned messages_make(struct run *r, unsigned topic, unsigned partition, struct shmq_message m[ROWS])
{
	static const char *const keys[] = {"a", "a.b", "b", ""};
	unsigned n = 1 + (rng_one_in(&r->rng, 2) ? 0 : rng_below(&r->rng, ROWS));

	if (n > ROWS)
		n = ROWS;
	for (unsigned i = 0; i < n; i++) {
		unsigned key = rng_below(&r->rng, 8);

		m[i] = (struct shmq_message){.value = content[i], .value_len = any_size(r), .partition = (int)partition};
		if (key < 4) {
			m[i].key = keys[key];
			m[i].key_len = strlen(keys[key]);
		}
		message_write(content[i], m[i].value_len, ++r->account.messages, r->account.topic[topic].number, partition);
	}
	return n;
}

/* They were linked: at the end of the log, which is the publisher's as it knows it now. */
static uint32_t messages_note(struct run *r, shmq_pub *p, unsigned topic, unsigned partition, const struct shmq_message *m,
                              unsigned n)
{
	const struct pub_lane *l = &p->lanes[partition];
	struct entries *log = &r->account.topic[topic].log[partition];
	uint64_t end = l->tail.offset, name = r->account.messages - n;

	for (unsigned i = 0; i < n; i++) {
		struct entry *e = entry_add(log, end - n + i, ++name, m[i].value_len);

		if (e == NULL)
			failed(r, "topic %s partition %u: offset %llu was given out before", topic_name[r->account.topic[topic].name],
			       partition, (unsigned long long)(end - n + i));
		e->position = l->tail.position;
	}
	tally->published += n;
	note(r, "published %u in topic %u/%u at %llu, position %llu", n, topic, partition, (unsigned long long)(end - n),
	     (unsigned long long)l->tail.position - 1);
	return log->count - n;
}

static void publish(struct run *r)
{
	unsigned topic = any_topic(r), partition = rng_below(&r->rng, PARTITIONS), client = rng_below(&r->rng, CLIENTS), n;
	struct shmq_message m[ROWS];
	shmq_pub *p;
	int result;

	if (topic == NONE)
		return;
	p = act_pub(r, client, topic);
	act_pub(r, 0, topic); /* for what is durable */
	n = messages_make(r, topic, partition, m);
	result = shmq_pub_batch(p, m, n);
	if (result == SHMQ_FULL)
		return;
	if (result == SHMQ_EDATA)
		return;
	if (result != 0)
		failed(r, "shmq_pub_batch: %d %s", result, shmq_error(r->client[client].q));
	messages_note(r, p, topic, partition, m, n);
	if (rng_one_in(&r->rng, 4))
		shmq_pub_idle(p);
}

/* ---- groups -------------------------------------------------------------------------- */

/* Everything that groups of the topic have done is waited for by somebody: durable with the next round. */
static void sync_groups(struct run *r, unsigned group)
{
	unsigned topic = r->account.group[group].topic;
	uint64_t round;
	shmq_group *g = act_group(r, 0, group);
	int result = shmq_group_sync(g, 0);

	if (result == SHMQ_GONE)
		return;
	if (result != SHMQ_TIMEOUT && result != 0)
		failed(r, "shmq_group_sync: %d %s", result, shmq_error(r->client[0].q));
	if (r->server.daemon == NULL)
		return;
	round = load_seq(&r->server.daemon->rounds_begun) + 1;
	for (unsigned i = 0; i < r->account.groups; i++) {
		struct group_record *gr = &r->account.group[i];
		struct move *m = gr->moves > 0 ? &gr->move[gr->moves - 1] : NULL;

		if (gr->topic != topic || gr->lost || m == NULL)
			continue;
		gr->round = gr->round == UINT64_MAX ? round : gr->round;
		gr->deleted_round = gr->deleted && gr->deleted_round == UINT64_MAX ? round : gr->deleted_round;
		m->round = m->round == UINT64_MAX ? round : m->round;
		for (unsigned p = 0; p < PARTITIONS; p++)
			for (uint32_t k = 0; k < m->log[p].count; k++)
				if (m->log[p].at[k].round == UINT64_MAX)
					m->log[p].at[k].round = round;
	}
}

static void places_note(struct run *r, unsigned group)
{
	struct group_record *g = &r->account.group[group];
	struct shmq_group_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_group_info info = {.logs = logs};
	struct move *m, *before = g->moves > 0 ? &g->move[g->moves - 1] : NULL;

	if (shmq_group_info(r->client[0].q, topic_name[r->account.topic[g->topic].name], group_name[g->name], &info) != 0)
		failed(r, "shmq_group_info: %s", shmq_error(r->client[0].q));
	g->number = info.number;
	note(r, "group %u number %llu of topic %u: incarnation %llu at %llu, %llu", group, (unsigned long long)g->number, g->topic,
	     (unsigned long long)info.incarnation, (unsigned long long)logs[0].offset, (unsigned long long)logs[1].offset);
	m = &g->move[g->moves++];
	*m = (struct move){.incarnation = info.incarnation, .round = UINT64_MAX};
	for (unsigned p = 0; p < PARTITIONS; p++) {
		m->log[p].from = logs[p].offset;
		for (uint32_t k = 0; before != NULL && k < r->account.topic[g->topic].log[p].count; k++)
			fate_of(g, (struct place){g->topic, p, k})->touched =
			        k >= before->log[p].count || before->log[p].at[k].touched || before->log[p].at[k].last != DONE;
	}
}

static void group_create(struct run *r)
{
	struct account *c = &r->account;
	unsigned topic = any_topic(r), name = rng_below(&r->rng, 2);
	struct shmq_group_options o = {.retries = 250,
	                               .backoff_ns = 10 * MS,
	                               .backoff_max_ns = 2000L * MS,
	                               .returns_rows = 64,
	                               .returns_bytes = 1u << 20,
	                               .window = 256,
	                               .mode = name == 1 ? SHMQ_GROUP_ORDERED : SHMQ_GROUP_SHARED};
	struct shmq_consume_options open = {.options = &o, .prefetch = 16, .flags = name == 1 ? SHMQ_CONSUME_PIPELINED : 0};
	struct group_record *g;
	bool created = false;

	if (topic == NONE || c->groups == GROUPS_MADE)
		return;
	for (unsigned i = 0; i < c->groups; i++)
		if (c->group[i].topic == topic && c->group[i].name == name && group_is(r, i))
			return;
	act_pub(r, 0, topic); /* the bell */
	g = &c->group[c->groups];
	*g = (struct group_record){.topic = topic, .name = name, .ordered = name == 1, .round = UINT64_MAX};
	if (shmq_group_open(r->client[0].q, topic_name[c->topic[topic].name], group_name[name], &open,
	                    &r->client[0].group[c->groups], &created) != 0 ||
	    !created)
		failed(r, "making group %s/%s: %s", topic_name[c->topic[topic].name], group_name[name],
		       created ? shmq_error(r->client[0].q) : "it is there");
	for (unsigned p = 0; p < PARTITIONS; p++)
		for (uint32_t k = 0; k < c->topic[topic].log[p].count; k++)
			c->topic[topic].log[p].at[k].was_acked |= acked_by_all(c, (struct place){topic, p, k});
	c->groups++;
	places_note(r, c->groups - 1);
}

static void group_delete(struct run *r)
{
	unsigned group = any_group(r);
	struct group_record *g;

	if (group == NONE)
		return;
	g = &r->account.group[group];
	for (unsigned c = 0; c < CLIENTS; c++)
		if (r->client[c].group[group] != NULL)
			group_close(r, c, group);
	if (shmq_group_delete(r->client[0].q, topic_name[r->account.topic[g->topic].name], group_name[g->name]) != 0)
		failed(r, "shmq_group_delete: %s", shmq_error(r->client[0].q));
	g->deleted = true;
	note(r, "group %u deleted", group);
	g->deleted_round = UINT64_MAX;
}

static void group_seek(struct run *r)
{
	unsigned group = any_group(r);
	struct group_record *g;
	struct shmq_seek to = {.kind = rng_one_in(&r->rng, 2) ? SHMQ_SEEK_BEGINNING : SHMQ_SEEK_END};

	if (group == NONE || r->account.group[group].moves == MOVES)
		return;
	g = &r->account.group[group];
	if (rng_one_in(&r->rng, 2))
		to = (struct shmq_seek){.kind = SHMQ_SEEK_LAST, .value = rng_below(&r->rng, 20)};
	if (shmq_group_seek(r->client[0].q, topic_name[r->account.topic[g->topic].name], group_name[g->name], &to, false,
	                    NULL) != 0)
		failed(r, "shmq_group_seek: %s", shmq_error(r->client[0].q));
	hand_drop(r, NONE, group);
	places_note(r, group);
}

/* ---- consuming ------------------------------------------------------------------------ */

/* A message that a consumer was given: was it published so, and not settled before? */
static bool delivery_check(struct run *r, unsigned group, const struct shmq_message *m, enum done expected, struct place *at)
{
	struct group_record *g = &r->account.group[group];
	struct topic_record *t = &r->account.topic[g->topic];
	struct entries *log = &t->log[m->partition];
	struct entry *e = entry_at(log, m->offset);
	struct fate *f;
	uint64_t message;

	if (!message_read(m->value, m->value_len, &message, t->number, (uint32_t)m->partition))
		failed(r, "topic %s partition %d offset %llu: no message that was ever published", topic_name[t->name], m->partition,
		       (unsigned long long)m->offset);
	if (e == NULL || e->message != message)
		failed(r, "topic %s partition %d offset %llu: has message %llu, was published with %llu", topic_name[t->name],
		       m->partition, (unsigned long long)m->offset, (unsigned long long)message,
		       (unsigned long long)(e != NULL ? e->message : 0));
	if (e->lost)
		failed(r, "topic %s partition %d offset %llu: was lost, and is delivered", topic_name[t->name], m->partition,
		       (unsigned long long)m->offset);
	*at = (struct place){g->topic, (uint32_t)m->partition, (uint32_t)(e - log->at)};
	f = fate_of(g, *at);
	if (f->last != expected && !f->touched)
		failed(r, "group %s of %s: partition %d offset %llu is %d, and %s", group_name[g->name], topic_name[t->name],
		       m->partition, (unsigned long long)m->offset, f->last,
		       expected == DEAD ? "a dead letter" : "delivered");
	return true;
}

static struct hand *hand_free(struct run *r)
{
	for (unsigned i = 0; i < HAND; i++)
		if (!r->hand[i].used)
			return &r->hand[i];
	return NULL;
}

static struct hand *consume(struct run *r)
{
	unsigned group = any_group(r), client = rng_below(&r->rng, CLIENTS);
	struct hand *h = hand_free(r);
	int result;

	if (group == NONE || h == NULL)
		return NULL;
	result = shmq_group_next(act_group(r, client, group), &h->d);
	if (result == SHMQ_LATE)
		hand_drop(r, client, group);
	if (result == SHMQ_EMPTY || result == SHMQ_LATE || result == SHMQ_OVERRUN) /* that: retention went past it */
		return NULL;
	if (result != 0)
		failed(r, "shmq_group_next %s/%s: %d %s", topic_name[r->account.topic[r->account.group[group].topic].name],
		       group_name[r->account.group[group].name], result, shmq_error(r->client[client].q));
	h->used = true;
	h->client = client;
	h->group = group;
	delivery_check(r, group, &h->d.message, OPEN, &h->at);
	fate_of(&r->account.group[group], h->at)->handed = true;
	h->d.message.value = NULL;
	h->d.message.key = NULL;
	h->d.message.headers = NULL;
	h->d.message.value_len = h->d.message.key_len = h->d.message.header_count = 0;
	tally->read++;
	return h;
}

/* Done, by what was made from it. */
static void made_from(struct run *r, const struct hand *h, struct place output, bool apart)
{
	struct group_record *g = &r->account.group[h->group];
	struct entry *e = entry_of(&r->account, output);
	struct fate *f = fate_of(g, h->at);

	fate_set(f, DONE, UINT64_MAX);
	f->output = output;
	e->in_group = h->group;
	e->in_move = g->move[g->moves - 1].incarnation;
	e->input = h->at;
	e->apart = apart;
}

/* At least once: the output, then the ack. */
static void publish_and_ack(struct run *r, struct hand *h)
{
	unsigned topic = any_topic(r), partition = rng_below(&r->rng, PARTITIONS), n;
	struct shmq_message m[ROWS];
	struct place output;
	shmq_pub *p;
	int result;

	if (topic == NONE)
		return;
	p = act_pub(r, h->client, topic);
	act_pub(r, 0, topic);
	n = messages_make(r, topic, partition, m);
	if (shmq_pub_batch(p, m, n) != 0)
		return;
	output = (struct place){topic, partition, messages_note(r, p, topic, partition, m, n)};
	h->used = false;
	result = shmq_group_ack(r->client[h->client].group[h->group], &h->d);
	if (result < 0)
		failed(r, "acking a message: %d %s", result, shmq_error(r->client[h->client].q));
	if (result != 0)
		return;
	made_from(r, h, output, true);
	tally->acked++;
	note(r, "acked: group %u, topic %u/%u offset %llu, made into that", h->group, h->at.topic, h->at.partition,
	     (unsigned long long)entry_of(&r->account, h->at)->offset);
}

static void settle(struct run *r, struct hand *h)
{
	unsigned topic = any_topic(r), partition = rng_below(&r->rng, PARTITIONS), n;
	shmq_group *g = r->client[h->client].group[h->group];
	struct shmq_message m[ROWS];
	shmq_pub *p;
	int result;

	if (topic == NONE)
		return;
	p = act_pub(r, h->client, topic);
	act_pub(r, 0, topic);
	n = messages_make(r, topic, partition, m);
	result = shmq_group_settle(g, &h->d, p, m, n, 0);
	if (result == SHMQ_FULL || result == SHMQ_TIMEOUT || result == SHMQ_EDATA)
		return;
	h->used = false;
	if (result == SHMQ_LATE)
		return;
	if (result != 0)
		failed(r, "shmq_group_settle: %d %s", result, shmq_error(r->client[h->client].q));
	made_from(r, h, (struct place){topic, partition, messages_note(r, p, topic, partition, m, n)}, false);
	tally->settled++;
	note(r, "settled: group %u, topic %u/%u offset %llu into that", h->group, h->at.topic, h->at.partition,
	     (unsigned long long)entry_of(&r->account, h->at)->offset);
}

static void finish(struct run *r, struct hand *h)
{
	shmq_group *g = r->client[h->client].group[h->group];
	struct fate *f = fate_of(&r->account.group[h->group], h->at);
	static const char words[] = "last words";
	struct shmq_failure why = {.reason = SHMQ_REASON_REJECTED, .status = 1, .text = words, .text_len = sizeof words};
	unsigned what = rng_below(&r->rng, 100);
	bool dead = false;
	int result = 0;

	if (what < 40) {
		if (what < 25 || r->plan.full) /* a full disk takes acks, and what was published before them later */
			settle(r, h);
		else
			publish_and_ack(r, h);
		return;
	}
	h->used = false;
	if (what < 65) {
		result = shmq_group_ack(g, &h->d);
		if (result == 0) {
			fate_set(f, DONE, UINT64_MAX);
			tally->acked++;
		}
	} else if (what < 80) {
		f->touched = true;
		result = shmq_group_retry(g, &h->d, rng_one_in(&r->rng, 2) ? SHMQ_BACKOFF : (int64_t)rng_below(&r->rng, 3000) * MS,
		                          NULL, &dead);
		if (result == 0 && dead)
			fate_set(f, DEAD, UINT64_MAX);
	} else if (what < 90) {
		f->touched = true;
		result = shmq_group_dead(g, &h->d, &why);
		if (result == 0)
			fate_set(f, DEAD, UINT64_MAX);
	} else {
		result = shmq_group_release(g, &h->d);
	}
	note(r, "finish %u: group %u, topic %u/%u offset %llu: %d", what, h->group, h->at.topic, h->at.partition,
	     (unsigned long long)entry_of(&r->account, h->at)->offset, result);
	if (result < 0)
		failed(r, "settling a message (%u): %d %s", what, result, shmq_error(r->client[h->client].q));
}

static void work_on(struct run *r)
{
	struct hand *h = rng_one_in(&r->rng, 3) ? &r->hand[rng_below(&r->rng, HAND)] : consume(r);

	if (h != NULL && h->used && !rng_one_in(&r->rng, 6))
		finish(r, h);
}

static void letters(struct run *r)
{
	unsigned group = any_group(r), n = rng_below(&r->rng, 4);
	struct shmq_dead_letter letter;
	struct group_record *g;
	shmq_dlq *d;
	int result;

	if (group == NONE)
		return;
	g = &r->account.group[group];
	if (shmq_dlq_open(r->client[0].q, topic_name[r->account.topic[g->topic].name], group_name[g->name], &d) != 0)
		failed(r, "shmq_dlq_open: %s", shmq_error(r->client[0].q));
	do
		result = shmq_dlq_next(d, &letter);
	while (result == 0 && n-- > 0);
	if (result == 0) {
		struct place at;

		delivery_check(r, group, &letter.message, DEAD, &at);
		note(r, "letter: group %u, topic %u/%u offset %llu", group, at.topic, at.partition,
		     (unsigned long long)letter.message.offset);
		if (rng_one_in(&r->rng, 3)) {
			if (shmq_dlq_drop(d, &letter) == 0)
				fate_set(fate_of(g, at), DONE, UINT64_MAX);
		} else if (shmq_dlq_requeue(d, &letter, 0) == 0) {
			fate_set(fate_of(g, at), OPEN, UINT64_MAX);
		}
	} else if (result != SHMQ_END) {
		failed(r, "shmq_dlq_next: %d %s", result, shmq_error(r->client[0].q));
	}
	shmq_dlq_close(d);
}

/* ---- topics ---------------------------------------------------------------------------- */

static struct shmq_retention any_retention(struct run *r)
{
	struct shmq_retention keep = {0};

	if (rng_one_in(&r->rng, 3))
		keep.bytes = 1u << 20;
	keep.until_acked = rng_one_in(&r->rng, 3);
	return keep;
}

static void retention_note(struct topic_record *t, const struct shmq_retention *keep)
{
	t->retain_acked = t->retain_acked || keep->until_acked;
	if (keep->bytes != 0)
		t->retain_bytes = keep->bytes;
}

static void topic_create(struct run *r)
{
	unsigned name = rng_below(&r->rng, TOPIC_NAMES);
	struct shmq_retention keep = any_retention(r);
	struct shmq_topic_options o = {.partitions = PARTITIONS,
	                               .slots = 64u << rng_below(&r->rng, 3),
	                               .pool_bytes = 1u << 20,
	                               .storage = SHMQ_STORAGE_DISK,
	                               .retention = keep};
	struct shmq_topic_info info = {0};

	if (r->account.topics == TOPICS_MADE || topic_named(&r->account, name) != NULL)
		return;
	if (shmq_topic_create(r->client[0].q, topic_name[name], &o) != 0 ||
	    shmq_topic_info(r->client[0].q, topic_name[name], &info) != 0)
		failed(r, "making topic %s: %s", topic_name[name], shmq_error(r->client[0].q));
	if (topic_numbered(&r->account, info.number) != NULL)
		failed(r, "topic number %llu is given out twice", (unsigned long long)info.number);
	note(r, "topic %u made: %s, number %llu, %u slots", r->account.topics, topic_name[name], (unsigned long long)info.number,
	     o.slots);
	retention_note(topic_made(&r->account, name, info.number), &keep);
}

static void topic_delete(struct run *r)
{
	unsigned topic = any_topic(r);

	if (topic == NONE)
		return;
	topic_close_all(r, topic);
	if (shmq_topic_delete(r->client[0].q, topic_name[r->account.topic[topic].name]) != 0)
		failed(r, "shmq_topic_delete: %s", shmq_error(r->client[0].q));
	r->account.topic[topic].deleted = true;
	note(r, "topic %u deleted", topic);
}

static void topic_alter(struct run *r)
{
	struct shmq_retention keep = any_retention(r);
	unsigned topic = any_topic(r);

	if (topic == NONE)
		return;
	if (shmq_topic_alter(r->client[0].q, topic_name[r->account.topic[topic].name], &keep) != 0)
		failed(r, "shmq_topic_alter: %s", shmq_error(r->client[0].q));
	note(r, "topic %u keeps %llu bytes%s", topic, (unsigned long long)keep.bytes, keep.until_acked ? ", until acked" : "");
	retention_note(&r->account.topic[topic], &keep);
}

/* A purge of what mqd had not written would leave holes that it tells as lost: not done. */
static void topic_purge(struct run *r)
{
	unsigned topic = any_topic(r);
	struct topic_record *t;
	int result;

	if (topic == NONE || r->plan.full || r->faulty) /* it waits for mqd */
		return;
	t = &r->account.topic[topic];
	note(r, "topic %u purged", topic);
	for (unsigned p = 0; p < PARTITIONS; p++)
		for (uint32_t k = 0; k < t->log[p].count; k++)
			t->log[p].at[k].purged = true;
	result = shmq_topic_purge(r->client[0].q, topic_name[t->name], NULL);
	if (result != 0)
		failed(r, "shmq_topic_purge: %d %s", result, shmq_error(r->client[0].q));
}

/* ---- one thing --------------------------------------------------------------------------- */

static void time_passes(struct run *r)
{
	unsigned n = rng_below(&r->rng, 40);

	if (n == 0 && r->plan.jumps)
		clock_now_ns += 70000L * MS;
	else if (n == 1 && r->plan.jumps)
		clock_real_ns += ((int64_t)rng_below(&r->rng, 7200) - 3600) * 1000 * MS;
	else if (n < 10)
		clock_now_ns += (int64_t)rng_below(&r->rng, 1500) * MS;
	else
		clock_now_ns += (int64_t)rng_below(&r->rng, 20) * MS;
}

static void administer(struct run *r)
{
	switch (rng_below(&r->rng, 16)) {
	case 0:
		topic_delete(r);
		break;
	case 1:
	case 2:
	case 3:
		topic_alter(r);
		break;
	case 4:
		group_delete(r);
		break;
	case 5:
	case 6:
		group_seek(r);
		break;
	case 7:
		topic_purge(r);
		break;
	case 8:
	case 9:
	case 10:
		group_create(r);
		break;
	default:
		topic_create(r);
		break;
	}
}

static void hurry(struct run *r)
{
	if (rng_one_in(&r->rng, 2))
		r->server.snapshot_bytes = UINT64_MAX / 2; /* a snapshot is due */
	if (rng_one_in(&r->rng, 2))
		r->server.retained_ns = 0; /* so is retention */
}

void act(struct run *r)
{
	unsigned what = rng_below(&r->rng, 200);

	tally->steps++;
	r->steps_done++;
	time_passes(r);
	if (r->account.topics < 2)
		topic_create(r);
	else if (r->account.groups < 2)
		group_create(r);
	else if (what < 80)
		publish(r);
	else if (what < 160)
		work_on(r);
	else if (what < 175 && any_group(r) != NONE)
		sync_groups(r, any_group(r));
	else if (what < 180)
		letters(r);
	else if (what < 184)
		administer(r);
	else if (what < 188)
		hurry(r);
	else if (what < 189 && r->plan.kills)
		life_kill(r);
	else if (what < 190)
		life_stop(r);
	else if (what < 191)
		life_quiet(r);
	if (r->disk.changes != r->changes || !rng_one_in(&r->rng, 3))
		life_turns(r, rng_below(&r->rng, 4));
}
