/* SPDX-License-Identifier: MIT */
/* told.c - what others are told when something is durable: positions, tables, runs, who waits. */
#include "server.h"

#include "clock.h"
#include "segment.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void told_state(struct server *s, enum daemon_state state)
{
	store_release(&s->daemon->state, state); /* written:stored */
}

/* ---- runs of the segment being written ---------------------------------------------- */

/* The segment that it is about says it itself now. */
static void runs_end(struct server *s)
{
	char name[40];

	if (s->runs_map.at == NULL)
		return;
	runs_name(name, s->runs_segment);
	map_close(&s->runs_map);
	unlinkat(s->q->dirfd, name, 0);
}

static int runs_begin(struct server *s, uint64_t segment)
{
	size_t bytes = sizeof(struct runs_file) + ALIGN_UP(s->journal.bytes / 2, PAGE);
	int r, fd = openat(s->q->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct runs_file *f;
	struct aside a;
	char name[40];

	if (fd < 0)
		return fail_errno(&s->error, "runtime directory %s", s->q->dir);
	runs_name(name, segment);
	unlinkat(fd, name, 0);
	r = map_aside(&s->error, fd, bytes, sizeof *f, &a);
	if (r == 0) {
		f = a.map.at;
		f->head.kind = FILE_RUNS;
		f->head.number = segment;
		f->head.bytes = bytes;
		file_head_seal(&f->head);
		r = map_publish(&s->error, &a, name);
	}
	close(fd);
	if (r == 0)
		s->runs_map = a.map;
	return r;
}

/* Readers that do not find it here walk through the segment's commits: slower, and as right. */
void told_run(void *context, const struct run_entry *run, uint64_t segment)
{
	struct server *s = context;
	struct runs_file *f;
	uint64_t count;
	size_t at;

	(void)journal_note_run(&s->journal, run); /* else the segment has no footer: not a reason to say nothing here */
	if (s->runs_segment != segment) {
		runs_end(s);
		s->runs_segment = segment;
		(void)runs_begin(s, segment); /* one that lacks the first runs would be worse than none */
	}
	if (s->runs_map.at == NULL)
		return;
	f = s->runs_map.at;
	count = load_relaxed(&f->count); /* relaxed: our own */
	at = sizeof *f + count * sizeof *run;
	if (at + sizeof *run > s->runs_map.bytes || (at % PAGE == 0 && map_reserve(&s->error, &s->runs_map, at, PAGE) < 0)) {
		runs_end(s);
		return;
	}
	memcpy((char *)f + at, run, sizeof *run);
	store_release(&f->count, count + 1); /* written:stored */
}

/* ---- commits ------------------------------------------------------------------------ */

void told_again(struct server *s)
{
	s->show_again = false;
	for (size_t k = 0; k < s->image.topic_count; k++)
		if (live_show(&s->live, s->image.topics[k]) < 0)
			s->show_again = true;
	fence_seq();
	bell_ring(&s->q->broker->durable); /* tell:sleep */
}

/* Every topic that a commit speaks of. */
static void topics_show(struct server *s, const struct commit_head *c)
{
	uint64_t last = 0;
	const struct record *r;
	bool damaged = false;
	uint32_t next = 0;

	while ((r = commit_record(c, &next, &damaged)) != NULL) {
		const struct image_topic *it = r->log.topic != last ? image_topic(&s->image, r->log.topic) : NULL;

		last = r->log.topic;
		if (it != NULL && live_show(&s->live, it) < 0) {
			server_say(s, SAY_WARNING, "telling readers of topic %s: %s; tried again", it->r.name, s->q->error.text);
			s->show_again = true;
		}
	}
}

void told_durable(void *context, const struct batch *b)
{
	struct server *s = context;
	struct journal *j = &s->journal;

	store_release(&s->daemon->commit, s->image.commit); /* written:stored; first: what is behind it is cut (recover.c) */
	if (load_relaxed(&s->daemon->complete) != 0) /* relaxed: our own; before that they are not there yet */
		topics_show(s, batch_head(b));
	store_relaxed(&s->daemon->segment, j->sequence);    /* relaxed: figures */
	store_relaxed(&s->daemon->commits, j->commits);
	store_relaxed(&s->daemon->bytes, j->written);
	store_relaxed(&s->daemon->syncs, j->syncs);
	store_relaxed(&s->daemon->sync_ns, j->syncing ? load_relaxed(&s->daemon->sync_ns) : j->sync_ns);
	store_relaxed(&s->daemon->store_bytes, j->store_bytes);
	if (b->rounds != 0) {
		if (!b->spoiled)
			store_release(&s->daemon->rounds_durable, b->rounds); /* written:stored */
		if (s->collector.round == b->rounds)
			s->collector.round = 0;
	}
	if (s->full_said && !s->collector.frees_only && b->runs > 0) {
		s->full_said = false;
		server_say(s, SAY_NOTE, "the store has room again");
		told_state(s, DAEMON_RUNS);
	}
	s->snapshot_bytes += batch_head(b)->length;
	s->carry_ns = clock_ns(CLOCK_MONOTONIC);
	fence_seq();
	bell_ring(&s->q->broker->durable); /* tell:sleep */
}

void told_dropped(void *context)
{
	struct server *s = context;

	s->filled = false;
	if (s->journal.broken) {
		store_relaxed(&s->daemon->error, (uint64_t)s->journal.error); /* relaxed: for a sentence */
		told_state(s, DAEMON_FAILED);
		bell_ring(&s->q->broker->durable);
	}
	clean_drop(&s->cleaner);
	collect_rewind(&s->collector);
}

#define TROUBLE_NS      60000000000u /* until the same is said again, */
#define TROUBLE_NEXT_NS 10000000000u /* and that of another topic: who should read it may not, and must not hold mqd up */

void told_trouble(void *context, uint64_t topic)
{
	struct server *s = context;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const struct image_topic *it = image_topic(&s->image, topic);

	if (s->troubled_ns != 0 && now - s->troubled_ns < (s->troubled == topic ? TROUBLE_NS : TROUBLE_NEXT_NS))
		return;
	s->troubled = topic;
	s->troubled_ns = now;
	server_say(s, SAY_WARNING, "topic %s (number %" PRIu64 ") cannot be written now: %s; tried again",
	           it != NULL ? it->r.name : "", topic, s->q->error.text);
}

void told_said(void *context, const char *sentence)
{
	server_say(context, SAY_WARNING, "%s", sentence);
}

void told_end(struct server *s)
{
	runs_end(s);
}
