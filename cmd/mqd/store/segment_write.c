/* SPDX-License-Identifier: MIT */
/* segment_write.c - files of the journal: made ready, begun, sealed, used again. */
#include "segment_write.h"

#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ZERO_CHUNK (1u << 20)
#define ZERO_AHEAD (256u << 10)

static uint64_t random_salt(void)
{
	uint64_t salt = 0;

	while (salt == 0)
		if (getrandom(&salt, sizeof salt, 0) != sizeof salt)
			salt = clock_ns(CLOCK_REALTIME) ^ clock_ns(CLOCK_MONOTONIC) << 20;
	return salt;
}

static void *block_alloc(size_t bytes)
{
	void *at = aligned_alloc(JOURNAL_BLOCK, bytes);

	if (at != NULL)
		memset(at, 0, bytes);
	return at;
}

/* ---- spares ------------------------------------------------------------------------- */

static int spare_add(struct journal *j, const struct spare *s)
{
	struct spare *grown = realloc(j->spares, (j->spare_count + 1) * sizeof *grown);

	if (grown == NULL)
		return SHMQ_ENOMEM;
	j->spares = grown;
	j->spares[j->spare_count++] = *s;
	return 0;
}

static struct spare spare_take(struct journal *j, size_t at)
{
	struct spare s = j->spares[at];

	memmove(&j->spares[at], &j->spares[at + 1], (j->spare_count - at - 1) * sizeof s);
	j->spare_count--;
	return s;
}

struct finder {
	struct journal *j;
	int result;
};

static int find_one(void *context, const char *name)
{
	struct finder *f = context;
	struct spare s = {0};
	unsigned long long salt;
	int file;

	if (sscanf(name, "spare.%16llx", &salt) != 1 || strlen(name) >= sizeof s.name)
		return 0;
	snprintf(s.name, sizeof s.name, "%s", name);
	s.salt = salt;
	file = f->j->io->ops->open(f->j->io, name, IO_READ_ONLY);
	if (file < 0)
		return 0;
	s.bytes = (uint64_t)f->j->io->ops->size(f->j->io, file);
	f->j->io->ops->close(f->j->io, file);
	if (s.bytes < f->j->segment_bytes) { /* somebody died while it was made */
		f->j->io->ops->remove(f->j->io, name);
		return 0;
	}
	f->j->store_bytes += s.bytes;
	f->result = spare_add(f->j, &s);
	return f->result;
}

int segment_spares_find(struct error *e, struct journal *j)
{
	struct finder f = {.j = j};
	int r = j->io->ops->list(j->io, find_one, &f);

	if (f.result < 0)
		return fail(e, SHMQ_ENOMEM, "no private memory");
	if (r < 0) {
		errno = -r;
		return fail_errno(e, "listing the store");
	}
	return 0;
}

void segment_spares_free(struct journal *j)
{
	free(j->spares);
	j->spares = NULL;
	j->spare_count = 0;
}

/* A new one, backed: 0 or -errno. */
static int spare_make(struct journal *j, uint64_t bytes)
{
	struct spare s = {.salt = random_salt(), .bytes = bytes};
	int r, file;

	if (j->limit != 0 && j->store_bytes + bytes > j->limit)
		return -ENOSPC;
	snprintf(s.name, sizeof s.name, "spare.%016llx", (unsigned long long)s.salt);
	file = j->io->ops->open(j->io, s.name, IO_CREATE);
	if (file < 0)
		return file;
	r = j->io->ops->allocate(j->io, file, bytes);
	if (r == 0)
		r = j->io->ops->sync(j->io, file);
	j->io->ops->close(j->io, file);
	if (r == 0 && spare_add(j, &s) < 0)
		r = -ENOMEM;
	if (r < 0)
		j->io->ops->remove(j->io, s.name);
	else
		j->store_bytes += bytes;
	return r;
}

/* Writes zeros into the next blocks of a spare: true when there is more to do. */
static bool spare_zero(struct journal *j, struct spare *s)
{
	void *zeros = block_alloc(ZERO_CHUNK);
	uint64_t n = s->bytes - s->zeroed < ZERO_CHUNK ? s->bytes - s->zeroed : ZERO_CHUNK;
	int64_t done = -ENOMEM;

	if (zeros != NULL && j->spare_file < 0)
		j->spare_file = j->io->ops->open(j->io, s->name, IO_DIRECT);
	if (zeros != NULL && j->spare_file >= 0)
		done = j->io->ops->write(j->io, j->spare_file, zeros, n, s->zeroed);
	free(zeros);
	if (done < (int64_t)JOURNAL_BLOCK) /* it does as it is */
		s->zeroed = s->bytes;
	else
		s->zeroed += (uint64_t)done / JOURNAL_BLOCK * JOURNAL_BLOCK;
	if (s->zeroed >= s->bytes && j->spare_file >= 0) {
		j->io->ops->sync(j->io, j->spare_file);
		j->io->ops->close(j->io, j->spare_file);
		j->spare_file = -1;
	}
	return s->zeroed < s->bytes;
}

void segment_zero_ahead(struct journal *j, size_t length)
{
	uint64_t to = j->at + ZERO_AHEAD;
	void *zeros;
	int64_t n;

	if (j->at + length <= j->zeroed)
		return;
	if (to > j->bytes)
		to = j->bytes;
	zeros = block_alloc(to - j->at);
	n = zeros != NULL ? j->io->ops->write(j->io, j->file, zeros, to - j->at, j->at) : -ENOMEM;
	free(zeros);
	j->zeroed = n < 0 ? j->bytes : j->at + (uint64_t)n; /* it does as it is */
}

bool segment_reserve(struct journal *j)
{
	int r = 0;

	while (j->spare_count < SPARES_KEPT && r == 0)
		r = spare_make(j, j->segment_bytes);
	return r == 0 || (r != -ENOSPC && r != -EDQUOT); /* what else it may be shows when it is needed */
}

bool journal_prepare(struct journal *j)
{
	if (j->broken || j->io == NULL)
		return false;
	if (j->spare_count <= SPARES_KEPT) {
		int r = spare_make(j, j->segment_bytes);

		if (r < 0)
			return false; /* told when it is needed */
		if (j->full)
			j->full = false;
		return true;
	}
	/* The one that is taken next is the one whose blocks were written. */
	return j->spares[0].zeroed < j->spares[0].bytes && spare_zero(j, &j->spares[0]);
}

int journal_recycle(struct journal *j, const char *name)
{
	struct spare s = {.salt = random_salt()};
	int64_t bytes;
	int r, file = j->io->ops->open(j->io, name, IO_READ_ONLY);

	if (file < 0)
		return file;
	bytes = j->io->ops->size(j->io, file);
	j->io->ops->close(j->io, file);
	if (bytes != (int64_t)j->segment_bytes || j->spare_count > SPARES_KEPT + 1) {
		r = j->io->ops->remove(j->io, name);
		if (r == 0 && bytes > 0)
			j->store_bytes -= (uint64_t)bytes;
		return r;
	}
	s.bytes = s.zeroed = (uint64_t)bytes; /* its blocks were written before */
	snprintf(s.name, sizeof s.name, "spare.%016llx", (unsigned long long)s.salt);
	r = j->io->ops->rename(j->io, name, s.name);
	if (r < 0)
		return r;
	j->full = false;
	return spare_add(j, &s) < 0 ? -ENOMEM : 0;
}

/* ---- one segment after the other ---------------------------------------------------- */

static uint64_t footer_room(uint64_t entries)
{
	return ALIGN_UP(entries * sizeof(struct run_entry), JOURNAL_BLOCK) + JOURNAL_BLOCK;
}

bool segment_has_room(const struct journal *j, const struct batch *b)
{
	return j->file >= 0 &&
	       j->at + ALIGN_UP(b->used, JOURNAL_BLOCK) + footer_room(j->entries + b->runs) <= j->bytes;
}

int segment_seal(struct io *io, int file, uint64_t bytes, uint64_t sequence, uint64_t salt, uint64_t end,
                 uint64_t last_commit, const struct column *runs)
{
	uint64_t room = ALIGN_UP(runs->used, JOURNAL_BLOCK);
	struct segment_tail *tail;
	unsigned char *block;
	int r;

	if (end + room + JOURNAL_BLOCK > bytes)
		return -ENOSPC;
	block = block_alloc(room + JOURNAL_BLOCK);
	if (block == NULL)
		return -ENOMEM;
	if (runs->used > 0)
		memcpy(block, runs->data, runs->used);
	tail = (struct segment_tail *)(void *)(block + room);
	*tail = (struct segment_tail){.magic = TAIL_MAGIC,
	                              .salt = salt,
	                              .sequence = sequence,
	                              .at = end,
	                              .count = runs->used / sizeof(struct run_entry),
	                              .end = end,
	                              .last_commit = last_commit,
	                              .entries_hash = bulk_hash(block, runs->used)};
	tail->hash = bulk_hash(tail, offsetof(struct segment_tail, hash));
	r = io_write_whole(io, file, block, room, end);
	if (r == 0)
		r = io_write_whole(io, file, tail, JOURNAL_BLOCK, bytes - JOURNAL_BLOCK);
	free(block);
	return r;
}

void segment_leave(struct journal *j)
{
	if (j->file < 0)
		return;
	if (!j->suspect && !j->runs_lost)
		segment_seal(j->io, j->file, j->bytes, j->sequence, j->salt, j->end, j->image->commit, &j->runs);
	j->io->ops->close(j->io, j->file);
	j->file = -1;
	j->previous = j->sequence;
	j->previous_end = j->end;
	j->runs.used = 0;
	j->entries = 0;
	j->suspect = j->runs_lost = false;
}

/* Its head, then its name, each durable before the next. 0 or -errno. */
static int begin(struct journal *j, const struct spare *s)
{
	struct segment_head *h = block_alloc(JOURNAL_BLOCK);
	int r;

	if (h == NULL)
		return -ENOMEM;
	*h = (struct segment_head){.magic = SEGMENT_MAGIC,
	                           .format = JOURNAL_FORMAT,
	                           .block = JOURNAL_BLOCK,
	                           .store = j->store,
	                           .sequence = j->sequence,
	                           .salt = s->salt,
	                           .bytes = s->bytes,
	                           .first_commit = j->next_commit,
	                           .previous = j->previous,
	                           .previous_end = j->previous_end,
	                           .snapshot = j->image->commit,
	                           .made_ns = clock_ns(CLOCK_REALTIME)};
	h->hash = bulk_hash(h, offsetof(struct segment_head, hash));
	r = io_write_whole(j->io, j->file, h, JOURNAL_BLOCK, 0);
	free(h);
	if (r >= 0)
		r = j->io->ops->sync(j->io, j->file);
	if (r >= 0)
		r = j->io->ops->rename(j->io, s->name, j->name);
	if (r >= 0)
		r = j->io->ops->sync_dir(j->io);
	return r < 0 ? r : 0;
}

/* The first spare that is large enough: -1, none. */
static int choose(const struct journal *j, uint64_t bytes)
{
	for (size_t i = 0; i < j->spare_count; i++)
		if (j->spares[i].bytes >= bytes)
			return (int)i;
	return -1;
}

int segment_next(struct journal *j, const struct batch *b, bool frees)
{
	uint64_t need = JOURNAL_BLOCK + ALIGN_UP(b->used, JOURNAL_BLOCK) + footer_room(b->runs);
	struct spare s;
	int r = 0, at;

	if (need < j->segment_bytes)
		need = j->segment_bytes;
	at = choose(j, need);
	if (at < 0 || (!frees && j->spare_count <= SPARES_KEPT)) {
		r = spare_make(j, need);
		at = r == 0 && at < 0 ? (int)j->spare_count - 1 : at;
	}
	if (at < 0 || (r < 0 && !frees)) {
		j->full = r == -ENOSPC || r == -EDQUOT;
		if (j->full)
			return SHMQ_FULL;
		journal_failed(j, "making a segment after", -r);
		return j->broken ? SHMQ_EDAEMON : SHMQ_EMPTY;
	}
	segment_leave(j);
	if (at == 0 && j->spare_file >= 0) {
		j->io->ops->close(j->io, j->spare_file);
		j->spare_file = -1;
	}
	s = spare_take(j, (size_t)at);
	j->sequence++;
	snprintf(j->name, sizeof j->name, "journal.%016llx.%016llx", (unsigned long long)j->sequence,
	         (unsigned long long)s.salt);
	j->file = j->io->ops->open(j->io, s.name, IO_DIRECT);
	r = j->file < 0 ? j->file : begin(j, &s);
	if (r < 0) { /* nothing was ever durable in it: it is as if it had not been */
		if (j->file >= 0)
			j->io->ops->close(j->io, j->file);
		j->file = -1;
		journal_failed(j, "beginning", -r);
		return j->broken ? SHMQ_EDAEMON : SHMQ_EMPTY;
	}
	j->salt = s.salt;
	j->bytes = s.bytes;
	j->zeroed = s.zeroed;
	j->at = j->end = JOURNAL_BLOCK;
	return 0;
}
