/* SPDX-License-Identifier: MIT */
/* topics.c - subscribes to the topics that mqsub reads, waiting for them where -W allows. */
#include "topics.h"

#include <stdio.h>
#include <time.h>

#include "tool.h"

#define MILLISECOND_NS INT64_C(1000000)
#define SECOND_NS      INT64_C(1000000000)
#define PAUSE_MAX_NS   (50 * MILLISECOND_NS)

struct patience {
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

/* Nothing tells that a broker or a topic came to be, so one looks again, in a growing pause.
 * False when the time is over. */
static bool pause_before_retry(struct patience *p, const char *what, const char *dir)
{
	int64_t now = monotonic_ns();

	if (now >= p->until_ns)
		return false;
	if (!p->told && now - p->start_ns >= SECOND_NS) {
		note("waiting for %s in %s", what, dir);
		p->told = true;
	}
	int64_t ns = p->pause_ns < p->until_ns - now ? p->pause_ns : p->until_ns - now;
	rate_sleep(ns);
	if (stop_signal)
		die_of_signal(stop_signal);
	p->pause_ns = 2 * p->pause_ns < PAUSE_MAX_NS ? 2 * p->pause_ns : PAUSE_MAX_NS;
	return true;
}

static shmq *open_broker(const struct args *args, struct patience *p)
{
	shmq *q = NULL;
	int rc;

	while ((rc = tool_try_open(args->dir, 0, &q)) == SHMQ_ENOENT &&
	       pause_before_retry(p, "the broker", shmq_dir(q)))
		shmq_close(q);
	if (rc == SHMQ_ENOENT)
		die(EX_UNAVAILABLE,
		    "no broker in %s: publish something ('mqpub TOPIC'), name another directory "
		    "(-b,"
		    " MQ_DIR), or wait for it (-W)",
		    shmq_dir(q));
	if (rc != SHMQ_OK)
		die_shmq(q, rc, "cannot open the broker");
	return q;
}

static shmq_sub *open_topic(shmq *q, const char *name, const struct args *args, struct patience *p)
{
	shmq_sub *sub = NULL;
	char what[SHMQ_NAME_MAX + sizeof "topic ''"];
	int rc;

	snprintf(what, sizeof what, "topic '%s'", name);
	do
		rc = shmq_sub_open(q, name, &args->sub, &sub);
	while (rc == SHMQ_ENOENT && pause_before_retry(p, what, shmq_dir(q)));
	if (rc == SHMQ_ENOENT)
		die(EX_UNAVAILABLE,
		    "%s is not there in %s: publish to it ('mqpub %s'), create it ('mqd topic "
		    "create"
		    " %s'), or wait for it (-W)",
		    what, shmq_dir(q), name, name);
	if (rc != SHMQ_OK)
		die_shmq(q, rc, what);
	return sub;
}

void topics_open(struct topics *t, const struct args *args, int64_t until_ns)
{
	struct patience p = {.start_ns = monotonic_ns(), .pause_ns = MILLISECOND_NS};

	/* without -W nothing is waited for */
	p.until_ns = args->wait_ns == SHMQ_FOREVER ? p.start_ns : until_ns;
	*t = (struct topics){.count = args->topic_count, .broker = open_broker(args, &p)};
	for (size_t i = 0; i < t->count; i++) {
		t->name[i] = args->topics[i];
		t->sub[i] = open_topic(t->broker, t->name[i], args, &p);
	}
}

void topics_close(struct topics *t)
{
	for (size_t i = 0; i < t->count; i++)
		shmq_sub_close(t->sub[i]);
	shmq_close(t->broker);
	*t = (struct topics){0};
}
