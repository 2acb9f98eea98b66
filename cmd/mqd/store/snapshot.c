/* SPDX-License-Identifier: MIT */
/* snapshot.c - the state as of a commit, in a file of its own: what came before it is not replayed. */
#include "recover_files.h"
#include "snapshot_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOTS_MAX 64

struct snapshots {
	uint64_t commit[SNAPSHOTS_MAX]; /* descending */
	unsigned count;
};

static void file_name(char name[40], uint64_t commit)
{
	snprintf(name, 40, "snapshot.%016" PRIx64, commit);
}

static int note_one(void *context, const char *name)
{
	struct snapshots *s = context;
	unsigned long long commit;
	unsigned at;
	int end = 0;

	if (sscanf(name, "snapshot.%16llx%n", &commit, &end) != 1 || name[end] != '\0')
		return 0;
	for (at = 0; at < s->count && s->commit[at] > commit; at++)
		;
	if (at >= SNAPSHOTS_MAX)
		return 0;
	if (s->count == SNAPSHOTS_MAX)
		s->count--;
	memmove(&s->commit[at + 1], &s->commit[at], (s->count - at) * sizeof s->commit[0]);
	s->commit[at] = commit;
	s->count++;
	return 0;
}

static bool head_right(const struct snapshot_head *h, int64_t bytes, uint64_t store, uint64_t commit)
{
	return h->magic == SNAPSHOT_MAGIC && h->format == JOURNAL_FORMAT && h->store == store && h->commit == commit &&
	       h->hash == bulk_hash(h, offsetof(struct snapshot_head, hash)) &&
	       h->bytes <= (uint64_t)bytes - sizeof *h;
}

/* 0; SHMQ_ECORRUPT; or an error. */
static int load_one(struct error *e, struct io *io, uint64_t store, uint64_t commit, struct image *i)
{
	struct snapshot_head *h = NULL;
	int64_t bytes, n = 0;
	char name[40];
	int r, file;

	file_name(name, commit);
	file = io->ops->open(io, name, IO_READ_ONLY);
	if (file < 0) {
		errno = -file;
		return fail_errno(e, "opening %s", name);
	}
	bytes = io->ops->size(io, file);
	if (bytes >= (int64_t)sizeof *h) {
		h = aligned_alloc(JOURNAL_BLOCK, ALIGN_UP((uint64_t)bytes, JOURNAL_BLOCK));
		n = h == NULL ? -ENOMEM : io->ops->read(io, file, h, (size_t)bytes, 0);
	}
	io->ops->close(io, file);
	if (n < 0) {
		errno = (int)-n;
		r = fail_errno(e, "reading %s", name);
	} else if (h == NULL || n < bytes || !head_right(h, bytes, store, commit) ||
	           h->payload_hash != bulk_hash(h + 1, h->bytes)) {
		r = fail(e, SHMQ_ECORRUPT, "%s: damaged", name);
	} else {
		r = image_apply_snapshot(e, i, h, h + 1);
	}
	free(h);
	return r;
}

int snapshot_load(struct error *e, struct io *io, uint64_t store, struct image *i, struct recovered *out)
{
	struct snapshots all = {.count = 0};
	int r = io->ops->list(io, note_one, &all);

	if (r < 0) {
		errno = -r;
		return fail_errno(e, "listing the store");
	}
	for (unsigned k = 0; k < all.count; k++) {
		r = load_one(e, io, store, all.commit[k], i);
		if (r == 0) {
			out->snapshot = all.commit[k];
			return 0;
		}
		if (r != SHMQ_ECORRUPT)
			return r;
		recover_found(out, FOUND_ROT, "%s; an older one, or the whole journal, is read instead", e->text);
		image_free(i);
		i->numbers = i->commit = i->segment = 0;
	}
	return 0;
}

int snapshots_check(struct error *e, struct io *io, uint64_t store, void (*found)(void *context, const char *sentence),
                    void *context)
{
	struct snapshots all = {.count = 0};
	int r = io->ops->list(io, note_one, &all);

	if (r < 0) {
		errno = -r;
		return fail_errno(e, "listing the store");
	}
	for (unsigned k = 0; k < all.count; k++) {
		struct image i = {0};

		r = load_one(e, io, store, all.commit[k], &i);
		image_free(&i);
		if (r == SHMQ_ENOMEM)
			return r;
		if (r < 0 && r != SHMQ_ENOENT)
			found(context, e->text);
	}
	return 0;
}

/* Made aside, durable before it has its name. */
static int write_file(struct io *io, const char *name, const void *data, size_t bytes)
{
	int r, file;

	io->ops->remove(io, "snapshot.new"); /* of who died here before */
	file = io->ops->open(io, "snapshot.new", IO_CREATE);
	if (file < 0)
		return file;
	r = io_write_whole(io, file, data, bytes, 0);
	if (r >= 0)
		r = io->ops->sync(io, file);
	io->ops->close(io, file);
	if (r >= 0)
		r = io->ops->rename(io, "snapshot.new", name);
	if (r >= 0)
		r = io->ops->sync_dir(io);
	if (r < 0)
		io->ops->remove(io, "snapshot.new");
	return r < 0 ? r : 0;
}

static void remove_old(struct io *io)
{
	struct snapshots all = {.count = 0};
	char name[40];

	io->ops->list(io, note_one, &all);
	for (unsigned k = 2; k < all.count; k++) {
		file_name(name, all.commit[k]);
		io->ops->remove(io, name);
	}
}

int snapshot_save(struct error *e, struct io *io, uint64_t store, const struct image *i)
{
	struct snapshot_head *h;
	struct column out = {0};
	char name[40];
	int r = column_room(&out, sizeof *h);

	out.used = sizeof *h;
	if (r == 0)
		r = image_write(i, &out);
	if (r < 0) {
		column_free(&out);
		return fail(e, SHMQ_ENOMEM, "no private memory for a snapshot");
	}
	h = (struct snapshot_head *)(void *)out.data;
	*h = (struct snapshot_head){.magic = SNAPSHOT_MAGIC,
	                            .format = JOURNAL_FORMAT,
	                            .store = store,
	                            .commit = i->commit,
	                            .segment = i->segment,
	                            .bytes = out.used - sizeof *h};
	h->payload_hash = bulk_hash(h + 1, h->bytes);
	h->hash = bulk_hash(h, offsetof(struct snapshot_head, hash));
	file_name(name, i->commit);
	r = write_file(io, name, out.data, out.used);
	column_free(&out);
	if (r < 0) {
		errno = -r;
		return fail_errno(e, "writing %s", name);
	}
	remove_old(io);
	return 0;
}

uint64_t snapshot_oldest_kept(struct io *io)
{
	struct snapshots all = {.count = 0};

	io->ops->list(io, note_one, &all);
	return all.count >= 2 ? all.commit[1] : 0;
}
