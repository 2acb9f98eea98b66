/* SPDX-License-Identifier: MIT */
/* stream_shmq.c - a stream through one topic: every message linked alone, or batched by the
 * library. */
#include "stream.h"

#define TOPIC "bench.stream"

struct topic {
	struct bench *b;
	/* of this side */
	shmq *broker;
	shmq_pub *pub;
	shmq_sub *sub;
};

static void *prepare(struct bench *b)
{
	static struct topic t;

	t = (struct topic){.b = b};
	return topic_fresh(b, TOPIC) ? NULL : &t;
}

static int attach(void *state, int side)
{
	struct topic *t = state;
	struct shmq_open_options open = {.dir = t->b->broker_dir};

	if (shmq_open(&t->broker, &open) ||
	    (side == 0 ? shmq_pub_open(t->broker, TOPIC, NULL, &t->pub, NULL)
		       : shmq_sub_open(t->broker, TOPIC, NULL, &t->sub)))
		return complain("%s", shmq_error(t->broker));
	return 0;
}

/* Inline, so that each is asked once, not once for every message. */
static inline int produce(struct topic *t, uint64_t first, uint64_t n, bool each)
{
	struct stream_message text;
	struct shmq_message m = {.value = text.bytes, .value_len = STREAM_BYTES, .partition = -1};

	stream_message_init(&text);
	for (; n--; first++) {
		stream_message_number(&text, first);
		if (shmq_pub_send(t->pub, &m) || (each && shmq_pub_flush(t->pub)))
			return complain("publish: %s", shmq_error(t->broker));
	}
	return 0;
}

static int produce_each(void *state, uint64_t first, uint64_t n)
{
	return produce(state, first, n, true);
}

static int produce_batch(void *state, uint64_t first, uint64_t n)
{
	return produce(state, first, n, false);
}

static int end(void *state)
{
	return produce(state, STREAM_STOP, 1, true);
}

/* 0 at the end of the batch, 1 at the end of the stream, -1. */
static int batch_take(struct shmq_batch *batch, uint64_t *count)
{
	struct shmq_message m;
	int rc, more;

	while ((more = shmq_batch_next(batch, &m)) == 1)
		if ((rc = stream_take(m.value, m.value_len, count)))
			return rc;
	return more;
}

static int consume(void *state, uint64_t *count)
{
	struct topic *t = state;
	struct shmq_batch batch;
	int rc;

	for (;;) {
		rc = shmq_sub_next(t->sub, &batch);
		if (rc == SHMQ_EMPTY)
			rc = shmq_sub_wait(&t->sub, 1, WAIT_NS);
		else if (rc == SHMQ_OK && (rc = batch_take(&batch, count)))
			return rc == 1 ? 0 : -1;
		if (rc)
			return complain_result(t->broker, rc);
	}
}

static void detach(void *state)
{
	struct topic *t = state;

	shmq_sub_close(t->sub);
	shmq_pub_close(t->pub);
	shmq_close(t->broker);
}

static void finish(void *state)
{
	struct topic *t = state;

	topic_drop(t->b, TOPIC);
}

const struct stream_kind stream_shmq_each = {
    .sides = {"shmq", prepare, attach, detach, finish, false},
    .produce = produce_each,
    .end = end,
    .consume = consume,
};

const struct stream_kind stream_shmq_batch = {
    .sides = {"shmq", prepare, attach, detach, finish, false},
    .produce = produce_batch,
    .end = end,
    .consume = consume,
};
