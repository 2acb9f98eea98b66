/* SPDX-License-Identifier: MIT */
/*
 * start.c - how mqd starts: its store, locked and read; the runtime directory, that goes with it or is made anew.
 *
 * Memory that has been there all the time (mqd was killed, the host was not) is attached to: nothing is missing from it.
 * Else topics are brought back from the store, and their offsets go on behind a gap.
 */
#include "bring_back.h"

#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LOCK_TRIES    50
#define LOCK_PAUSE_US 20000u

/* ---- the store's directory ---------------------------------------------------------- */

/* The directory itself, and those above it that are missing. */
static int make_path(struct server *s, const char *path)
{
	char part[STORE_DIR_MAX];

	snprintf(part, sizeof part, "%s", path);
	for (char *at = part + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return fail_errno(&s->error, "making %s", part);
		*at = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return fail_errno(&s->error, "making the store %s", part);
	return 0;
}

static int open_store(struct server *s, const char *path)
{
	char real[PATH_MAX];
	int r = make_path(s, path);

	if (r < 0)
		return r;
	if (realpath(path, real) == NULL)
		return fail_errno(&s->error, "the store %s", path);
	if (strlen(real) >= sizeof s->store)
		return fail(&s->error, SHMQ_EINVAL, "the store %s: its path is too long", path);
	memcpy(s->store, real, strlen(real) + 1);
	s->storefd = open(s->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->storefd >= 0 ? 0 : fail_errno(&s->error, "the store %s", s->store);
}

/* As long as the descriptor is open; the kernel lets go of it when we are gone. */
static int lock_store(struct server *s)
{
	char text[32] = "";
	bool locked = false;
	ssize_t n;

	s->lockfd = openat(s->storefd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lockfd < 0)
		return fail_errno(&s->error, "the lock of the store %s", s->store);
	/* One that was killed a moment ago may have to end what it had in flight. */
	for (int tries = 0; !locked && tries < LOCK_TRIES; tries++) {
		locked = flock(s->lockfd, LOCK_EX | LOCK_NB) == 0;
		if (!locked)
			usleep(LOCK_PAUSE_US);
	}
	if (!locked) {
		n = read(s->lockfd, text, sizeof text - 1);
		text[n > 0 ? (size_t)n : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		return fail(&s->error, SHMQ_ELIMIT, "the store %s is in use by another mqd (pid %s)", s->store, text);
	}
	n = snprintf(text, sizeof text, "%d\n", (int)getpid());
	if (ftruncate(s->lockfd, 0) < 0 || pwrite(s->lockfd, text, (size_t)n, 0) != n)
		return fail_errno(&s->error, "the lock of the store %s", s->store);
	return 0;
}

static int open_io(struct server *s)
{
	char why[256] = "";
	int r;

	s->io = s->o->disk;
	if (s->io != NULL)
		return 0;
	r = io_open(s->storefd, s->o->io, &s->io, &s->direct, why, sizeof why);

	if (r < 0) {
		errno = -r;
		return fail_errno(&s->error, "the store %s: %s", s->store, why);
	}
	if (why[0] != '\0')
		server_say(s, SAY_NOTE, "%s", why);
	return 0;
}

/* A thousandth of the filesystem. */
static uint64_t segment_size(struct server *s)
{
	uint64_t free_bytes = 0, all = 0, bytes;

	if (s->o->segment_bytes != 0)
		return s->o->segment_bytes;
	if (s->io->ops->space(s->io, &free_bytes, &all) < 0)
		all = 0;
	if (s->o->limit != 0 && s->o->limit < all)
		all = s->o->limit;
	bytes = all / 1024;
	if (bytes < 64u << 20)
		bytes = 64u << 20;
	if (bytes > SEGMENT_MAX)
		bytes = SEGMENT_MAX;
	return bytes / (1u << 20) * (1u << 20);
}

static int identify(struct server *s)
{
	int r = store_identify(&s->error, s->io, &s->identity);

	if (s->o->limit != 0 && s->o->limit < 4 * (r == 0 ? s->identity.segment_bytes : segment_size(s)))
		return fail(&s->error, SHMQ_EINVAL,
		            "a limit of %llu MiB is too small: a store needs four of its segments, of %llu MiB (--segment, of a new "
		            "store)",
		            (unsigned long long)(s->o->limit >> 20),
		            (unsigned long long)((r == 0 ? s->identity.segment_bytes : segment_size(s)) >> 20));
	if (r == 0)
		r = store_make_sure(&s->error, s->io, &s->identity);
	else if (r == SHMQ_ENOENT)
		r = store_make(&s->error, s->io, segment_size(s), &s->identity);
	return r;
}

/* ---- the runtime directory ---------------------------------------------------------- */

static void observe_places(struct server *s)
{
	struct statfs fs;

	if (fstatfs(s->q->dirfd, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		server_say(s, SAY_WARNING, "the runtime directory %s is not on a tmpfs: every message is written to a disk twice",
		           s->q->dir);
	else if (fstatfs(s->q->dirfd, &fs) == 0 && (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize < 256u << 20)
		server_say(s, SAY_WARNING,
		           "the runtime directory %s has %llu MiB in all; a topic takes up to 64 MiB: make topics with less "
		           "(mqd topic create --memory), or that filesystem larger (in a container: --shm-size)",
		           s->q->dir, (unsigned long long)((uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize >> 20));
	if (fstatfs(s->storefd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
		server_say(s, SAY_WARNING, "the store %s is on a tmpfs: a loss of power takes it", s->store);
	if (strncmp(s->q->dir, "/dev/shm/", 9) == 0 && geteuid() >= 1000)
		server_say(s, SAY_DETAIL,
		           "logind removes %s when its user has logged out, unless RemoveIPC=no is set or the user lingers",
		           s->q->dir);
}

/* What DIR/daemon says of the mqd before us. *durable: its newest commit. */
static int memory_check(struct server *s, bool *alive, uint64_t *durable)
{
	struct session_file f;
	int r = daemon_open(&s->error, &s->q->daemon);

	*alive = false;
	*durable = 0;
	if (r == SHMQ_ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (s->q->daemon.file->head.number != s->identity.id)
		return fail(&s->error, SHMQ_ECONFIG,
		            "the runtime directory %s goes with another store (%s), not with %s; nothing was touched", s->q->dir,
		            s->q->daemon.file->store, s->store);
	if (strcmp(s->q->daemon.file->store, s->store) != 0)
		return fail(&s->error, SHMQ_ECONFIG,
		            "the runtime directory %s goes with the store at %s, and this copy of it is at %s; nothing was touched",
		            s->q->dir, s->q->daemon.file->store, s->store);
	if (daemon_runs(&s->q->daemon) &&
	    session_describe(&s->q->place, load_acquire(&s->q->daemon.file->session), &f)) /* stored:written */
		return fail(&s->error, SHMQ_ELIMIT, "another mqd (pid %u) serves %s", f.pid, s->q->dir);
	*alive = load_acquire(&s->q->daemon.file->complete) != 0; /* stored pairs written */
	*durable = load_acquire(&s->q->daemon.file->commit);
	return 0;
}

static int daemon_make(struct server *s)
{
	int r, fd = openat(s->q->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct daemon_file *d;
	struct aside a;

	if (fd < 0)
		return fail_errno(&s->error, "runtime directory %s", s->q->dir);
	r = map_aside(&s->error, fd, sizeof *d, sizeof *d, &a);
	if (r == 0) {
		d = a.map.at;
		d->head.kind = FILE_DAEMON;
		d->head.number = s->identity.id;
		d->head.bytes = sizeof *d;
		file_head_seal(&d->head);
		memcpy(d->store, s->store, strlen(s->store));
		d->hash = bulk_hash(d->store, STORE_DIR_MAX);
		r = map_publish(&s->error, &a, "daemon");
		if (r == 0)
			map_close(&a.map);
	}
	close(fd);
	return r == SHMQ_EEXIST ? 0 : r;
}

/* From here on others find us. */
static int daemon_take(struct server *s)
{
	int r = daemon_make(s);

	if (r == 0)
		r = map_open(&s->error, s->q->dirfd, "daemon", true, FILE_DAEMON, s->identity.id, &s->daemon_map);
	if (r == 0)
		r = daemon_open(&s->error, &s->q->daemon);
	if (r < 0)
		return r;
	s->daemon = s->collector.daemon = s->daemon_map.at;
	told_state(s, DAEMON_STARTING);
	store_relaxed(&s->daemon->error, 0); /* relaxed: for sentences */
	store_relaxed(&s->daemon->started_ns, clock_ns(CLOCK_REALTIME));
	store_release(&s->daemon->session, s->q->session.id); /* written:stored */
	return 0;
}

/* Of the mqd before us: the segments say themselves what they have (store_settle()), and have more than it had told.
 * Before anything more is told to be durable: who reads by such a file finds that it has no name any more (stored_refresh()). */
static int runs_remove(struct server *s)
{
	int fd = openat(s->q->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int r = 0;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return fail_errno(&s->error, "runtime directory %s", s->q->dir);
	}
	while (r == 0 && (entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, "runs.", 5) == 0 && unlinkat(s->q->dirfd, entry->d_name, 0) < 0 && errno != ENOENT)
			r = fail_errno(&s->error, "removing %s/%s", s->q->dir, entry->d_name);
	closedir(d);
	return r;
}

/* ---- the start ---------------------------------------------------------------------- */

static void found_say(void *context, enum found_kind kind, const char *sentence)
{
	server_say(context, kind == FOUND_NOTE ? SAY_NOTE : SAY_WARNING, "%s", sentence);
}

static int journal_start(struct server *s, const struct recovered *found)
{
	struct journal *j = &s->journal;

	j->io = s->io;
	j->store = s->identity.id;
	j->segment_bytes = s->identity.segment_bytes;
	j->limit = s->o->limit;
	j->image = &s->image;
	j->durable = told_durable;
	j->dropped = told_dropped;
	j->said = told_said;
	j->context = s;
	for (size_t k = 0; k < found->segment_count; k++) {
		j->store_bytes += found->segments[k].bytes;
		if (found->segments[k].headless && found->segments[k].first_commit == 0)
			continue;
		j->sequence = j->previous = found->segments[k].sequence;
		j->previous_end = found->segments[k].end;
	}
	s->cleaner.io = s->io;
	s->cleaner.image = &s->image;
	s->image.run = told_run;
	s->image.context = s;
	return journal_begin(&s->error, j);
}

/* Writes records and waits until they are durable. */
static int write_now(struct server *s, const struct column *records)
{
	uint64_t before = s->image.commit;
	int r = 0;

	if (records->used == 0)
		return 0;

	/* A write that fails drops the batch: they are put into another one, until the journal is broken. */
	while (r == 0 && s->image.commit == before && !s->journal.broken) {
		if (!journal_busy(&s->journal) && batch_empty(journal_filling(&s->journal)))
			r = batch_append(journal_filling(&s->journal), records);
		if (r == 0 && !journal_busy(&s->journal))
			r = journal_submit(&s->journal, true);
		r = r == SHMQ_EMPTY ? 0 : r;
		if (r == 0 && journal_busy(&s->journal))
			r = journal_reap(&s->journal, true);
		r = r == SHMQ_INTERRUPTED ? 0 : r;
	}
	if (r == SHMQ_FULL)
		return fail(&s->error, SHMQ_ENOSPACE, "the store %s is full: not even the start of it can be written down", s->store);
	if (r != 0 || s->journal.broken)
		return fail(&s->error, SHMQ_ESYSTEM, "the store %s cannot be written to: %s", s->store,
		            strerror(s->journal.error));
	return 0;
}

static int memory_join(struct server *s, bool alive)
{
	struct column records = {0};
	int r = record_add(&records, RECORD_NUMBERS, (struct log_id){0},
	                   (const uint64_t[4]){s->image.numbers + 1024, 0, 0, 0}, NULL, 0);

	if (r == 0)
		r = alive ? deleted_describe(s, &records) : gaps_describe(s, &records);
	if (r < 0)
		r = fail(&s->error, SHMQ_ENOMEM, "no private memory");
	else
		r = write_now(s, &records);
	column_free(&records);
	if (r < 0)
		return r;
	cas_max(&s->q->broker->next_number, s->image.numbers);
	s->collector.reserved = s->image.numbers;
	if (!alive)
		r = bring_back(s);
	for (size_t k = 0; k < s->image.topic_count && r == 0; k++) /* what became durable and was not told */
		r = live_show(&s->live, s->image.topics[k]);
	if (r < 0 && s->error.text[0] == '\0')
		s->error = s->q->error;
	return r;
}

#define MAPS_DEFAULT 65530u /* vm.max_map_count */
#define MAPS_LEFT    4096u  /* for others, and for what a group opens before it is counted */
#define FDS_LEFT     256u

static size_t maps_most(void)
{
	unsigned long most = MAPS_DEFAULT;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "re");

	if (f != NULL) {
		if (fscanf(f, "%lu", &most) != 1)
			most = MAPS_DEFAULT;
		fclose(f);
	}
	return most > 2 * MAPS_LEFT ? most - MAPS_LEFT : MAPS_LEFT;
}

static void limits_set(struct server *s)
{
	struct rlimit l = {.rlim_cur = 1024};

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max < 1u << 20 ? l.rlim_max : 1u << 20;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	s->live.most.fds = l.rlim_cur > 2 * FDS_LEFT ? (size_t)l.rlim_cur - FDS_LEFT : FDS_LEFT / 4;
	s->live.most.maps = maps_most();
}

static int open_runtime(struct server *s)
{
	struct shmq_open_options o = {.dir = s->o->dir, .flags = SHMQ_CREATE, .program = "mqd"};
	int r = shmq_open(&s->q, &o);

	if (r < 0)
		return fail(&s->error, r, "%s", shmq_error(s->q));
	s->live.q = s->q;
	s->live.image = &s->image;
	s->collector.live = &s->live;
	s->collector.troubled = told_trouble;
	s->collector.context = s;
	return 0;
}

static int recover_all(struct server *s, uint64_t durable, struct recovered *found)
{
	struct error why;
	int r;

	found->found = found_say;
	found->context = s;
	found->sync = true;
	r = store_recover(&s->error, s->io, &s->identity, durable, &s->image, found);
	why = s->error;
	if (r == SHMQ_ESTALE)
		return fail(&s->error, r,
		            "%.300s. Put the newer one back; or, if what is missing is lost, stop all programs, remove the runtime "
		            "directory %.200s and start mqd again",
		            why.text, s->q->dir);
	if (r == 0)
		r = store_settle(&s->error, s->io, found);
	return r;
}

int server_start(struct server *s, struct recovered *found)
{
	char store[STORE_DIR_MAX];
	uint64_t began = clock_ns(CLOCK_MONOTONIC), durable = 0;
	bool alive = false;
	int r;

	limits_set(s);
	r = open_runtime(s);
	if (r == 0 && s->o->store == NULL && !daemon_default_store(s->q->dir, store, sizeof store))
		r = fail(&s->error, SHMQ_EINVAL, "the path of the store is too long");
	if (r == 0)
		r = open_store(s, s->o->store != NULL ? s->o->store : store);
	if (r == 0)
		r = lock_store(s);
	if (r == 0)
		r = open_io(s);
	if (r == 0)
		r = identify(s);
	if (r == 0)
		r = memory_check(s, &alive, &durable);
	if (r == 0)
		r = recover_all(s, alive ? durable : 0, found);
	if (r == 0)
		r = daemon_take(s);
	if (r == 0)
		r = runs_remove(s);
	if (r == 0)
		r = journal_start(s, found);
	if (r == 0)
		r = memory_join(s, alive);
	if (r < 0)
		return r;
	if (found->replayed_bytes > 0 && snapshot_save(&s->error, s->io, s->identity.id, &s->image) < 0)
		server_say(s, SAY_WARNING, "%s", s->error.text); /* the journal has it all */
	s->error.text[0] = '\0';
	store_release(&s->daemon->complete, 1); /* written:stored */
	told_state(s, DAEMON_RUNS);
	if (s->o->work != NULL)
		*s->o->work = &s->q->broker->work;
	collect_rewind(&s->collector); /* everything is looked at once */
	for (size_t k = 0; k < s->image.topic_count; k++)
		topic_mark(s->q->broker, &s->q->broker->acked, s->image.topics[k]->number);
	s->rotten = found->rotten > 0;
	observe_places(s);
	if (s->o->ready != NULL) {
		char text[4300 + STORE_DIR_MAX];

		snprintf(text, sizeof text,
		         "serving %s with the store %s: %zu topics, commit %" PRIu64 ", segments of %" PRIu64
		         " MiB, I/O by %s%s; %s in %" PRIu64 " ms",
		         s->q->dir, s->store, s->image.topic_count, s->image.commit, s->identity.segment_bytes >> 20,
		         s->io->ops->name, s->direct ? ", direct" : "", alive ? "attached" : "recovered",
		         (clock_ns(CLOCK_MONOTONIC) - began) / 1000000);
		s->o->ready(s->o->context, text);
	}
	return 0;
}

void server_end(struct server *s)
{
	if (s->o->work != NULL)
		*s->o->work = NULL;
	if (s->daemon != NULL && s->daemon_map.at != NULL)
		told_state(s, DAEMON_STOPPED);
	journal_end(&s->journal);
	if (s->q != NULL && s->runs_map.at != NULL)
		told_end(s);
	live_free(&s->live);
	image_free(&s->image);
	collector_free(&s->collector);
	clean_drop(&s->cleaner);
	map_close(&s->daemon_map);
	if (s->io != NULL)
		s->io->ops->free(s->io);
	shmq_close(s->q);
	if (s->lockfd >= 0)
		close(s->lockfd);
	if (s->storefd >= 0)
		close(s->storefd);
}
