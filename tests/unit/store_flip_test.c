/* SPDX-License-Identifier: MIT */
/*
 * store_flip_test.c - one flipped bit in each byte of a small store: what mqd reads of it is the same, or it says that
 * something is damaged. Never something else without a word.
 */
#include "io_sim.h"
#include "recover_files.h"
#include "scratch.h"
#include "server.h"

#include <malloc.h>
#include <string.h>

static volatile sig_atomic_t stop;
static unsigned said;

static void found(void *context, enum found_kind kind, const char *sentence)
{
	(void)context, (void)sentence;
	said += kind != FOUND_NOTE;
}

static void fill(shmq *q, const char *topic, unsigned n)
{
	struct shmq_message m = {.value = "something to be kept", .value_len = 20, .key = "k", .key_len = 1, .partition = -1};
	shmq_pub *p;

	if (shmq_pub_open(q, topic, NULL, &p, NULL) != 0)
		return;
	while (n-- > 0)
		shmq_pub_send(p, &m);
	shmq_pub_flush(p);
	shmq_pub_close(p);
}

static void consume(shmq *q, const char *topic, unsigned n)
{
	struct shmq_failure why = {.reason = SHMQ_REASON_REJECTED, .text = "no", .text_len = 2};
	struct shmq_delivery d;
	shmq_group *g;

	if (shmq_group_open(q, topic, "group", NULL, &g, NULL) != 0)
		return;
	for (unsigned i = 0; i < n && shmq_group_next(g, &d) == 0; i++) {
		if (i % 3 == 2)
			shmq_group_dead(g, &d, &why);
		else
			shmq_group_ack(g, &d);
	}
	shmq_group_close(g);
}

static void turns(struct server *s, unsigned n)
{
	while (n-- > 0)
		server_turn(s);
}

/* A store with some of everything, left in order or not. */
static bool store_fill(struct sim *disk, bool in_order)
{
	static struct server s;
	char store[128];
	struct io *io;
	struct server_options o = {
	        .dir = scratch, .store = store, .segment_bytes = 1u << 20, .stop = &stop, .never_sleep = true};
	shmq *q;
	int r;

	snprintf(store, sizeof store, "%s/lock", scratch); /* a directory for the lock: files are on the disk in memory */
	sim_make(disk, 7);
	if (sim_open(disk, &io) != 0)
		return false;
	o.disk = io;
	r = server_begin(&s, &o);
	if (r != 0) {
		printf("# %s\n", s.error.text);
		return false;
	}
	if (shmq_open(&q, &(struct shmq_open_options){.dir = scratch}) != 0)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		fill(q, "one", 5);
		fill(q, "two", 3);
		turns(&s, 20);
		consume(q, "one", 4);
		turns(&s, 20);
	}
	shmq_topic_delete(q, "two");
	shmq_close(q);
	turns(&s, 20);
	if (in_order)
		server_finish(&s);
	server_end(&s);
	return true;
}

/* durable: what memory knows to be so. */
static int recover(const struct sim *disk, uint64_t durable, uint64_t *commit, struct column *records)
{
	struct image image = {0};
	struct recovered r = {.found = found};
	struct store_file store;
	struct error e;
	struct sim copy;
	struct io *io;
	int result;

	sim_copy(disk, &copy);
	sim_open(&copy, &io);
	result = store_identify(&e, io, &store);
	if (result == 0)
		result = store_recover(&e, io, &store, durable, &image, &r);
	records->used = 0;
	if (result == 0)
		result = image_write(&image, records);
	*commit = image.commit;
	image_free(&image);
	recovered_free(&r);
	io->ops->free(io);
	sim_free(&copy);
	return result;
}

struct flips {
	const struct sim *disk;
	struct column right, now;
	uint64_t commit;
	unsigned tried, same, told, refused, wrong;
};

/* Bytes of a segment that say nothing to who recovers: zeros behind what was written are only looked at here and there. */
static bool is_dull(const struct flips *f, const char *name, uint64_t byte)
{
	(void)f;
	if (strncmp(name, "journal.", 8) != 0)
		return strncmp(name, "spare.", 6) == 0;
	/* every byte of a commit is under one of two hashes: heads wholly, the rest as it comes */
	return byte > 8 * JOURNAL_BLOCK && byte % JOURNAL_BLOCK > 128 && byte % (byte > 32 * JOURNAL_BLOCK ? 4099 : 31) != 0;
}

static int flip_file(void *context, const char *name, uint64_t bytes)
{
	struct flips *f = context;

	for (uint64_t at = 0; at < bytes; at++) {
		uint64_t commit;
		struct sim copy;
		int r;

		if (is_dull(f, name, at))
			continue;
		sim_copy(f->disk, &copy);
		sim_flip(&copy, name, at, (unsigned)(at * 7 % 8));
		said = 0;
		r = recover(&copy, f->commit, &commit, &f->now);
		sim_free(&copy);
		f->tried++;
		if (r < 0)
			f->refused++;
		else if (f->now.used == f->right.used && memcmp(f->now.data, f->right.data, f->now.used) == 0)
			f->same++;
		else if (said > 0)
			f->told++;
		else if (f->wrong++ < 5)
			printf("# %s, byte %llu: something else, and nothing is said\n", name, (unsigned long long)at);
	}
	return 0;
}

static void flips(bool in_order)
{
	struct flips f = {0};
	struct sim disk;

	f.disk = &disk;
	ok(store_fill(&disk, in_order), "a store is filled%s", in_order ? ", and left in order" : ", and left as by kill -9");
	said = 0;
	ok(recover(&disk, 0, &f.commit, &f.right) == 0 && said == 0 && f.right.used > 1000, "it is read");
	sim_each_file(&disk, flip_file, &f);
	ok(f.wrong == 0, "%u bytes flipped: %u times the same, %u times told, %u times refused, never wrong", f.tried, f.same,
	   f.told, f.refused);
	ok(f.same > 1000 && (in_order || f.told > 1000), "it does happen");
	column_free(&f.right);
	column_free(&f.now);
	sim_free(&disk);
}

int main(void)
{
	scratch_begin(300);
	mallopt(M_MMAP_THRESHOLD, 1 << 30); /* the same memory again and again */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	flips(true);
	strcat(scratch, "/2"); /* another runtime directory: memory is of the store that it began with */
	flips(false);
	return done();
}
