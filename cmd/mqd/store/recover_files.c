/* SPDX-License-Identifier: MIT */
/* recover_files.c - which files a store has: its identity, its segments. */
#include "recover_files.h"

#include "clock.h"
#include "segment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- whose store it is ---------------------------------------------------------------- */

int store_identify(struct error *e, struct io *io, struct store_file *out)
{
	int64_t n;
	int file = io->ops->open(io, "store", IO_READ_ONLY);

	if (file < 0) {
		errno = -file;
		return fail_errno(e, "opening store");
	}
	n = io->ops->read(io, file, out, sizeof *out, 0);
	io->ops->close(io, file);
	if (n < 0) {
		errno = (int)-n;
		return fail_errno(e, "reading store");
	}
	if (n != (int64_t)sizeof *out || out->magic != STORE_MAGIC)
		return fail(e, SHMQ_ECORRUPT, "store: this is not the identity of a store (damaged, or another program's)");
	if (out->format != JOURNAL_FORMAT)
		return fail(e, SHMQ_EFORMAT, "store: disk format %u, this program has %u", out->format, JOURNAL_FORMAT);
	if (out->hash != bulk_hash(out, offsetof(struct store_file, hash)) || out->id == 0 ||
	    out->segment_bytes < SEGMENT_MIN || out->segment_bytes > SEGMENT_MAX ||
	    out->segment_bytes % JOURNAL_BLOCK != 0)
		return fail(e, SHMQ_ECORRUPT, "store: damaged (checksum)");
	return 0;
}

/* Under a name of its own first: it is there as a whole, or not. */
static int store_write(struct error *e, struct io *io, const struct store_file *s)
{
	int64_t n;
	int file;

	io->ops->remove(io, "store.new"); /* of who died here before */
	file = io->ops->open(io, "store.new", IO_CREATE);
	n = file < 0 ? file : io_write_whole(io, file, s, sizeof *s, 0);
	if (n >= 0)
		n = io->ops->sync(io, file);
	if (file >= 0)
		io->ops->close(io, file);
	if (n >= 0)
		n = io->ops->rename(io, "store.new", "store");
	if (n >= 0)
		n = io->ops->sync_dir(io);
	if (n >= 0)
		return 0;
	errno = (int)-n;
	return fail_errno(e, "making the store");
}

int store_make(struct error *e, struct io *io, uint64_t segment_bytes, struct store_file *out)
{
	*out = (struct store_file){.magic = STORE_MAGIC,
	                           .format = JOURNAL_FORMAT,
	                           .segment_bytes = segment_bytes,
	                           .made_ns = clock_ns(CLOCK_REALTIME)};
	while (out->id == 0)
		if (getrandom(&out->id, sizeof out->id, 0) != sizeof out->id)
			out->id = clock_ns(CLOCK_REALTIME);
	out->hash = bulk_hash(out, offsetof(struct store_file, hash));
	return store_write(e, io, out);
}

static int is_built(void *context, const char *name)
{
	uint64_t sequence, salt;

	(void)context;
	return segment_parse(name, &sequence, &salt);
}

int store_make_sure(struct error *e, struct io *io, const struct store_file *s)
{
	int r = io->ops->list(io, is_built, NULL);

	if (r < 0) {
		errno = -r;
		return fail_errno(e, "listing the store");
	}
	return r != 0 ? 0 : store_write(e, io, s);
}

/* ---- segments ----------------------------------------------------------------------- */

struct lister {
	struct io *io;
	uint64_t store;
	struct recovered *out;
	struct error *e;
	int result;
};

/* What its head says; it is believed only when all of it fits. */
static void head_read(struct lister *l, struct segment_info *s)
{
	struct segment_head h;
	int64_t n = 0, bytes = -1;
	int file = l->io->ops->open(l->io, s->name, IO_READ_ONLY);

	s->headless = true;
	if (file < 0)
		return;
	bytes = l->io->ops->size(l->io, file);
	n = l->io->ops->read(l->io, file, &h, sizeof h, 0);
	l->io->ops->close(l->io, file);
	s->bytes = bytes > 0 ? (uint64_t)bytes : 0;
	if (n != (int64_t)sizeof h || h.magic != SEGMENT_MAGIC ||
	    h.hash != bulk_hash(&h, offsetof(struct segment_head, hash)) || h.sequence != s->sequence ||
	    h.salt != s->salt)
		return;
	if (h.format != JOURNAL_FORMAT) {
		l->result = fail(l->e, SHMQ_EFORMAT, "%s: disk format %u, this program has %u", s->name, h.format,
		                 JOURNAL_FORMAT);
		return;
	}
	if (h.store != l->store) {
		l->result = fail(l->e, SHMQ_ESTALE, "%s: is of another store", s->name);
		return;
	}
	s->headless = false;
	s->first_commit = h.first_commit;
	s->previous = h.previous;
	s->previous_end = h.previous_end;
}

static int list_one(void *context, const char *name)
{
	struct lister *l = context;
	struct segment_info s = {0}, *grown;

	if (!segment_parse(name, &s.sequence, &s.salt) || strlen(name) >= sizeof s.name)
		return 0;
	snprintf(s.name, sizeof s.name, "%s", name);
	grown = realloc(l->out->segments, (l->out->segment_count + 1) * sizeof s);
	if (grown == NULL)
		return l->result = fail(l->e, SHMQ_ENOMEM, "no private memory");
	l->out->segments = grown;
	l->out->segments[l->out->segment_count++] = s;
	return 0;
}

static int by_sequence(const void *a, const void *b)
{
	const struct segment_info *x = a, *y = b;

	return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

int segments_list(struct error *e, struct io *io, uint64_t store, struct recovered *out)
{
	struct lister l = {.io = io, .store = store, .out = out, .e = e};
	int r = io->ops->list(io, list_one, &l);

	if (l.result < 0)
		return l.result;
	if (r < 0) {
		errno = -r;
		return fail_errno(e, "listing the store");
	}
	for (size_t k = 0; k < out->segment_count && l.result == 0; k++)
		head_read(&l, &out->segments[k]);
	if (out->segment_count > 0)
		qsort(out->segments, out->segment_count, sizeof *out->segments, by_sequence);
	return l.result;
}
