/* SPDX-License-Identifier: MIT */
/* peer_zmq.c - ZeroMQ over ipc: a stream of 100-byte messages and round trips. Built with it where
 * pkg-config knows it, else to say so. */
#include "peer_zmq.h"

#include "stream.h"
#include "trip.h"

#ifdef BENCH_HAVE_ZMQ

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

struct peer {
	char endpoint[BENCH_PATH + 16];
	void *context, *socket; /* of this side */
};

const char *zmq_missing(const struct bench *b)
{
	(void)b;
	return NULL;
}

static int zmq_failed(const char *what)
{
	return complain("ZeroMQ: %s: %s", what, zmq_strerror(zmq_errno()));
}

static void *prepare(struct bench *b)
{
	static struct peer p;

	snprintf(p.endpoint, sizeof(p.endpoint), "ipc://%s/zmq", b->work_dir);
	return &p;
}

static int attach(void *state, int type, bool bind)
{
	struct peer *p = state;

	p->context = zmq_ctx_new();
	p->socket = p->context ? zmq_socket(p->context, type) : NULL;
	if (!p->socket)
		return zmq_failed("socket");
	if (bind ? zmq_bind(p->socket, p->endpoint) : zmq_connect(p->socket, p->endpoint))
		return zmq_failed(p->endpoint);
	return 0;
}

static int send_bytes(void *state, const void *message, size_t bytes)
{
	struct peer *p = state;

	while (zmq_send(p->socket, message, bytes, 0) < 0)
		if (zmq_errno() != EINTR)
			return zmq_failed("send");
	return 0;
}

static int receive_bytes(void *state, void *message, size_t bytes)
{
	struct peer *p = state;
	int n;

	while ((n = zmq_recv(p->socket, message, bytes, 0)) < 0)
		if (zmq_errno() != EINTR)
			return zmq_failed("receive");
	return (size_t)n == bytes ? 0 : complain("ZeroMQ: a message of another size");
}

/* Waits until everything is handed over. */
static void detach(void *state)
{
	struct peer *p = state;

	zmq_close(p->socket);
	zmq_ctx_term(p->context);
}

/* ---- stream ---- */

static int stream_attach(void *state, int side)
{
	return attach(state, side == 0 ? ZMQ_PUSH : ZMQ_PULL, side != 0);
}

static int produce(void *state, uint64_t first, uint64_t n)
{
	struct stream_message m;

	stream_message_init(&m);
	for (; n--; first++) {
		stream_message_number(&m, first);
		if (send_bytes(state, m.bytes, sizeof(m.bytes)))
			return -1;
	}
	return 0;
}

static int end(void *state)
{
	return produce(state, STREAM_STOP, 1);
}

static int consume(void *state, uint64_t *count)
{
	unsigned char message[STREAM_BYTES];
	int rc = 0;

	while (rc == 0) {
		if (receive_bytes(state, message, sizeof(message)))
			return -1;
		rc = stream_take(message, sizeof(message), count);
	}
	return rc == 1 ? 0 : -1;
}

const struct stream_kind stream_zmq = {
    .sides = {.name = "ZeroMQ ipc",
	      .prepare = prepare,
	      .attach = stream_attach,
	      .detach = detach,
	      .threads = true},
    .produce = produce,
    .end = end,
    .consume = consume,
};

/* ---- round trip ---- */

static int trip_attach(void *state, int side)
{
	return attach(state, ZMQ_PAIR, side != 0);
}

static int trip_send(void *state, const void *message)
{
	return send_bytes(state, message, TRIP_BYTES);
}

static int trip_receive(void *state, void *message)
{
	return receive_bytes(state, message, TRIP_BYTES);
}

/* Its threads sleep where they like; nothing is checked about that. */
const struct trip_kind trip_zmq = {
    .sides = {.name = "ZeroMQ ipc", .prepare = prepare, .attach = trip_attach, .detach = detach},
    .send = trip_send,
    .receive = trip_receive,
    .slice = 200,
};

#else

const char *zmq_missing(const struct bench *b)
{
	(void)b;
	return "libzmq3-dev was not installed when this was built";
}

const struct stream_kind stream_zmq = {.sides = {.name = "ZeroMQ ipc"}};
const struct trip_kind trip_zmq = {.sides = {.name = "ZeroMQ ipc"}};

#endif
