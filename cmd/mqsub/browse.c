/* SPDX-License-Identifier: MIT */
/* browse.c - prints what a group has not done, without a trace. */
#include "browse.h"

#include <errno.h>

#include "tool.h"

struct browse {
	struct args *args;
	struct out *out;
	const char *topic;
	bool looked; /* into some topic that has the group */
	bool over;
	struct ending ending;
};

/* Takes the result of writing: errno or 0. */
static void wrote(struct browse *b, int error)
{
	if (error == 0)
		return;
	b->over = true;
	if (error == EPIPE) {
		b->ending.signal = SIGPIPE;
	} else {
		warn_line("standard output: %s", strerror(error));
		b->ending.status = EX_IOERR;
	}
}

static void take_turn(struct browse *b)
{
	int64_t ns;

	while (!b->over && !stop_signal && (ns = rate_take(&b->args->rate)) > 0) {
		wrote(b, out_flush(b->out));
		rate_sleep(ns);
	}
}

static int print_one(void *context, const struct shmq_delivery *d, const char *state)
{
	struct browse *b = context;
	const struct origin origin = {
	    .topic = b->topic, .group = b->args->group, .attempt = d->attempt};
	const struct shmq_message *m = &d->message;

	(void)state;
	if (b->args->sub.filter && !shmq_filter_match(b->args->sub.filter, m->key, m->key_len))
		return 0;
	if (b->ending.printed == b->args->count)
		return 1;
	take_turn(b);
	if (stop_signal)
		b->ending.signal = stop_signal;
	if (b->over || stop_signal)
		return 1;
	print_message(&b->out->held, &b->args->style, &origin, m);
	b->ending.printed++;
	wrote(b, b->args->unbuffered ? out_flush(b->out) : out_full(b->out));
	return b->over;
}

static void failed(struct browse *b, shmq *q, int rc)
{
	struct shmq_group_info info = {.logs = NULL};

	b->over = true;
	b->ending.status = status_of(rc);
	if (rc == SHMQ_ENOENT && shmq_group_info(q, b->topic, b->args->group, &info) == rc)
		warn_line("topic '%s' has no group '%s' in %s: 'mqsub -g %s %s' would make it",
			  b->topic, b->args->group, shmq_dir(q), b->args->group, b->topic);
	else
		warn_line("topic '%s', group '%s': %s", b->topic, b->args->group, shmq_error(q));
}

static void browse_one(struct browse *b, struct topics *t, size_t i)
{
	int rc;

	b->topic = t->name[i];
	rc = shmq_group_browse(t->broker, b->topic, b->args->group, print_one, b);
	b->looked |= rc >= 0;
	/* among those that match there may be some that the group has not come to yet */
	if (rc < 0 && !(rc == SHMQ_ENOENT && t->matched[i]))
		failed(b, t->broker, rc);
}

struct ending browse_run(struct topics *t, struct args *args, struct out *out)
{
	struct browse b = {.args = args, .out = out};

	for (size_t i = 0; i < t->count && !b.over && !stop_signal; i++)
		browse_one(&b, t, i);
	if (!b.looked && !b.over && !stop_signal)
		failed(&b, t->broker, SHMQ_ENOENT);
	int error = out_flush(out);
	if (b.ending.signal == 0 && b.ending.status != EX_IOERR)
		wrote(&b, error);
	return b.ending;
}
