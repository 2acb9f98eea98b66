/* SPDX-License-Identifier: MIT */
/* groups.h - what the tests of groups have in common: consumers, and what they are given, as text. */
#ifndef GROUPS_H
#define GROUPS_H

#include "group.h"
#include "scratch.h"

#define MS       INT64_C(1000000)
#define SECOND   (1000 * MS)
#define LIMIT_MS 30000 /* no machine is as slow as this */

TAP_UNUSED static void topic_make(shmq *q, const char *name, unsigned partitions)
{
	struct shmq_topic_options o = {.partitions = partitions, .slots = 1024, .pool_bytes = 2 << 20};

	need(shmq_topic_create(q, name, &o));
}

TAP_UNUSED static shmq_group *consumer(shmq *q, const char *topic, const char *group,
				       const struct shmq_group_options *options, unsigned flags)
{
	struct shmq_consume_options o = {.flags = flags, .options = options};
	shmq_group *g;
	int r = shmq_group_open(q, topic, group, &o, &g, NULL);

	if (r != 0)
		printf("# %s: %s\n", group, shmq_error(q));
	need(r);
	return g;
}

/* Messages with these words as values, each in a frame of its own. */
TAP_UNUSED static void publish_words(shmq *q, const char *topic, const char *words)
{
	shmq_pub *p = publisher(q, topic, 0, LIMIT_MS);
	char *copy = strdup(words), *rest = copy, *word;

	while ((word = strtok_r(rest, " ", &rest)) != NULL)
		step(publish(p, word));
	free(copy);
	shmq_pub_close(p);
}

/* from .. to-1 as values; all that fit in one frame when `together`. */
TAP_UNUSED static void publish_numbers(shmq *q, const char *topic, unsigned from, unsigned to, bool together)
{
	shmq_pub *p = publisher(q, topic, 0, LIMIT_MS);
	char text[16];

	for (unsigned i = from; i < to; i++) {
		struct shmq_message m = {.value = text, .partition = -1};

		m.value_len = (size_t)snprintf(text, sizeof text, "%u", i);
		step(shmq_pub_send(p, &m));
		if (!together)
			step(shmq_pub_flush(p));
	}
	step(shmq_pub_flush(p));
	shmq_pub_close(p);
}

TAP_UNUSED static void publish_key(shmq *q, const char *topic, const char *key, const char *value, int partition)
{
	struct shmq_message m = {.value = value,
				 .value_len = strlen(value),
				 .key = key,
				 .key_len = key != NULL ? strlen(key) : 0,
				 .partition = partition};
	shmq_pub *p = publisher(q, topic, 0, LIMIT_MS);

	step(shmq_pub_send(p, &m));
	step(shmq_pub_flush(p));
	shmq_pub_close(p);
}

TAP_UNUSED static const char *value_of(const struct shmq_message *m)
{
	static char text[4][64];
	static unsigned turn;
	char *to = text[turn++ % 4];

	snprintf(to, 64, "%.*s", (int)(m->value_len < 60 ? m->value_len : 60), (const char *)m->value);
	return to;
}

/* The next message, or what else shmq_group_next() says but SHMQ_EMPTY: waits for it. */
TAP_UNUSED static int next_within(shmq_group *g, struct shmq_delivery *d, int64_t limit_ms)
{
	int64_t end = now_ms() + limit_ms;
	int r;

	while ((r = shmq_group_next(g, d)) == SHMQ_EMPTY && now_ms() < end)
		shmq_group_wait(&g, 1, 20 * MS);
	return r;
}

TAP_UNUSED static int next_soon(shmq_group *g, struct shmq_delivery *d)
{
	return next_within(g, d, LIMIT_MS);
}

TAP_UNUSED static bool next_is(shmq_group *g, struct shmq_delivery *d, const char *value, unsigned attempt,
			       const char *what)
{
	char got[100];
	char want[100];
	int r = next_soon(g, d);

	if (r != 0)
		snprintf(got, sizeof got, "result %d", r);
	else
		snprintf(got, sizeof got, "%s/%u", value_of(&d->message), d->attempt);
	snprintf(want, sizeof want, "%s/%u", value, attempt);
	return is_str(got, want, "%s", what);
}

enum taking { TAKE_HOLD, TAKE_ACK };

/* What there is now, as "value/attempt value ...": without an attempt where that is 1; *result: why it ended. */
TAP_UNUSED static const char *take_all(shmq_group *g, enum taking how, int *result)
{
	static char text[2][65536];
	static unsigned turn;
	char *to = text[turn++ % 2];
	struct shmq_delivery d;
	size_t used = 0;
	int r;

	to[0] = '\0';
	while ((r = shmq_group_next(g, &d)) == 0 && used < sizeof text[0] - 100) {
		used += (size_t)snprintf(to + used, 100, "%s%s", used > 0 ? " " : "", value_of(&d.message));
		if (d.attempt != 1)
			used += (size_t)snprintf(to + used, 100, "/%u", d.attempt);
		if (how == TAKE_ACK && (r = shmq_group_ack(g, &d)) != 0)
			used += (size_t)snprintf(to + used, 100, "(ack: %d)", r);
	}
	if (result != NULL)
		*result = r;
	return to;
}

/* "0 1 2 ..." */
TAP_UNUSED static const char *numbers(unsigned from, unsigned to)
{
	static char text[2][65536];
	static unsigned turn;
	char *at = text[turn++ % 2];
	size_t used = 0;

	at[0] = '\0';
	for (unsigned i = from; i < to; i++)
		used += (size_t)snprintf(at + used, 16, "%s%u", used > 0 ? " " : "", i);
	return at;
}

TAP_UNUSED static struct shmq_group_info info_of(shmq *q, const char *topic, const char *group)
{
	static struct shmq_group_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_group_info info = {.logs = logs};
	int r = shmq_group_info(q, topic, group, &info);

	if (r != 0)
		is_i64(r, 0, "shmq_group_info: %s", shmq_error(q));
	return info;
}

TAP_UNUSED static uint64_t lag_of(shmq *q, const char *topic, const char *group)
{
	struct shmq_topic_info t = {.logs = NULL};
	struct shmq_group_info info = info_of(q, topic, group);
	uint64_t lag = 0;

	need(shmq_topic_info(q, topic, &t));
	for (unsigned p = 0; p < t.options.partitions; p++)
		lag += info.logs[p].lag;
	return lag;
}

/* Until the condition holds, which others bring about; false: it never did. */
#define until(condition) \
	__extension__({ \
		int64_t until_end = now_ms() + LIMIT_MS; \
		while (!(condition) && now_ms() < until_end) \
			pause_ms(1); \
		(condition); \
	})

/* ---- somebody else, who can be killed or stopped ------------------------------------ */

/* What a consumer in another process does next, and how it went. */
struct other {
	pid_t pid;
	const char *topic, *group;
	const struct shmq_group_options *options;
	unsigned flags, prefetch;
	_Atomic unsigned order; /* goes up with each order */
	_Atomic unsigned done;  /* the last order that was done */
	int what;               /* enum other_order */
	unsigned count;         /* how many times */
	int result;             /* of the last call */
	unsigned taken;
	struct shmq_delivery d[64];
	char values[64][32];
};

enum other_order { OTHER_TAKE, OTHER_START, OTHER_ACK, OTHER_NEXT, OTHER_RENEW, OTHER_CLOSE, OTHER_RELEASE };

static inline void other_do(struct other *o, shmq_group **g)
{
	for (unsigned i = 0; i < o->count; i++) {
		switch (o->what) {
		case OTHER_TAKE:
		case OTHER_NEXT:
			o->result = o->what == OTHER_TAKE ? next_soon(*g, &o->d[o->taken]) :
							    shmq_group_next(*g, &o->d[o->taken]);
			if (o->result == 0 && o->taken < 63) {
				struct shmq_message *m = &o->d[o->taken].message;

				snprintf(o->values[o->taken++], 32, "%.*s", (int)(m->value_len < 31 ? m->value_len : 31),
					 (const char *)m->value);
			}
			break;
		case OTHER_START:
			o->result = shmq_group_start(*g, &o->d[i]);
			break;
		case OTHER_ACK:
			o->result = shmq_group_ack(*g, &o->d[i]);
			break;
		case OTHER_RELEASE:
			o->result = shmq_group_release(*g, &o->d[i]);
			break;
		case OTHER_RENEW:
			o->result = shmq_group_renew(*g);
			break;
		case OTHER_CLOSE:
			shmq_group_close(*g);
			*g = NULL;
			o->result = 0;
			return;
		}
		if (o->result != 0 && o->what == OTHER_TAKE)
			return;
	}
}

static inline void other_run(void *argument)
{
	struct other *o = argument;
	shmq *q = broker();
	struct shmq_consume_options co = {.flags = o->flags, .options = o->options, .prefetch = o->prefetch};
	shmq_group *g;

	need(shmq_group_open(q, o->topic, o->group, &co, &g, NULL));
	for (unsigned next = 1;; next++) {
		o->done = next - 1;
		while (o->order < next)
			pause_ms(1);
		other_do(o, &g);
	}
}

/* A consumer in a process of its own, that does what other_tell() says. */
TAP_UNUSED static struct other *other_start(const char *topic, const char *group,
					    const struct shmq_group_options *options, unsigned flags,
					    unsigned prefetch)
{
	struct other *o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	need(o == MAP_FAILED);
	o->topic = topic;
	o->group = group;
	o->options = options;
	o->flags = flags;
	o->prefetch = prefetch;
	o->done = UINT32_MAX;
	o->pid = start(other_run, o);
	until(o->done == 0);
	return o;
}

/* Does not wait until it is done. */
TAP_UNUSED static void other_send(struct other *o, enum other_order what, unsigned count)
{
	o->what = what;
	o->count = count;
	o->result = -99;
	o->order++;
}

TAP_UNUSED static int other_wait(struct other *o)
{
	if (!until(o->done == o->order))
		return -98;
	return o->result;
}

TAP_UNUSED static int other_tell(struct other *o, enum other_order what, unsigned count)
{
	other_send(o, what, count);
	return other_wait(o);
}

TAP_UNUSED static void other_kill(struct other *o)
{
	finish_by_force(o->pid);
	munmap(o, sizeof *o);
}

TAP_UNUSED static void other_stop(struct other *o)
{
	kill(o->pid, SIGSTOP);
	waitpid(o->pid, NULL, WUNTRACED);
}

TAP_UNUSED static void other_go_on(struct other *o)
{
	kill(o->pid, SIGCONT);
}

#endif
