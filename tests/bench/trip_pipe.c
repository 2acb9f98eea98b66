/* SPDX-License-Identifier: MIT */
/* trip_pipe.c - round trips through two pipes. */
#include <fcntl.h>
#include <unistd.h>

#include "trip.h"

struct pipes {
	int there[2], back[2];
	int in, out; /* of this side */
};

static void *prepare(struct bench *b)
{
	static struct pipes p;

	(void)b;
	if (pipe2(p.there, O_CLOEXEC)) {
		complain_errno("pipe");
		return NULL;
	}
	if (pipe2(p.back, O_CLOEXEC)) {
		complain_errno("pipe");
		close(p.there[0]);
		close(p.there[1]);
		return NULL;
	}
	return &p;
}

/* The ends of the other side are closed, so that its death is an end of file and not a hang. */
static int attach(void *state, int side)
{
	struct pipes *p = state;

	p->in = side == 0 ? p->back[0] : p->there[0];
	p->out = side == 0 ? p->there[1] : p->back[1];
	close(side == 0 ? p->back[1] : p->there[1]);
	close(side == 0 ? p->there[0] : p->back[0]);
	return 0;
}

static int pipe_send(void *state, const void *message)
{
	struct pipes *p = state;

	return write(p->out, message, TRIP_BYTES) == TRIP_BYTES ? 0 : -1;
}

static int pipe_receive(void *state, void *message)
{
	struct pipes *p = state;

	return read(p->in, message, TRIP_BYTES) == TRIP_BYTES ? 0 : -1;
}

static void finish(void *state)
{
	struct pipes *p = state;

	for (int i = 0; i < 2; i++) {
		close(p->there[i]);
		close(p->back[i]);
	}
}

const struct trip_kind trip_pipe = {
    .sides = {.name = "pipe", .prepare = prepare, .attach = attach, .finish = finish},
    .send = pipe_send,
    .receive = pipe_receive,
    .slice = 200,
    .sleeps = true,
};
