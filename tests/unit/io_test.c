/* SPDX-License-Identifier: MIT */
/* io_test.c - the disks of the store: each kind on each filesystem keeps the same promises. */
#include <stddef.h>
#include <sys/resource.h>

#include "io_disk.h"

/* ---- files ---- */

static void creating(void)
{
	int a = io->ops->open(io, "a", IO_CREATE | IO_DIRECT), b;

	ok(a >= 0, "%s: a file is made: %d", where, a);
	is_i64(io->ops->open(io, "a", IO_CREATE | IO_DIRECT), -EEXIST, "%s: not twice", where);
	is_i64(io->ops->open(io, "b", 0), -ENOENT, "%s: and only when asked to", where);
	is_i64(io->ops->size(io, a), 0, "%s: it is empty", where);
	b = open_file("a", IO_READ_ONLY);
	ok(a != b, "%s: opened again it has another number", where);
	is_i64(io->ops->write(io, b, "x", 1, 0), -EBADF, "%s: opened to be read it is not written", where);
	is_i64(write_now(b, blocks, IO_BLOCK, 0, false), -EBADF, "%s: nor by what is submitted", where);
	io->ops->close(io, b);
	is_i64(open_file("a", 0), b, "%s: the number of a closed file is given again", where);
	io->ops->close(io, b);
	io->ops->close(io, a);
	step(io->ops->remove(io, "a"));
}

static void many_files(void)
{
	int files[40];
	unsigned right = 0;
	char name[8];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(name, sizeof name, "m%u", i);
		files[i] = open_file(name, IO_CREATE);
		step(io->ops->write(io, files[i], blocks[i], IO_BLOCK, 0) != IO_BLOCK);
	}
	for (unsigned i = 0; i < 40; i++) {
		io->ops->read(io, files[i], back, IO_BLOCK, 0);
		right += memcmp(back, blocks[i], IO_BLOCK) == 0;
		io->ops->close(io, files[i]);
		snprintf(name, sizeof name, "m%u", i);
		step(io->ops->remove(io, name));
	}
	is_u64(right, 40, "%s: many files are open, each itself", where);
}

static void writing(unsigned flags)
{
	int file = open_file("w", IO_CREATE | flags);

	fill(1);
	is_i64(io->ops->write(io, file, blocks, sizeof blocks, 0), sizeof blocks, "%s: written", where);
	ok(reads_back(file, 0, BLOCKS), "%s: and read back", where);
	is_i64(io->ops->sync(io, file), 0, "%s: synced", where);
	fill(2);
	is_i64(write_now(file, blocks[3], 2 * IO_BLOCK, 3 * IO_BLOCK, false), 2 * IO_BLOCK, "%s: submitted", where);
	ok(reads_back(file, 3, 2), "%s: and read back", where);
	is_i64(write_now(file, blocks[8], 2 * IO_BLOCK, 8 * IO_BLOCK, true), 2 * IO_BLOCK, "%s: durable", where);
	ok(reads_back(file, 8, 2), "%s: and read back", where);
	is_i64(write_now(file, blocks[0], IO_BLOCK, BLOCKS * IO_BLOCK, true), IO_BLOCK, "%s: behind the end", where);
	is_i64(io->ops->size(io, file), (BLOCKS + 1) * IO_BLOCK, "%s: the file has grown", where);
	is_i64(submitted(io->ops->submit_sync(io, file, 1)), 0, "%s: a sync is submitted", where);
	is_i64(io->ops->read(io, file, back, 4 * IO_BLOCK, (BLOCKS - 1) * IO_BLOCK), 2 * IO_BLOCK,
	       "%s: a read that reaches over the end is short", where);
	is_i64(io->ops->read(io, file, back, IO_BLOCK, 2 * BLOCKS * IO_BLOCK), 0, "%s: behind it, empty", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "w"));
}

static void resizing(void)
{
	int file = open_file("r", IO_CREATE | IO_DIRECT);

	fill(1);
	is_i64(io->ops->resize(io, file, 8 * IO_BLOCK), 0, "%s: grown by a hole", where);
	is_i64(io->ops->size(io, file), 8 * IO_BLOCK, "%s: to that size", where);
	step(io->ops->write(io, file, blocks, 2 * IO_BLOCK, 0) != 2 * IO_BLOCK);
	is_i64(io->ops->resize(io, file, IO_BLOCK), 0, "%s: cut", where);
	is_i64(io->ops->size(io, file), IO_BLOCK, "%s: to that size", where);
	ok(reads_back(file, 0, 1), "%s: what was in front stands", where);
	step(io->ops->resize(io, file, 2 * IO_BLOCK));
	memset(blocks[1], 0, IO_BLOCK);
	ok(reads_back(file, 0, 2), "%s: what was cut comes back as zeros", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "r"));
}

/* Bytes that a file has on the disk. */
static int64_t backed(const char *name)
{
	struct stat st;

	need(fstatat(dir, name, &st, 0));
	return st.st_blocks * (int64_t)512;
}

static void allocating(void)
{
	int file = open_file("l", IO_CREATE | IO_DIRECT);
	bool tells;

	fill(1);
	step(io->ops->write(io, file, blocks, IO_BLOCK, 0) != IO_BLOCK);
	step(io->ops->resize(io, file, 20 * IO_BLOCK));
	tells = lseek(files_fd(io, file), IO_BLOCK, SEEK_HOLE) == IO_BLOCK; /* ramfs does not */
	step(io->ops->write(io, file, blocks[10], IO_BLOCK, 10 * IO_BLOCK) != IO_BLOCK);
	is_i64(io->ops->allocate(io, file, 40 * IO_BLOCK), 0, "%s: allocated", where);
	ok(backed("l") >= (tells ? 40 : 22) * IO_BLOCK, "%s: with the holes in it: %d", where, (int)backed("l"));
	is_i64(io->ops->size(io, file), 40 * IO_BLOCK, "%s: the file is as long", where);
	ok(reads_back(file, 0, 1) && reads_back(file, 10, 1), "%s: what was there stands", where);
	memset(blocks, 0, sizeof blocks);
	ok(reads_back(file, 1, 9) && reads_back(file, 11, 29), "%s: the rest is zeros", where);
	is_i64(io->ops->allocate(io, file, IO_BLOCK), 0, "%s: what is there already is allocated", where);
	is_i64(io->ops->allocate(io, file, 0), 0, "%s: and so is nothing", where);
	is_i64(io->ops->size(io, file), 40 * IO_BLOCK, "%s: the file is not cut", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "l"));
}

/* ---- the directory ---- */

static void the_directory(void)
{
	struct names names = {0};
	int one = open_file("one", IO_CREATE), two = open_file("two", IO_CREATE);
	uint64_t free_bytes = 0, all_bytes = 0;

	fill(1);
	step(io->ops->write(io, one, blocks, IO_BLOCK, 0) != IO_BLOCK);
	is_i64(io->ops->list(io, add_name, &names), 0, "%s: names are listed", where);
	ok(strcmp(names.all, "one two ") == 0 || strcmp(names.all, "two one ") == 0, "%s: all: %s", where, names.all);
	names = (struct names){.stop_at = 1};
	is_i64(io->ops->list(io, add_name, &names), 7, "%s: until there are enough", where);
	is_u64(names.n, 1, "%s: which is then", where);
	is_i64(io->ops->rename(io, "one", "two"), 0, "%s: a file replaces another", where);
	is_i64(io->ops->rename(io, "one", "two"), -ENOENT, "%s: once", where);
	is_i64(io->ops->sync_dir(io), 0, "%s: the directory is synced", where);
	io->ops->close(io, two);
	two = open_file("two", IO_READ_ONLY);
	ok(reads_back(two, 0, 1), "%s: it is that file", where);
	io->ops->close(io, one);
	io->ops->close(io, two);
	is_i64(io->ops->remove(io, "two"), 0, "%s: it is removed", where);
	is_i64(io->ops->remove(io, "two"), -ENOENT, "%s: once", where);
	names = (struct names){0};
	is_i64(io->ops->list(io, add_name, &names), 0, "%s: names are listed again", where);
	is_str(names.all, "", "%s: none", where);
	is_i64(io->ops->space(io, &free_bytes, &all_bytes), 0, "%s: it has space", where);
	ok(free_bytes <= all_bytes, "%s: not more than there is", where);
}

/* ---- in flight ---- */

static void nothing_in_flight(void)
{
	struct io_done done[2];

	is_i64(io->ops->reap(io, done, 2, true), 0, "%s: nothing in flight is not waited for", where);
	is_i64(io->ops->reap(io, done, 2, false), 0, "%s: nor found", where);
}

static uint64_t tag_of(unsigned i)
{
	return i == 0 ? 0 : i == 1 ? UINT64_MAX : (uint64_t)i << 40 | i;
}

/* Reaps all, at most `max` at a time; how many came with the right result, each once. */
static unsigned reap_all(unsigned max)
{
	bool seen[IO_DEPTH] = {false};
	struct io_done done[IO_DEPTH];
	unsigned right = 0;
	int n;

	while ((n = io->ops->reap(io, done, max, true)) > 0 && (unsigned)n <= max)
		for (int d = 0; d < n; d++)
			for (unsigned i = 0; i < IO_DEPTH; i++)
				if (done[d].tag == tag_of(i) && !seen[i]) {
					seen[i] = true;
					right += done[d].result == (i % 8 == 7 ? 0 : IO_BLOCK);
				}
	return n == 0 ? right : 1000;
}

/* All that may be: writes, durable ones, and a sync in each eight. */
static void many_in_flight(void)
{
	int file = open_file("f", IO_CREATE | IO_DIRECT), r = 0;
	unsigned right = 0;

	fill(3);
	step(io->ops->allocate(io, file, sizeof blocks));
	for (unsigned i = 0; i < IO_DEPTH; i++)
		r |= i % 8 == 7 ? io->ops->submit_sync(io, file, tag_of(i))
		                : io->ops->submit_write(io, file, blocks[i], IO_BLOCK, i * IO_BLOCK, i % 3 == 0, tag_of(i));
	is_i64(r, 0, "%s: as many as may be are submitted", where);
	is_i64(io->ops->submit_sync(io, file, 5), -EBUSY, "%s: not one sync more", where);
	is_i64(io->ops->submit_write(io, file, blocks[40], IO_BLOCK, 40 * IO_BLOCK, false, 5), -EBUSY,
	       "%s: and not one write", where);
	is_u64(reap_all(5), IO_DEPTH, "%s: each ends, with its tag and result", where);
	for (unsigned i = 0; i < IO_DEPTH; i++)
		right += i % 8 == 7 || reads_back(file, i, 1);
	is_u64(right, IO_DEPTH, "%s: each block is where it belongs", where);
	memset(blocks[40], 0, IO_BLOCK);
	ok(reads_back(file, 40, 1), "%s: what was refused was not written", where);
	nothing_in_flight();
	io->ops->close(io, file);
	step(io->ops->remove(io, "f"));
}

/* More often than any ring goes round. */
static void round_and_round(void)
{
	int file = open_file("o", IO_CREATE | IO_DIRECT);
	struct io_done done[3];
	unsigned submitted_n = 0, reaped = 0;
	uint64_t sum = 0;
	int n;

	while (reaped < 1000) {
		for (; submitted_n < 1000 && submitted_n - reaped < 5; submitted_n++)
			step(io->ops->submit_write(io, file, blocks, IO_BLOCK, submitted_n % 8 * IO_BLOCK, false,
			                           submitted_n));
		n = io->ops->reap(io, done, 3, true);
		if (n < 1)
			break;
		for (int i = 0; i < n; i++, reaped++)
			sum += done[i].result == IO_BLOCK ? done[i].tag : 1u << 30;
	}
	is_u64(sum, 999 * 1000 / 2, "%s: a thousand writes, five at a time", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "o"));
}

/* The caller goes away for long; the disk does not wait for it. */
static void starts_at_once(void)
{
	int file = open_file("s", IO_CREATE | IO_DIRECT), fd = openat(dir, "s", O_RDONLY | O_CLOEXEC);
	int64_t until = now_ms() + 5000;
	bool there = false;

	need(fd < 0);
	fill(4);
	step(io->ops->submit_write(io, file, blocks, IO_BLOCK, 0, true, 9));
	while (!there && now_ms() < until)
		there = pread(fd, back, IO_BLOCK, 0) == IO_BLOCK && memcmp(back, blocks, IO_BLOCK) == 0;
	ok(there, "%s: what is submitted begins before it is reaped", where);
	while (io->ops->reap(io, &(struct io_done){0}, 1, false) == 0 && now_ms() < until)
		;
	ok(now_ms() < until, "%s: and is reaped without waiting", where);
	close(fd);
	io->ops->close(io, file);
	step(io->ops->remove(io, "s"));
}

/* ---- results that are handed on ---- */

/* Whatever the kernel says to a plain call: -EINVAL on ext4; tmpfs takes it. */
static void unaligned(void)
{
	int file = open_file("u", IO_CREATE | IO_DIRECT), fd;
	ssize_t plain;

	step(io->ops->allocate(io, file, 4 * IO_BLOCK));
	fd = openat(dir, "u", O_RDWR | O_CLOEXEC);
	need(fd < 0);
	if (files_direct(io, file))
		need(fcntl(fd, F_SETFL, O_DIRECT) < 0);
	plain = pwrite(fd, blocks[0] + 1, 100, 3);
	plain = plain < 0 ? -errno : plain;
	is_i64(write_now(file, blocks[0] + 1, 100, 3, false), plain, "%s: not aligned, as the kernel has it: %d",
	       where, (int)plain);
	is_i64(write_now(file, blocks[0] + 1, 100, 3, true), plain, "%s: nor when it is durable", where);
	is_i64(io->ops->write(io, file, blocks[0] + 1, 100, 3), plain, "%s: nor when it blocks", where);
	close(fd);
	io->ops->close(io, file);
	step(io->ops->remove(io, "u"));
}

/* A file may be no larger than 1.5 blocks: then a write is short, and the next an error. */
static void short_write(void)
{
	struct rlimit limit = {.rlim_cur = IO_BLOCK * 3 / 2, .rlim_max = RLIM_INFINITY};
	int file = open_file("h", IO_CREATE);

	signal(SIGXFSZ, SIG_IGN);
	need(setrlimit(RLIMIT_FSIZE, &limit));
	is_i64(write_now(file, blocks, 2 * IO_BLOCK, 0, false), IO_BLOCK * 3 / 2, "%s: a short write", where);
	is_i64(write_now(file, blocks, 2 * IO_BLOCK, 2 * IO_BLOCK, false), -EFBIG, "%s: one that fails", where);
	is_i64(io->ops->write(io, file, blocks, 2 * IO_BLOCK, 0), IO_BLOCK * 3 / 2, "%s: short when it blocks", where);
	is_i64(io->ops->write(io, file, blocks, IO_BLOCK, 2 * IO_BLOCK), -EFBIG, "%s: and failed", where);
	limit.rlim_cur = RLIM_INFINITY;
	need(setrlimit(RLIMIT_FSIZE, &limit));
	pwrite_most = 1000;
	is_i64(io->ops->write(io, file, blocks, 2 * IO_BLOCK, 0), 2 * IO_BLOCK, "%s: a blocking write goes on", where);
	pwrite_most = 0;
	ok(reads_back(file, 0, 2), "%s: where it was", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "h"));
}

/* A call that a signal handler interrupts is made again; each of the kernel's is interrupted twice. */
static void interrupted_calls(void)
{
	int file = open_file("i", IO_CREATE | IO_DIRECT);

	interrupts = 2;
	is_i64(io->ops->allocate(io, file, IO_BLOCK), 0, "%s: allocated, interrupted", where);
	interrupts = 2;
	is_i64(io->ops->write(io, file, blocks, IO_BLOCK, 0), IO_BLOCK, "%s: written, interrupted", where);
	interrupts = 2;
	is_i64(io->ops->read(io, file, back, IO_BLOCK, 0), IO_BLOCK, "%s: read, interrupted", where);
	interrupts = 2;
	is_i64(io->ops->sync(io, file), 0, "%s: synced, interrupted", where);
	for (int durable = 0; durable < 2; durable++) {
		interrupts = 2;
		is_i64(write_now(file, blocks, IO_BLOCK, 0, durable), IO_BLOCK, "%s: submitted, interrupted", where);
	}
	interrupts = 0; /* a ring makes none of these */
	io->ops->close(io, file);
	step(io->ops->remove(io, "i"));
}

/* Signals all the time: nothing that blocks is cut short by one. */
static void signals(void)
{
	int file = open_file("g", IO_CREATE | IO_DIRECT);
	unsigned wrong = 0;

	timer(1);
	for (int i = 0; i < 50; i++) {
		int64_t r = io->ops->submit_write(io, file, blocks, sizeof blocks, 0, true, 1);

		wrong += r != 0;
		do
			r = submitted(0);
		while (r == -EINTR);
		wrong += r != sizeof blocks;
		wrong += io->ops->write(io, file, blocks, sizeof blocks, 0) != sizeof blocks;
		wrong += io->ops->sync(io, file) != 0;
	}
	timer(0);
	is_u64(wrong, 0, "%s: among signals", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "g"));
}

static void each_case(void)
{
	creating();
	many_files();
	writing(0);
	writing(IO_DIRECT);
	resizing();
	allocating();
	refuse_fallocate = true;
	allocating();
	refuse_fallocate = false;
	the_directory();
	nothing_in_flight();
	many_in_flight();
	round_and_round();
	starts_at_once();
	unaligned();
	short_write();
	interrupted_calls();
	signals();
}

/* ---- one kind ---- */

/* A pipe as a file: a write to a full one is in flight until somebody reads. */
static int full_pipe(int *fd)
{
	static char bytes[1 << 16];
	ssize_t n;

	need(mkfifoat(dir, "p", 0600));
	*fd = openat(dir, "p", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	need(*fd < 0);
	do
		n = write(*fd, bytes, sizeof bytes);
	while (n > 0);
	return open_file("p", 0);
}

static void drain(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof bytes) > 0)
		;
}

/* So that a wait which no signal ends comes to an end. */
static void drain_at_last(void *fd)
{
	pause_ms(3000);
	drain(*(int *)fd);
}

static void interrupted(void)
{
	struct io_done done;
	int fd, file = full_pipe(&fd);
	pid_t last = start(drain_at_last, &fd);
	int64_t since = now_ms();

	step(io->ops->submit_write(io, file, blocks, IO_BLOCK, 0, false, 3));
	is_i64(io->ops->reap(io, &done, 1, false), 0, "%s: what has not ended is not reaped", where);
	timer(20);
	is_i64(io->ops->reap(io, &done, 1, true), -EINTR, "%s: a signal ends the waiting", where);
	ok(now_ms() - since >= 15, "%s: there was some", where);
	timer(0);
	finish_by_force(last);
	drain(fd);
	is_i64(io->ops->reap(io, &done, 1, true), 1, "%s: and then it goes on", where);
	is_i64(done.result, IO_BLOCK, "%s: to the end", where);
	io->ops->close(io, file);
	close(fd);
	step(io->ops->remove(io, "p"));
}

static void read_later(void *argument)
{
	pause_ms(100);
	*(volatile int *)argument = 1;
	drain(openat(dir, "p", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	pause_ms(100); /* the other end stays open */
}

/* The last case: the disk is gone then. */
static void freed_in_flight(void)
{
	int fd, file = full_pipe(&fd);
	volatile int *was_read = shared_page();
	pid_t reader;

	step(io->ops->submit_write(io, file, blocks, IO_BLOCK, 0, false, 3));
	reader = start(read_later, (void *)was_read);
	io->ops->free(io);
	ok(*was_read == 1, "%s: a disk is not gone before what was in flight has ended", where);
	finish(reader);
	close(fd);
	need(unlinkat(dir, "p", 0));
}

/* What the kernel does not take must not go along with the next. */
static void not_taken(void)
{
	int file = open_file("n", IO_CREATE);
	struct io_done done[2];

	fill(5);
	for (int round = 0; round < 100; round++) {
		submit_fails = 1;
		if (io->ops->submit_write(io, file, blocks[1], IO_BLOCK, IO_BLOCK, false, 1) != -EAGAIN)
			break;
	}
	is_u64(submit_fails, 0, "%s: what the kernel does not take is an error", where);
	nothing_in_flight();
	is_i64(io->ops->submit_write(io, file, blocks, IO_BLOCK, 0, false, 2), 0, "%s: the next is taken", where);
	is_i64(io->ops->reap(io, done, 2, true), 1, "%s: alone", where);
	is_u64(done[0].tag, 2, "%s: it is that", where);
	is_i64(io->ops->size(io, file), IO_BLOCK, "%s: and nothing else was written", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "n"));
}

/* What only a power loss could tell otherwise. */
static void entries(void)
{
	int file = open_file("e", IO_CREATE | IO_DIRECT);

	dsyncs = 0;
	write_now(file, blocks, IO_BLOCK, 0, true);
	is_u64(dsyncs, 1, "%s: durable, alone, is one call", where);
	step(io->ops->submit_write(io, file, blocks, IO_BLOCK, 0, false, 1));
	step(io->ops->submit_write(io, file, blocks[1], IO_BLOCK, IO_BLOCK, true, 2));
	ok(last_entry.opcode == IORING_OP_WRITE && last_entry.rw_flags == RWF_DSYNC, "%s: durable is DSYNC", where);
	is_u64(dsyncs, 1, "%s: beside another it waits for nobody", where);
	for (int reaped = 0, n = 1; reaped < 2 && n > 0; reaped += n) {
		struct io_done done[2];

		n = io->ops->reap(io, done, 2, true);
		ok(n > 0, "%s: both end", where);
	}
	write_now(file, blocks, IO_BLOCK, 0, false);
	ok(last_entry.opcode == IORING_OP_WRITE && last_entry.rw_flags == 0, "%s: and else is not", where);
	submitted(io->ops->submit_sync(io, file, 1));
	ok(last_entry.opcode == IORING_OP_FSYNC && last_entry.fsync_flags == IORING_FSYNC_DATASYNC,
	   "%s: a sync is of the data", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "e"));
}

static void durable_calls(int refusal)
{
	int file = open_file("d", IO_CREATE | IO_DIRECT);

	dsyncs = fdatasyncs = 0;
	refuse_dsync = refusal;
	for (int i = 0; i < 3; i++)
		is_i64(write_now(file, blocks, IO_BLOCK, 0, true), IO_BLOCK, "%s: durable", where);
	is_u64(dsyncs, refusal ? 1 : 3, "%s: by DSYNC, tried until refused (%d)", where, refusal);
	is_u64(fdatasyncs, refusal ? 3 : 0, "%s: or by a sync", where);
	write_now(file, blocks, IO_BLOCK, 0, false);
	is_u64(dsyncs + fdatasyncs, refusal ? 4 : 3, "%s: what is not durable has neither", where);
	if (refusal) {
		fdatasync_fails = true;
		is_i64(write_now(file, blocks, IO_BLOCK, 0, true), -EIO, "%s: nor the end of a failed sync", where);
		fdatasync_fails = false;
	}
	refuse_dsync = 0;
	io->ops->close(io, file);
	step(io->ops->remove(io, "d"));
}

static bool open_uring(bool old_kernel)
{
	int r;

	refuse_setup_flags = old_kernel;
	r = io_uring_open(dir, &io);
	refuse_setup_flags = false;
	if (r < 0)
		skip("%s: no ring: %s", where, strerror(-r));
	return r == 0;
}

static void ring_on(const char *filesystem, bool old_kernel)
{
	char words[64];

	snprintf(words, sizeof words, "%s, %s", old_kernel ? "plain ring" : "ring", filesystem);
	where = words;
	if (!open_uring(old_kernel))
		return;
	each_case();
	not_taken();
	entries();
	durable_calls(0);
	durable_calls(EOPNOTSUPP);
	interrupted();
	freed_in_flight();
}

static void sync_on(const char *filesystem)
{
	char words[64];

	snprintf(words, sizeof words, "sync, %s", filesystem);
	where = words;
	need(io_sync_open(dir, &io));
	each_case();
	durable_calls(0);
	durable_calls(EOPNOTSUPP);
	io->ops->free(io);
	need(io_sync_open(dir, &io));
	durable_calls(EPERM);
	io->ops->free(io);
}

/* ---- filesystems ---- */

static void each_kind(const char *filesystem)
{
	ring_on(filesystem, false);
	ring_on(filesystem, true);
	sync_on(filesystem);
}

/* The kind `open` on a filesystem on which nothing is free. */
static void full_of(const char *name, int (*open)(int, struct io **))
{
	int file;

	where = name;
	need(open(dir, &io));
	file = open_file("full", IO_CREATE | IO_DIRECT);
	fill_up();
	is_i64(io->ops->allocate(io, file, 8 * IO_BLOCK), -ENOSPC, "%s, full: nothing is allocated", where);
	refuse_fallocate = true;
	is_i64(io->ops->allocate(io, file, 8 * IO_BLOCK), -ENOSPC, "%s, full: nor as zeros", where);
	refuse_fallocate = false;
	is_i64(write_now(file, blocks, IO_BLOCK, 0, false), -ENOSPC, "%s, full: no write", where);
	is_i64(write_now(file, blocks, IO_BLOCK, 0, true), -ENOSPC, "%s, full: no durable write", where);
	is_i64(io->ops->write(io, file, blocks, IO_BLOCK, 0), -ENOSPC, "%s, full: none that blocks", where);
	free_up();
	is_i64(write_now(file, blocks, IO_BLOCK, 0, true), IO_BLOCK, "%s: and with room it goes on", where);
	io->ops->close(io, file);
	step(io->ops->remove(io, "full"));
	io->ops->free(io);
}

/* tmpfs takes O_DIRECT since Linux 6.6, and fallocate(); ramfs takes neither. */
static void on_memory(void)
{
	uint64_t free_bytes, all_bytes;

	open_dir("tmpfs");
	need(io_sync_open(dir, &io));
	step(io->ops->space(io, &free_bytes, &all_bytes));
	is_u64(all_bytes, 8u << 20, "tmpfs: 8 MiB");
	io->ops->free(io);
	each_kind("tmpfs");
	full_of("ring", io_uring_open);
	full_of("sync", io_sync_open);
	close(dir);
	open_ramfs();
	each_kind("ramfs");
	close(dir);
}

int main(void)
{
	unsigned at_first;

	begin();
	at_first = descriptors();
	open_dir("disk");
	each_kind("disk");
	close(dir);
	if (small_filesystem())
		on_memory();
	else
		skip("mounting a small filesystem: %s", strerror(errno));
	is_u64(descriptors(), at_first, "no descriptor is left open");
	return done();
}
