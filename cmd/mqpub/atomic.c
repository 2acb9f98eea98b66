/* SPDX-License-Identifier: MIT */
/* atomic.c - -1: every record of the input in one batch, or none. */
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "tool.h"

#define PIECE_BYTES ((size_t)1 << 20)

/* Memory that grows but never moves, so that messages can point into it. */
struct piece {
	struct piece *next;
	size_t used, room;
	char data[];
};

struct batch {
	struct piece *pieces;
	struct shmq_message *messages;
	size_t count, room;
	size_t value_bytes, key_bytes, header_bytes;
	bool has_keys, has_headers;
};

/* What all of it takes in its frame but for padding, of which the library knows: shmq-format(5).
 * Bounds the memory that is taken here. */
static size_t frame_bytes(const struct batch *b)
{
	size_t ends = 4 * b->count; /* a column of them for the values, the keys, the headers */

	return b->value_bytes + (b->count > 1 ? ends : 0) +
	       (b->has_keys ? ends + b->key_bytes : 0) +
	       (b->has_headers ? ends + b->header_bytes : 0);
}

static void *keep(struct batch *b, const void *data, size_t len)
{
	struct piece *p = b->pieces;
	void *at;

	if (!p || p->room - p->used < len) {
		size_t room = len > PIECE_BYTES ? len : PIECE_BYTES;

		p = malloc(sizeof(*p) + room);
		if (!p)
			die(EX_OSERR, "no memory for %zu bytes of a batch", room);
		*p = (struct piece){.next = b->pieces, .room = room};
		b->pieces = p;
	}
	at = p->data + p->used;
	p->used += len;
	return len ? memcpy(at, data, len) : at;
}

static void keep_headers(struct batch *b, struct shmq_message *m)
{
	struct shmq_header *headers = calloc(m->header_count, sizeof(*headers));

	if (!headers)
		die(EX_OSERR, "no memory for %zu headers", m->header_count);
	for (size_t i = 0; i < m->header_count; i++) {
		const struct shmq_header *h = &m->headers[i];

		headers[i] = (struct shmq_header){.name = keep(b, h->name, h->name_len),
						  .name_len = h->name_len,
						  .value = keep(b, h->value, h->value_len),
						  .value_len = h->value_len};
		b->header_bytes += 8 + h->name_len + h->value_len; /* 8: its two lengths */
	}
	m->headers = headers;
	b->has_headers = true;
}

static bool keep_one(struct run *run, const struct record *record, void *context)
{
	struct batch *b = context;
	struct shmq_message m = record->message;

	if (b->count == b->room) {
		b->room = b->room ? 2 * b->room : 64;
		b->messages = reallocarray(b->messages, b->room, sizeof(*b->messages));
		if (!b->messages)
			die(EX_OSERR, "no memory for %zu messages of a batch", b->room);
	}
	b->value_bytes += m.value_len;
	b->key_bytes += m.key_len;
	b->has_keys |= m.key != NULL;
	m.value = keep(b, m.value, m.value_len);
	if (m.key)
		m.key = keep(b, m.key, m.key_len);
	if (m.header_count)
		keep_headers(b, &m);
	b->messages[b->count++] = m;
	if (run->set->tee)
		tee_add(&run->tee, record->raw, record->raw_len);
	if (frame_bytes(b) <= run->set->record.max_bytes)
		return true;
	run_fail(run, EX_DATAERR,
		 "the batch is too large at %s: topic %s takes up to %zu bytes at once, with 4 for"
		 " each record; 'mqd topic create --memory SIZE NAME' makes one that takes more",
		 run_record(run, run->taken), run->set->topic, run->set->record.max_bytes);
	return false;
}

static void publish(struct run *run, const struct batch *b)
{
	int rc;

	do
		rc = shmq_pub_batch(run->pub, b->messages, b->count);
	while (rc == SHMQ_INTERRUPTED && !stop_signal);
	if (rc == SHMQ_EDATA) {
		run_fail(run, EX_DATAERR, "the batch cannot be published at once: %s",
			 shmq_error(run->q));
		return;
	}
	if (!run_done(run, rc))
		run->refused = b->count;
}

static void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		free((void *)(uintptr_t)b->messages[i].headers);
	free(b->messages);
	while (b->pieces) {
		struct piece *next = b->pieces->next;

		free(b->pieces);
		b->pieces = next;
	}
}

void publish_atomic(struct run *run)
{
	struct batch b = {0};

	run_each_record(run, keep_one, &b);
	if (run->status != EX_OK || run->in.status != EX_OK || stop_signal)
		note("nothing was published");
	else if (b.count > 0)
		publish(run, &b);
	batch_free(&b);
}
