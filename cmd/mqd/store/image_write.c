/* SPDX-License-Identifier: MIT */
/* image_write.c - an image as records: a snapshot. */
#include "image.h"

#include <string.h>

int record_add(struct column *out, enum record_type type, struct log_id log, const uint64_t numbers[4], const void *data,
               size_t bytes)
{
	struct record r = {.type = type, .bytes = (uint32_t)bytes, .log = log};
	size_t padded = ALIGN_UP(bytes, RECORD_ALIGN);

	if (column_room(out, sizeof r + padded) < 0)
		return SHMQ_ENOMEM;
	if (numbers != NULL) {
		r.a = numbers[0];
		r.b = numbers[1];
		r.c = numbers[2];
		r.d = numbers[3];
	}
	memcpy(out->data + out->used, &r, sizeof r);
	if (bytes > 0)
		memcpy(out->data + out->used + sizeof r, data, bytes);
	memset(out->data + out->used + sizeof r + bytes, 0, padded - bytes);
	out->used += sizeof r + padded;
	return 0;
}

int record_spans(struct column *out, enum record_type type, struct log_id log, uint64_t incarnation,
                 const struct spans *s)
{
	struct column runs = {0};
	uint64_t at = s->floor;
	int r = 0;

	for (size_t k = 0; k < s->count && r == 0; k++) {
		uint64_t from = s->at[k].from, left = s->at[k].to - from, skip = from - at;

		/* longer ones in pieces: of nothing, and of what is done */
		while (r == 0 && (skip > 0 || left > 0)) {
			struct done_run run = {.skip = skip < UINT32_MAX ? (uint32_t)skip : UINT32_MAX};

			skip -= run.skip;
			if (skip == 0)
				run.count = left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
			left -= run.count;
			r = column_room(&runs, sizeof run);
			if (r == 0) {
				memcpy(runs.data + runs.used, &run, sizeof run);
				runs.used += sizeof run;
			}
		}
		at = s->at[k].to;
	}
	if (r == 0)
		r = record_add(out, type, log, (const uint64_t[4]){incarnation, s->floor, 0, 0}, runs.data, runs.used);
	column_free(&runs);
	return r;
}

static int write_log(const struct image_log *l, struct column *out)
{
	struct record_log r = {.end_position = l->end_position,
	                       .end_offset = l->end_offset,
	                       .end_bytes = l->end_bytes,
	                       .end_ns = l->end_ns,
	                       .low_position = l->low_position,
	                       .low_offset = l->low_offset,
	                       .gaps = image_gap_count(l),
	                       .entries = image_table_count(l)};
	struct column data = {0};
	int e;

	if (l->end_position == 0 && l->changed == 0)
		return 0; /* as it was made */
	e = column_room(&data, sizeof r + l->gaps.used + l->table.used);
	if (e == 0) {
		memcpy(data.data, &r, sizeof r);
		if (l->gaps.used > 0)
			memcpy(data.data + sizeof r, l->gaps.data, l->gaps.used);
		if (l->table.used > 0)
			memcpy(data.data + sizeof r + l->gaps.used, l->table.data, l->table.used);
		e = record_add(out, RECORD_LOG, l->id, (const uint64_t[4]){l->gap_sum, 0, 0, 0}, data.data,
		               sizeof r + l->gaps.used + l->table.used);
	}
	column_free(&data);
	return e;
}

static int write_group(const struct image_topic *t, const struct image_group *g, struct column *out)
{
	struct log_id id = {.topic = t->number, .group = g->number};
	int r = record_add(out, RECORD_GROUP, id, NULL, &g->r, sizeof g->r);

	for (id.partition = 0; id.partition < t->r.partitions && r == 0; id.partition++)
		r = record_spans(out, RECORD_WINDOW, id, g->r.incarnation, &g->windows[id.partition]);
	id.partition = 0;
	if (r == 0)
		r = write_log(&g->returns, out);
	if (r == 0)
		r = record_spans(out, RECORD_WINDOW, id, 0, &g->returned);
	if (r == 0)
		r = record_spans(out, RECORD_REQUEUED, id, 0, &g->requeued);
	return r;
}

int image_write(const struct image *i, struct column *out)
{
	int r = record_add(out, RECORD_NUMBERS, (struct log_id){0}, (const uint64_t[4]){i->numbers, 0, 0, 0}, NULL, 0);

	for (size_t k = 0; k < i->topic_count && r == 0; k++) {
		const struct image_topic *t = i->topics[k];

		r = record_add(out, RECORD_TOPIC, (struct log_id){.topic = t->number}, NULL, &t->r, sizeof t->r);
		for (unsigned p = 0; p < t->r.partitions && r == 0; p++)
			r = write_log(&t->logs[p], out);
		for (size_t g = 0; g < t->group_count && r == 0; g++)
			r = write_group(t, t->groups[g], out);
	}
	return r;
}
