/* SPDX-License-Identifier: MIT */
/* durable.c - what the store has of a log of a topic on disk, as mqd says it in shared memory. */
#include "durable.h"

#include <fcntl.h>
#include <stdio.h>

static void file_name(char name[40], uint32_t group)
{
	if (group == 0)
		snprintf(name, 40, "durable");
	else
		snprintf(name, 40, "group.%u.durable", group);
}

int durable_make(struct error *e, int dirfd, uint64_t topic, uint32_t group, unsigned partitions)
{
	struct durable_file *f;
	struct aside a;
	char name[40];
	int r = map_aside(e, dirfd, durable_bytes(partitions), durable_gaps_at(partitions), &a);

	if (r < 0)
		return r;
	f = a.map.at;
	f->head.kind = FILE_DURABLE;
	f->head.number = topic;
	f->head.bytes = a.map.bytes;
	f->head.partition = group;
	f->head.partitions = partitions;
	file_head_seal(&f->head);
	file_name(name, group);
	r = map_publish(e, &a, name);
	if (r == 0)
		map_close(&a.map);
	return r;
}

int durable_open(struct error *e, int dirfd, uint64_t topic, uint32_t group, unsigned partitions, bool writable,
                 struct map *out)
{
	const struct durable_file *f;
	char name[40];
	int r;

	file_name(name, group);
	r = map_open(e, dirfd, name, writable, FILE_DURABLE, topic, out);
	if (r < 0)
		return r;
	f = out->at;
	if (f->head.partition == group && f->head.partitions == partitions && out->bytes == durable_bytes(partitions))
		return 0;
	map_close(out);
	return fail(e, SHMQ_ECORRUPT, "%s: impossible dimensions", name);
}

int durable_fd(struct error *e, int dirfd, uint32_t group, struct map *m)
{
	char name[40];

	if (m->fd >= 0)
		return 0;
	file_name(name, group);
	m->fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	return m->fd >= 0 ? 0 : fail_errno(e, "opening %s", name);
}

struct durable durable_of(const struct map *m, unsigned partitions, unsigned partition)
{
	const struct durable_file *f = m->at;
	const char *at = m->at;

	return (struct durable){
	        .line = &f->lines[partition],
	        .gaps = (const struct offset_gap *)(const void *)(at + durable_gaps_at(partitions)) +
	                (size_t)partition * GAPS_MAX,
	        .table = (const struct stored_entry *)(const void *)(at + durable_table_at(partitions)) +
	                 (size_t)partition * STORED_MAX};
}

struct log_base durable_base(const struct map *m, unsigned partition)
{
	const struct durable_line *line = &((const struct durable_file *)m->at)->lines[partition];

	/* relaxed: written before the topic could be found */
	return (struct log_base){.position = load_relaxed(&line->base_position),
	                         .offset = load_relaxed(&line->base_offset),
	                         .bytes = load_relaxed(&line->base_bytes),
	                         .time_ns = load_relaxed(&line->base_ns)};
}

/* ---- gaps --------------------------------------------------------------------------- */

static uint64_t gap_count(const struct durable *d)
{
	uint64_t n = load_acquire(&d->line->gaps); /* stored pairs written */

	return n < GAPS_MAX ? n : GAPS_MAX;
}

bool durable_in_gap(const struct durable *d, uint64_t offset, uint64_t *to)
{
	for (uint64_t i = gap_count(d); i-- > 0;) {
		struct offset_gap g = d->gaps[i];

		if (offset >= g.from && offset < g.to) {
			*to = g.to;
			return true;
		}
		if (offset >= g.to)
			break;
	}
	return false;
}

uint64_t durable_gaps_between(const struct durable *d, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (uint64_t i = gap_count(d); i-- > 0;) {
		struct offset_gap g = d->gaps[i];

		if (g.to <= from)
			break;
		if (g.from < from)
			g.from = from;
		if (g.to > to)
			g.to = to;
		if (g.from < g.to)
			sum += g.to - g.from;
	}
	return sum;
}

uint64_t durable_back(const struct durable *d, uint64_t offset, uint64_t count)
{
	for (uint64_t i = gap_count(d); i-- > 0 && count > 0;) {
		struct offset_gap g = d->gaps[i];

		if (g.to > offset)
			continue;
		if (offset - g.to >= count)
			break;
		count -= offset - g.to; /* what is behind this gap is not enough */
		offset = g.from;
	}
	return offset > count ? offset - count : 0;
}

/* ---- the table ---------------------------------------------------------------------- */

static uint64_t key_of(const struct stored_entry *s, enum stored_by by)
{
	switch (by) {
	case STORED_BY_POSITION:
		return s->first_position;
	case STORED_BY_OFFSET:
		return s->first_offset;
	case STORED_BY_TIME:
		break;
	}
	return s->first_ns;
}

static bool find_once(const struct durable *d, enum stored_by by, uint64_t key, struct stored_entry *out,
                      struct stored_entry *next)
{
	uint64_t count = load_acquire(&d->line->entries), low = 0, high; /* stored pairs written */

	high = count = count < STORED_MAX ? count : STORED_MAX;
	if (count == 0)
		return false;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		struct stored_entry s;

		racy_copy(&s, &d->table[middle], sizeof s);
		if (key_of(&s, by) > key)
			high = middle;
		else
			low = middle;
	}
	racy_copy(out, &d->table[low], sizeof *out);
	if (low + 1 < count)
		racy_copy(next, &d->table[low + 1], sizeof *next);
	else
		*next = (struct stored_entry){0};
	return true;
}

#define LOOKS 1000 /* the table is written anew for milliseconds, now and then */

bool durable_find(const struct durable *d, enum stored_by by, uint64_t key, struct stored_entry *out,
                  struct stored_entry *next)
{
	bool found = false;

	/* A writer that died in between leaves the version odd: what is found is then checked by who reads there, as
	   always. */
	for (int looks = 0; looks < LOOKS; looks++) {
		uint64_t version = load_acquire(&d->line->version); /* stored pairs written */

		found = find_once(d, by, key, out, next);
		fence_acquire();
		if ((version & 1) == 0 && load_relaxed(&d->line->version) == version) /* behind the fence */
			break;
	}
	return found;
}
