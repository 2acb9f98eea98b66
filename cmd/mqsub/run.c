/* SPDX-License-Identifier: MIT */
/*
 * run.c - reads topics and prints them: a frame of each topic in turn; when none has anything,
 * what is held is written, and only then it waits.
 */
#include "run.h"

#include <errno.h>

#include "follow.h"
#include "print.h"
#include "tool.h"

/* How long it sleeps at most before it looks whether anybody still reads its output. */
#define SLICE_NS INT64_C(1000000000)

struct run {
	struct topics *topics;
	struct args *args;
	struct out *out;
	uint64_t printed;
	int64_t idle_since_ns; /* CLOCK_MONOTONIC: since when no message came */
	bool came;             /* one came since that was set */
	bool damage;           /* some frame was damaged */
	bool gone;             /* a topic is: what is left is printed, then it ends */
	bool over;
	struct ending ending;
};

static void stop(struct run *r, int status)
{
	r->over = true;
	r->ending.status = status;
}

static void stop_by_signal(struct run *r, int sig)
{
	r->over = true;
	r->ending.signal = sig;
}

/* Takes the result of writing: errno or 0. */
static void wrote(struct run *r, int error)
{
	if (error == 0)
		return;
	if (error == EPIPE) {
		stop_by_signal(r, SIGPIPE);
		return;
	}
	warn_line("standard output: %s", strerror(error));
	stop(r, EX_IOERR);
}

/* ---- printing ---- */

static void take_turn(struct run *r)
{
	int64_t ns;

	while (!r->over && (ns = rate_take(&r->args->rate)) > 0) {
		wrote(r, out_flush(r->out));
		if (!r->over && out_reader_gone(r->out))
			wrote(r, EPIPE);
		if (!r->over && stop_signal)
			stop_by_signal(r, stop_signal);
		if (!r->over)
			rate_sleep(ns < SLICE_NS ? ns : SLICE_NS);
	}
}

static void print_one(struct run *r, const char *topic, const struct shmq_message *m)
{
	take_turn(r);
	if (r->over)
		return;
	const struct origin origin = {.topic = topic, .attempt = 1};
	print_message(&r->out->held, &r->args->style, &origin, m);
	r->printed++;
	r->came = true;
	wrote(r, r->args->unbuffered ? out_flush(r->out) : out_full(r->out));
	if (!r->over && r->printed == r->args->count)
		stop(r, EX_OK);
}

static void damaged(struct run *r, const char *topic)
{
	warn_line("topic '%s': %s", topic, shmq_error(r->topics->broker));
	r->damage = true;
}

/* May the values of a frame be written as they stand there? */
static bool in_one_piece(const struct run *r, const struct shmq_batch *b)
{
	return b->whole && b->delimited && print_is_verbatim(&r->args->style, b->delim) &&
	       b->count <= r->args->count - r->printed && r->args->rate.count == 0 &&
	       !r->args->unbuffered;
}

static void print_batch(struct run *r, struct shmq_batch *b)
{
	struct shmq_message m;
	int rc = 0;

	if (in_one_piece(r, b)) {
		wrote(r, out_write(r->out, b->values, b->value_bytes));
		r->printed += b->count;
		r->came = r->came || b->count > 0;
		if (!r->over && r->printed == r->args->count)
			stop(r, EX_OK);
		return;
	}
	while (!r->over && (rc = shmq_batch_next(b, &m)) > 0)
		print_one(r, b->topic, &m);
	if (rc < 0)
		damaged(r, b->topic);
}

/* ---- reading ---- */

/* Those that were deleted and only matched a pattern leave. */
static bool some_left(struct topics *t)
{
	bool any = false;

	for (size_t i = 0; i < t->count; i++)
		any |= t->sub[i] && follow_leave(t, i);
	return any;
}

/* A topic is gone; the sentence says which. What is left of the others is printed first. */
static void found_gone(struct run *r)
{
	shmq *q = r->topics->broker;

	if (some_left(r->topics))
		return;
	if (!r->gone)
		warn_line("%s (broker %s)", shmq_error(q), shmq_dir(q));
	r->gone = true;
}

/* ... and what to do: a topic that drops its oldest messages waits for nobody. */
static const char *why_overrun(const struct run *r, const char *name)
{
	struct shmq_topic_info info = {.logs = NULL};
	int rc = shmq_topic_info(r->topics->broker, name, &info);

	if (rc == SHMQ_OK && info.options.full == SHMQ_FULL_DROP_OLD)
		return "the topic drops its oldest messages when it is full (--full drop-old); read"
		       " faster, or create it with more memory";
	return "publishers went on without this subscriber; read faster, or make them wait with"
	       " --hold";
}

/* Ends the reading for a reason that concerns one topic. */
static void stop_for(struct run *r, size_t i, int rc)
{
	const char *name = r->topics->name[i];

	if (rc == SHMQ_OVERRUN)
		warn_line("topic '%s': %llu messages were missed: %s", name,
			  (unsigned long long)shmq_sub_missed(r->topics->sub[i]),
			  why_overrun(r, name));
	else
		warn_line("topic '%s': %s", name, shmq_error(r->topics->broker));
	stop(r, status_of(rc));
}

/* Prints the next frame of topic i; false when there is none now. */
static bool read_frame(struct run *r, size_t i)
{
	struct topics *t = r->topics;
	struct shmq_batch batch;
	int rc = shmq_sub_next(t->sub[i], &batch);

	switch (rc) {
	case SHMQ_OK:
		print_batch(r, &batch);
		return true;
	case SHMQ_EMPTY:
		return false;
	case SHMQ_GONE:
		found_gone(r);
		return false;
	case SHMQ_END:
		shmq_sub_close(t->sub[i]);
		t->sub[i] = NULL;
		return true;
	case SHMQ_ECORRUPT:
		damaged(r, t->name[i]);
		return true;
	default:
		stop_for(r, i, rc);
		return true;
	}
}

/* One turn through all topics; false when none had anything. */
static bool read_round(struct run *r)
{
	bool any = false, open = false;

	for (size_t i = 0; i < r->topics->count && !r->over; i++) {
		if (stop_signal)
			stop_by_signal(r, stop_signal);
		else if (r->topics->sub[i])
			any |= read_frame(r, i);
		open |= r->topics->sub[i] != NULL;
	}
	if (!r->over && !open && !r->topics->following)
		stop(r, EX_OK);
	return any;
}

/* ---- waiting ---- */

/* As shmq_sub_wait(), also when all topics were deleted and others may come. */
static int wait_for_subs(shmq_sub *const *open, size_t n, int64_t ns)
{
	if (n > 0)
		return shmq_sub_wait(open, n, ns);
	rate_sleep(ns);
	return SHMQ_TIMEOUT;
}

static void wait_for_more(struct run *r, int64_t longest_ns)
{
	int64_t slice = shorter(SLICE_NS, follow_pause_ns(r->topics));
	shmq_sub *open[TOPICS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < r->topics->count; i++)
		if (r->topics->sub[i])
			open[n++] = r->topics->sub[i];
	int rc = wait_for_subs(open, n, shorter(longest_ns, slice));
	if (rc == SHMQ_GONE) {
		found_gone(r);
	} else if (rc < 0) {
		warn_line("waiting for messages: %s", shmq_error(r->topics->broker));
		stop(r, status_of(rc));
	} else if (stop_signal) {
		stop_by_signal(r, stop_signal);
	} else if (out_reader_gone(r->out)) {
		stop_by_signal(r, SIGPIPE);
	}
}

/* How much of the wait for messages (-W) is left. */
static int64_t patience_ns(struct run *r)
{
	int64_t now;

	if (r->args->wait_ns == SHMQ_FOREVER)
		return SHMQ_FOREVER;
	now = monotonic_ns();
	if (r->came)
		r->idle_since_ns = now;
	r->came = false;
	return deadline_ns(r->idle_since_ns, r->args->wait_ns) - now;
}

/* Opens what has appeared and matches a pattern. */
static void follow(struct run *r)
{
	int rc = follow_look(r->topics);

	if (rc == SHMQ_GONE) {
		found_gone(r);
	} else if (rc != SHMQ_OK) {
		warn_line("looking for topics: %s", shmq_error(r->topics->broker));
		stop(r, status_of(rc));
	}
}

static void step(struct run *r)
{
	bool any = read_round(r);
	int64_t left;

	if (!r->over)
		follow(r);
	if (!any && r->gone && !r->over)
		stop(r, EX_UNAVAILABLE);
	if (r->over || (any && r->came))
		return;
	left = patience_ns(r);
	if (!any) {
		wrote(r, out_flush(r->out));
		if (!r->over && left > 0)
			wait_for_more(r, left);
	}
	if (!r->over && left <= 0) {
		note("no message came within the wait that was asked for (-W)");
		stop(r, EXIT_AGAIN);
	}
}

struct ending run(struct topics *t, struct args *args, struct out *out, int64_t since_ns)
{
	struct run r = {.topics = t, .args = args, .out = out, .idle_since_ns = since_ns};

	while (!r.over)
		step(&r);
	int error = out_flush(out);
	if (r.ending.signal == 0 && r.ending.status != EX_IOERR) /* else there is worse to tell */
		wrote(&r, error);
	if (r.damage && r.ending.status == EX_OK)
		r.ending.status = EX_DATAERR;
	r.ending.printed = r.printed;
	return r.ending;
}
