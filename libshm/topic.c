/* SPDX-License-Identifier: MIT */
/*
 * topic.c - opening topics; making what is missing of them.
 *
 * A topic exists when its registry word is LIVE; by then t/N/topic is complete. The bell comes with
 * the first who opens it, a log with the first publisher of its partition, both by linkat: any number
 * may try, one wins, the others use the winner's.
 */
#include "topic.h"

#include "registry.h"
#include "topic_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int shmq_topic_name_check(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > SHMQ_NAME_MAX || name[0] == '-' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return SHMQ_EINVAL;
	for (size_t i = 0; i < n; i++) {
		char c = name[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		          c == '.' || c == '_' || c == '-';
		if (!ok)
			return SHMQ_EINVAL;
	}
	return 0;
}

/* ---- the bell ----------------------------------------------------------------------- */

static int bell_make(struct topic *t)
{
	unsigned partitions = t->options.partitions;
	struct bell_file *b;
	struct aside a;
	int r = map_aside(&t->q->error, t->dirfd, bell_bytes(partitions), bell_gates_at(partitions), &a);

	if (r < 0)
		return r;
	b = a.map.at;
	b->head.kind = FILE_BELL;
	b->head.number = t->number;
	b->head.bytes = a.map.bytes;
	b->head.partitions = partitions;
	file_head_seal(&b->head);
	store_relaxed(&b->readers_used, 1); /* relaxed: not linked yet */
	store_relaxed(&b->readers[0], reader_word(READER_VIRGIN, 0, 0));
	r = map_publish(&t->q->error, &a, "bell");
	if (r == 0)
		map_close(&a.map);
	return r == SHMQ_EEXIST ? 0 : r;
}

static int bell_open(struct topic *t, bool writable)
{
	struct error *e = &t->q->error;
	unsigned partitions = t->options.partitions;
	int r = map_open(e, t->dirfd, "bell", writable, FILE_BELL, t->number, &t->bell_map);

	if (r == SHMQ_ENOENT && writable) {
		r = bell_make(t);
		if (r == 0)
			r = map_open(e, t->dirfd, "bell", writable, FILE_BELL, t->number, &t->bell_map);
	}
	if (r < 0)
		return r;
	t->bell = t->bell_map.at;
	if (t->bell->head.partitions != partitions || t->bell_map.bytes != bell_bytes(partitions))
		return fail(e, SHMQ_ECORRUPT, "bell of topic %s: impossible dimensions", t->name);
	t->readers = (struct readers){
	        .bell = t->bell,
	        .map = &t->bell_map,
	        .heads = (struct head_line *)(void *)(t->bell + 1),
	        .gates = (atomic_u64 *)(void *)((char *)t->bell + bell_gates_at(partitions)),
	        .partitions = partitions,
	        .place = &t->q->place};
	return 0;
}

/* ---- logs --------------------------------------------------------------------------- */

void log_name(char name[32], unsigned partition)
{
	snprintf(name, 32, "log.%u.0", partition);
}

static int log_make(struct topic *t, unsigned partition, const char *name)
{
	unsigned extents = (unsigned)(t->options.pool_bytes / EXTENT_BYTES), slots = t->options.slots;
	unsigned chunk = slots < SLOT_CHUNK ? slots : SLOT_CHUNK;
	size_t reserve = log_slots_at(extents) + chunk * 8;
	struct log_file *f;
	struct aside a;
	int r = map_aside(&t->q->error, t->dirfd, log_bytes(extents, slots), reserve, &a);

	if (r < 0)
		return r;
	f = a.map.at;
	f->head.kind = FILE_LOG;
	f->head.number = t->number;
	f->head.bytes = a.map.bytes;
	f->head.partition = partition;
	f->head.partitions = t->options.partitions;
	f->head.slots = slots;
	f->head.extents = extents;
	f->head.first_offset = t->first_offset;
	file_head_seal(&f->head);
	store_relaxed(&f->slots_reserved, chunk); /* relaxed: not linked yet */
	r = map_publish(&t->q->error, &a, name);
	if (r == 0)
		map_close(&a.map);
	return r == SHMQ_EEXIST ? 0 : r;
}

int topic_log_open(struct topic *t, unsigned partition, bool writable, struct log *out)
{
	struct error *e = &t->q->error;
	struct map m;
	char name[32];
	int r;

	log_name(name, partition);
	r = map_open(e, t->dirfd, name, writable, FILE_LOG, t->number, &m);
	if (r == SHMQ_ENOENT && writable) {
		r = log_make(t, partition, name);
		if (r == 0)
			r = map_open(e, t->dirfd, name, writable, FILE_LOG, t->number, &m);
	}
	if (r == 0 && ((struct file_head *)m.at)->partition != partition) {
		r = fail(e, SHMQ_ECORRUPT, "%s: is another partition's", name);
		map_close(&m);
	}
	if (r == 0) {
		r = log_attach(e, &m, &t->readers.heads[partition].head, out);
		if (r < 0)
			map_close(&m);
		else
			out->partition = partition; /* it is an index: not read from the file again */
	}
	if (r == 0 && writable && !topic_log_made(t, partition))
		fetch_or_seq(&t->bell->logs_made[partition / 64], 1ULL << (partition % 64)); /* tell:sleep */
	return r;
}

void log_close(struct log *l)
{
	map_close(&l->map);
	*l = LOG_NONE;
}

/* ---- opening ------------------------------------------------------------------------ */

static int open_number(shmq *q, const char *name, uint64_t number, bool writable, struct topic *out)
{
	struct topic_brief brief;
	char dir[24];
	int r = topic_brief_read(q, number, &brief);

	if (r < 0)
		return r;
	*out = (struct topic){.q = q,
	                      .number = number,
	                      .first_offset = brief.first_offset,
	                      .options = brief.options,
	                      .dirfd = -1};
	out->bell_map = MAP_NONE;
	snprintf(out->name, sizeof out->name, "%s", name);
	if (topic_options_check(&q->error, &out->options) < 0)
		return fail(&q->error, SHMQ_ECORRUPT, "topic %s: impossible options", name);
	snprintf(dir, sizeof dir, "%llu", (unsigned long long)number);
	out->dirfd = openat(q->topics_dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (out->dirfd < 0)
		return fail_errno(&q->error, "topic %s", name);
	r = bell_open(out, writable);
	if (r < 0)
		topic_close(out);
	return r;
}

int topic_open(shmq *q, const char *name, bool create, bool writable, bool *created,
               struct topic *out)
{
	bool made = false;
	int r;

	if (shmq_topic_name_check(name) < 0)
		return fail(&q->error, SHMQ_EINVAL,
		            "topic name %.80s: 1 to %d characters of A-Z a-z 0-9 . _ - are allowed", name,
		            SHMQ_NAME_MAX);
	/* Once more for each time that the topic is deleted between finding and opening it. */
	for (int tries = 0; tries < 100; tries++) {
		uint64_t number;

		r = registry_find(q, name, &number);
		if (r == SHMQ_ENOENT && create) {
			r = shmq_topic_create(q, name, NULL);
			made = r == 0;
			if (r == 0 || r == SHMQ_EEXIST) {
				r = SHMQ_ENOENT; /* if it goes on vanishing */
				continue;
			}
		}
		if (r < 0)
			return r;
		r = open_number(q, name, number, writable, out);
		if (r != SHMQ_ENOENT)
			break;
	}
	if (created != NULL)
		*created = made;
	return r;
}

void topic_close(struct topic *t)
{
	map_close(&t->bell_map);
	if (t->dirfd >= 0)
		close(t->dirfd);
	t->dirfd = -1;
	t->bell = NULL;
}

int topic_check_linked(struct topic *t)
{
	if (map_linked(&t->bell_map))
		return 0;
	fail(&t->q->error, SHMQ_GONE, "topic %s was deleted, or the runtime directory removed", t->name);
	return SHMQ_GONE;
}
