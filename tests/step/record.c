/* SPDX-License-Identifier: MIT */
/* record.c - what was acknowledged, what was delivered, and that the two agree. */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ----------------------------------------------------------------------- */

#define FILL_SHIFTS 8192u

/* Printable bytes without a pattern that a shifted copy would repeat. */
static char fill[MESSAGE_MAX + FILL_SHIFTS];

void record_init(void)
{
	uint32_t x = 2463534242u;

	for (size_t i = 0; i < sizeof(fill); i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		fill[i] = (char)('a' + x % 26);
	}
}

static const char *fill_bytes(unsigned writer, unsigned sequence)
{
	return fill + (writer * 977u + sequence * 131u) % FILL_SHIFTS;
}

static void message_head(char head[64], unsigned writer, unsigned sequence, size_t bytes)
{
	snprintf(head, 64, "%02u %08u %011zu ", writer, sequence, bytes);
}

void message_make(char *to, unsigned writer, unsigned sequence, size_t bytes)
{
	char head[64];

	message_head(head, writer, sequence, bytes);
	memcpy(to, head, MESSAGE_MIN);
	memcpy(to + MESSAGE_MIN, fill_bytes(writer, sequence), bytes - MESSAGE_MIN);
}

static unsigned digits(const char *at, unsigned n)
{
	unsigned v = 0;

	while (n--)
		v = v * 10 + (unsigned)(*at++ - '0');
	return v;
}

static bool message_is(const char *value, size_t bytes, unsigned writer, unsigned sequence)
{
	char head[64];

	message_head(head, writer, sequence, bytes);
	return memcmp(value, head, MESSAGE_MIN) == 0 &&
	       memcmp(value + MESSAGE_MIN, fill_bytes(writer, sequence), bytes - MESSAGE_MIN) == 0;
}

void message_parse(const char *where, const struct shmq_message *m, unsigned *writer, unsigned *sequence)
{
	const char *value = m->value;

	if (m->value_len < MESSAGE_MIN)
		broken("%s: offset %llu has %zu bytes: nobody sent that", where,
		       (unsigned long long)m->offset, m->value_len);
	*writer = digits(value, 2);
	*sequence = digits(value + 3, 8);
	if (*writer >= WRITERS || *sequence >= WRITER_MAX ||
	    !message_is(value, m->value_len, *writer, *sequence))
		broken("%s: offset %llu is not whole: %.24s", where, (unsigned long long)m->offset, value);
}

/* ---- publishing --------------------------------------------------------------------- */

/* Whom a publisher waits for: goes with what it was doing, should that take too long. */
static void waits(void *context, const char *sentence)
{
	size_t used = strlen(world.doing);

	(void)context;
	snprintf(world.doing + used, sizeof(world.doing) - used, "; %s", sentence);
}

shmq *session_open(void)
{
	struct shmq_open_options o = { .dir = world.dir, .flags = SHMQ_CREATE, .program = "step",
		                       .notice = waits };
	shmq *q;

	deadline("shmq_open");
	int r = shmq_open(&q, &o);

	if (r != SHMQ_OK)
		broken("shmq_open returned %d: %s", r, q ? shmq_error(q) : "");
	calm();
	return q;
}

void peer_open(struct peer *p, unsigned writer, unsigned pub_flags)
{
	struct shmq_pub_options o = { .flags = pub_flags };

	*p = (struct peer){ .q = session_open(), .writer = writer };
	deadline("shmq_pub_open of writer %u", writer);
	int r = shmq_pub_open(p->q, TOPIC, &o, &p->pub, NULL);

	if (r != SHMQ_OK)
		broken("shmq_pub_open of writer %u returned %d: %s", writer, r, shmq_error(p->q));
	calm();
}

void peer_close(struct peer *p)
{
	deadline("closing writer %u", p->writer);
	shmq_pub_close(p->pub);
	shmq_close(p->q);
	calm();
	p->pub = NULL;
	p->q = NULL;
}

void peer_acked(const struct peer *p)
{
	struct shared *s = world.shared;
	uint32_t from = s->acked[p->writer], to = s->sent[p->writer];

	atomic_store(&s->acked[p->writer], to);
	if (world.child >= 0)
		return;
	for (uint32_t i = from; i < to; i++)
		s->ack_order[atomic_fetch_add(&s->ack_count, 1) % OFFSETS_MAX] = p->writer << 16 | i;
}

void peer_refused(const struct peer *p)
{
	atomic_store(&world.shared->sent[p->writer], world.shared->acked[p->writer]);
}

static char message_buffer[MESSAGE_MAX];

void peer_make(struct peer *p, unsigned count, size_t bytes)
{
	for (unsigned i = 0; i < count; i++)
		message_make(message_buffer + i * bytes, p->writer,
		             world.shared->sent[p->writer] + i, bytes);
	p->made = message_buffer;
}

int peer_accept(struct peer *p, size_t bytes)
{
	struct shmq_message m = { .value = message_buffer, .value_len = bytes, .partition = -1 };
	uint32_t sequence = atomic_fetch_add(&world.shared->sent[p->writer], 1);

	if (sequence >= WRITER_MAX)
		broken("harness: too many messages");
	if (p->made) {
		m.value = p->made;
		p->made += bytes;
	} else {
		message_make(message_buffer, p->writer, sequence, bytes);
	}
	deadline("shmq_pub_send of %zu bytes by writer %u", bytes, p->writer);
	int r = shmq_pub_send(p->pub, &m);

	if (r != SHMQ_OK && r != SHMQ_FULL)
		broken("shmq_pub_send of writer %u returned %d: %s", p->writer, r, shmq_error(p->q));
	if (r == SHMQ_FULL)
		peer_refused(p);
	calm();
	return r;
}

int peer_flush(struct peer *p)
{
	deadline("shmq_pub_flush of writer %u", p->writer);
	int r = shmq_pub_flush(p->pub);

	if (r != SHMQ_OK && r != SHMQ_FULL)
		broken("shmq_pub_flush of writer %u returned %d: %s", p->writer, r, shmq_error(p->q));
	if (r == SHMQ_FULL)
		peer_refused(p);
	else
		peer_acked(p);
	calm();
	return r;
}

int peer_send(struct peer *p, size_t bytes)
{
	int r = peer_accept(p, bytes);

	return r == SHMQ_OK ? peer_flush(p) : r;
}

int peer_try(struct peer *p, size_t bytes)
{
	struct shmq_message m = { .value = message_buffer, .value_len = bytes, .partition = -1 };
	uint32_t sequence = atomic_fetch_add(&world.shared->sent[p->writer], 1);

	if (sequence >= WRITER_MAX)
		broken("harness: too many messages");
	message_make(message_buffer, p->writer, sequence, bytes);
	deadline("a message of writer %u, whose topic may be over", p->writer);
	int r = shmq_pub_send(p->pub, &m);

	if (r == SHMQ_OK)
		r = shmq_pub_flush(p->pub);
	if (r != SHMQ_OK && r != SHMQ_GONE)
		broken("writer %u was told %d: %s", p->writer, r, shmq_error(p->q));
	if (r == SHMQ_OK)
		peer_acked(p);
	else
		peer_refused(p);
	calm();
	return r;
}

void peer_idle(struct peer *p)
{
	deadline("shmq_pub_idle of writer %u", p->writer);
	int r = shmq_pub_idle(p->pub);

	if (r != SHMQ_OK)
		broken("shmq_pub_idle of writer %u returned %d: %s", p->writer, r, shmq_error(p->q));
	calm();
}

void one_shot(unsigned writer, size_t bytes)
{
	struct peer p;

	peer_open(&p, writer, 0);
	if (peer_send(&p, bytes) != SHMQ_OK)
		broken("a one-shot publisher found the topic full");
	peer_idle(&p);
	peer_close(&p);
}

/* ---- subscribing -------------------------------------------------------------------- */

void view_open(struct view *v, const char *name, unsigned sub_flags, bool complete)
{
	struct shmq_sub_options o = { .flags = sub_flags };

	memset(v, 0, sizeof(*v));
	v->name = name;
	v->q = session_open();
	v->began = complete;
	for (unsigned i = 0; i < WRITERS; i++)
		v->knows[i] = complete;
	deadline("shmq_sub_open of %s", name);
	int r = shmq_sub_open(v->q, TOPIC, &o, &v->sub);

	if (r != SHMQ_OK)
		broken("shmq_sub_open of %s returned %d: %s", name, r, shmq_error(v->q));
	calm();
}

void view_close(struct view *v)
{
	deadline("closing %s", v->name);
	shmq_sub_close(v->sub);
	shmq_close(v->q);
	calm();
	v->sub = NULL;
	v->q = NULL;
}

/* Two subscribers see the same at one offset, and no message stands at two. */
static void compare_offset(const struct view *v, uint64_t offset, unsigned writer,
                           unsigned sequence)
{
	uint32_t is = (writer << 16 | sequence) + 1;

	if (offset >= OFFSETS_MAX)
		broken("%s: offset %llu cannot be", v->name, (unsigned long long)offset);
	uint32_t was = world.shared->at_offset[offset];

	if (was != 0 && was != is)
		broken("%s: offset %llu shows message %u of writer %u, and showed %u of %u", v->name,
		       (unsigned long long)offset, sequence, writer, (was - 1) & 0xffff,
		       (was - 1) >> 16);
	world.shared->at_offset[offset] = is;
	uint32_t *place = &world.shared->offset_of[writer][sequence];

	if (*place != 0 && *place != offset + 1)
		broken("%s: message %u of writer %u stands at offsets %u and %llu", v->name, sequence,
		       writer, *place - 1, (unsigned long long)offset);
	*place = (uint32_t)offset + 1;
	if (world.shared->end_seen < offset + 1)
		world.shared->end_seen = (uint32_t)offset + 1;
}

static void view_message(struct view *v, const struct shmq_message *m)
{
	unsigned writer, sequence;

	message_parse(v->name, m, &writer, &sequence);
	if (sequence >= world.shared->sent[writer])
		broken("%s: message %u of writer %u was never sent, or was refused", v->name, sequence,
		       writer);
	if (v->began && m->offset != v->next)
		broken("%s: offset %llu follows %llu", v->name, (unsigned long long)m->offset,
		       (unsigned long long)v->next - 1);
	if (writer != W_ANY_ORDER && v->knows[writer] && sequence != v->sequence[writer])
		broken("%s: message %u of writer %u where %u is next: %s", v->name, sequence, writer,
		       v->sequence[writer], sequence < v->sequence[writer] ? "twice" : "lost");
	compare_offset(v, m->offset, writer, sequence);
	v->began = true;
	v->next = m->offset + 1;
	v->knows[writer] = true;
	v->sequence[writer] = sequence + 1;
}

static void view_overrun(struct view *v, uint64_t missed)
{
	if (!v->may_miss)
		broken("%s: overrun, missed %llu", v->name, (unsigned long long)missed);
	if (missed <= v->missed)
		broken("%s: overrun without a count", v->name);
	v->next += missed - v->missed;
	v->missed = missed;
	for (unsigned i = 0; i < WRITERS; i++)
		v->knows[i] = false;
}

/* What shmq_sub_next() said: true when there is a batch. Breaks the case when it must not be. */
static bool view_result(struct view *v, int r)
{
	if (r == SHMQ_OVERRUN)
		view_overrun(v, shmq_sub_missed(v->sub));
	else if (r != SHMQ_OK && r != SHMQ_EMPTY)
		broken("%s: shmq_sub_next returned %d: %s", v->name, r, shmq_error(v->q));
	return r == SHMQ_OK;
}

unsigned view_take(struct view *v, unsigned frames)
{
	struct shmq_batch b;
	struct shmq_message m;
	unsigned n = 0;
	int r = SHMQ_OK;

	while (frames-- && r != SHMQ_EMPTY) {
		deadline("shmq_sub_next of %s", v->name);
		r = shmq_sub_next(v->sub, &b);
		if (!view_result(v, r))
			continue;
		int more;

		while ((more = shmq_batch_next(&b, &m)) == 1) {
			view_message(v, &m);
			n++;
		}
		if (more != 0)
			broken("%s: shmq_batch_next returned %d", v->name, more);
	}
	calm();
	return n;
}

static struct fetched {
	int result; /* of shmq_sub_next; or 1000: a message */
	uint64_t missed;
	struct shmq_message message;
} fetched[32];
static unsigned fetched_count;

void view_fetch(struct view *v, unsigned frames)
{
	struct shmq_batch b;
	char *copy = message_buffer;

	while (frames-- && fetched_count < 16) {
		struct fetched *f = &fetched[fetched_count++];

		f->result = shmq_sub_next(v->sub, &b);
		if (f->result == SHMQ_OVERRUN)
			f->missed = shmq_sub_missed(v->sub);
		while (f->result == SHMQ_OK && fetched_count < 32 &&
		       shmq_batch_next(&b, &fetched[fetched_count].message) == 1) {
			struct fetched *m = &fetched[fetched_count++];

			m->result = 1000;
			memcpy(copy, m->message.value, m->message.value_len);
			m->message.value = copy;
			copy += m->message.value_len;
		}
	}
}

void view_check_fetched(struct view *v)
{
	for (unsigned i = 0; i < fetched_count; i++) {
		if (fetched[i].result == 1000)
			view_message(v, &fetched[i].message);
		else if (fetched[i].result == SHMQ_OVERRUN)
			view_overrun(v, fetched[i].missed);
		else
			view_result(v, fetched[i].result);
	}
	fetched_count = 0;
}

/* Acks of the harness side followed each other, so their offsets must. */
static void check_order(const struct view *v)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < world.shared->ack_count; i++) {
		uint32_t a = world.shared->ack_order[i];
		uint32_t place = world.shared->offset_of[a >> 16][a & 0xffff];

		if (place == 0)
			continue;
		if (place <= before)
			broken("%s: message %u of writer %u was published after that at offset %u, "
			       "and stands at %u",
			       v->name, a & 0xffff, a >> 16, before - 1, place - 1);
		before = place;
	}
}

void view_settle(struct view *v)
{
	view_take(v, ALL_FRAMES);
	if (v->began && v->next < world.shared->end_seen)
		broken("%s: ends at offset %llu, another one saw %u", v->name,
		       (unsigned long long)v->next - 1, world.shared->end_seen - 1);
	for (unsigned i = 0; i < WRITERS && v->missed == 0; i++) {
		uint32_t acked = world.shared->acked[i];

		if (v->knows[i] && v->sequence[i] < acked)
			broken("%s: writer %u was told that %u messages are in; %u arrived", v->name, i,
			       acked, v->sequence[i]);
	}
	check_order(v);
}
