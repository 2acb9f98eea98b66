/* SPDX-License-Identifier: MIT */
/* notes.c - the outside record: messages that can be told from any others, where they stood, what became of them. */
#include "disk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *const topic_names[TOPICS] = {"in", "out", "work", "log"};
const char *const group_names[JOBS] = {"to-out", "at-out", "shared", "ordered"};
const enum topic group_topics[JOBS] = {IN, OUT, WORK, WORK};
struct board *board;
char dir[PATH_BYTES], store[PATH_BYTES];
int64_t lease_ns;

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void violation(const char *format, ...)
{
	uint32_t n = board->violations++;
	va_list args;

	if (n >= sizeof board->violation / sizeof *board->violation)
		return;
	va_start(args, format);
	vsnprintf(board->violation[n], sizeof board->violation[n], format, args);
	va_end(args);
}

void up(_Atomic uint8_t *count)
{
	uint8_t n = *count;

	while (n < 255 && !atomic_compare_exchange_weak(count, &n, (uint8_t)(n + 1)))
		;
}

void raise_to(_Atomic uint64_t *word, uint64_t to)
{
	uint64_t n = *word;

	while (n < to && !atomic_compare_exchange_weak(word, &n, to))
		;
}

/* ---- messages ------------------------------------------------------------------------- */

size_t message_make(char *to, uint32_t id)
{
	size_t bytes = id % 97 == 0 ? BODY_MAX : 16 + id % 90;
	int used = snprintf(to, bytes, "%u:", id);

	memset(to + used, 'a' + (int)(id % 26), bytes - (size_t)used);
	return bytes;
}

unsigned partition_of(uint32_t id)
{
	return (unsigned)((id * 2654435761u >> 16) % PARTITIONS);
}

static enum topic topic_of(uint32_t id)
{
	unsigned publisher = id / IDS;

	return publisher < 2 ? IN : publisher < 4 ? WORK : LOG;
}

/* No offset ever has two contents: 3 bits of topic, 2 of partition, 35 of offset, 24 of message. */
static void seen_note(enum topic topic, const struct shmq_message *m, uint32_t id)
{
	uint64_t key = (((uint64_t)topic + 1) << 37 | (uint64_t)m->partition << 35 | m->offset) << 24;
	uint64_t at = (key >> 24) * 0x9e3779b97f4a7c15u >> (64 - SEEN_BITS), was;

	for (unsigned tries = 0; tries < 1u << SEEN_BITS; tries++, at = (at + 1) % (1u << SEEN_BITS)) {
		was = 0;
		if (atomic_compare_exchange_strong(&board->seen[at], &was, key | id) || was == (key | id))
			return;
		if (was >> 24 != key >> 24)
			continue;
		violation("%s.%d.%llu was message %u, and is message %u", topic_names[topic], m->partition,
		          (unsigned long long)m->offset, (unsigned)(was & 0xffffff), id);
		return;
	}
}

/* A message is published once: it stands in one place. */
static void place_note(enum topic topic, const struct shmq_message *m, uint32_t id)
{
	_Atomic uint64_t *place = &board->notes[id].place[topic == OUT];
	uint64_t mine = m->offset * PARTITIONS + (uint64_t)m->partition + 1, was = 0;

	if (!atomic_compare_exchange_strong(place, &was, mine) && was != mine)
		violation("message %u stands twice in %s: at %llu.%u and %llu.%d", id, topic_names[topic],
		          (unsigned long long)((was - 1) / PARTITIONS), (unsigned)((was - 1) % PARTITIONS),
		          (unsigned long long)m->offset, m->partition);
}

uint32_t message_check(enum topic topic, const struct shmq_message *m)
{
	char want[BODY_MAX], number[16] = "";
	uint32_t id;

	memcpy(number, m->value, m->value_len < 15 ? m->value_len : 15);
	id = (uint32_t)strtoul(number, NULL, 10);
	if (id >= ALL_IDS || message_make(want, id) != m->value_len || memcmp(want, m->value, m->value_len) != 0) {
		violation("%s.%d.%llu: a message that nobody published: %.30s", topic_names[topic], m->partition,
		          (unsigned long long)m->offset, number);
		_exit(1);
	}
	if (!board->notes[id].sent || topic_of(id) != (topic == OUT ? IN : topic) ||
	    (topic != OUT && (unsigned)m->partition != partition_of(id)))
		violation("message %u was never published to %s.%d", id, topic_names[topic], m->partition);
	seen_note(topic, m, id);
	place_note(topic, m, id);
	return id;
}

/* ---- deaths --------------------------------------------------------------------------- */

void worker_killed(struct worker *w)
{
	for (unsigned i = 0; i < HAND_MAX; i++) {
		if (w->hand[i] != 0)
			up(&side_of(w->job, w->hand[i] - 1)->excused);
		w->hand[i] = 0;
	}
	if (w->finishing != 0) {
		side_of(w->job, w->finishing - 1)->ever = side_of(w->job, w->finishing - 1)->cut = 1;
		board->notes[w->finishing - 1].dead_ever = 1;
	}
	w->finishing = 0;
}

static void side_end(uint32_t id, struct side *s)
{
	if (s->delivered > 1 + s->excused && s->delivered < 255)
		violation("message %u was delivered %u times, for %u reasons", id, s->delivered, s->excused);
	s->delivered = s->excused = 0;
	if (!s->durable)
		s->done = 0;
}

void life_end(void)
{
	for (unsigned p = 0; p < PUBLISHERS; p++)
		for (uint32_t id = p * IDS; id < p * IDS + board->next[p]; id++) {
			struct note *n = &board->notes[id];

			side_end(id, &n->side[0]);
			side_end(id, &n->side[1]);
			if (n->dead != 0 && !n->side[0].durable)
				n->dead = 0;
			if (!n->side[0].durable && !n->side[1].durable)
				n->place[1] = 0; /* the output is lost, and made again elsewhere */
		}
	for (unsigned p = 0; p < PARTITIONS; p++) {
		/* It goes on at any place up to that: what was done may have become durable without being waited for. */
		if (board->ordered_ever[p] < board->ordered_done[p])
			board->ordered_ever[p] = board->ordered_done[p];
		board->ordered_seen[p] = board->ordered_ever[p];
		board->ordered_done[p] = board->ordered_durable[p];
	}
	board->life++;
}
