/* SPDX-License-Identifier: MIT */
/* topics.c - subscribes to the topics that mqsub reads, waiting for them where -W allows. */
#include "topics.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "bytes.h"
#include "tool.h"

#define MILLISECOND_NS INT64_C(1000000)
#define SECOND_NS      INT64_C(1000000000)
#define PAUSE_MAX_NS   (50 * MILLISECOND_NS)

struct opening {
	struct topics *t;
	const struct args *args;
	const struct out *out;
	int64_t start_ns, until_ns; /* CLOCK_MONOTONIC */
	int64_t pause_ns;
	bool told;
};

int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND_NS + t.tv_nsec;
}

int64_t deadline_ns(int64_t since_ns, int64_t wait_ns)
{
	return wait_ns > INT64_MAX - since_ns ? INT64_MAX : since_ns + wait_ns;
}

/* Dies, but leaves the broker as if it had never come. */
__attribute__((format(printf, 3, 4))) static _Noreturn void give_up(struct opening *o, int status,
								    const char *fmt, ...)
{
	struct bytes text = {0};
	va_list ap;

	va_start(ap, fmt);
	bytes_vprintf(&text, fmt, ap);
	va_end(ap);
	topics_close(o->t);
	die(status, "%.*s", (int)text.len, text.data);
}

static void end_by_signal(struct opening *o)
{
	int sig = stop_signal ? stop_signal : out_reader_gone(o->out) ? SIGPIPE : 0;

	if (sig == 0)
		return;
	topics_close(o->t);
	die_of_signal(sig);
}

/* Nothing tells that a broker or a topic came to be, so one looks again, in a growing pause.
 * False when the time is over. */
static bool pause_before_retry(struct opening *o, const char *what)
{
	int64_t now = monotonic_ns();

	if (now >= o->until_ns)
		return false;
	if (!o->told && now - o->start_ns >= SECOND_NS) {
		note("waiting for %s in %s", what, shmq_dir(o->t->broker));
		o->told = true;
	}
	int64_t ns = o->pause_ns < o->until_ns - now ? o->pause_ns : o->until_ns - now;
	rate_sleep(ns);
	end_by_signal(o);
	o->pause_ns = 2 * o->pause_ns < PAUSE_MAX_NS ? 2 * o->pause_ns : PAUSE_MAX_NS;
	return true;
}

/* It did not come to be in the time that -W gives it. */
static void check_wait(struct opening *o, const char *what)
{
	if (o->args->wait_ns != SHMQ_FOREVER)
		give_up(o, EXIT_AGAIN,
			"%s is still not there in %s after the wait that was asked for (-W)", what,
			shmq_dir(o->t->broker));
}

static void open_broker(struct opening *o)
{
	unsigned flags = o->args->group && o->args->browse ? SHMQ_OBSERVE : 0;
	shmq **q = &o->t->broker;
	int rc;

	while ((rc = tool_try_open(o->args->dir, flags, q)) == SHMQ_ENOENT &&
	       pause_before_retry(o, "the broker"))
		shmq_close(*q);
	if (rc == SHMQ_OK)
		return;
	if (rc != SHMQ_ENOENT)
		die_shmq(*q, rc, "cannot open the broker");
	check_wait(o, "the broker");
	give_up(o, EX_UNAVAILABLE,
		"no broker in %s: publish something ('mqpub TOPIC'), name another directory (-b,"
		" MQ_DIR), or wait for it (-W)",
		shmq_dir(*q));
}

static void check_partitions(struct opening *o, const struct shmq_topic_info *info)
{
	const struct shmq_sub_options *sub = &o->args->sub;

	for (size_t i = 0; i < sub->partition_count; i++)
		if (sub->partitions[i] >= info->options.partitions)
			give_up(o, EX_USAGE,
				"option '--partition': topic '%s' has no partition %u: they are 0"
				" to %u",
				info->name, sub->partitions[i], info->options.partitions - 1);
}

static void wait_for_topic(struct opening *o, const char *name)
{
	struct shmq_topic_info info = {.logs = NULL};
	char what[SHMQ_NAME_MAX + sizeof "topic ''"];
	shmq *q = o->t->broker;
	int rc;

	snprintf(what, sizeof what, "topic '%s'", name);
	while ((rc = shmq_topic_info(q, name, &info)) == SHMQ_ENOENT && pause_before_retry(o, what))
		;
	if (rc == SHMQ_OK) {
		check_partitions(o, &info);
		return;
	}
	if (rc != SHMQ_ENOENT)
		give_up(o, status_of(rc), "%s: %s", what, shmq_error(q));
	check_wait(o, what);
	give_up(o, EX_UNAVAILABLE,
		"%s is not there in %s: publish to it ('mqpub %s'), create it ('mqd topic create"
		" %s'), or wait for it (-W)",
		what, shmq_dir(q), name, name);
}

static void detach(struct topics *t)
{
	for (size_t i = 0; i < t->count; i++) {
		shmq_sub_close(t->sub[i]);
		t->sub[i] = NULL;
		shmq_group_close(t->group[i]);
		t->group[i] = NULL;
	}
}

/* What a group that is there refuses. */
static void check_group(struct opening *o, const char *topic, int rc)
{
	const char *group = o->args->group;

	if (rc == SHMQ_EEXIST)
		give_up(o, EX_USAGE,
			"option '--offset': topic '%s' has a group '%s' already, which stands where"
			" it stands: 'mqd group seek' moves it",
			topic, group);
	if (rc == SHMQ_ECONFIG)
		give_up(o, EXIT_CONFIG,
			"topic '%s': %s: leave the option away, or change the group for all its"
			" consumers with 'mqd group alter'",
			topic, shmq_error(o->t->broker));
}

static int open_group(struct opening *o, size_t i)
{
	struct topics *t = o->t;
	bool created = false;
	int rc = shmq_group_open(t->broker, t->name[i], o->args->group, &o->args->consume,
				 &t->group[i], &created);

	check_group(o, t->name[i], rc);
	if (rc == SHMQ_OK && created)
		note("created group '%s' of topic '%s'", o->args->group, t->name[i]);
	return rc;
}

static int open_topic(struct opening *o, size_t i)
{
	struct topics *t = o->t;

	if (!o->args->group)
		return shmq_sub_open(t->broker, t->name[i], &o->args->sub, &t->sub[i]);
	return o->args->browse ? SHMQ_OK : open_group(o, i);
}

/* False: one of them was deleted just now, and is waited for again. None is attached to then. */
static bool attach(struct opening *o)
{
	struct topics *t = o->t;

	for (size_t i = 0; i < t->count; i++) {
		int rc = open_topic(o, i);

		if (rc == SHMQ_OK)
			continue;
		if (rc != SHMQ_ENOENT || !pause_before_retry(o, "the topics"))
			give_up(o, status_of(rc), "topic '%s': %s", t->name[i],
				shmq_error(t->broker));
		detach(t);
		return false;
	}
	return true;
}

/* Attached to one while it waits for another, it would hold up publishers, or be overrun. */
static void open_topics(struct opening *o)
{
	struct topics *t = o->t;

	do
		for (size_t i = 0; i < t->count; i++)
			wait_for_topic(o, t->name[i]);
	while (!attach(o));
}

void topics_open(struct topics *t, const struct args *args, const struct out *out, int64_t until_ns)
{
	struct opening o = {.t = t,
			    .args = args,
			    .out = out,
			    .start_ns = monotonic_ns(),
			    .pause_ns = MILLISECOND_NS};

	/* without -W nothing is waited for */
	o.until_ns = args->wait_ns == SHMQ_FOREVER ? o.start_ns : until_ns;
	*t = (struct topics){.count = args->topic_count, .group_name = args->group};
	for (size_t i = 0; i < t->count; i++)
		t->name[i] = args->topics[i];
	open_broker(&o);
	open_topics(&o);
}

shmq_pub *topics_publisher(struct topics *t, const char *name)
{
	struct shmq_pub_options options = {.flags = 0};
	shmq_pub *pub = NULL;
	bool created = false;
	int rc = shmq_pub_open(t->broker, name, &options, &pub, &created);

	if (rc != SHMQ_OK)
		die_shmq(t->broker, rc, name);
	if (created)
		note("created topic %s %s", name, shmq_pub_on_disk(pub) ? "on disk" : "in memory");
	return pub;
}

int topics_sync(struct topics *t, int64_t wait_ns)
{
	for (size_t i = 0; i < t->count; i++) {
		int rc;

		if (!t->group[i] || !shmq_group_on_disk(t->group[i]))
			continue;
		do
			rc = shmq_group_sync(t->group[i], wait_ns);
		while (rc == SHMQ_INTERRUPTED && !stop_signal);
		if (rc == SHMQ_OK)
			continue;
		warn_line("topic '%s', group '%s': %s: what was acked is not known to be on disk",
			  t->name[i], t->group_name, rc == SHMQ_INTERRUPTED ? "stopped" : shmq_error(t->broker));
		return status_of(rc);
	}
	return EX_OK;
}

bool topics_on_disk(const struct topics *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->group[i] || !shmq_group_on_disk(t->group[i]))
			return false;
	return true;
}

void topics_close(struct topics *t)
{
	detach(t);
	shmq_close(t->broker);
	*t = (struct topics){0};
}
