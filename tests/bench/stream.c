/* SPDX-License-Identifier: MIT */
/* stream.c - one run of a stream of any kind. */
#include "stream.h"

#define BETWEEN_LOOKS 1000u /* messages between two looks at the clock */

/* Shared by the runner and both sides. */
struct stream_run {
	const struct stream_kind *kind;
	uint64_t run_ns;
	uint64_t start_ns, sent;   /* the producer writes */
	uint64_t end_ns, received; /* the consumer writes */
};

static int produce(struct stream_run *r, void *state)
{
	r->start_ns = now_ns();
	do {
		if (r->kind->produce(state, r->sent, BETWEEN_LOOKS))
			return -1;
		r->sent += BETWEEN_LOOKS;
	} while (now_ns() - r->start_ns < r->run_ns);
	return r->kind->end(state);
}

static int consume(struct stream_run *r, void *state)
{
	int rc = r->kind->consume(state, &r->received);

	r->end_ns = now_ns();
	return rc ? complain("%s: message %llu was not the one that was sent", r->kind->sides.name,
			     (unsigned long long)r->received)
		  : 0;
}

static int stream_side(void *context, void *state, int side)
{
	return side == 0 ? produce(context, state) : consume(context, state);
}

int stream_run(struct bench *b, const struct stream_kind *kind, double *rate)
{
	struct stream_run *r = shared_alloc(sizeof(*r));
	int rc;

	if (!r)
		return -1;
	r->kind = kind;
	r->run_ns = b->run_ns;
	rc = sides_run(b, &kind->sides, stream_side, r);
	if (rc == 0 && r->sent != r->received)
		rc = complain("%s: %llu messages sent, %llu received", kind->sides.name,
			      (unsigned long long)r->sent, (unsigned long long)r->received);
	*rate = (double)r->received * 1e9 / (double)(r->end_ns - r->start_ns);
	shared_free(r, sizeof(*r));
	return rc;
}
