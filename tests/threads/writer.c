/* SPDX-License-Identifier: MIT */
/* writer.c - a thread that publishes numbered messages in every way there is. */
#include <stdio.h>
#include <string.h>

#include "threads.h"

#define LARGE_BYTES 300000u /* a run of two extents */

void message_make(char *to, unsigned writer, unsigned partition, uint64_t sequence, unsigned bytes)
{
	char head[HEAD_BYTES + 1];

	snprintf(head, sizeof head, "%04u.%u.%016llu.%07u:", writer, partition,
	         (unsigned long long)sequence, bytes);
	memcpy(to, head, HEAD_BYTES);
	for (unsigned i = HEAD_BYTES; i < bytes; i++)
		to[i] = (char)('a' + (sequence + writer + i * 7u) % 26);
}

bool message_check(const void *value, size_t len, unsigned *writer, unsigned *partition,
                   uint64_t *sequence)
{
	static _Thread_local char want[LARGE_BYTES + HEAD_BYTES];
	char head[HEAD_BYTES + 1] = "";
	unsigned long long seq;
	unsigned bytes;

	if (len < HEAD_BYTES || len > sizeof want)
		return false;
	memcpy(head, value, HEAD_BYTES);
	if (sscanf(head, "%u.%u.%llu.%u:", writer, partition, &seq, &bytes) != 4 || bytes != len)
		return false;
	*sequence = seq;
	message_make(want, *writer, *partition, seq, bytes);
	return memcmp(want, value, len) == 0;
}

struct writer {
	struct thread *t;
	shmq_pub *p;
	uint64_t next[PARTITIONS];
	bool gone;
	char body[LARGE_BYTES + HEAD_BYTES];
	char many[8][600];
};

static unsigned some_bytes(struct writer *w)
{
	struct rng *r = &w->t->rng;

	if (w->t->topic == DROP && rng_one_in(r, 20)) /* takes long to copy, while others go round */
		return 200000 - rng_below(r, 1000);
	if (w->t->topic != DROP && rng_one_in(r, 300))
		return LARGE_BYTES - rng_below(r, 1000);
	return HEAD_BYTES + (rng_one_in(r, 10) ? rng_below(r, 20000) : rng_below(r, 300));
}

/* True: done; false: not accepted, the same again (or the topic is gone). */
static bool accepted(struct writer *w, int result)
{
	if (result == 0)
		return true;
	if (result == SHMQ_TIMEOUT) { /* a topic that nobody has read yet holds for its first reader */
		w->gone = stop && w->t->topic == CHURN;
		return false;
	}
	w->gone = true; /* right in CHURN only */
	topic_error(w->t, result);
	return false;
}

static void count(struct writer *w, unsigned partition, unsigned messages)
{
	w->next[partition] += messages;
	messages_sent += messages;
}

static void send_one(struct writer *w, unsigned partition)
{
	struct rng *r = &w->t->rng;
	struct shmq_header h = {"n", 1, w->body, 16};
	struct shmq_message m = {.value = w->body, .partition = (int)partition};

	m.value_len = some_bytes(w);
	message_make(w->body, w->t->number, partition, w->next[partition], (unsigned)m.value_len);
	if (rng_one_in(r, 6)) {
		m.key = w->body; /* the same bytes again: they are checked */
		m.key_len = 16;
	}
	if (rng_one_in(r, 8)) {
		m.headers = &h;
		m.header_count = 1;
	}
	if (accepted(w, LIB(w->t, shmq_pub_send, w->p, &m)))
		count(w, partition, 1);
}

static void send_batch(struct writer *w, unsigned partition)
{
	unsigned n = 1 + rng_below(&w->t->rng, 8);
	struct shmq_message m[8];

	for (unsigned i = 0; i < n; i++) {
		m[i] = (struct shmq_message){.value = w->many[i], .partition = (int)partition};
		m[i].value_len = HEAD_BYTES + rng_below(&w->t->rng, 500);
		message_make(w->many[i], w->t->number, partition, w->next[partition] + i,
		             (unsigned)m[i].value_len);
	}
	if (accepted(w, LIB(w->t, shmq_pub_batch, w->p, m, n)))
		count(w, partition, n);
}

/* Delimited input in pieces that end anywhere. */
static void send_lines(struct writer *w, unsigned partition)
{
	unsigned n = 1 + rng_below(&w->t->rng, 20);
	size_t len = 0, done = 0;
	uint64_t records;
	int result;

	for (unsigned i = 0; i < n; i++) {
		unsigned bytes = HEAD_BYTES + rng_below(&w->t->rng, 200);

		message_make(w->body + len, w->t->number, partition, w->next[partition] + i, bytes);
		len += bytes;
		w->body[len++] = DELIMITER;
	}
	while (done < len && !w->gone) {
		size_t room, piece = 1 + rng_below(&w->t->rng, len - done);
		void *to;

		if (!accepted(w, LIB(w->t, shmq_pub_lines_room, w->p, (int)partition, DELIMITER, &to, &room)))
			continue;
		if (piece > room)
			piece = room;
		memcpy(to, w->body + done, piece);
		result = LIB(w->t, shmq_pub_lines_add, w->p, piece, &records);
		while (!accepted(w, result) && !w->gone)
			result = LIB(w->t, shmq_pub_lines_add, w->p, 0, &records);
		done += piece;
	}
	while (!w->gone && !accepted(w, LIB(w->t, shmq_pub_lines_end, w->p, &records)))
		;
	if (!w->gone)
		count(w, partition, n);
}

static void flush(struct writer *w)
{
	while (!w->gone && !accepted(w, LIB(w->t, shmq_pub_flush, w->p)))
		;
}

static void write_some(struct writer *w)
{
	struct rng *r = &w->t->rng;

	for (unsigned n = 1 + rng_below(r, 200); n > 0 && !stop && !w->gone; n--) {
		unsigned partition = rng_below(r, PARTITIONS);

		switch (rng_below(r, 10)) {
		case 0:
			send_batch(w, partition);
			break;
		case 1:
			send_lines(w, partition);
			break;
		case 2:
			accepted(w, LIB(w->t, shmq_pub_idle, w->p));
			break;
		case 3:
		case 4:
		case 5:
			flush(w);
			break;
		default:
			send_one(w, partition);
		}
	}
	flush(w);
}

void writer_run(struct thread *t)
{
	static struct writer writers[TOPICS * WRITERS];
	struct shmq_pub_options o = {.flags = SHMQ_PUB_NO_CREATE, .wait_ns = 100000000};
	struct writer *w = &writers[t->topic * WRITERS + t->number];

	w->t = t;
	while (!stop) {
		int result;

		broker_again(t);
		result = LIB(t, shmq_pub_open, t->q, topic_names[t->topic], &o, &w->p, NULL);
		if (result != 0) {
			topic_error(t, result);
			continue;
		}
		w->gone = false;
		write_some(w);
		t->call = "shmq_pub_close";
		shmq_pub_close(w->p);
	}
	if (t->topic != STRICT)
		return;
	for (unsigned i = 0; i < PARTITIONS; i++)
		sent[t->number][i] = w->next[i];
	writers_left--;
}
