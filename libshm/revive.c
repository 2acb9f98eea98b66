/* SPDX-License-Identifier: MIT */
/* revive.c - topics and groups made anew in empty memory, from what the store knows. */
#include "revive.h"

#include "bulk.h"
#include "topic_end.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- durable ------------------------------------------------------------------------ */

static struct durable_line *line_of(const struct map *m, unsigned partition)
{
	return &((struct durable_file *)m->at)->lines[partition];
}

static int show_gaps(struct error *e, const struct map *m, unsigned partitions, unsigned partition,
                     const struct revive_log *l)
{
	size_t at = durable_gaps_at(partitions) + (size_t)partition * GAPS_MAX * sizeof *l->gaps;
	int r = l->gap_count > 0 ? map_reserve(e, m, at, l->gap_count * sizeof *l->gaps) : 0;

	if (r < 0)
		return r;
	if (l->gap_count > 0)
		memcpy((char *)m->at + at, l->gaps, l->gap_count * sizeof *l->gaps);
	store_release(&line_of(m, partition)->gaps, l->gap_count); /* written:stored */
	return 0;
}

/* Entries are mostly added at the end. Else all is written anew, and who reads meanwhile looks again. */
static int show_table(struct error *e, const struct map *m, unsigned partitions, unsigned partition,
                      const struct revive_log *l)
{
	size_t at = durable_table_at(partitions) + (size_t)partition * STORED_MAX * sizeof *l->table;
	struct stored_entry *table = (struct stored_entry *)(void *)((char *)m->at + at);
	struct durable_line *line = line_of(m, partition);
	size_t count = l->table_count < STORED_MAX ? l->table_count : STORED_MAX;
	const struct stored_entry *from = l->table + (l->table_count - count);
	uint64_t shown = load_relaxed(&line->entries), version = load_relaxed(&line->version); /* relaxed: our own */
	int r = count > 0 ? map_reserve(e, m, at, count * sizeof *table) : 0;
	bool added = shown <= count && (version & 1) == 0 && (shown == 0 || memcmp(table, from, shown * sizeof *table) == 0);

	if (r < 0 || (added && shown == count))
		return r;
	if (!added) {
		store_release(&line->version, version | 1); /* written:stored */
		fence_seq(); /* before any of the entries changes */
		shown = 0;
	}
	if (count > shown)
		memcpy(table + shown, from + shown, (count - shown) * sizeof *table);
	store_release(&line->entries, count); /* written:stored */
	if (!added)
		store_release(&line->version, (version | 1) + 1); /* written:stored */
	return 0;
}

int durable_show(struct error *e, const struct map *m, unsigned partitions, unsigned partition, const struct revive_log *l)
{
	struct durable_line *line = line_of(m, partition);
	int r = show_gaps(e, m, partitions, partition, l);

	if (r == 0)
		r = show_table(e, m, partitions, partition, l);
	if (r < 0)
		return r;
	store_release(&line->low_offset, l->low_offset); /* written:stored */
	store_release(&line->low_position, l->low_position);
	return 0;
}

void durable_raise(const struct map *m, unsigned partition, uint64_t position, uint64_t offset)
{
	struct durable_line *line = line_of(m, partition);

	if (load_relaxed(&line->position) >= position) /* relaxed: our own */
		return;
	store_release(&line->offset, offset); /* written:stored */
	cas_max(&line->position, position); /* seq_cst: sleep pairs tell, for who waits until it is durable */
}

static int durable_revive(struct error *e, int dirfd, uint64_t topic, uint32_t group, unsigned partitions,
                          const struct revive_log *logs)
{
	struct map m;
	int r = durable_make(e, dirfd, topic, group, partitions);

	if (r == 0)
		r = durable_open(e, dirfd, topic, group, partitions, true, &m);
	if (r < 0)
		return r;
	for (unsigned p = 0; p < partitions && r == 0; p++) {
		struct durable_line *line = line_of(&m, p);

		store_relaxed(&line->base_position, logs[p].base.position); /* relaxed: nobody can find it yet */
		store_relaxed(&line->base_offset, logs[p].base.offset);
		store_relaxed(&line->base_bytes, logs[p].base.bytes);
		store_relaxed(&line->base_ns, logs[p].base.time_ns);
		r = durable_show(e, &m, partitions, p, &logs[p]);
		durable_raise(&m, p, logs[p].base.position, logs[p].base.offset);
	}
	map_close(&m);
	return r;
}

/* ---- topics ------------------------------------------------------------------------- */

static int files_make(shmq *q, const struct revive_topic *r)
{
	char dir[24];
	int e, fd;

	snprintf(dir, sizeof dir, "%llu", (unsigned long long)r->number);
	topic_remove(q, r->number); /* of an mqd that died here */
	if (mkdirat(q->topics_dirfd, dir, 0700) < 0)
		return fail_errno(&q->error, "making topic %s in %s", r->name, q->dir);
	fd = topic_dir_open(&q->error, q, r->number);
	if (fd < 0)
		return fd;
	e = map_give(&q->error, q->topics_dirfd, fd);
	if (e == 0)
		e = durable_revive(&q->error, fd, r->number, 0, r->options.partitions, r->logs);
	if (e == 0)
		e = topic_file_make(q, fd, r->name, r->number, &r->options, r->first_offset, r->created_ns);
	close(fd);
	return e;
}

int topic_revive(shmq *q, const struct revive_topic *r, struct topic *out)
{
	int e = files_make(q, r);

	*out = TOPIC_NONE;
	if (e == 0)
		e = topic_open_number(q, r->number, out);
	if (e < 0)
		return e;
	cas_max(&q->broker->next_number, r->number);
	cas_max(&out->bell->next_group, r->groups);
	readers_end_virgin(&out->readers); /* what is stored waits for nobody */
	for (unsigned p = 0; p < r->options.partitions && e == 0; p++) {
		struct log l;

		if (!r->logs[p].has_frames)
			continue;
		e = topic_log_open(out, p, true, &l);
		log_close(&l);
	}
	return e;
}

/* ---- groups ------------------------------------------------------------------------- */

int group_revive(struct group *g, const char *name, uint64_t number, uint64_t incarnation, bool paused,
                 const struct group_config *config, const struct window_place *places, const struct revive_log *returns,
                 const struct window_place *returned)
{
	struct error *e = &g->q->error;
	struct reader reader;
	uint64_t word;
	int r;

	snprintf(g->name, sizeof g->name, "%s", name);
	g->number = number;
	r = reader_claim_group(e, &g->topic.readers, bulk_hash(name, strlen(name)), number, &reader);
	if (r < 0)
		return r;
	g->reader = reader.index;
	word = reader.word;
	if (!reader_retag(&g->topic.readers, reader.index, &word, incarnation))
		return fail(e, SHMQ_ESYSTEM, "group %s: made by another, too", name);
	r = durable_revive(e, g->topic.dirfd, g->topic.number, (uint32_t)number, 1, returns);
	if (r == 0)
		r = group_files_make(g, config, incarnation, places, returned);
	if (r == 0)
		r = group_file_open(g, true);
	if (r == 0)
		r = group_rest_open(g);
	if (r < 0)
		return r;
	store_relaxed(&g->file->paused, paused); /* relaxed: nobody can find it yet */
	return 0;
}

bool group_revive_end(struct group *g)
{
	struct reader reader = {.index = g->reader, .word = group_reader_word(g)};

	return reader_go_live(&g->topic.readers, &reader, READER_GROUP);
}
