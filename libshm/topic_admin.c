/* SPDX-License-Identifier: MIT */
/*
 * topic_admin.c - creating, deleting, purging and repairing topics, and what is in them.
 *
 * What a death leaves, by the step it happens at:
 *   create   t/N without a registry word: swept by the next delete or repair, once the creator's
 *            session is proved dead
 *   delete   nothing, until one CAS sets the state to DELETED; from then on the topic is gone, and
 *            whoever meets its word or its files finishes
 *   purge    some partitions purged, others not: run it again
 *   repair   as create, until one CAS sets the old topic's state to MOVED(new); then as delete
 */
#include "clock.h"
#include "frame.h"
#include "past.h"
#include "sync.h"
#include "reclaim.h"
#include "topic.h"
#include "topic_check.h"
#include "topic_end.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- create ------------------------------------------------------------------------- */

/* t/N with its topic file; not in the registry yet. */
static int topic_make(shmq *q, const char *name, const struct shmq_topic_options *o,
                      uint64_t first_offset, uint64_t *number)
{
	for (;;) {
		char dir[24];
		int fd, r;

		*number = fetch_add_relaxed(&q->broker->next_number, 1) + 1; /* private once it is ours */
		if (*number == 0 || *number > NUMBER_MAX)
			return fail(&q->error, SHMQ_ELIMIT, "topic numbers are used up");
		snprintf(dir, sizeof dir, "%llu", (unsigned long long)*number);
		if (mkdirat(q->topics_dirfd, dir, 0700) < 0)
			return fail_errno(&q->error, "making topic %s in %s", name, q->dir);
		fd = openat(q->topics_dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? fail_errno(&q->error, "making topic %s", name)
		           : map_give(&q->error, q->topics_dirfd, fd);
		if (r == 0 && o->storage == SHMQ_STORAGE_DISK)
			r = durable_make(&q->error, fd, *number, 0, o->partitions);
		if (r == 0)
			r = topic_file_make(q, fd, name, *number, o, first_offset, clock_ns(CLOCK_REALTIME));
		if (fd >= 0)
			close(fd);
		if (r == 0)
			return 0;
		unlinkat(q->topics_dirfd, dir, AT_REMOVEDIR);
		if (r != SHMQ_ENOENT) /* ENOENT: a sweep took the empty directory for a dead one's */
			return r;
		if (faccessat(q->topics_dirfd, ".", F_OK, 0) < 0)
			return r;
	}
}

/* In memory, or on disk: a broker that has a store makes topics there, and only while mqd runs: else one in memory could
 * stand where a stored one will come back. */
static int storage_choose(shmq *q, const char *name, struct shmq_topic_options *o)
{
	char what[SHMQ_NAME_MAX + 40];
	struct error e;
	int r;

	if (o->storage == SHMQ_STORAGE_MEMORY)
		return 0;
	r = daemon_open(&e, &q->daemon);
	if (r == SHMQ_ENOENT && o->storage == SHMQ_STORAGE_DEFAULT && !daemon_store_waits(&q->daemon)) {
		o->storage = SHMQ_STORAGE_MEMORY;
		return 0;
	}
	if (r < 0 && r != SHMQ_ENOENT)
		return fail(&q->error, r, "%s", e.text);
	o->storage = SHMQ_STORAGE_DISK;
	if (o->full == SHMQ_FULL_DROP_OLD)
		return fail(&q->error, SHMQ_EINVAL,
		            "topic %s: one on disk keeps what it has, and cannot drop the oldest when the disk does not keep "
		            "up: full is block or reject (what is old goes by retention)",
		            name);
	if (daemon_runs(&q->daemon) && daemon_is_ready(&q->daemon))
		return 0;
	snprintf(what, sizeof what, "topic %s is not there, and not made", name);
	return daemon_absent(&q->error, &q->daemon, what);
}

static int create_checked(shmq *q, const char *name, const struct shmq_topic_options *options,
                          struct shmq_topic_options *o)
{
	int r = broker_check(q, true);

	if (r < 0)
		return r;
	r = topic_name_check(&q->error, name);
	if (r < 0)
		return r;
	*o = options != NULL ? *options : (struct shmq_topic_options){0};
	r = topic_options_check(&q->error, o);
	return r < 0 ? r : storage_choose(q, name, o);
}

int shmq_topic_create(shmq *q, const char *name, const struct shmq_topic_options *options)
{
	struct shmq_topic_options o;
	struct topic_brief there;
	uint64_t number = 0;
	int r = create_checked(q, name, options, &o);

	/* Again for each one that ends while it still stands in the registry. */
	for (int tries = 0; tries < 100 && r == 0; tries++) {
		r = topic_find(q, name, &there);
		if (r == 0 || r == SHMQ_ECORRUPT)
			r = SHMQ_EEXIST;
		if (r != SHMQ_ENOENT)
			break;
		r = number == 0 ? topic_make(q, name, &o, 0, &number) : 0;
		if (r == 0)
			r = registry_enter(q, name, number);
		if (r == 0) {
			if (o.storage == SHMQ_STORAGE_DISK)
				topic_mark(q->broker, &q->broker->linked, number); /* it is there, with these options */
			return 0;
		}
		if (r == SHMQ_EEXIST)
			r = 0;
	}
	if (number != 0)
		topic_remove(q, number);
	if (r == 0 || r == SHMQ_EEXIST)
		return fail(&q->error, SHMQ_EEXIST, "topic %s is there already", name);
	return r;
}

/* ---- delete ------------------------------------------------------------------------- */

/* r: what topic_find() or topic_end() returned. A damaged topic is deleted all the more. */
static int delete_finish(shmq *q, const char *name, int r, uint64_t number)
{
	struct topic_brief t;

	if (r == SHMQ_ECORRUPT) {
		topic_end_damaged(q, number);
		registry_leave(q, name, number);
		topic_remove(q, number);
	} else if (r == 0) {
		topic_find(q, name, &t); /* does the rest */
	}
	topic_mark(q->broker, &q->broker->linked, number); /* mqd has it in its store, or not */
	/* A sweep looks at every topic: who deletes many sweeps for the first ones, then now and then. */
	if (r == SHMQ_ENOENT || q->deletes++ < 8 || q->deletes % 64 == 0)
		topic_sweep(q);
	if (r == SHMQ_ENOENT)
		return fail(&q->error, r, "no topic %s in %s", name, q->dir);
	return 0;
}

int shmq_topic_delete(shmq *q, const char *name)
{
	struct topic_brief t;
	int r = broker_check(q, true);

	while (r == 0) {
		r = topic_find(q, name, &t);
		if (r == 0)
			r = topic_end(q, t.number, TOPIC_DELETED);
		else if (r == SHMQ_ENOENT)
			break;
		if (r == SHMQ_ENOENT) /* it was there a moment ago: look again */
			r = SHMQ_EEXIST;
		/* Where another was faster it may have been a repair: then it goes on elsewhere. */
		if (r != SHMQ_EEXIST)
			break;
		r = 0;
	}
	return r < 0 && r != SHMQ_ECORRUPT && r != SHMQ_ENOENT ? r : delete_finish(q, name, r, t.number);
}

/* ---- alter -------------------------------------------------------------------------- */

int shmq_topic_alter(shmq *q, const char *name, const struct shmq_retention *retention)
{
	struct shmq_retention wanted = *retention;
	struct topic_file *f;
	struct topic t;
	struct map m;
	struct topic_brief b;
	int r = broker_check(q, true);

	if (r == 0)
		r = retention_check(&q->error, &wanted);
	if (r == 0)
		r = topic_open(q, name, false, true, NULL, &t);
	if (r != 0)
		return r;
	if (!topic_on_disk(&t))
		r = fail(&q->error, SHMQ_EINVAL, "topic %s is in memory: it keeps what its readers have not had", name);
	else
		r = topic_file_open(&q->error, t.dirfd, t.number, true, &m, &b);
	if (r == 0) {
		f = m.at;
		store_release(&f->retain_ns, (uint64_t)wanted.age_ns); /* each alone; mqd looks now and then */
		store_release(&f->retain_bytes, wanted.bytes);
		store_release(&f->retain_flags, wanted.until_acked);
		map_close(&m);
		topic_mark_linked(&t);
	}
	topic_close(&t);
	return r;
}

/* ---- purge -------------------------------------------------------------------------- */

static void ground_of(struct topic *t, struct log *l, struct ground *g)
{
	*g = (struct ground){.log = l,
	                     .readers = &t->readers,
	                     .durable = topic_durable(t, l->partition),
	                     .place = &t->q->place,
	                     .id = t->q->session.id,
	                     .keep_extents = 1};
}

/* Links an empty frame that says PURGE and moves head onto it. The newest frame stays for the next
 * base; readers that find head ahead of them at such a frame step over what is gone. */
#define PURGE_WAIT_NS (60 * INT64_C(1000000000))

/* Until mqd has written the purge, and readers find what is before it gone. */
static bool purge_written(struct sync_wait *w)
{
	const uint64_t *ends = w->context;

	for (unsigned p = 0; p < w->topic->options.partitions; p++) {
		struct durable d = topic_durable(w->topic, p);

		if (ends[p] > load_acquire(&d.line->low_position) + 1) /* stored pairs written */
			return false;
	}
	return true;
}

static void purge_mark(struct sync_wait *w)
{
	topic_mark_linked(w->topic);
}

/* mqd lets go of what is stored. */
static int purge_possible(struct topic *t)
{
	struct daemon *d = &t->q->daemon;
	char what[SHMQ_NAME_MAX + 40];
	int r = daemon_open(&t->q->error, d);

	if (r < 0 || (daemon_runs(d) && daemon_is_ready(d)))
		return r;
	snprintf(what, sizeof what, "topic %s is on disk, and not purged", t->name);
	return daemon_absent(&t->q->error, d, what);
}

static int purge_wait(struct topic *t, uint64_t *ends)
{
	struct sync_wait w = {
	        .topic = t, .context = ends, .done = purge_written, .mark = purge_mark, .wait_ns = PURGE_WAIT_NS};
	int r;

	do
		r = sync_for(&w);
	while (r == SHMQ_INTERRUPTED);
	return r;
}

static int purge_log(struct topic *t, struct log *l, uint64_t *purged, uint64_t *behind)
{
	struct error *e = &t->q->error;
	struct holder holder;
	struct hold hold;
	struct ground g;
	struct frame *f, first;
	uint64_t end = ring_end(l);
	struct tail tail = {.position = end};
	int r;

	if (log_first(l, end) >= end) /* nothing, in memory or in the store */
		return 0;
	ground_of(t, l, &g);
	do {
		r = log_peek(e, l, log_first(l, end), &first);
	} while (r == SHMQ_OVERRUN);
	if (r != 0) /* damaged: how many go cannot be told */
		first = (struct frame){.offset = UINT64_MAX};
	r = ground_take(e, &g, end, sizeof *f, &hold, &holder);
	if (r == SHMQ_FULL && !topic_on_disk(t)) { /* room comes from what is purged; the newest stays for the next base */
		ground_force(&g, end - 1);
		r = ground_take(e, &g, end, sizeof *f, &hold, &holder);
	}
	if (r == SHMQ_FULL)
		return fail(e, SHMQ_ESYSTEM, "topic %s: all its memory is held by publishers%s; try again", t->name,
		            topic_on_disk(t) ? ", or not written to disk yet" : "");
	if (r != 0)
		return r;
	f = frame_seal_empty(l->pool + hold_at(&hold), FRAME_PURGE);
	do {
		r = ring_link(e, l, &tail, f, hold_at(&hold) / FRAME_ALIGN, clock_ns(CLOCK_REALTIME));
		if (r == SHMQ_FULL && topic_on_disk(t))
			usleep(1000); /* mqd makes room */
		else if (r == SHMQ_FULL)
			ground_force(&g, tail.position - 1);
	} while (r == SHMQ_FULL);
	if (r == 0) {
		hold.used += sizeof *f;
		hold.own_end = tail.position;
		*behind = tail.position;
		if (!topic_on_disk(t)) /* else mqd lets go what is before it, when it has written it */
			ground_force(&g, tail.position - 1);
		if (first.offset != UINT64_MAX)
			*purged += log_count(l, first.offset, tail.offset);
	}
	extent_leave(l, t->q->session.id, &hold);
	return r;
}

int shmq_topic_purge(shmq *q, const char *name, uint64_t *purged)
{
	uint64_t count = 0, ends[SHMQ_PARTITIONS_MAX] = {0};
	struct topic t;
	int r = broker_check(q, true);

	if (r == 0)
		r = topic_open(q, name, false, true, NULL, &t);
	if (r != 0)
		return r;
	if (topic_on_disk(&t))
		r = purge_possible(&t);
	for (unsigned p = 0; p < t.options.partitions && r == 0; p++) {
		struct log l = LOG_NONE;

		if (!topic_log_made(&t, p))
			continue;
		r = topic_log_open(&t, p, true, &l);
		if (r == 0 && topic_on_disk(&t)) /* its past is looked at, too */
			r = past_attach(&q->error, &l, &q->daemon, topic_durable(&t, p),
			                (struct log_id){.topic = t.number, .partition = p});
		if (r == 0)
			r = purge_log(&t, &l, &count, &ends[p]);
		log_close(&l);
	}
	if (r == 0 && topic_on_disk(&t))
		r = purge_wait(&t, ends);
	bell_ring(&t.bell->arrived);
	bell_ring(&t.bell->room);
	topic_close(&t);
	if (purged != NULL)
		*purged = count;
	return r;
}

/* ---- repair ------------------------------------------------------------------------- */


static int repair_checked(shmq *q, const char *name, struct topic_brief *t)
{
	uint64_t offset;
	int r = topic_find(q, name, t);

	if (r == 0 && t->options.storage == SHMQ_STORAGE_DISK)
		return fail(&q->error, SHMQ_EINVAL,
		            "topic %s is on disk: nothing is given up of it. Stop all programs that use %s, remove that directory, "
		            "and start mqd: it makes memory anew from its store",
		            name, q->dir);
	if (r == 0)
		r = topic_offset_beyond(q, t, &offset); /* the one that counts is taken when it has moved */
	if (r == 0 && offset > OFFSET_MAX)
		return fail(&q->error, SHMQ_ELIMIT, "topic %s: its offsets are used up; delete it", name);
	return r;
}

int shmq_topic_repair(shmq *q, const char *name)
{
	struct topic_brief t;
	uint64_t next;
	int r = broker_check(q, true);

	if (r == 0)
		r = repair_checked(q, name, &t);
	if (r == 0)
		r = topic_make(q, name, &t.options, OFFSET_UNSET, &next);
	if (r < 0)
		return r;
	r = topic_end(q, t.number, topic_moved(next));
	topic_mark(q->broker, &q->broker->linked, t.number);
	if (r < 0) {
		topic_remove(q, next);
		if (r == SHMQ_EEXIST || r == SHMQ_ENOENT)
			r = fail(&q->error, SHMQ_ENOENT, "topic %s was deleted or repaired meanwhile", name);
		return r;
	}
	r = topic_find(q, name, &t); /* finishes it */
	topic_sweep(q);
	return r == SHMQ_ENOENT ? 0 : r; /* that: it was deleted since */
}

/* ---- looking ------------------------------------------------------------------------ */

struct lister {
	shmq *q;
	int (*each)(void *context, const char *name, uint64_t number);
	void *context;
};

static int list_one(void *context, uint64_t number)
{
	struct lister *l = context;
	struct topic_brief t;

	/* Gone meanwhile, or damaged: it has no name to list. One that has moved is listed as what it is
	   now. */
	do {
		if (topic_brief_read(l->q, number, &t) < 0 || t.state == TOPIC_DELETED)
			return 0;
		if (t.state != TOPIC_LIVE)
			number = topic_word_next(t.state);
	} while (t.state != TOPIC_LIVE);
	return l->each(l->context, t.name, number);
}

int shmq_topic_list(shmq *q, int (*each)(void *context, const char *name, uint64_t number),
                    void *context)
{
	struct lister l = {q, each, context};
	int r = broker_check(q, false);

	return r < 0 ? r : registry_each(q, list_one, &l);
}

int shmq_topic_mark(shmq *q, uint64_t *mark)
{
	int r = broker_check(q, false);

	if (r == 0 && !map_linked(&q->map))
		r = fail(&q->error, SHMQ_GONE, "the runtime directory was removed");
	if (r == 0)
		*mark = registry_mark(q);
	return r;
}

#define LOOKS 10000 /* some milliseconds */

/* The oldest and the newest frame, as they stood at one time. */
static int log_ends(struct error *e, const struct log *l, struct shmq_log_info *out)
{
	int r = SHMQ_OVERRUN;

	/* Again when publishers went a lap round between two looks. */
	for (int looks = 0; looks < LOOKS && r != 0 && r != SHMQ_ECORRUPT; looks++) {
		uint64_t end = ring_end(l), head = ring_head(l, end);
		struct frame first, last;

		if (end == l->base.position) {
			out->first_offset = out->end_offset = l->base.offset;
			out->first_bytes = out->end_bytes = l->base.bytes;
			return 0;
		}
		r = ring_peek(e, l, head, &first);
		if (r == 0)
			r = ring_peek(e, l, end - 1, &last);
		if (r != 0)
			continue;
		out->first_offset = first.offset;
		out->first_bytes = first.bytes;
		out->first_ns = first.time_ns;
		out->end_offset = last.offset + last.count;
		out->end_bytes = last.bytes + last.value_bytes;
		out->last_ns = last.time_ns;
		out->frames = end - head;
		out->memory_offset = first.offset;
	}
	if (r == SHMQ_OVERRUN)
		return fail(e, SHMQ_ESYSTEM, "partition %u: publishers are faster than a look at it",
		            l->partition);
	if (r == SHMQ_EMPTY)
		return fail(e, SHMQ_ECORRUPT, "partition %u: its head is ahead of its newest frame",
		            l->partition);
	return r;
}

/* What the store has before what memory has. */
static int past_ends(struct error *e, const struct log *l, struct shmq_log_info *out)
{
	uint64_t first = log_first(l, l->base.position);
	const struct durable_line *line = l->past->durable.line;
	struct frame f;

	out->durable_offset = load_acquire(&line->offset); /* stored pairs written */
	if (first < ring_head(l, first) && log_peek(e, l, first, &f) == 0) {
		out->first_offset = f.offset;
		out->first_bytes = f.bytes;
		out->first_ns = f.time_ns;
	}
	out->gaps = out->end_offset - out->first_offset - log_count(l, out->first_offset, out->end_offset);
	return 0;
}

static int log_info(struct topic *t, unsigned partition, struct shmq_log_info *out)
{
	struct error *e = &t->q->error;
	struct log l = LOG_NONE;
	int r;

	r = topic_log_open(t, partition, false, &l);
	if (r != 0)
		return r;
	for (unsigned i = 0; i < l.extent_count; i++)
		if (load_relaxed(&l.extents[i]) & EXTENT_RESERVED) /* relaxed: a figure */
			out->memory_bytes += EXTENT_BYTES;
	r = log_ends(e, &l, out);
	if (r == 0 && l.past != NULL)
		r = past_ends(e, &l, out);
	log_close(&l);
	return r;
}

static void readers_info(const struct topic *t, struct shmq_topic_info *info)
{
	uint64_t used = load_seq(&t->bell->readers_used);

	for (unsigned i = 0; i < READERS && i < used; i++) {
		enum reader_state s = reader_word_state(load_acquire(&t->bell->readers[i]));

		info->readers += s == READER_LIVE || s == READER_HOLD;
		info->unread = info->unread || s == READER_VIRGIN;
	}
}

static int logs_info(struct topic *t, struct shmq_log_info *logs)
{
	int r = 0;

	for (unsigned p = 0; p < t->options.partitions && r == 0; p++) {
		logs[p] = (struct shmq_log_info){.first_offset = t->first_offset,
		                                 .end_offset = t->first_offset};
		if (t->bell != NULL && topic_log_made(t, p))
			r = log_info(t, p, &logs[p]);
	}
	return r == SHMQ_GONE ? SHMQ_ENOENT : r; /* it ended while we looked */
}

int shmq_topic_info(shmq *q, const char *name, struct shmq_topic_info *info)
{
	struct shmq_log_info *logs = info->logs;
	struct topic t;
	int r = broker_check(q, false);

	if (r == 0)
		r = topic_open(q, name, false, false, NULL, &t);
	if (r < 0)
		return r;
	*info = (struct shmq_topic_info){.number = t.number,
	                                 .options = t.options,
	                                 .created_ns = t.file->created_ns,
	                                 .unread = t.bell == NULL, /* nobody has opened it yet */
	                                 .logs = logs};
	memcpy(info->name, t.name, sizeof info->name);
	if (t.bell != NULL)
		readers_info(&t, info);
	if (logs != NULL)
		r = logs_info(&t, logs);
	topic_close(&t);
	return r;
}
