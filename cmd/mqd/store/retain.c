/* SPDX-License-Identifier: MIT */
/* retain.c - what is let go: too old, too much, acked by all; and the segments that nothing is left in. */
#include "server.h"

#include "clock.h"

/* ---- logs --------------------------------------------------------------------------- */

/* Up to where each group of a topic has acked one partition: none: 0. */
static uint64_t acked_by_all(const struct image_topic *t, unsigned partition)
{
	uint64_t lowest = t->group_count > 0 ? UINT64_MAX : 0;

	for (size_t k = 0; k < t->group_count; k++)
		if (t->groups[k]->windows[partition].floor < lowest)
			lowest = t->groups[k]->windows[partition].floor;
	return lowest;
}

/* Whether everything that stands before an entry of the table may go. */
static bool may_go(const struct image_topic *t, const struct image_log *l, const struct stored_entry *next, uint64_t now_ns)
{
	if (l->id.group != 0) { /* a return log: what is done */
		const struct image_group *g = image_group(t, l->id.group);

		return g != NULL && next->first_offset <= g->returned.floor;
	}
	if (t->r.retain_ns < INT64_MAX && next->first_ns + t->r.retain_ns < now_ns)
		return true;
	if (t->r.retain_bytes != 0 && l->end_bytes - next->first_bytes >= t->r.retain_bytes)
		return true;
	return (t->r.retain_flags & 1) && next->first_offset <= acked_by_all(t, l->id.partition);
}

static int retain_log(const struct image_topic *t, const struct image_log *l, uint64_t now_ns, struct batch *b)
{
	const struct stored_entry *table = image_table(l);
	size_t keep = 0;

	while (keep + 1 < image_table_count(l) && may_go(t, l, &table[keep + 1], now_ns))
		keep++;
	if (keep == 0)
		return 0;
	return batch_add(b, RECORD_TRIM, l->id, (const uint64_t[4]){table[keep].first_position, table[keep].first_offset, 0, 0},
	                 NULL, 0);
}

int retain(struct server *s, struct batch *b)
{
	uint64_t now_ns = clock_ns(CLOCK_REALTIME);
	int r = 0;

	for (size_t k = 0; k < s->image.topic_count && r == 0; k++) {
		const struct image_topic *t = s->image.topics[k];

		for (unsigned p = 0; p < t->r.partitions && r == 0; p++)
			r = retain_log(t, &t->logs[p], now_ns, b);
		for (size_t g = 0; g < t->group_count && r == 0; g++)
			r = retain_log(t, &t->groups[g]->returns, now_ns, b);
	}
	return r;
}

/* ---- segments ----------------------------------------------------------------------- */

static bool log_needs(const struct image_log *l, uint64_t segment)
{
	for (size_t k = 0; k < image_table_count(l); k++)
		if (image_table(l)[k].segment == segment)
			return true;
	return false;
}

static bool is_needed(const struct image *i, uint64_t segment)
{
	for (size_t k = 0; k < i->topic_count; k++) {
		const struct image_topic *t = i->topics[k];

		for (unsigned p = 0; p < t->r.partitions; p++)
			if (log_needs(&t->logs[p], segment))
				return true;
		for (size_t g = 0; g < t->group_count; g++)
			if (log_needs(&t->groups[g]->returns, segment))
				return true;
	}
	return false;
}

int retain_segments(struct server *s)
{
	uint64_t oldest = snapshot_oldest_kept(s->io);
	struct recovered all = {0};
	int r = s->rotten ? SHMQ_EMPTY : segments_list(&s->error, s->io, s->identity.id, &all);

	/* A segment is needed to start again when it has commits behind the older snapshot. */
	for (size_t k = 0; k + 1 < all.segment_count && r == 0; k++) {
		const struct segment_info *info = &all.segments[k];

		if (info->sequence == s->journal.sequence || all.segments[k + 1].first_commit > oldest + 1 ||
		    all.segments[k + 1].headless || is_needed(&s->image, info->sequence))
			continue;
		r = journal_recycle(&s->journal, info->name);
		if (r < 0)
			server_say(s, SAY_WARNING, "%s: cannot be used again: %d", info->name, -r);
		r = 0;
	}
	if (r == 0 && !clean_busy(&s->cleaner))
		r = clean_choose(&s->error, &s->cleaner, &all, s->journal.sequence, oldest);
	recovered_free(&all);
	return r == SHMQ_EMPTY ? 0 : r;
}
