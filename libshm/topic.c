/* SPDX-License-Identifier: MIT */
/*
 * topic.c - opening topics; making what is missing of them.
 *
 * A topic exists when its registry word is LIVE; by then t/N/topic is complete. The bell comes with
 * the first who opens it, a log with the first publisher of its partition, both by linkat: any number
 * may try, one wins, the others use the winner's. Each looks at the topic's state afterwards: what was
 * made in a topic that is over is removed by whoever ends it, or by the next sweep.
 */
#include "topic.h"

#include "past.h"
#include "topic_check.h"
#include "topic_end.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- t/N/topic ---------------------------------------------------------------------- */

int topic_file_make(shmq *q, int dirfd, const char *name, uint64_t number,
                    const struct shmq_topic_options *o, uint64_t first_offset, uint64_t created_ns)
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
	file_head_seal(&t->head);
	t->options.partitions = o->partitions; /* by member: no padding of ours in the file */
	t->options.slots = o->slots;
	t->options.pool_bytes = o->pool_bytes;
	t->options.keep_bytes = o->keep_bytes;
	t->options.full = o->full;
	t->options.storage = o->storage;
	store_relaxed(&t->retain_ns, (uint64_t)o->retention.age_ns); /* relaxed: published by linkat */
	store_relaxed(&t->retain_bytes, o->retention.bytes);
	store_relaxed(&t->retain_flags, o->retention.until_acked);
	t->created_ns = created_ns;
	t->creator = q->session.id;
	snprintf(t->name, sizeof t->name, "%s", name);
	t->hash = topic_file_hash(t);
	store_relaxed(&t->first_offset, first_offset); /* relaxed: published by linkat */
	store_relaxed(&t->state, TOPIC_LIVE);
	r = map_publish(&q->error, &a, "topic");
	if (r == 0)
		map_close(&a.map);
	return r;
}

/* ---- the bell ----------------------------------------------------------------------- */

static int bell_make(struct topic *t)
{
	unsigned partitions = t->options.partitions;
	struct head_line *heads;
	struct bell_file *b;
	struct aside a;
	/* With the first rows of gates: a topic that has messages can be read on a full filesystem. */
	int r = map_aside(&t->q->error, t->dirfd, bell_bytes(partitions),
	                  bell_gates_at(partitions) + PAGE, &a);

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
	heads = (struct head_line *)(void *)(b + 1);
	for (unsigned p = 0; p < partitions && topic_on_disk(t); p++)
		store_relaxed(&heads[p].head, word_of(0, durable_base(&t->durable_map, p).position));
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

/* Where the memory of a partition begins: behind what the store had of it when memory was made. */
static struct log_base topic_log_base(const struct topic *t, unsigned partition)
{
	return topic_on_disk(t) ? durable_base(&t->durable_map, partition)
	                        : (struct log_base){.offset = t->first_offset};
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
	log_base_set(f, topic_log_base(t, partition));
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
	*out = LOG_NONE;
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
	if (r == 0 && !writable && topic_on_disk(t))
		r = past_attach(e, out, &t->q->daemon, topic_durable(t, partition),
		                (struct log_id){.topic = t->number, .partition = partition});
	/* Made in what is over already, or opened just before: nobody shall write or read there. */
	if (r == 0 && !topic_live(t)) {
		log_close(out);
		return topic_gone(t);
	}
	if (r == 0 && writable && !topic_log_made(t, partition))
		fetch_or_seq(&t->bell->logs_made[partition / 64], 1ULL << (partition % 64)); /* tell:sleep */
	return r;
}

void log_close(struct log *l)
{
	past_detach(l);
	map_close(&l->map);
	*l = LOG_NONE;
}

/* ---- opening ------------------------------------------------------------------------ */

static int file_open(struct topic *t, struct topic_brief *brief)
{
	struct map m;
	int r;

	t->dirfd = topic_dir_open(&t->q->error, t->q, t->number);
	if (t->dirfd < 0)
		return t->dirfd;
	r = topic_file_open(&t->q->error, t->dirfd, t->number, false, &m, brief);
	if (r < 0)
		return r;
	close(m.fd); /* mapped for as long as the topic is open: its state is looked at all the time */
	t->file = m.at;
	return 0;
}

static int open_number(shmq *q, const char *name, const struct topic_brief *found, bool writable,
                       struct topic *out)
{
	struct topic_brief brief;
	int r;

	*out = TOPIC_NONE;
	out->q = q;
	out->number = found->number;
	snprintf(out->name, sizeof out->name, "%s", name);
	r = file_open(out, &brief);
	if (r == 0) {
		/* What only observes may look at a number that is not moved to yet: see topic_find(). */
		out->first_offset = found->first_offset;
		out->options = brief.options;
		if (out->first_offset == OFFSET_UNSET)
			r = fail(&q->error, SHMQ_ECORRUPT, "topic %s: nobody has moved to it", name);
	}
	if (r == 0 && out->options.storage == SHMQ_STORAGE_DISK)
		r = durable_open(&q->error, out->dirfd, out->number, 0, out->options.partitions, false,
		                 &out->durable_map);
	if (r == 0)
		r = bell_open(out, writable);
	if (r == SHMQ_ENOENT && !writable && out->file != NULL)
		r = 0;
	if (r == 0 && !topic_live(out))
		r = fail(&q->error, SHMQ_ENOENT, "topic %s was deleted", name);
	if (r < 0)
		topic_close(out);
	return r;
}

int topic_open_number(shmq *q, uint64_t number, struct topic *out)
{
	struct topic_brief found;
	int r = topic_brief_read(q, number, &found);

	*out = TOPIC_NONE;
	return r < 0 ? r : open_number(q, found.name, &found, true, out);
}

int topic_open(shmq *q, const char *name, bool create, bool writable, bool *created,
               struct topic *out)
{
	bool made = false;
	int r = topic_name_check(&q->error, name);

	*out = TOPIC_NONE;
	if (r < 0)
		return r;
	/* Once more for each time that the topic ends between finding and opening it. */
	for (int tries = 0; tries < 100; tries++) {
		struct topic_brief found;

		r = topic_find(q, name, &found);
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
		r = open_number(q, name, &found, writable, out);
		if (r != SHMQ_ENOENT)
			break;
	}
	if (created != NULL)
		*created = made;
	return r;
}

void topic_close(struct topic *t)
{
	bool forked = t->q != NULL && t->q->forked; /* mappings did not come along, descriptors did */

	if (forked)
		t->bell_map.at = t->durable_map.at = NULL;
	else if (t->file != NULL)
		munmap((void *)(uintptr_t)t->file, sizeof *t->file);
	map_close(&t->bell_map);
	map_close(&t->durable_map);
	if (t->dirfd >= 0)
		close(t->dirfd);
	t->dirfd = -1;
	t->file = NULL;
	t->bell = NULL;
}

int topic_gone(struct topic *t)
{
	uint64_t state = load_acquire(&t->file->state); /* live pairs end */

	if (topic_word_state(state) == TOPIC_MOVED)
		fail(&t->q->error, SHMQ_GONE, "topic %s was started anew (mqd topic repair)", t->name);
	else if (state == TOPIC_DELETED)
		fail(&t->q->error, SHMQ_GONE, "topic %s was deleted", t->name);
	else
		fail(&t->q->error, SHMQ_GONE, "topic %s was deleted, or the runtime directory removed",
		     t->name);
	return SHMQ_GONE;
}

int topic_check_linked(struct topic *t)
{
	return topic_live(t) && map_linked(&t->bell_map) ? 0 : topic_gone(t);
}
