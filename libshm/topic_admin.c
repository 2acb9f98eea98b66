/* SPDX-License-Identifier: MIT */
/*
 * topic_admin.c - creating, deleting, purging and repairing topics, and what is in them.
 *
 * What a death leaves, by the step it happens at:
 *   create   t/N without a registry word: swept by the next delete or repair, once the creator's
 *            session is proved dead
 *   delete   state DELETED, then the word, then the files: the next delete of that name, or sweep,
 *            goes on with what is left
 *   purge    some partitions purged, others not: run it again
 *   repair   as create, until one CAS replaces the old number; then as delete
 */
#include "clock.h"
#include "frame.h"
#include "reclaim.h"
#include "registry.h"
#include "topic_make.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_SLOTS 65536u
#define DEFAULT_POOL  (64ULL << 20)
#define DEFAULT_KEEP  (1ULL << 20)
#define OFFSET_JUMP   (1ULL << 24) /* a repaired topic's offsets go on behind this much */

int topic_options_check(struct error *e, struct shmq_topic_options *o)
{
	if (o->partitions == 0)
		o->partitions = 1;
	if (o->slots == 0)
		o->slots = DEFAULT_SLOTS;
	if (o->pool_bytes == 0)
		o->pool_bytes = DEFAULT_POOL;
	if (o->keep_bytes == 0)
		o->keep_bytes = DEFAULT_KEEP < o->pool_bytes ? DEFAULT_KEEP : o->pool_bytes;
	if (o->partitions > SHMQ_PARTITIONS_MAX)
		return fail(e, SHMQ_EINVAL, "partitions: %u, at most %d", o->partitions,
		            SHMQ_PARTITIONS_MAX);
	if (o->slots < 8 || o->slots > 1u << 20 || (o->slots & (o->slots - 1)) != 0)
		return fail(e, SHMQ_EINVAL, "slots: %u, must be a power of two from 8 to 1048576",
		            o->slots);
	if (o->pool_bytes < 4 * EXTENT_BYTES || o->pool_bytes > 1ULL << 30 ||
	    o->pool_bytes % EXTENT_BYTES != 0)
		return fail(e, SHMQ_EINVAL,
		            "memory: %llu bytes, must be a multiple of 256K from 1M to 1G",
		            (unsigned long long)o->pool_bytes);
	if (o->keep_bytes > o->pool_bytes)
		return fail(e, SHMQ_EINVAL, "keep: %llu bytes, more than the memory of %llu",
		            (unsigned long long)o->keep_bytes, (unsigned long long)o->pool_bytes);
	if (o->full > SHMQ_FULL_DROP_OLD)
		return fail(e, SHMQ_EINVAL, "full: %u is not block, reject or drop-old",
		            (unsigned)o->full);
	return 0;
}

/* ---- create ------------------------------------------------------------------------- */

static int topic_file_make(shmq *q, int dirfd, const char *name, uint64_t number,
                           const struct shmq_topic_options *o, uint64_t first_offset)
{
	struct topic_file *t;
	struct aside a;
	int r = map_aside(&q->error, dirfd, sizeof *t, sizeof *t, &a);

	if (r < 0)
		return r;
	t = a.map.at;
	t->head.kind = FILE_TOPIC;
	t->head.number = number;
	t->head.bytes = sizeof *t;
	t->head.first_offset = first_offset;
	file_head_seal(&t->head);
	t->options.partitions = o->partitions; /* by member: no padding of ours in the file */
	t->options.slots = o->slots;
	t->options.pool_bytes = o->pool_bytes;
	t->options.keep_bytes = o->keep_bytes;
	t->options.full = o->full;
	t->created_ns = clock_ns(CLOCK_REALTIME);
	t->creator = q->session.id;
	snprintf(t->name, sizeof t->name, "%s", name);
	t->hash = topic_file_hash(t);
	store_release(&t->state, TOPIC_LIVE); /* published by linkat */
	r = map_publish(&q->error, &a, "topic");
	if (r == 0)
		map_close(&a.map);
	return r;
}

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
		fd = openat(q->topics_dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? fail_errno(&q->error, "making topic %s", name)
		           : topic_file_make(q, fd, name, *number, o, first_offset);
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

static void topic_files_remove(shmq *q, uint64_t number)
{
	char dir[24];
	struct dirent *entry;
	DIR *d;
	int fd;

	snprintf(dir, sizeof dir, "%llu", (unsigned long long)number);
	fd = openat(q->topics_dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	unlinkat(q->topics_dirfd, dir, AT_REMOVEDIR);
}

static int create_checked(shmq *q, const char *name, const struct shmq_topic_options *options,
                          struct shmq_topic_options *o)
{
	int r = broker_check(q, true);

	if (r < 0)
		return r;
	if (shmq_topic_name_check(name) < 0)
		return fail(&q->error, SHMQ_EINVAL,
		            "topic name %.80s: 1 to %d characters of A-Z a-z 0-9 . _ - are allowed", name,
		            SHMQ_NAME_MAX);
	*o = options != NULL ? *options : (struct shmq_topic_options){0};
	return topic_options_check(&q->error, o);
}

int shmq_topic_create(shmq *q, const char *name, const struct shmq_topic_options *options)
{
	struct shmq_topic_options o;
	uint64_t number, existing;
	int r = create_checked(q, name, options, &o);

	if (r < 0)
		return r;
	r = registry_find(q, name, &existing);
	if (r == 0)
		return fail(&q->error, SHMQ_EEXIST, "topic %s is there already", name);
	if (r != SHMQ_ENOENT)
		return r;
	r = topic_make(q, name, &o, 0, &number);
	if (r < 0)
		return r;
	r = registry_enter(q, name, number, &existing);
	if (r < 0)
		topic_files_remove(q, number);
	if (r == SHMQ_EEXIST)
		return fail(&q->error, SHMQ_EEXIST, "topic %s is there already", name);
	return r;
}

/* ---- delete, and sweeping what the dead left ---------------------------------------- */

/* LIVE -> DELETED, and everybody who waits in the topic wakes up and finds its files gone. */
static int topic_end(shmq *q, uint64_t number)
{
	struct map m;
	char path[48];
	uint64_t live = TOPIC_LIVE;
	int r;

	snprintf(path, sizeof path, "%llu/topic", (unsigned long long)number);
	r = map_open(&q->error, q->topics_dirfd, path, true, FILE_TOPIC, number, &m);
	if (r < 0)
		return r;
	cas_seq(&((struct topic_file *)m.at)->state, &live, TOPIC_DELETED);
	map_close(&m);
	return 0;
}

static void topic_remove(shmq *q, uint64_t number)
{
	struct map bell = MAP_NONE;
	char path[48];

	snprintf(path, sizeof path, "%llu/bell", (unsigned long long)number);
	if (map_open(&q->error, q->topics_dirfd, path, true, FILE_BELL, number, &bell) < 0)
		bell = MAP_NONE;
	topic_files_remove(q, number);
	if (bell.at != NULL) {
		bell_ring(&((struct bell_file *)bell.at)->arrived);
		bell_ring(&((struct bell_file *)bell.at)->room);
		map_close(&bell);
	}
}

static int collect_number(void *context, uint64_t number)
{
	uint64_t *numbers = context; /* [0] is the count */

	numbers[++numbers[0]] = number;
	return numbers[0] == NAMES;
}

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One directory of t/ whose number was not registered a moment ago. */
static void sweep_one(shmq *q, uint64_t number)
{
	struct topic_brief t;
	uint64_t registered;
	char dir[24];
	int r = topic_brief_read(q, number, &t);

	if (r == SHMQ_ENOENT) { /* empty: a dead creator's, or a live one's who will try again */
		snprintf(dir, sizeof dir, "%llu", (unsigned long long)number);
		unlinkat(q->topics_dirfd, dir, AT_REMOVEDIR);
		return;
	}
	if (r < 0 || (!t.deleted && session_alive(&q->place, t.creator)))
		return;
	/* A dead creator registers nothing any more: looked at again, the registry is final. */
	if (!t.deleted && registry_find(q, t.name, &registered) == 0 && registered == number)
		return;
	topic_remove(q, number);
}

static void sweep(shmq *q)
{
	uint64_t *numbers = malloc((NAMES + 1) * sizeof *numbers);
	int fd = openat(q->topics_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL && fd >= 0)
		close(fd);
	if (numbers != NULL && d != NULL) {
		numbers[0] = 0;
		registry_each(q, collect_number, numbers);
		qsort(numbers + 1, numbers[0], sizeof *numbers, compare_numbers);
		while ((entry = readdir(d)) != NULL) {
			uint64_t number = strtoull(entry->d_name, NULL, 10);

			if (number != 0 && bsearch(&number, numbers + 1, numbers[0], sizeof *numbers,
			                           compare_numbers) == NULL)
				sweep_one(q, number);
		}
	}
	if (d != NULL)
		closedir(d);
	free(numbers);
}

int shmq_topic_delete(shmq *q, const char *name)
{
	uint64_t number;
	int r = broker_check(q, true);

	if (r == 0)
		r = registry_find(q, name, &number);
	if (r < 0)
		return r;
	r = topic_end(q, number);
	if (r < 0 && r != SHMQ_ECORRUPT && r != SHMQ_ENOENT) /* damaged or half gone: all the more */
		return r;
	registry_leave(q, name, number);
	topic_remove(q, number);
	sweep(q);
	return 0;
}

/* ---- purge -------------------------------------------------------------------------- */

static void ground_of(struct topic *t, struct log *l, struct ground *g)
{
	*g = (struct ground){.log = l,
	                     .readers = &t->readers,
	                     .place = &t->q->place,
	                     .id = t->q->session.id,
	                     .keep_extents = 1};
}

/* Links an empty frame that says PURGE and moves head onto it. The newest frame stays for the next
 * base; readers that find head ahead of them at such a frame step over what is gone. */
static int purge_log(struct topic *t, struct log *l, uint64_t *purged)
{
	struct error *e = &t->q->error;
	struct holder holder;
	struct hold hold;
	struct ground g;
	struct frame *f, first;
	uint64_t end = ring_end(l);
	struct tail tail = {.position = end};
	int r;

	if (end == 0)
		return 0;
	ground_of(t, l, &g);
	do {
		r = ring_peek(e, l, ring_head(l, end), &first);
	} while (r == SHMQ_OVERRUN);
	if (r != 0) /* damaged: how many go cannot be told */
		first = (struct frame){.offset = UINT64_MAX};
	r = ground_take(e, &g, end, sizeof *f, &hold, &holder);
	if (r == SHMQ_FULL) { /* room comes from what is purged; the newest stays for the next base */
		ground_force(&g, end - 1);
		r = ground_take(e, &g, end, sizeof *f, &hold, &holder);
	}
	if (r == SHMQ_FULL)
		return fail(e, SHMQ_ESYSTEM, "topic %s: all its memory is held by publishers; try again",
		            t->name);
	if (r != 0)
		return r;
	f = frame_seal_empty(l->pool + hold_at(&hold), FRAME_PURGE);
	do {
		r = ring_link(e, l, &tail, f, hold_at(&hold) / FRAME_ALIGN, clock_ns(CLOCK_REALTIME));
		if (r == SHMQ_FULL)
			ground_force(&g, tail.position - 1);
	} while (r == SHMQ_FULL);
	if (r == 0) {
		hold.used += sizeof *f;
		hold.own_end = tail.position;
		ground_force(&g, tail.position - 1);
		if (first.offset != UINT64_MAX)
			*purged += tail.offset - first.offset;
	}
	extent_leave(l, t->q->session.id, &hold);
	return r;
}

int shmq_topic_purge(shmq *q, const char *name, uint64_t *purged)
{
	uint64_t count = 0;
	struct topic t;
	int r = broker_check(q, true);

	if (r == 0)
		r = topic_open(q, name, false, true, NULL, &t);
	if (r != 0)
		return r;
	for (unsigned p = 0; p < t.options.partitions && r == 0; p++) {
		struct log l = LOG_NONE;

		if (!topic_log_made(&t, p))
			continue;
		r = topic_log_open(&t, p, true, &l);
		if (r == 0)
			r = purge_log(&t, &l, &count);
		log_close(&l);
	}
	bell_ring(&t.bell->arrived);
	bell_ring(&t.bell->room);
	topic_close(&t);
	if (purged != NULL)
		*purged = count;
	return r;
}

/* ---- repair ------------------------------------------------------------------------- */

/* Behind every offset that any log of the topic may have given out. */
static uint64_t offset_beyond(shmq *q, uint64_t number, const struct topic_brief *brief)
{
	uint64_t beyond = brief->first_offset;
	struct topic t = {.q = q, .number = number, .options = brief->options};
	atomic_u64 no_head = 0;

	for (unsigned p = 0; p < brief->options.partitions; p++) {
		char path[64], name[32];
		struct frame f;
		struct log l;
		struct map m;

		log_name(name, p);
		snprintf(path, sizeof path, "%llu/%s", (unsigned long long)t.number, name);
		if (map_open(&q->error, q->topics_dirfd, path, false, FILE_LOG, number, &m) < 0)
			continue;
		if (log_attach(&q->error, &m, &no_head, &l) < 0) {
			map_close(&m);
			continue;
		}
		for (uint64_t end = ring_end(&l), i = end; i > 0 && end - i < l.slot_count; i--) {
			if (ring_peek(&q->error, &l, i - 1, &f) != 0)
				continue;
			if (f.offset + f.count > beyond)
				beyond = f.offset + f.count;
			break;
		}
		log_close(&l);
	}
	return ALIGN_UP(beyond + OFFSET_JUMP, OFFSET_JUMP);
}

int shmq_topic_repair(shmq *q, const char *name)
{
	struct topic_brief brief;
	uint64_t number, next;
	int r = broker_check(q, true);

	if (r == 0)
		r = registry_find(q, name, &number);
	if (r == 0)
		r = topic_brief_read(q, number, &brief);
	if (r == 0)
		r = topic_options_check(&q->error, &brief.options);
	/* Who links something between this look and the removal of the files stays far below the
	   jump. */
	if (r == 0)
		r = topic_make(q, name, &brief.options, offset_beyond(q, number, &brief), &next);
	if (r < 0)
		return r;
	if (!registry_replace(q, name, number, next)) {
		topic_files_remove(q, next);
		return fail(&q->error, SHMQ_ENOENT, "topic %s was deleted or repaired meanwhile", name);
	}
	topic_end(q, number);
	topic_remove(q, number);
	sweep(q);
	return 0;
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

	if (topic_brief_read(l->q, number, &t) < 0)
		return 0; /* deleted meanwhile, or damaged: it has no name to list */
	return l->each(l->context, t.name, number);
}

int shmq_topic_list(shmq *q, int (*each)(void *context, const char *name, uint64_t number),
                    void *context)
{
	struct lister l = {q, each, context};
	int r = broker_check(q, false);

	return r < 0 ? r : registry_each(q, list_one, &l);
}

static int log_info(struct topic *t, unsigned partition, struct shmq_log_info *out)
{
	struct error *e = &t->q->error;
	struct frame first, last;
	struct log l = LOG_NONE;
	uint64_t head, end;
	int r;

	*out = (struct shmq_log_info){.first_offset = t->first_offset, .end_offset = t->first_offset};
	if (!topic_log_made(t, partition))
		return 0;
	r = topic_log_open(t, partition, false, &l);
	if (r == SHMQ_ENOENT && topic_check_linked(t) != 0) /* deleted while we look */
		return SHMQ_ENOENT;
	if (r != 0)
		return r;
	for (unsigned i = 0; i < l.extent_count; i++)
		if (load_relaxed(&l.extents[i]) & EXTENT_RESERVED) /* relaxed: a figure */
			out->memory_bytes += EXTENT_BYTES;
	/* Again when publishers went a lap round between the two looks. */
	for (int tries = 0; tries < 100; tries++) {
		end = ring_end(&l);
		head = ring_head(&l, end);
		if (end == 0 || ring_peek(e, &l, head, &first) != 0 || ring_peek(e, &l, end - 1, &last) != 0)
			continue;
		out->first_offset = first.offset;
		out->first_bytes = first.bytes;
		out->first_ns = first.time_ns;
		out->end_offset = last.offset + last.count;
		out->end_bytes = last.bytes + last.value_bytes;
		out->last_ns = last.time_ns;
		out->frames = end - head;
		break;
	}
	log_close(&l);
	return 0;
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

int shmq_topic_info(shmq *q, const char *name, struct shmq_topic_info *info)
{
	struct shmq_log_info *logs = info->logs;
	struct topic_brief brief;
	uint64_t number;
	struct topic t;
	int r = broker_check(q, false);

	if (r == 0)
		r = registry_find(q, name, &number);
	if (r == 0)
		r = topic_brief_read(q, number, &brief);
	if (r < 0)
		return r;
	*info = (struct shmq_topic_info){.number = number,
	                                 .options = brief.options,
	                                 .created_ns = brief.created_ns,
	                                 .logs = logs};
	memcpy(info->name, brief.name, sizeof info->name);
	r = topic_open(q, name, false, false, NULL, &t);
	if (r == SHMQ_ENOENT) { /* no bell: nobody has opened it yet */
		for (unsigned p = 0; logs != NULL && p < brief.options.partitions; p++)
			logs[p] = (struct shmq_log_info){.first_offset = brief.first_offset,
			                                 .end_offset = brief.first_offset};
		info->unread = true;
		return 0;
	}
	if (r < 0)
		return r;
	readers_info(&t, info);
	for (unsigned p = 0; logs != NULL && r == 0 && p < t.options.partitions; p++)
		r = log_info(&t, p, &logs[p]);
	topic_close(&t);
	return r;
}
