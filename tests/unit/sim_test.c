/* SPDX-License-Identifier: MIT */
/* sim_test.c - the simulated disk: what a crash may lose and what it must not, how operations
 * complete and fail. */
#include <errno.h>
#include <setjmp.h>
#include <time.h>

#include "io_sim.h"
#include "tap.h"

#define SEEDS 400u
#define BLOCK IO_BLOCK

static struct sim disk;
static struct io *io;

static _Alignas(IO_BLOCK) unsigned char buffer[16 * BLOCK], other[16 * BLOCK];

/* Calls that are not what is tested. */
#define need(condition) need_at((condition), #condition, __LINE__)
static void need_at(bool holds, const char *what, int line)
{
	if (holds)
		return;
	printf("Bail out! line %d: %s\n", line, what);
	exit(1);
}

static void begin_with(uint64_t seed)
{
	sim_make(&disk, seed);
	need(sim_open(&disk, &io) == 0);
}

static void begin(void)
{
	begin_with(1);
}

static void end(const char *test)
{
	is_str(disk.misuse, NULL, "%s: the disk was used as io.h says", test);
	io->ops->free(io);
	sim_free(&disk);
}

static int create(const char *name)
{
	int file = io->ops->open(io, name, IO_CREATE);

	need(file >= 0);
	return file;
}

static int64_t put(int file, char c, size_t bytes, uint64_t at)
{
	memset(buffer, c, bytes);
	return io->ops->write(io, file, buffer, bytes, at);
}

/* A file of so many blocks of 'a', all durable. */
static int settled(const char *name, unsigned blocks)
{
	int file = create(name);

	need(put(file, 'a', blocks * BLOCK, 0) == (int64_t)(blocks * BLOCK));
	need(io->ops->sync(io, file) == 0 && io->ops->sync_dir(io) == 0);
	return file;
}

/* Reaps all that is in flight; returns the sum of results. */
static int64_t reap_all(void)
{
	struct io_done done[IO_DEPTH];
	int64_t sum = 0;

	for (int n; (n = io->ops->reap(io, done, IO_DEPTH, true)) != 0;) {
		need(n > 0);
		for (int i = 0; i < n; i++)
			sum += done[i].result;
	}
	return sum;
}

/* ---- what images show: a set of these for one sector of a file ---- */

enum { GONE = 1, BEHIND_END = 2, ZERO = 4, A = 8, B = 16, C = 32, ELSE = 64 };

static unsigned sector_kind(const unsigned char *s)
{
	for (unsigned i = 1; i < SIM_SECTOR; i++) {
		if (s[i] != s[0])
			return ELSE;
	}
	return s[0] == 0 ? ZERO : s[0] >= 'a' && s[0] <= 'c' ? (unsigned)A << (s[0] - 'a') : ELSE;
}

/* What stands in a sector of a disk that nothing is in flight on. */
static unsigned look(struct sim *sim, const char *name, uint64_t at)
{
	unsigned char sector[SIM_SECTOR];
	struct io *reader;
	unsigned r = GONE;
	int64_t n;
	int file;

	need(sim_open(sim, &reader) == 0);
	file = reader->ops->open(reader, name, IO_READ_ONLY);
	if (file >= 0) {
		n = reader->ops->read(reader, file, sector, sizeof sector, at);
		r = n == 0 ? BEHIND_END : n == SIM_SECTOR ? sector_kind(sector) : (unsigned)ELSE;
		reader->ops->close(reader, file);
	}
	reader->ops->free(reader);
	return r;
}

static unsigned in_image(uint64_t seed, enum sim_mode mode, const char *name, uint64_t at)
{
	struct sim after;
	unsigned r;

	sim_image(&disk, seed, mode, &after);
	r = look(&after, name, at);
	sim_free(&after);
	return r;
}

static unsigned may(enum sim_mode mode, const char *name, uint64_t at)
{
	unsigned r = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++)
		r |= in_image(seed, mode, name, at);
	return r;
}

/* Whatever the mode. */
static void must(unsigned what, const char *name, uint64_t at, const char *why)
{
	unsigned r = 0;

	for (enum sim_mode mode = SIM_OLD; mode <= SIM_GARBAGE; mode++)
		r |= may(mode, name, at);
	is_u64(r, what, "%s: in every image", why);
}

static void is_may(unsigned what, const char *name, uint64_t at, const char *why)
{
	is_u64(may(SIM_MIXED, name, at), what, "%s", why);
}

/* ---- data ---- */

static void test_unsynced(void)
{
	int file;

	begin();
	file = settled("f", 3);
	put(file, 'b', BLOCK, BLOCK);
	is_u64(look(&disk, "f", BLOCK), B, "unsynced: a reader sees it");
	is_may(A | B, "f", BLOCK, "unsynced: old or new");
	is_u64(may(SIM_OLD, "f", BLOCK), A, "unsynced: old where all is old");
	is_u64(may(SIM_NEW, "f", BLOCK), B, "unsynced: new where all is new");
	is_u64(may(SIM_GARBAGE, "f", BLOCK), A | B | ZERO | ELSE,
	       "unsynced: anything with garbage");
	must(A, "f", BLOCK - SIM_SECTOR, "unsynced: the sector before it");
	must(A, "f", 2 * BLOCK, "unsynced: the sector behind it");
	put(file, 'c', BLOCK, BLOCK);
	is_may(A | B | C, "f", BLOCK, "unsynced twice: any of the versions");
	need(io->ops->sync(io, file) == 0);
	must(C, "f", BLOCK, "synced");
	end("unsynced");
}

static void test_torn(void)
{
	bool torn = false, none = false, all = false;
	int file;

	begin();
	file = settled("f", 16);
	put(file, 'b', 16 * BLOCK, 0);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned first = in_image(seed, SIM_MIXED, "f", 0), seen = 0;

		torn |= first != in_image(seed, SIM_MIXED, "f", SIM_SECTOR);
		for (unsigned s = 0; s < 16 * BLOCK / SIM_SECTOR && seed < 40; s++)
			seen |= in_image(seed, SIM_MIXED, "f", s * SIM_SECTOR);
		none |= seen == A;
		all |= seen == B;
	}
	ok(torn, "torn inside a block");
	ok(none && all, "64 KiB are also wholly there, and wholly not");
	end("torn");
}

/* A sector is written as a whole: what is around 100 bytes of it is at risk, too, but no more than
 * that. */
static void test_part_of_sector(void)
{
	int file;
	unsigned char got[SIM_SECTOR];
	struct sim after;
	struct io *reader;

	begin();
	file = settled("f", 1);
	put(file, 'b', 100, SIM_SECTOR + 50);
	is_u64(may(SIM_GARBAGE, "f", SIM_SECTOR), A | ZERO | ELSE, "part of a sector: at risk");
	must(A, "f", 0, "part of a sector: the one before");
	must(A, "f", 2 * SIM_SECTOR, "part of a sector: the one behind");
	sim_image(&disk, 1, SIM_NEW, &after);
	need(sim_open(&after, &reader) == 0);
	need(reader->ops->read(reader, reader->ops->open(reader, "f", 0), got, sizeof got,
			       SIM_SECTOR) == SIM_SECTOR);
	ok(got[49] == 'a' && got[50] == 'b' && got[149] == 'b' && got[150] == 'a',
	   "part of a sector: its other bytes are as they were");
	reader->ops->free(reader);
	sim_free(&after);
	need(io->ops->sync(io, file) == 0);
	must(ELSE, "f", SIM_SECTOR, "part of a sector: durable once synced");
	end("part of a sector");
}

static void test_durable(void)
{
	int file;

	begin();
	file = settled("f", 4);
	put(file, 'b', 2 * BLOCK, 0);
	memset(buffer, 'c', BLOCK);
	need(io->ops->submit_write(io, file, buffer, BLOCK, BLOCK, true, 1) == 0);
	is_may(A | B | C, "f", BLOCK, "durable, in flight: any version");
	is_u64(look(&disk, "f", BLOCK), B, "durable, in flight: not read yet");
	is_i64(reap_all(), BLOCK, "durable: completes with its length");
	must(C, "f", BLOCK, "durable, completed: also over what was not synced");
	is_may(A | B, "f", 0, "durable: the write before it is none the more so");
	need(io->ops->submit_write(io, file, buffer, BLOCK, 4 * BLOCK, true, 1) == 0);
	is_may(BEHIND_END | ZERO | C, "f", 4 * BLOCK, "durable, growing, in flight");
	reap_all();
	must(C, "f", 4 * BLOCK, "durable, growing, completed");
	need(io->ops->sync(io, file) == 0);
	must(B, "f", 0, "durable: what came before is synced in order");
	must(C, "f", BLOCK, "durable: and stays over that");
	end("durable");
}

static void test_sync_order(void)
{
	int file;

	begin();
	file = settled("f", 4);
	memset(buffer, 'b', BLOCK);
	need(io->ops->submit_write(io, file, buffer, BLOCK, 0, false, 1) == 0);
	need(io->ops->submit_sync(io, file, 2) == 0);
	is_i64(reap_all(), BLOCK, "a sync submitted before the write was reaped: both complete");
	is_may(A | B, "f", 0, "a sync submitted before the write was reaped does not cover it");
	need(io->ops->submit_sync(io, file, 3) == 0);
	is_may(A | B, "f", 0, "a sync in flight covers nothing yet");
	put(file, 'b', BLOCK, BLOCK);
	put(file, 'c', SIM_SECTOR, 0);
	reap_all();
	is_u64(may(SIM_OLD, "f", 0), B, "a sync submitted after it was reaped does");
	is_may(B | C, "f", 0, "a sync does not cover what was written over it later");
	is_may(A | B, "f", BLOCK, "a sync does not cover what was written while it was in flight");
	need(io->ops->sync(io, file) == 0);
	must(C, "f", 0, "all synced");
	must(B, "f", BLOCK, "all synced, elsewhere");
	end("sync");
}

/* What a crash has left out of a file does not come back when the file grows again. */
static void test_behind_the_end(void)
{
	unsigned seen = 0, came_back = 0;
	struct sim after;
	struct io *io2;
	int file;

	begin();
	file = settled("f", 1);
	put(file, 'b', 2 * BLOCK, BLOCK / 2);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		sim_image(&disk, seed, SIM_MIXED, &after);
		need(sim_open(&after, &io2) == 0);
		file = io2->ops->open(io2, "f", 0);
		if (io2->ops->size(io2, file) == BLOCK) {
			seen++;
			need(io2->ops->resize(io2, file, 3 * BLOCK) == 0);
			came_back += look(&after, "f", BLOCK) != ZERO;
		}
		io2->ops->free(io2);
		sim_free(&after);
	}
	ok(seen > 0 && came_back == 0, "behind the end of an image is nothing: %u of %u", came_back,
	   seen);
	end("behind the end");
}

static void test_sizes(void)
{
	int file, cut;

	begin();
	file = settled("empty", 0);
	put(file, 'a', 2 * BLOCK, 0);
	is_may(BEHIND_END | ZERO | A, "empty", BLOCK, "growing: not there, a hole, there");
	is_u64(may(SIM_OLD, "empty", 0), BEHIND_END, "growing: old is empty");
	need(io->ops->sync(io, file) == 0);
	must(A, "empty", BLOCK, "growing, synced");
	need(io->ops->resize(io, file, 3 * BLOCK) == 0);
	is_may(BEHIND_END | ZERO, "empty", 2 * BLOCK, "a hole at the end");
	need(io->ops->allocate(io, file, 4 * BLOCK) == 0);
	is_i64(io->ops->size(io, file), 4 * BLOCK, "allocate makes it larger");
	is_may(BEHIND_END | ZERO, "empty", 3 * BLOCK, "allocated, not synced");
	must(A, "empty", BLOCK, "allocate leaves what was there");
	need(io->ops->sync(io, file) == 0);
	must(ZERO, "empty", 3 * BLOCK, "allocated, synced");

	cut = settled("cut", 2);
	need(io->ops->resize(io, cut, BLOCK) == 0);
	is_may(BEHIND_END | A, "cut", BLOCK, "cut, not synced: all or nothing");
	need(io->ops->resize(io, cut, 2 * BLOCK) == 0);
	is_u64(look(&disk, "cut", BLOCK), ZERO, "cut and grown reads as zeros");
	is_may(BEHIND_END | ZERO | A, "cut", BLOCK, "cut and grown, not synced");
	need(io->ops->sync(io, cut) == 0);
	must(ZERO, "cut", BLOCK, "cut and grown, synced: the old bytes are gone");
	must(A, "cut", BLOCK - SIM_SECTOR, "cut: what is before it stays");
	end("sizes");
}

/* ---- names ---- */

static void test_create(void)
{
	int file;

	begin();
	file = create("f");
	put(file, 'a', BLOCK, 0);
	need(io->ops->sync(io, file) == 0);
	is_may(GONE | A, "f", 0, "created and synced without sync_dir: gone, or there as a whole");
	is_u64(may(SIM_OLD, "f", 0), GONE, "created: not there where all is old");
	need(io->ops->sync_dir(io) == 0);
	must(A, "f", 0, "created, synced both");
	file = create("g");
	put(file, 'a', BLOCK, 0);
	need(io->ops->sync_dir(io) == 0);
	is_may(BEHIND_END | ZERO | A, "g", 0, "sync_dir alone keeps the name, not the bytes");
	is_i64(io->ops->open(io, "g", IO_CREATE), -EEXIST, "created once");
	is_i64(io->ops->open(io, "h", 0), -ENOENT, "opened where there is none");
	end("create");
}

/* Sets of what two names show together: bit x + 4 * y for indexes of GONE 0, A 1, B 2. */
static unsigned pairs(const char *x, const char *y)
{
	unsigned set = 0;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned a = in_image(seed, SIM_MIXED, x, 0), b = in_image(seed, SIM_MIXED, y, 0);

		a = a == GONE ? 0 : a == A ? 1 : a == B ? 2 : 3;
		b = b == GONE ? 0 : b == A ? 1 : b == B ? 2 : 3;
		set |= 1u << (a + 4 * b);
	}
	return set;
}
#define PAIR(a, b) (1u << ((a) + 4 * (b)))

static void test_rename(void)
{
	int file;

	begin();
	io->ops->close(io, settled("x", 1));
	need(io->ops->rename(io, "x", "y") == 0);
	is_u64(look(&disk, "x", 0) | look(&disk, "y", 0) << 8, GONE | A << 8, "renamed, as read");
	is_u64(pairs("x", "y"), PAIR(0, 1) | PAIR(1, 0), "renamed: one of both names, always");
	need(io->ops->rename(io, "y", "z") == 0);
	is_u64(pairs("x", "y") & ~(PAIR(0, 0) | PAIR(0, 1) | PAIR(1, 0)), 0,
	       "renamed twice: never two names");
	need(io->ops->sync_dir(io) == 0);
	must(A, "z", 0, "renamed and synced");
	must(GONE, "x", 0, "renamed and synced: the old name");

	file = create("new");
	put(file, 'b', BLOCK, 0);
	need(io->ops->sync(io, file) == 0 && io->ops->sync_dir(io) == 0);
	need(io->ops->rename(io, "new", "z") == 0);
	io->ops->close(io, file);
	is_u64(pairs("z", "new"), PAIR(1, 2) | PAIR(2, 0), "replaced: old or new, never neither");
	need(io->ops->sync_dir(io) == 0);
	must(B, "z", 0, "replaced and synced");

	file = create("tmp");
	put(file, 'a', BLOCK, 0);
	need(io->ops->rename(io, "tmp", "z") == 0 && io->ops->sync_dir(io) == 0);
	is_may(BEHIND_END | ZERO | A, "z", 0,
	       "replaced by what was not synced: neither may be left");
	is_i64(io->ops->rename(io, "tmp", "z"), -ENOENT, "nothing to rename");
	end("rename");
}

static void test_remove(void)
{
	int file, other_file;

	begin();
	settled("f", 1);
	settled("g", 1);
	need(io->ops->remove(io, "f") == 0);
	is_may(GONE | A, "f", 0, "removed: gone or back");
	need(io->ops->remove(io, "g") == 0);
	is_u64(pairs("f", "g"), PAIR(0, 0) | PAIR(0, 1) | PAIR(1, 0) | PAIR(1, 1),
	       "each operation on names on its own");
	file = create("f");
	put(file, 'b', BLOCK, 0);
	need(io->ops->sync(io, file) == 0);
	is_may(GONE | A | B, "f", 0, "removed and created");
	is_u64(may(SIM_NEW, "f", 0), B, "of one name in order: the last");
	need(io->ops->sync_dir(io) == 0);
	must(B, "f", 0, "removed, created and synced");
	must(GONE, "g", 0, "removed and synced");
	is_i64(io->ops->remove(io, "g"), -ENOENT, "removed once");
	other_file = create("h");
	put(other_file, 'a', BLOCK, 0);
	need(io->ops->sync(io, other_file) == 0 && io->ops->remove(io, "h") == 0);
	io->ops->close(io, other_file);
	is_may(GONE | A, "h", 0, "created, removed and closed: may be there");
	need(io->ops->sync_dir(io) == 0);
	need(io->ops->remove(io, "f") == 0);
	need(io->ops->sync_dir(io) == 0);
	is_i64(io->ops->size(io, file), BLOCK, "removed while open: still there for who has it");
	end("remove");
}

/* ---- faults ---- */

static void fail_next(int error, bool for_ever)
{
	disk.fault = (struct sim_fault){.at = disk.ops + 1, .error = error, .for_ever = for_ever};
}

/* Past the page cache one sees whether what was lost is there, and so it stays, for everybody. */
static void test_direct_read(void)
{
	unsigned seen = 0, wrong = 0;

	for (unsigned seed = 1; seed <= 64; seed++) {
		unsigned is;
		int file;

		begin_with(seed);
		file = settled("f", 1);
		put(file, 'b', BLOCK, 0);
		fail_next(-EIO, false);
		need(io->ops->sync(io, file) == -EIO);
		io->ops->close(io, file);
		wrong += look(&disk, "f", 0) != B; /* as the page cache has it */
		file = io->ops->open(io, "f", IO_DIRECT);
		need(io->ops->read(io, file, buffer, BLOCK, 0) == BLOCK);
		is = sector_kind(buffer);
		seen |= is;
		wrong += look(&disk, "f", 0) != is || may(SIM_MIXED, "f", 0) != is;
		end("direct read");
	}
	is_u64(seen, A | B | ZERO, "direct read: old, new, gone");
	is_u64(wrong, 0, "direct read: what it has seen is what there is");
}

static void test_failed_sync(void)
{
	int file;

	begin();
	file = settled("f", 2);
	put(file, 'b', 2 * BLOCK, 0);
	fail_next(-EIO, false);
	is_i64(io->ops->sync(io, file), -EIO, "failed sync");
	is_may(A | B | ZERO, "f", 0, "failed sync: old, new, gone");
	is_i64(io->ops->sync(io, file), 0, "failed sync: the next one says 0");
	is_may(A | B | ZERO, "f", 0, "failed sync: and has made nothing durable");
	put(file, 'c', BLOCK, BLOCK);
	need(io->ops->sync(io, file) == 0);
	must(C, "f", BLOCK, "failed sync: what is written once more is synced");
	is_may(A | B | ZERO, "f", 0, "failed sync: what is not, is not");
	need(put(file, 'c', BLOCK, 0) == BLOCK);
	need(io->ops->submit_sync(io, file, 1) == 0);
	fail_next(-EIO, false);
	need(io->ops->submit_sync(io, file, 2) == 0);
	is_i64(reap_all(), -EIO, "failed sync: one of two in flight");
	settled("g", 1);
	need(io->ops->rename(io, "g", "h") == 0);
	fail_next(-EIO, false);
	is_i64(io->ops->sync_dir(io), -EIO, "failed sync_dir");
	is_i64(io->ops->sync_dir(io), 0, "failed sync_dir: the next one says 0");
	is_u64(pairs("g", "h"), PAIR(0, 1) | PAIR(1, 0), "failed sync_dir: either, for ever");
	is_u64(disk.faults, 3, "each planned fault happened once");
	end("failed sync");
}

static void test_failed_sync_of_size(void)
{
	int grown, cut, full;
	struct sim after;

	begin();
	grown = settled("grown", 0);
	cut = settled("cut", 2);
	put(grown, 'a', BLOCK, 0);
	need(io->ops->resize(io, cut, BLOCK) == 0);
	disk.fault = (struct sim_fault){.at = disk.ops + 1, .error = -EIO, .for_ever = true};
	need(io->ops->sync(io, grown) == -EIO && io->ops->sync(io, cut) == -EIO);
	disk.fault.at = 0;
	need(io->ops->sync(io, grown) == 0 && io->ops->sync(io, cut) == 0);
	is_may(BEHIND_END | ZERO | A, "grown", 0, "failed sync: the size, too, for ever");
	is_may(BEHIND_END | A, "cut", BLOCK, "failed sync: a cut, for ever");
	put(grown, 'b', BLOCK, 2 * BLOCK);
	need(io->ops->sync(io, grown) == 0);
	must(B, "grown", 2 * BLOCK, "failed sync: what is written behind it is synced");
	is_may(ZERO | A, "grown", 0, "failed sync: and makes the file so long");
	full = create("full");
	need(io->ops->allocate(io, full, 5 * BLOCK) == 0 && io->ops->sync(io, full) == 0);
	need(io->ops->sync_dir(io) == 0 && io->ops->remove(io, "grown") == 0 &&
	     io->ops->remove(io, "cut") == 0 && io->ops->sync_dir(io) == 0);
	sim_image(&disk, 1, SIM_OLD, &after);
	is_u64(sim_used(&after), 5 * BLOCK, "what is allocated and synced stays backed");
	sim_free(&after);
	end("failed sync of sizes");
}

static void test_failed_write(void)
{
	int file;

	begin();
	file = settled("f", 4);
	fail_next(-EIO, false);
	is_i64(put(file, 'b', BLOCK, 0), -EIO, "failed write");
	need(io->ops->sync(io, file) == 0);
	ok(may(SIM_MIXED, "f", 0) & A, "failed write: may not be there though synced");
	fail_next(-ENOSPC, false);
	is_i64(put(file, 'b', BLOCK, 2 * BLOCK), -ENOSPC, "disk full, as planned");
	must(A, "f", 2 * BLOCK, "disk full: nothing was written");
	fail_next(SIM_SHORT, false);
	need(io->ops->sync(io, file) == 0);
	{
		int64_t n = put(file, 'c', BLOCK, 3 * BLOCK);

		ok(n >= 0 && n < (int64_t)BLOCK, "short write, put off by the sync before it: %d",
		   (int)n);
		need(io->ops->sync(io, file) == 0);
		must(A, "f", 3 * BLOCK + (uint64_t)n, "short write: nothing behind its length");
		if (n > 0)
			must(C, "f", 3 * BLOCK, "short write: what it says is there");
	}
	fail_next(-EIO, true);
	memset(buffer, 'c', BLOCK);
	need(io->ops->submit_write(io, file, buffer, BLOCK, 0, true, 1) == 0);
	is_i64(reap_all(), -EIO, "fails from then on: what was submitted, when it completes");
	is_i64(io->ops->sync(io, file), -EIO, "fails from then on: sync");
	is_i64(io->ops->open(io, "n", IO_CREATE), -EIO, "fails from then on: create");
	is_i64(io->ops->read(io, file, buffer, BLOCK, 0), -EIO, "fails from then on: read");
	is_i64(io->ops->rename(io, "f", "g"), -EIO, "fails from then on: rename");
	is_i64(io->ops->remove(io, "f"), -EIO, "fails from then on: remove");
	is_i64(io->ops->resize(io, file, 0), -EIO, "fails from then on: resize");
	is_i64(io->ops->allocate(io, file, 9 * BLOCK), -EIO, "fails from then on: allocate");
	is_i64(io->ops->sync_dir(io), -EIO, "fails from then on: sync_dir");
	disk.fault.at = 0;
	is_i64(io->ops->size(io, file), 4 * BLOCK, "none of these did anything");
	end("failed write");
}

static void test_capacity(void)
{
	uint64_t left, all;
	int file, hole;

	begin();
	disk.capacity = 8 * BLOCK;
	file = settled("f", 4);
	need(io->ops->space(io, &left, &all) == 0);
	ok(left == 4 * BLOCK && all == 8 * BLOCK, "space counts what is written");
	hole = create("hole");
	need(io->ops->resize(io, hole, 16 * BLOCK) == 0);
	need(io->ops->space(io, &left, &all) == 0);
	is_u64(left, 4 * BLOCK, "a hole takes no space");
	is_i64(io->ops->allocate(io, hole, 5 * BLOCK), -ENOSPC, "no room to allocate");
	is_i64(io->ops->allocate(io, hole, 3 * BLOCK), 0, "room to allocate");
	is_i64(put(hole, 'b', 3 * BLOCK, 2 * BLOCK), 2 * BLOCK, "room for some of a write: short");
	is_i64(put(hole, 'b', BLOCK, 8 * BLOCK), -ENOSPC, "room for none of it");
	is_i64(put(hole, 'b', 3 * BLOCK, 0), 3 * BLOCK, "what is allocated can be written");
	is_i64(put(file, 'b', 4 * BLOCK, 0), 4 * BLOCK, "what is there can be written over");
	need(io->ops->resize(io, file, 2 * BLOCK) == 0);
	is_i64(put(hole, 'b', BLOCK, 8 * BLOCK), BLOCK, "a cut makes room");
	need(io->ops->remove(io, "f") == 0);
	io->ops->close(io, file);
	need(io->ops->space(io, &left, &all) == 0);
	is_u64(left, 3 * BLOCK, "a removed file makes room");
	end("capacity");
}

/* ---- completion ---- */

/* The order in which eight writes and a sync complete, in octal. */
static uint64_t order(uint64_t seed, bool *all, bool *few)
{
	struct io_done done[IO_DEPTH];
	uint64_t digits = 0, seen = 0;
	int file, n, left = 8;

	begin_with(seed);
	file = settled("f", 8);
	memset(buffer, 'b', BLOCK);
	for (unsigned i = 0; i < 7; i++)
		need(io->ops->submit_write(io, file, buffer, BLOCK, i * BLOCK, false, i) == 0);
	need(io->ops->submit_sync(io, file, 7) == 0);
	while ((n = io->ops->reap(io, done, 5, true)) > 0) {
		*few |= n < 5 && n < left;
		*all &= n <= 5;
		left -= n;
		for (int i = 0; i < n; i++) {
			digits = digits * 8 + done[i].tag;
			seen |= 1u << done[i].tag;
			*all &= done[i].result == (done[i].tag == 7 ? 0 : (int64_t)BLOCK);
		}
	}
	*all &= seen == 0xff && digits < 1u << 24;
	need(disk.misuse == NULL);
	io->ops->free(io);
	sim_free(&disk);
	return digits;
}

static void test_completion(void)
{
	bool all = true, few = false, same = true, differ = false;
	uint64_t first = order(0, &all, &few);
	struct io_done done[1];
	int file, r, interrupted = 0;

	for (uint64_t seed = 0; seed < 30; seed++) {
		uint64_t o = order(seed, &all, &few);

		same &= o == order(seed, &all, &few);
		differ |= o != first;
	}
	ok(all, "each operation completes once, with its own result");
	ok(few, "reap gives fewer than there are");
	ok(same, "the same seed, the same order");
	ok(differ, "another seed, another order");

	begin();
	file = settled("f", 1);
	memset(buffer, 'b', BLOCK);
	is_i64(io->ops->reap(io, done, 1, true), 0, "nothing in flight: no wait");
	for (unsigned i = 0; i < IO_DEPTH; i++)
		need(io->ops->submit_write(io, file, buffer, BLOCK, 0, false, i) == 0);
	is_i64(io->ops->submit_write(io, file, buffer, BLOCK, 0, false, 99), -EBUSY, "too many");
	is_i64(io->ops->submit_sync(io, file, 99), -EBUSY, "too many, a sync");
	disk.interrupt = 4;
	for (unsigned i = 0; i<IO_DEPTH; i += r> 0) {
		r = io->ops->reap(io, done, 1, true);
		need(r == 1 || r == -EINTR);
		interrupted += r == -EINTR;
	}
	ok(interrupted > 0, "a wait is interrupted now and then");
	end("completion");
}

/* ---- crash points ---- */

struct point {
	uint64_t last;
	unsigned images, b;
	bool in_order;
	int error;
};

static int at_point(void *context, struct sim *sim, uint64_t op)
{
	struct point *p = context;
	struct sim after;

	p->in_order &= op == p->last + 1 && op == sim->ops;
	p->last = op;
	sim_image(sim, op, SIM_NEW, &after);
	p->images++;
	p->b += look(&after, "f", 0) == B;
	sim_free(&after);
	return p->error;
}

static void test_points(void)
{
	struct point p = {.in_order = true};
	uint64_t changes;
	int file;

	begin();
	file = settled("f", 1);
	p.last = disk.ops;
	disk.at = at_point;
	disk.context = &p;
	put(file, 'b', BLOCK, 0);
	is_u64(p.b, 0, "a crash point is before the operation");
	changes = disk.changes;
	need(io->ops->size(io, file) == BLOCK);
	ok(p.images == 2 && p.b == 1 && p.in_order, "each operation is one, counted");
	is_str(disk.doing, "size", "it is said which");
	is_u64(disk.changes, changes, "what changes nothing does not count as a change");
	p.error = -EIO;
	is_i64(put(file, 'a', BLOCK, 0), -EIO, "the hook can let it fail");
	is_i64(io->ops->size(io, file), BLOCK, "but not what cannot fail");
	disk.at = NULL;
	end("crash points");
}

static jmp_buf stopped;

static int stop_there(void *context, struct sim *sim, uint64_t op)
{
	(void)context, (void)op;
	if (strcmp(sim->doing, "rename") == 0)
		longjmp(stopped, 1);
	return 0;
}

static void test_stop(void)
{
	begin();
	settled("f", 1);
	disk.at = stop_there;
	if (setjmp(stopped) == 0) {
		io->ops->rename(io, "f", "g");
		ok(false, "stopped: not behind it");
	}
	disk.at = NULL;
	is_u64(look(&disk, "f", 0), A, "a hook that jumps away leaves the disk as it was before");
	end("stop");
}

/* ---- a process that dies ---- */

static void test_free_in_flight(void)
{
	unsigned seen = 0, file_gone = 0;

	for (uint64_t seed = 1; seed < SEEDS; seed++) {
		int file;

		begin_with(seed);
		file = settled("f", 1);
		memset(buffer, 'b', BLOCK);
		need(io->ops->submit_write(io, file, buffer, BLOCK, 0, true, 1) == 0);
		need(io->ops->submit_sync(io, file, 2) == 0);
		io->ops->free(io);
		need(sim_open(&disk, &io) == 0);
		file = io->ops->open(io, "f", 0);
		file_gone += file < 0;
		for (unsigned i = 0; i < 64; i++)
			io->ops->size(io, file);
		seen |= look(&disk, "f", 0);
		need(io->ops->reap(io, NULL, 0, true) == 0 && disk.misuse == NULL);
		io->ops->free(io);
		sim_free(&disk);
	}
	is_u64(file_gone, 0, "freed with writes in flight: the file stays");
	is_u64(seen, A | B, "freed with writes in flight: they land later, or never");
}

static void test_late(void)
{
	unsigned at_once = 0, later = 0, never = 0, torn = 0, unsynced = 0, lost = 0;
	struct sim next, after;
	struct io *io2;
	int file;

	begin();
	file = settled("old", 2);
	put(file, 'c', SIM_SECTOR, BLOCK);
	memset(buffer, 'b', BLOCK);
	need(io->ops->submit_write(io, file, buffer, BLOCK, 0, true, 1) == 0);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned first, last, tail;
		int f;

		sim_late(&disk, &next, seed);
		need(sim_open(&next, &io2) == 0);
		f = io2->ops->open(io2, "old", 0);
		need(f >= 0 && io2->ops->sync(io2, f) == 0 &&
		     io2->ops->rename(io2, "old", "new") == 0 && io2->ops->sync_dir(io2) == 0);
		first = look(&next, "new", 0);
		need(look(&next, "new", BLOCK) == C);
		for (unsigned i = 0; i < 64; i++)
			io2->ops->size(io2, f);
		last = look(&next, "new", 0);
		tail = look(&next, "new", BLOCK - SIM_SECTOR);
		at_once += first == B;
		later += first == A && last == B;
		never += last == A;
		torn += last == B && tail == A;
		sim_image(&next, seed, SIM_OLD, &after);
		unsynced += first == A && last == B && look(&after, "new", 0) == A;
		lost += look(&after, "new", BLOCK) != C;
		sim_free(&after);
		io2->ops->free(io2);
		sim_free(&next);
	}
	ok(at_once > 0, "late: landed before the next process looked: %u", at_once);
	ok(later > 0, "late: landed while it worked, under the new name: %u", later);
	ok(never > SEEDS / 8, "late: never: %u", never);
	ok(torn > 0, "late: only the begin of it: %u", torn);
	is_u64(unsynced, later, "late: not covered by a sync before it landed");
	is_u64(lost, 0, "late: what the dead one wrote is there, and the next one can sync it");
	sim_late(&disk, &next, 1);
	is_u64(look(&next, "old", BLOCK), C,
	       "late: without a crash of the host unsynced data stays");
	sim_free(&next);
	end("late");
}

/* What is on its way stays so when the next process dies, too; and when its file is removed. */
static void test_late_again(void)
{
	unsigned pending = 0, overdue = 0;
	struct sim next, third;
	struct io *io2;
	int file;

	begin();
	file = settled("f", 1);
	for (unsigned i = 0; i < 100; i++)
		io->ops->size(io, file);
	memset(buffer, 'b', BLOCK);
	need(io->ops->submit_write(io, file, buffer, BLOCK, 0, true, 1) == 0);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned before, after;

		sim_late(&disk, &next, seed);
		need(sim_open(&next, &io2) == 0);
		file = io2->ops->open(io2, "f", 0);
		for (unsigned i = 0; i < 30; i++)
			io2->ops->size(io2, file);
		before = look(&next, "f", 0);
		sim_late(&next, &third, seed);
		need(io2->ops->remove(io2, "f") == 0 && io2->ops->sync_dir(io2) == 0);
		need(io2->ops->size(io2, file) == BLOCK);
		io2->ops->close(io2, file);
		for (unsigned i = 0; i < 64; i++)
			io2->ops->sync_dir(io2);
		io2->ops->free(io2);
		sim_free(&next);

		need(sim_open(&third, &io2) == 0);
		file = io2->ops->open(io2, "f", 0);
		for (unsigned i = 0; i < 40; i++)
			io2->ops->size(io2, file);
		after = look(&third, "f", 0);
		pending += before != after;
		for (unsigned i = 0; i < 64; i++)
			io2->ops->size(io2, file);
		overdue += look(&third, "f", 0) != after;
		io2->ops->free(io2);
		sim_free(&third);
	}
	ok(pending > 0, "late: landed in the time of the third: %u", pending);
	is_u64(overdue, 0, "late: within 64 operations, whoever does them");
	end("late again");
}

/* ---- images as such ---- */

static void scribble(int file)
{
	put(file, 'b', 7 * BLOCK, BLOCK / 2);
	put(file, 'c', BLOCK, 3 * BLOCK + 100);
	need(io->ops->rename(io, "f", "g") == 0);
	create("h");
	memset(other, 'c', BLOCK);
	need(io->ops->submit_write(io, file, other, BLOCK, 9 * BLOCK, false, 1) == 0);
}

static void test_images(void)
{
	struct sim a, b, copy;
	bool same = true, same_copy = true, differ = false;

	begin();
	scribble(settled("f", 12));
	sim_copy(&disk, &copy);
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		sim_image(&disk, seed, SIM_GARBAGE, &a);
		sim_image(&disk, seed, SIM_GARBAGE, &b);
		same &= sim_same(&a, &b);
		sim_free(&b);
		sim_image(&copy, seed, SIM_GARBAGE, &b);
		same_copy &= sim_same(&a, &b);
		sim_free(&b);
		sim_image(&disk, seed + 1, SIM_GARBAGE, &b);
		differ |= !sim_same(&a, &b);
		sim_free(&a);
		sim_free(&b);
	}
	ok(same, "the same seed, the same image");
	ok(same_copy, "the same of a copy");
	ok(differ, "another seed, another image");
	sim_free(&copy);
	reap_all();
	end("images");
}

/* Three disks that share everything: each is written, none sees the others. */
static void test_sharing(void)
{
	struct sim image, copy;
	struct io *io2;
	int file, f;

	begin();
	file = settled("f", 2);
	sim_image(&disk, 1, SIM_OLD, &image);
	sim_copy(&disk, &copy);
	put(file, 'b', BLOCK, 0);
	need(sim_open(&image, &io2) == 0);
	f = io2->ops->open(io2, "f", 0);
	memset(buffer, 'c', BLOCK);
	need(io2->ops->write(io2, f, buffer, BLOCK, 0) == BLOCK && io2->ops->sync(io2, f) == 0);
	io2->ops->free(io2);
	ok(look(&disk, "f", 0) == B && look(&image, "f", 0) == C && look(&copy, "f", 0) == A,
	   "a disk that is written is not another one");
	ok(!sim_same(&disk, &copy) && !sim_same(&image, &copy), "and is seen to differ");
	sim_free(&disk);
	disk = copy;
	io->ops->free(io);
	ok(look(&image, "f", 0) == C && look(&image, "f", BLOCK) == A,
	   "an image outlives its disk");
	must(A, "f", 0, "of a copy");
	sim_free(&disk);
	sim_free(&image);
}

static int count_file(void *context, const char *name, uint64_t bytes)
{
	char *text = context;

	snprintf(text + strlen(text), 64, "%s %u;", name, (unsigned)bytes);
	return 0;
}

static int count_name(void *context, const char *name)
{
	char *text = context;

	text[strlen(text)] = name[0];
	return 0;
}

static void test_tools(void)
{
	char text[256] = "", names[8] = "";
	struct sim after;
	unsigned char byte = 0;
	int file;

	begin();
	file = settled("b", 1);
	settled("a", 2);
	sim_each_file(&disk, count_file, text);
	is_str(text, "a 8192;b 4096;", "each file, by name");
	need(io->ops->list(io, count_name, names) == 0);
	ok(strcmp(names, "ab") == 0 || strcmp(names, "ba") == 0, "list: every name, in any order");
	is_i64(sim_flip(&disk, "b", 700, 1), 0, "a bit is flipped");
	need(io->ops->read(io, file, &byte, 1, 700) == 1);
	is_u64(byte, 'a' ^ 2, "as it is read");
	sim_image(&disk, 1, SIM_OLD, &after);
	is_u64(look(&after, "b", SIM_SECTOR), ELSE, "and on the disk");
	is_u64(look(&after, "b", 0), A, "and no other");
	sim_free(&after);
	put(file, 'c', SIM_SECTOR, 0);
	is_u64(may(SIM_OLD, "b", SIM_SECTOR), ELSE, "also beneath what is written beside it later");
	is_i64(sim_flip(&disk, "b", 4096, 1), -ERANGE, "not behind the end");
	is_i64(sim_flip(&disk, "c", 0, 1), -ENOENT, "not where there is no file");
	end("tools");
}

static void test_misuse(void)
{
	int file;

	begin();
	settled("f", 2);
	file = io->ops->open(io, "f", IO_DIRECT);
	is_i64(io->ops->write(io, file, buffer, 512, 0), -EINVAL, "direct: whole blocks only");
	is_i64(io->ops->read(io, file, buffer + 1, BLOCK, 0), -EINVAL, "direct: aligned only");
	ok(disk.misuse != NULL, "misuse: told: %s", disk.misuse);
	disk.misuse = NULL;
	is_i64(io->ops->read(io, file, buffer, 8 * BLOCK, BLOCK), BLOCK, "a short read at the end");
	memset(buffer, 'b', BLOCK);
	need(io->ops->submit_write(io, file, buffer, BLOCK, 0, false, 1) == 0);
	buffer[5] = 'x';
	reap_all();
	ok(disk.misuse != NULL, "misuse: told: %s", disk.misuse);
	disk.misuse = NULL;
	need(io->ops->submit_write(io, file, buffer, BLOCK, 0, false, 1) == 0);
	io->ops->close(io, file);
	ok(disk.misuse != NULL, "misuse: told: %s", disk.misuse);
	disk.misuse = NULL;
	is_i64(io->ops->sync(io, file), -EBADF, "a file that is closed");
	file = io->ops->open(io, "f", IO_READ_ONLY);
	is_i64(io->ops->write(io, file, buffer, BLOCK, 0), -EBADF, "a file opened to read");
	is_i64(io->ops->open(io, "a/b", 0), -EINVAL, "a name that is a path");
	disk.misuse = NULL;
	end("misuse");
}

/* ---- how fast: not a test, as a clock is no judge on a busy machine ---- */

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void show_speed(void)
{
	enum { FILES = 8, BLOCKS = 1024, IMAGES = 2000 };
	struct sim after;
	double from;
	int file = -1;

	begin();
	for (unsigned f = 0; f < FILES; f++) {
		file = create((char[]){(char)('a' + f), 0});
		for (unsigned b = 0; b < BLOCKS; b += 16)
			put(file, 'a', 16 * BLOCK, b * BLOCK);
		need(io->ops->sync(io, file) == 0);
	}
	need(io->ops->sync_dir(io) == 0);
	from = now_us();
	for (unsigned i = 0; i < IMAGES; i++) {
		put(file, 'b', BLOCK, i % BLOCKS * BLOCK);
		sim_image(&disk, i, SIM_GARBAGE, &after);
		sim_free(&after);
		need(io->ops->sync(io, file) == 0);
	}
	printf("# 8 files of 4 MiB: 4 KiB written, an image, a sync: %.1f us\n",
	       (now_us() - from) / IMAGES);
	put(file, 'b', 16 * BLOCK, 0);
	from = now_us();
	for (unsigned i = 0; i < IMAGES; i++) {
		sim_image(&disk, i, SIM_GARBAGE, &after);
		sim_free(&after);
	}
	printf("# an image with 64 KiB unsynced: %.1f us\n", (now_us() - from) / IMAGES);
	end("speed");
}

int main(void)
{
	test_unsynced();
	test_torn();
	test_part_of_sector();
	test_durable();
	test_sync_order();
	test_sizes();
	test_behind_the_end();
	test_create();
	test_rename();
	test_remove();
	test_failed_sync();
	test_direct_read();
	test_failed_sync_of_size();
	test_failed_write();
	test_capacity();
	test_completion();
	test_points();
	test_stop();
	test_late();
	test_late_again();
	test_free_in_flight();
	test_images();
	test_sharing();
	test_tools();
	test_misuse();
	show_speed();
	return done();
}
