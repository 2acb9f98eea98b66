/* SPDX-License-Identifier: MIT */
/*
 * stored_runs.c - where in a segment a log's frames are.
 *
 * The segment that is being written has no footer; what stands in it is in the runtime directory. That file goes away
 * behind the writing of the footer: who does not find it finds the footer.
 */
#include "stored.h"

#include <fcntl.h>
#include <stdlib.h>

void stored_close(struct stored *s)
{
	segment_close(&s->segment);
	map_close(&s->live);
	stored_buffer_forget(&s->buffer);
	s->cursor = (struct stored_cursor){0};
	s->run_count = s->run_hint = s->run_ahead = s->looked = s->lost_count = s->holes_to = 0;
}

static int by_position(const void *a, const void *b)
{
	const struct run_entry *x = a, *y = b;

	if (x->first_position != y->first_position)
		return x->first_position < y->first_position ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static int add_run(struct stored *s, const struct run_entry *r)
{
	if (s->run_count == s->run_capacity) {
		uint64_t capacity = s->run_capacity == 0 ? 64 : s->run_capacity * 2;
		struct run_entry *grown = realloc(s->runs, capacity * sizeof *grown);

		if (grown == NULL)
			return SHMQ_ENOMEM;
		s->runs = grown;
		s->run_capacity = capacity;
	}
	s->runs[s->run_count++] = *r;
	return 0;
}

/* Whether it pays to read what is between the runs along with them. */
static bool runs_dense(const struct stored *s)
{
	uint64_t used = 0, first = UINT64_MAX, end = 0;

	for (uint64_t i = 0; i < s->run_count; i++) {
		uint64_t at = (uint64_t)s->runs[i].at * FRAME_ALIGN;

		used += s->runs[i].bytes;
		first = at < first ? at : first;
		end = at + s->runs[i].bytes > end ? at + s->runs[i].bytes : end;
	}
	return s->run_count > 0 && used >= (end - first) / 4;
}

/* Moved frames are older than what else a segment has. */
static void order(struct stored *s, uint64_t from)
{
	bool sorted = true;

	for (uint64_t i = from > 0 ? from : 1; i < s->run_count && sorted; i++)
		sorted = by_position(&s->runs[i - 1], &s->runs[i]) <= 0;
	if (!sorted)
		qsort(s->runs, s->run_count, sizeof *s->runs, by_position);
	s->dense = runs_dense(s);
}

/* What the runtime directory has of the segment since it was last looked at. */
static int look_live(struct error *e, struct stored *s)
{
	const struct runs_file *f = s->live.at;
	const struct run_entry *entries = (const struct run_entry *)(const void *)(f + 1);
	uint64_t most = (s->live.bytes - sizeof *f) / sizeof *entries;
	uint64_t count = load_acquire(&f->count), had = s->run_count; /* stored pairs written */

	if (count > most)
		count = most;
	for (; s->looked < count; s->looked++) {
		struct run_entry r;

		racy_copy_line(&r, &entries[s->looked]);
		/* Not the size of the file: where it was cut, frames are missing, and that is told. */
		if (log_same(&r.log, &s->log) && run_possible(&r, SEGMENT_MAX) && add_run(s, &r) < 0)
			return fail(e, SHMQ_ENOMEM, "no private memory for what stands in %s", s->segment.name);
	}
	if (s->run_count > had)
		order(s, had);
	return 0;
}

static int learn_from_segment(struct error *e, struct stored *s, const struct store_place *p)
{
	struct run_entry *entries;
	uint64_t count;
	int r = segment_footer(e, &s->segment, &entries, &count);

	s->from = r == SHMQ_ENOENT ? RUNS_COMMITS : RUNS_FOOTER;
	s->end = 0;
	if (s->from == RUNS_COMMITS) {
		s->end = segment_end(p->storefd, p->id, s->segment.sequence);
		r = segment_commits(e, &s->segment, s->end, &entries, &count);
	}
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < count && r == 0; i++)
		if (log_same(&entries[i].log, &s->log))
			r = add_run(s, &entries[i]);
	free(entries);
	if (r < 0)
		return fail(e, r, "no private memory for what stands in %s", s->segment.name);
	order(s, 0);
	return 0;
}

static int learn(struct error *e, struct stored *s, const struct store_place *p)
{
	char name[40];

	runs_name(name, s->segment.sequence);
	if (map_open(e, p->dirfd, name, false, FILE_RUNS, s->segment.sequence, &s->live) == 0) {
		if (s->live.bytes >= sizeof(struct runs_file)) {
			s->from = RUNS_MEMORY;
			return look_live(e, s);
		}
		map_close(&s->live);
	}
	return learn_from_segment(e, s, p);
}

int stored_open(struct error *e, struct stored *s, const struct store_place *p, uint64_t sequence, uint64_t durable,
                uint64_t version)
{
	char name[64];
	int r;

	stored_close(s);
	s->durable = durable;
	s->table_version = version;
	r = segment_name(e, p->storefd, sequence, name);
	if (r == 0)
		r = segment_open(e, p->storefd, name, p->id, &s->segment);
	if (r == 0)
		r = learn(e, s, p);
	if (r == 0 && !segment_same(p->storefd, &s->segment)) /* used again while it was read */
		r = fail(e, SHMQ_ENOENT, "segment %llu is gone", (unsigned long long)sequence);
	if (r == 0 && s->dense)
		(void)posix_fadvise(s->segment.fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* a hint */
	if (r < 0)
		stored_close(s);
	return r;
}

int stored_refresh(struct error *e, struct stored *s, const struct store_place *p, uint64_t durable, uint64_t version)
{
	/* What was moved here from another segment is older: nothing more is durable, but the table was written anew. */
	if (durable == s->durable && s->table_version == version)
		return 0;
	/* Also of a footer that was not there yet. And what an mqd that was killed has told is not all that it has written:
	   the next one takes the name from its file before it says that more is durable. */
	if (s->from == RUNS_COMMITS || (s->from == RUNS_MEMORY && !map_linked(&s->live)))
		return stored_open(e, s, p, s->segment.sequence, durable, version);
	s->durable = durable;
	s->table_version = version;
	return s->from == RUNS_MEMORY ? look_live(e, s) : 0;
}

const struct run_entry *stored_run(struct stored *s, uint64_t position)
{
	uint64_t low = 0, high = s->run_count, i = s->run_hint;

	if (i < s->run_count && s->runs[i].first_position <= position && position < s->runs[i].end_position &&
	    (i + 1 == s->run_count || s->runs[i + 1].first_position > position))
		return &s->runs[i];
	while (low < high) { /* the first that begins behind the position */
		uint64_t middle = low + (high - low) / 2;

		if (s->runs[middle].first_position > position)
			high = middle;
		else
			low = middle + 1;
	}
	if (low > 0 && s->runs[low - 1].end_position > position)
		low--;
	s->run_hint = low;
	return low < s->run_count ? &s->runs[low] : NULL;
}
