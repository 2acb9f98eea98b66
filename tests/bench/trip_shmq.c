/* SPDX-License-Identifier: MIT */
/* trip_shmq.c - round trips over two topics, with spinning or with sleeping subscribers. */
#include <string.h>

#include "trip.h"

static const char *const names[2] = {"bench.there", "bench.back"};

struct topics {
	struct bench *b;
	unsigned sub_flags;
	/* of this side */
	shmq *broker;
	shmq_pub *pub;
	shmq_sub *sub;
};

static void *prepare(struct bench *b, unsigned sub_flags)
{
	static struct topics t;

	t = (struct topics){.b = b, .sub_flags = sub_flags};
	return topic_fresh(b, names[0]) || topic_fresh(b, names[1]) ? NULL : &t;
}

static void *prepare_spin(struct bench *b)
{
	return prepare(b, SHMQ_SUB_SPIN);
}

static void *prepare_sleep(struct bench *b)
{
	return prepare(b, SHMQ_SUB_NO_SPIN);
}

static int attach(void *state, int side)
{
	struct topics *t = state;
	struct shmq_open_options open = {.dir = t->b->broker_dir};
	struct shmq_sub_options sub = {.flags = t->sub_flags};

	if (shmq_open(&t->broker, &open) ||
	    shmq_pub_open(t->broker, names[side], NULL, &t->pub, NULL) ||
	    shmq_sub_open(t->broker, names[!side], &sub, &t->sub))
		return complain("%s", shmq_error(t->broker));
	return 0;
}

static int topic_send(void *state, const void *message)
{
	struct topics *t = state;
	struct shmq_message m = {.value = message, .value_len = TRIP_BYTES, .partition = -1};

	if (shmq_pub_send(t->pub, &m) || shmq_pub_flush(t->pub))
		return complain("publish: %s", shmq_error(t->broker));
	return 0;
}

static int topic_receive(void *state, void *message)
{
	struct topics *t = state;
	struct shmq_message m;
	struct shmq_batch batch;
	int rc;

	while ((rc = shmq_sub_next(t->sub, &batch)) == SHMQ_EMPTY)
		if ((rc = shmq_sub_wait(&t->sub, 1, WAIT_NS)))
			break;
	if (rc)
		return complain_result(t->broker, rc);
	if (batch.count != 1 || shmq_batch_next(&batch, &m) != 1 || m.value_len != TRIP_BYTES)
		return complain("subscribe: not one message of %d bytes", TRIP_BYTES);
	memcpy(message, m.value, TRIP_BYTES);
	return 0;
}

static void detach(void *state)
{
	struct topics *t = state;

	shmq_sub_close(t->sub);
	shmq_pub_close(t->pub);
	shmq_close(t->broker);
}

static void finish(void *state)
{
	struct topics *t = state;

	topic_drop(t->b, names[0]);
	topic_drop(t->b, names[1]);
}

const struct trip_kind trip_shmq_spin = {
    .sides = {"shmq", prepare_spin, attach, detach, finish, false},
    .send = topic_send,
    .receive = topic_receive,
    .slice = 2000,
};

const struct trip_kind trip_shmq_sleep = {
    .sides = {"shmq", prepare_sleep, attach, detach, finish, false},
    .send = topic_send,
    .receive = topic_receive,
    .slice = 200,
    .sleeps = true,
};
