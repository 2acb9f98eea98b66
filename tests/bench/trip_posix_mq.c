/* SPDX-License-Identifier: MIT */
/* trip_posix_mq.c - round trips through two POSIX message queues. */
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <unistd.h>

#include "trip.h"

struct queues {
	mqd_t there, back;
	mqd_t in, out; /* of this side */
};

/* Unlinked as soon as it is open: nothing stays behind, whatever happens. */
static mqd_t queue_open(const char *which)
{
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = TRIP_BYTES};
	char name[64];
	mqd_t q;

	snprintf(name, sizeof(name), "/shmq-bench-%s-%ld", which, (long)getpid());
	q = mq_open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &attr);
	if (q == (mqd_t)-1)
		complain_errno("POSIX message queue %s", name);
	else
		mq_unlink(name);
	return q;
}

static void *prepare(struct bench *b)
{
	static struct queues q;

	(void)b;
	q.there = queue_open("there");
	if (q.there == (mqd_t)-1)
		return NULL;
	q.back = queue_open("back");
	if (q.back == (mqd_t)-1) {
		mq_close(q.there);
		return NULL;
	}
	return &q;
}

static int attach(void *state, int side)
{
	struct queues *q = state;

	q->in = side == 0 ? q->back : q->there;
	q->out = side == 0 ? q->there : q->back;
	return 0;
}

static int queue_send(void *state, const void *message)
{
	return mq_send(((struct queues *)state)->out, message, TRIP_BYTES, 0);
}

static int queue_receive(void *state, void *message)
{
	struct queues *q = state;

	return mq_receive(q->in, message, TRIP_BYTES, NULL) == TRIP_BYTES ? 0 : -1;
}

static void finish(void *state)
{
	struct queues *q = state;

	mq_close(q->there);
	mq_close(q->back);
}

const struct trip_kind trip_posix_mq = {
    .sides = {.name = "POSIX mq", .prepare = prepare, .attach = attach, .finish = finish},
    .send = queue_send,
    .receive = queue_receive,
    .slice = 200,
    .sleeps = true,
};
