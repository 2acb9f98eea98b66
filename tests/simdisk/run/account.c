/* SPDX-License-Identifier: MIT */
/* account.c - the outside record. */
#include "account.h"

#include <stdlib.h>
#include <string.h>

#include "rng.h"

/* ---- content ------------------------------------------------------------------------ */

struct content {
	uint64_t message, topic;
	uint32_t partition, bytes;
};
_Static_assert(sizeof(struct content) == MESSAGE_MIN, "what is always there");

static void body(unsigned char *to, size_t bytes, uint64_t message)
{
	struct rng r = rng_part(message, 7);

	for (size_t i = 0; i + 8 <= bytes; i += 8) {
		uint64_t x = rng_u64(&r);

		memcpy(to + i, &x, 8);
	}
	memset(to + bytes / 8 * 8, (int)(message & 0xff), bytes % 8);
}

void message_write(void *to, size_t bytes, uint64_t message, uint64_t topic, uint32_t partition)
{
	struct content c = {message, topic, partition, (uint32_t)bytes};

	memcpy(to, &c, sizeof c);
	body((unsigned char *)to + sizeof c, bytes - sizeof c, message);
}

bool message_read(const void *from, size_t bytes, uint64_t *message, uint64_t topic, uint32_t partition)
{
	struct content c;
	unsigned char *whole;
	bool same;

	if (bytes < sizeof c)
		return false;
	memcpy(&c, from, sizeof c);
	*message = c.message;
	if (c.topic != topic || c.partition != partition || c.bytes != bytes)
		return false;
	whole = malloc(bytes);
	if (whole == NULL)
		abort();
	message_write(whole, bytes, c.message, topic, partition);
	same = memcmp(whole, from, bytes) == 0;
	free(whole);
	return same;
}

/* ---- topics ------------------------------------------------------------------------- */

struct topic_record *topic_made(struct account *r, unsigned name, uint64_t number)
{
	struct topic_record *t = &r->topic[r->topics++];

	*t = (struct topic_record){.name = name, .number = number};
	return t;
}

struct topic_record *topic_numbered(struct account *r, uint64_t number)
{
	for (unsigned i = 0; i < r->topics; i++)
		if (r->topic[i].number == number)
			return &r->topic[i];
	return NULL;
}

struct topic_record *topic_named(struct account *r, unsigned name)
{
	for (unsigned i = r->topics; i-- > 0;)
		if (r->topic[i].name == name && !r->topic[i].deleted && !r->topic[i].lost)
			return &r->topic[i];
	return NULL;
}

struct entry *entry_add(struct entries *l, uint64_t offset, uint64_t message, size_t bytes)
{
	if (l->count > 0 && l->at[l->count - 1].offset >= offset)
		return NULL;
	if (l->count == l->capacity) {
		l->capacity = l->capacity == 0 ? 256 : 2 * l->capacity;
		l->at = realloc(l->at, l->capacity * sizeof *l->at);
		if (l->at == NULL)
			abort();
	}
	l->at[l->count] = (struct entry){.offset = offset,
	                                 .message = message,
	                                 .position = UINT64_MAX,
	                                 .bytes = (uint32_t)bytes,
	                                 .in_group = NONE};
	return &l->at[l->count++];
}

struct entry *entry_at(const struct entries *l, uint64_t offset)
{
	uint32_t low = 0, high = l->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (l->at[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < l->count && l->at[low].offset == offset ? &l->at[low] : NULL;
}

/* ---- groups ------------------------------------------------------------------------- */

struct fate *fate_of(struct group_record *g, struct place p)
{
	struct move *m = &g->move[g->moves - 1];

	if (m->log[p.partition].count <= p.entry) {
		uint32_t count = m->log[p.partition].count, more = (p.entry + 256) / 256 * 256;

		m->log[p.partition].at = realloc(m->log[p.partition].at, more * sizeof(struct fate));
		if (m->log[p.partition].at == NULL)
			abort();
		for (; count < more; count++)
			m->log[p.partition].at[count] = (struct fate){.may = OPEN, .last = OPEN, .output = {.topic = NONE}};
		m->log[p.partition].count = more;
	}
	return &m->log[p.partition].at[p.entry];
}

void fate_set(struct fate *f, enum done now, uint64_t round)
{
	f->may = (unsigned char)(f->may | now);
	f->last = (unsigned char)now;
	f->round = round;
	f->output.topic = NONE;
}

bool acked_by_all(struct account *r, struct place at)
{
	const struct entry *e = entry_of(r, at);

	for (unsigned i = 0; i < r->groups; i++) {
		struct group_record *g = &r->group[i];
		struct fate *f;

		if (g->topic != at.topic || g->deleted || g->lost || !g->durable ||
		    e->offset < g->move[g->moves - 1].log[at.partition].from)
			continue;
		f = fate_of(g, at);
		if (f->may == OPEN && !f->touched && !f->handed && g->moves == 1)
			return false;
	}
	return true;
}

static void move_durable(struct move *m, uint64_t round)
{
	for (unsigned p = 0; p < PARTITIONS; p++)
		for (uint32_t i = 0; i < m->log[p].count; i++)
			if (m->log[p].at[i].round <= round)
				m->log[p].at[i].may = m->log[p].at[i].last;
}

void account_round_durable(struct account *r, uint64_t round)
{
	for (unsigned i = 0; i < r->groups; i++) {
		struct group_record *g = &r->group[i];

		if (g->lost || g->moves == 0)
			continue;
		if (g->round <= round)
			g->durable = true;
		if (g->deleted && g->deleted_round <= round)
			g->deleted_durable = true;
		move_durable(&g->move[g->moves - 1], round);
	}
}

void account_all_durable(struct account *r)
{
	for (unsigned i = 0; i < r->topics; i++) {
		struct topic_record *t = &r->topic[i];

		t->durable = t->durable || !t->lost;
		t->deleted_durable = t->deleted;
		for (unsigned p = 0; p < PARTITIONS; p++)
			for (uint32_t k = 0; k < t->log[p].count; k++)
				t->log[p].at[k].durable = true;
	}
	account_round_durable(r, UINT64_MAX);
	for (unsigned i = 0; i < r->groups; i++)
		for (unsigned m = 0; m < r->group[i].moves; m++)
			r->group[i].move[m].round = 0;
}
