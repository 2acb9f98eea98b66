/* SPDX-License-Identifier: MIT */
/* check.c - verifying a store: what it consists of, and that its parts know each other. */
#include "check_parts.h"

#include "snapshot_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TRIES 10 /* while segments go away */

/* ---- what is said ------------------------------------------------------------------- */

static bool is_asked_for(struct check *c, uint64_t number)
{
	const struct image_topic *t = image_topic(&c->image, number);

	if (number == 0 || c->o->topic_count == 0)
		return true;
	for (size_t k = 0; t != NULL && k < c->o->topic_count; k++)
		if (strcmp(c->o->topics[k], t->r.name) == 0)
			return true;
	return false;
}

void check_said(struct check *c, uint64_t topic, bool damage, const char *format, ...)
{
	char text[1200];
	va_list ap;
	size_t n;

	if ((!damage && !c->o->verbose) || !is_asked_for(c, topic))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	c->result.problems += damage;
	n = strlen(text) + 1;
	if (column_room(&c->sentences, n + 1) < 0)
		return; /* it counts */
	c->sentences.data[c->sentences.used] = damage;
	memcpy(c->sentences.data + c->sentences.used + 1, text, n);
	c->sentences.used += n + 1;
}

const char *check_log_name(struct check *c, struct log_id id)
{
	static char texts[2][600];
	static unsigned turn;
	const struct image_topic *t = image_topic(&c->image, id.topic);
	const struct image_group *g = t != NULL ? image_group(t, id.group) : NULL;
	char *text = texts[turn++ % 2], name[280], group[280];

	snprintf(name, sizeof name, "%s", t != NULL ? t->r.name : "");
	if (t == NULL)
		snprintf(name, sizeof name, "number %" PRIu64, id.topic);
	snprintf(group, sizeof group, "%s", g != NULL ? g->r.name : "");
	if (g == NULL)
		snprintf(group, sizeof group, "number %u", id.group);
	if (id.group == 0)
		snprintf(text, sizeof texts[0], "topic %s, partition %u", name, id.partition);
	else
		snprintf(text, sizeof texts[0], "topic %s, dead letters of group %s", name, group);
	return text;
}

static void tell(const struct check *c)
{
	for (size_t at = 0; at < c->sentences.used;) {
		const char *text = (const char *)c->sentences.data + at + 1;

		c->o->found(c->o->context, c->sentences.data[at] != 0, text);
		at += strlen(text) + 2;
	}
}

/* ---- the chain of segments ---------------------------------------------------------- */

/* Commits between two segments, or before the first: what the snapshot knows may be gone. */
static void check_between(struct check *c, const struct segment_info *before, const struct segment_info *s)
{
	uint64_t from = before != NULL ? before->last_commit + 1 : 1;

	if (s->first_commit == 0 || s->first_commit == from)
		return;
	c->whole = false;
	if (s->first_commit < from)
		PROBLEM(c, 0, "segment %" PRIu64 " (%s): begins with commit %" PRIu64 ", but %" PRIu64 " stands before it", s->sequence,
		        s->name, s->first_commit, from - 1);
	else if (s->first_commit - 1 > c->result.snapshot && (before == NULL || s->previous != before->sequence))
		PROBLEM(c, 0,
		        "commits %" PRIu64 " to %" PRIu64 " are missing: segment %" PRIu64 " is gone, and no snapshot knows what was in it",
		        from > c->result.snapshot ? from : c->result.snapshot + 1, s->first_commit - 1, s->previous);
}

/* A segment without a head, or with a damaged one. */
static int check_headless(struct check *c, const struct segment_info *s, const struct segment_info *before)
{
	if (s->first_commit == 0 && before != NULL && s->sequence == c->found.segments[c->found.segment_count - 1].sequence) {
		REMARK(c, 0, "segment %" PRIu64 " (%s): was being begun", s->sequence, s->name);
		return 1;
	}
	PROBLEM(c, 0, "segment %" PRIu64 " (%s), byte 0: its head is damaged", s->sequence, s->name);
	return 0;
}

static int check_segments(struct check *c)
{
	const struct segment_info *before = NULL;
	int r = 0;

	c->whole = c->found.segment_count > 0 && c->found.segments[0].first_commit == 1;
	for (size_t k = 0; k < c->found.segment_count && r == 0 && !c->gone; k++) {
		struct segment_info *s = &c->found.segments[k];

		c->result.segments++;
		s->end = s->last_commit = 0;
		if (s->headless && check_headless(c, s, before))
			continue;
		check_between(c, before, s);
		r = check_segment(c, s, k + 1 < c->found.segment_count ? s + 1 : NULL);
		if (s->last_commit == 0) /* an empty one: as far as the one before */
			s->last_commit = s->first_commit != 0 ? s->first_commit - 1 : before != NULL ? before->last_commit : 0;
		before = s;
	}
	if (r == 0 && before != NULL && before->last_commit < c->result.snapshot)
		PROBLEM(c, 0, "the journal ends with commit %" PRIu64 ", but the snapshot knows of %" PRIu64 ": its newest part is gone",
		        before->last_commit, c->result.snapshot);
	else if (r == 0 && c->o->store == c->identity.id && c->o->durable > (before != NULL ? before->last_commit : 0))
		PROBLEM(c, 0, "the journal ends with commit %" PRIu64 ", but up to %" PRIu64 " was durable: its newest part is gone",
		        before != NULL ? before->last_commit : 0, c->o->durable);
	return r;
}

/* ---- tables ------------------------------------------------------------------------- */

static void check_table(struct check *c, const struct image_log *l)
{
	const struct stored_entry *table = image_table(l);
	size_t at = 0, count = image_table_count(l);

	for (size_t k = 0; k < count; k++) {
		uint64_t to = k + 1 < count ? table[k + 1].first_offset : l->end_offset;

		while (at < c->found.segment_count && c->found.segments[at].sequence < table[k].segment)
			at++;
		if (at > 0 && k > 0 && table[k].segment < table[k - 1].segment) /* moved ones are not in order */
			for (at = 0; at < c->found.segment_count && c->found.segments[at].sequence < table[k].segment; at++)
				;
		if (at < c->found.segment_count && c->found.segments[at].sequence == table[k].segment)
			continue;
		PROBLEM(c, l->id.topic, "%s: offsets %" PRIu64 " to %" PRIu64 " are missing: segment %" PRIu64 " is gone",
		        check_log_name(c, l->id), table[k].first_offset, to - 1, table[k].segment);
	}
}

static void check_tables(struct check *c)
{
	for (size_t k = 0; k < c->image.topic_count; k++) {
		const struct image_topic *t = c->image.topics[k];

		for (unsigned p = 0; p < t->r.partitions; p++)
			check_table(c, &t->logs[p]);
		for (size_t g = 0; g < t->group_count; g++)
			check_table(c, &t->groups[g]->returns);
	}
	c->result.topics = c->image.topic_count;
}

/* ---- all of it ---------------------------------------------------------------------- */

static void found_snapshot(void *context, const char *sentence)
{
	PROBLEM((struct check *)context, 0, "%s", sentence);
}

static int check_topics(const struct check *c)
{
	for (size_t k = 0; k < c->o->topic_count; k++) {
		bool is = false;

		for (size_t t = 0; t < c->image.topic_count && !is; t++)
			is = strcmp(c->image.topics[t]->r.name, c->o->topics[k]) == 0;
		if (!is)
			return fail(c->e, SHMQ_END, "topic %s: is not in the store", c->o->topics[k]);
	}
	return 0;
}

static int check_once(struct check *c)
{
	int r = store_recover(c->e, c->io, &c->identity, 0, &c->image, &c->found);

	if (r == SHMQ_ENOENT) { /* went away between list and open */
		c->gone = true;
		return 0;
	}
	if (r == SHMQ_ESTALE || r == SHMQ_ESYSTEM) { /* what cannot be read is damage, too */
		PROBLEM(c, 0, "%s; what is behind that was not looked at", c->e->text);
		return 0;
	}
	c->result.snapshot = c->found.snapshot;
	if (r == 0)
		r = check_topics(c);
	if (r == 0)
		r = snapshots_check(c->e, c->io, c->identity.id, found_snapshot, c);
	if (r == 0)
		r = check_segments(c);
	if (r == 0 && !c->gone) {
		r = check_ends(c);
		check_tables(c);
	}
	return r;
}

static void check_free(struct check *c)
{
	image_free(&c->image);
	recovered_free(&c->found);
	free(c->seen);
	column_free(&c->holes);
	column_free(&c->moved);
	column_free(&c->sentences);
}

int store_check(struct error *e, const struct check_options *o, struct check_result *out)
{
	struct check first = {.o = o, .e = e}, c = first;
	int r = io_sync_open(o->storefd, &first.io);

	if (r < 0) {
		errno = -r;
		return fail_errno(e, "opening the store");
	}
	r = store_identify(e, first.io, &first.identity);
	for (int n = 0; r == 0 && n < TRIES; n++) {
		check_free(&c);
		c = first;
		r = check_once(&c);
		if (!c.gone)
			break;
	}
	if (r == SHMQ_ENOMEM)
		fail(e, r, "no private memory");
	if (r == 0 && c.gone) /* it never stood still: what was found is as of the last look */
		PROBLEM(&c, 0, "segments went away all the time: not all could be looked at");
	if (r == 0)
		tell(&c);
	*out = c.result;
	check_free(&c);
	first.io->ops->free(first.io);
	return r;
}
