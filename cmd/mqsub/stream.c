/* SPDX-License-Identifier: MIT */
/*
 * stream.c - prints the messages of a group, and acks what was read.
 *
 *     claimed         started and written            read
 *     in `held` ----> in the pipe, or the file ----> acked
 *
 * A message counts as delivered when its first byte is written. What is held and not written is
 * given back at the end as if nobody had seen it; what was written and not read is given back, too.
 */
#include "stream.h"

#include <errno.h>
#include <unistd.h>

#include "events.h"
#include "groups.h"
#include "print.h"
#include "reader.h"
#include "tool.h"
#include "unread.h"

#define PIECE_BYTES ((size_t)64 << 10) /* held before it is written */
#define SLICE_NS    INT64_C(1000000000)
/* Nothing tells that a reader reads, so it is looked at again, in a growing pause. */
#define PAUSE_NS     INT64_C(100000)
#define PAUSE_MAX_NS INT64_C(500000000)
#define PAUSE_END_NS INT64_C(20000000) /* at the end, when somebody waits for us */

struct stream {
	struct groups groups;
	struct args *args;
	struct reader reader;
	struct unread unread;
	struct bytes held;
	size_t held_at;    /* where in held what is not written begins */
	struct given next; /* waits for its turn (-R) */
	bool next_there;
	int64_t pause_ns;
	uint64_t printed;
	bool over;
	struct ending ending;
};

static size_t held_bytes(const struct stream *s)
{
	return s->held.len - s->held_at;
}

static void stop(struct stream *s, int status, int sig)
{
	s->over = true;
	s->ending.status = status;
	s->ending.signal = sig;
}

/* ---- starting ---- */

/* Gives back what is held from the n-th message on. */
static void unprint(struct stream *s, size_t n)
{
	uint64_t end = s->reader.written + held_bytes(s);
	uint64_t begin = unread_at(&s->unread, n)->begin;

	s->held.len -= (size_t)(end - begin);
	while (s->unread.count > n) {
		const struct given *m = &unread_at(&s->unread, --s->unread.count)->given;
		int rc = shmq_group_release(s->groups.topics->group[m->topic], &m->delivery);

		groups_settled(&s->groups, m, rc, "giving it back");
		s->printed--;
		s->groups.given_out--;
	}
}

/* Starts the messages whose first byte is among the next n, or that print nothing there; returns
 * how many may be written. */
static size_t start_next(struct stream *s, size_t n)
{
	uint64_t limit = s->reader.written + n;
	struct unread *u = &s->unread;

	for (; u->started < u->count; u->started++) {
		struct unread_one *one = unread_at(u, u->started);
		int rc;

		if (one->begin >= limit && !(one->begin == one->end && one->end == limit))
			break;
		rc = shmq_group_start(s->groups.topics->group[one->given.topic],
				      &one->given.delivery);
		if (rc != SHMQ_OK) { /* it has been given to somebody else */
			unprint(s, u->started);
			return n < held_bytes(s) ? n : held_bytes(s);
		}
	}
	return n;
}

/* ---- acks ---- */

static void ack_first(struct stream *s)
{
	const struct given *m = &unread_at(&s->unread, 0)->given;
	int rc = shmq_group_ack(s->groups.topics->group[m->topic], &m->delivery);

	groups_settled(&s->groups, m, rc, "acking it");
	unread_remove_first(&s->unread);
}

/* Acks what was read in the meantime. */
static void ack_read(struct stream *s)
{
	if (s->unread.count == 0)
		return;
	if (held_bytes(s) == 0)
		start_next(s, 0); /* what prints nothing is written */
	reader_look(&s->reader);
	while (s->unread.started > 0 && unread_at(&s->unread, 0)->end <= s->reader.read) {
		ack_first(s);
		s->pause_ns = PAUSE_NS;
	}
}

/* ---- writing ---- */

static void failed(struct stream *s, int error)
{
	if (error == EPIPE) {
		stop(s, 0, SIGPIPE);
	} else if (error != EINTR && error != EAGAIN) {
		warn_line("standard output: %s", strerror(error));
		stop(s, EX_IOERR, 0);
	}
}

/* Moves what is held to the front, when that is at most as much as was written: linear. */
static void drop_written(struct stream *s)
{
	size_t left = held_bytes(s);

	if (left > s->held_at || (left > 0 && s->held_at < PIECE_BYTES))
		return;
	if (left > 0)
		memmove(s->held.data, s->held.data + s->held_at, left);
	s->held.len = left;
	s->held_at = 0;
}

/* Writes what there is room for; false when there is none. */
static bool write_some(struct stream *s)
{
	size_t room = reader_room(&s->reader), n = held_bytes(s);

	n = start_next(s, n < room ? n : room);
	if (n == 0)
		return false;
	ssize_t written = write(s->reader.fd, s->held.data + s->held_at, n);
	if (written < 0) {
		int error = errno;

		failed(s, error);
		return error != EAGAIN;
	}
	s->held_at += (size_t)written;
	s->reader.written += (uint64_t)written;
	drop_written(s);
	return true;
}

/* ---- printing ---- */

static void print_next(struct stream *s)
{
	const struct origin origin = groups_origin(&s->groups, &s->next);
	uint64_t begin = s->reader.written + held_bytes(s);

	print_message(&s->held, &s->args->style, &origin, &s->next.delivery.message);
	s->next_there = false;
	s->printed++;
	if (args_at_most_once(s->args)) {
		groups_forget(&s->groups, &s->next);
		return;
	}
	*unread_add(&s->unread) = (struct unread_one){
	    .given = s->next, .begin = begin, .end = s->reader.written + held_bytes(s)};
}

/* ---- the loop ---- */

static void wait_for_message(struct stream *s, int64_t longest_ns)
{
	int64_t ns = longest_ns < SLICE_NS ? longest_ns : SLICE_NS;

	if (s->unread.count > 0 && s->pause_ns < ns)
		ns = s->pause_ns;
	s->pause_ns = 2 * s->pause_ns < PAUSE_MAX_NS ? 2 * s->pause_ns : PAUSE_MAX_NS;
	if (!groups_wait(&s->groups, NULL, 0, ns))
		s->over = true;
}

static void wait_for_turn(struct stream *s, int64_t ns)
{
	groups_busy(&s->groups);
	groups_follow(&s->groups);
	reader_wait(&s->reader, ns < SLICE_NS ? ns : SLICE_NS);
}

/* Takes and prints what is there, up to a piece; the rate may say that it has to wait: ns. */
static enum groups_result fill(struct stream *s, int64_t *turn_ns)
{
	*turn_ns = 0;
	while (held_bytes(s) < PIECE_BYTES) {
		if (!s->next_there) {
			enum groups_result result = groups_next(&s->groups, &s->next);

			if (result != GROUPS_MESSAGE)
				return result;
			s->next_there = true;
		}
		*turn_ns = rate_take(&s->args->rate);
		if (*turn_ns > 0)
			return GROUPS_NOTHING;
		print_next(s);
		if (s->args->unbuffered)
			break;
	}
	return GROUPS_MESSAGE;
}

static void step(struct stream *s)
{
	int64_t turn_ns;
	enum groups_result result = fill(s, &turn_ns);

	if (held_bytes(s) > 0) {
		groups_busy(&s->groups);
		if (!write_some(s))
			reader_wait_room(&s->reader, SLICE_NS);
	} else if (turn_ns > 0) {
		wait_for_turn(s, turn_ns);
	} else if (result == GROUPS_NOTHING) {
		wait_for_message(s, SLICE_NS);
	} else if (result == GROUPS_OVER) {
		s->over = true;
	}
	ack_read(s);
	groups_renew(&s->groups);
	if (!s->over && reader_gone(&s->reader))
		stop(s, 0, SIGPIPE);
	if (!s->over && events_stops > 0)
		stop(s, 0, stop_signal);
}

/* ---- the end ---- */

/* Of what is held only what was started is written: the reader needs whole messages. */
static void keep_started(struct stream *s)
{
	if (s->unread.started < s->unread.count)
		unprint(s, s->unread.started);
}

/* Waits until all that was written was read; nobody reads any more: what was not, is given back. */
static void finish(struct stream *s)
{
	s->pause_ns = PAUSE_NS;
	events_stops_known = events_stops;
	while (events_stops < 2 && s->groups.status != EX_UNAVAILABLE) {
		ack_read(s);
		groups_renew(&s->groups);
		if (held_bytes(s) == 0 && s->unread.count == 0)
			return;
		if (s->ending.signal == SIGPIPE || s->ending.status == EX_IOERR)
			return;
		if (held_bytes(s) > 0) {
			if (!write_some(s))
				reader_wait_room(&s->reader, SLICE_NS);
		} else {
			reader_wait(&s->reader, s->pause_ns);
			s->pause_ns =
			    2 * s->pause_ns < PAUSE_END_NS ? 2 * s->pause_ns : PAUSE_END_NS;
		}
		if (reader_gone(&s->reader)) {
			ack_read(s);
			if (s->unread.count > 0 || held_bytes(s) > 0)
				stop(s, 0, SIGPIPE);
		}
		events_stops_known = events_stops;
	}
}

struct ending stream_run(struct topics *t, struct args *args, int64_t since_ns)
{
	static struct stream s;

	s = (struct stream){.args = args, .pause_ns = PAUSE_NS};
	groups_init(&s.groups, t, args, since_ns);
	reader_init(&s.reader, STDOUT_FILENO);
	while (!s.over)
		step(&s);
	if (s.ending.signal == stop_signal && stop_signal && !args_at_most_once(args))
		keep_started(&s);
	finish(&s);
	ack_read(&s); /* once more: a second signal ends the waiting, not the acks */
	if (s.ending.status == EX_OK)
		s.ending.status = s.groups.status;
	if (s.groups.damage && s.ending.status == EX_OK)
		s.ending.status = EX_DATAERR;
	s.ending.printed = s.printed;
	unread_free(&s.unread);
	bytes_free(&s.held);
	return s.ending;
}
