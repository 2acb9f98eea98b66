/* SPDX-License-Identifier: MIT */
/* topic_end.c - how a topic ends: deleted, or moved to a new number; and finding what a name stands for. */
#include "topic_end.h"

#include "bell.h"
#include "ring.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A topic that goes on under a new number begins this much behind every offset of the old one. The old
 * one's logs are looked at when it has MOVED; from then on each session that was about to link links one
 * frame more, and does not acknowledge it: 8,192 sessions with at most 2^28 rows each are 2^41. 2,047
 * repairs of one topic stay below OFFSET_MAX. */
#define OFFSET_JUMP (1ULL << 42)
/* A frame is at most 256 MiB, and an empty row in it its delimiter. */
#define ROWS_MAX (1ULL << 28)
/* What a log may have given out of which nothing can be read: two weeks at 100 million a second. */
#define ROWS_UNKNOWN (1ULL << 47)

#define TRIES 100 /* of loops that others can make go round, by ending a topic again and again */

/* ---- offsets ------------------------------------------------------------------------ */

/* Behind the newest frame that can be read, and all rows that damaged ones behind it can have had. */
static uint64_t log_beyond(const struct log *l, uint64_t first_offset)
{
	uint64_t end, lost;
	struct error e;
	struct frame f;

	fence_seq(); /* offset:link; behind the load or CAS of MOVED: who linked before it is seen here */
	end = ring_end(l);
	for (uint64_t i = end; i > l->base.position && end - i < l->slot_count; i--)
		if (ring_peek(&e, l, i - 1, &f) == 0)
			return f.offset + f.count + (end - i) * ROWS_MAX;
	end -= l->base.position;
	if (l->base.offset > first_offset)
		first_offset = l->base.offset;
	lost = end < ROWS_UNKNOWN / ROWS_MAX ? end * ROWS_MAX : ROWS_UNKNOWN;
	return first_offset + lost;
}

static int log_beyond_in(struct error *e, int dirfd, const struct topic_brief *t, unsigned partition,
                         uint64_t *beyond)
{
	atomic_u64 no_head = 0;
	char name[32];
	struct log l;
	struct map m;
	int r;

	log_name(name, partition);
	r = map_open(e, dirfd, name, false, FILE_LOG, t->number, &m);
	if (r == 0) {
		r = log_attach(e, &m, &no_head, &l);
		if (r < 0)
			map_close(&m);
	}
	*beyond = r == SHMQ_ECORRUPT ? t->first_offset + ROWS_UNKNOWN : t->first_offset;
	if (r == SHMQ_ENOENT || r == SHMQ_ECORRUPT)
		return 0;
	if (r < 0)
		return r;
	*beyond = log_beyond(&l, t->first_offset);
	map_close(&l.map);
	return 0;
}

int topic_offset_beyond(shmq *q, const struct topic_brief *t, uint64_t *offset)
{
	uint64_t beyond = t->first_offset;
	int r = 0, fd = topic_dir_open(&q->error, q, t->number);

	if (fd < 0)
		return fd;
	for (unsigned p = 0; p < t->options.partitions && r == 0; p++) {
		uint64_t log;

		r = log_beyond_in(&q->error, fd, t, p, &log);
		if (r == 0 && log > beyond)
			beyond = log;
	}
	close(fd);
	*offset = ALIGN_UP(beyond + OFFSET_JUMP, OFFSET_JUMP);
	return r;
}

/* Sets the first offset of the number that goes on, once. 0, or an error: then it cannot go on yet. */
static int first_offset_set(shmq *q, const struct topic_brief *from)
{
	uint64_t next = topic_word_next(from->state), unset = OFFSET_UNSET, offset;
	int r, fd = topic_dir_open(&q->error, q, next);
	struct topic_brief t;
	struct map m;

	if (fd == SHMQ_ENOENT) /* all is done, and it was deleted or moved on since */
		return 0;
	if (fd < 0)
		return fd;
	r = topic_file_open(&q->error, fd, next, true, &m, &t);
	close(fd);
	if (r < 0)
		return r == SHMQ_ENOENT ? 0 : r;
	if (strcmp(t.name, from->name) != 0)
		r = fail(&q->error, SHMQ_ECORRUPT, "t/%llu/topic: moved to what is another topic",
		         (unsigned long long)from->number);
	else if (t.first_offset == OFFSET_UNSET)
		r = topic_offset_beyond(q, from, &offset);
	/* Files that are gone: somebody else has set it before that. */
	if (r == 0 && t.first_offset == OFFSET_UNSET)
		cas_seq(&((struct topic_file *)m.at)->first_offset, &unset, offset); /* first:offset */
	map_close(&m);
	return r == SHMQ_ENOENT ? 0 : r;
}

/* ---- files -------------------------------------------------------------------------- */

static void bells_ring(int dirfd, uint64_t number)
{
	struct error e;
	struct map m;

	if (map_open(&e, dirfd, "bell", true, FILE_BELL, number, &m) < 0)
		return;
	bell_ring(&((struct bell_file *)m.at)->arrived);
	bell_ring(&((struct bell_file *)m.at)->room);
	map_close(&m);
}

static bool topic_is_there(int dirfd)
{
	return faccessat(dirfd, "topic", F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* All names but `topic`. Not `over`: only what has outlived its topic. Bell and logs are made after the
 * topic, and a topic that is gone never comes back: so the name is seen first, then that there is none.
 * Names that begin with a dot are of files that somebody is making, who will find out. */
static void names_remove(DIR *d, bool over)
{
	struct dirent *entry;

	rewinddir(d);
	while ((entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, "topic") != 0 &&
		    (over || entry->d_name[0] == '.' || !topic_is_there(dirfd(d))))
			unlinkat(dirfd(d), entry->d_name, 0);
}

/* t/N as a directory stream. NULL: not there, or not to be opened. */
static DIR *topic_dir_list(const shmq *q, uint64_t number, const char *name)
{
	struct error e; /* why something was to be removed must not be forgotten over it */
	int fd = topic_dir_open(&e, q, number);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		close(fd);
	if (fd == SHMQ_ECORRUPT) /* a link or a file in its place */
		unlinkat(q->topics_dirfd, name, 0);
	return d;
}

/* True when the directory is gone. */
static bool dir_remove(shmq *q, const char *name)
{
	return unlinkat(q->topics_dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* The bell first: without it nobody opens the topic. `topic` last: it says that the others may go. Again
 * for each file that somebody who came too late has linked in between: it finds out that the topic is
 * over before it writes anything, so there is at most one of each name. */
void topic_remove(shmq *q, uint64_t number)
{
	char name[24];
	DIR *d;

	snprintf(name, sizeof name, "%llu", (unsigned long long)number);
	d = topic_dir_list(q, number, name);
	if (d == NULL)
		return;
	bells_ring(dirfd(d), number);
	for (int tries = 0; tries < TRIES; tries++) {
		unlinkat(dirfd(d), "bell", 0);
		names_remove(d, true);
		unlinkat(dirfd(d), "topic", 0);
		if (dir_remove(q, name))
			break;
	}
	closedir(d);
}

/* A directory without a topic: a dead creator's, what came too late for the removal of a topic, or a live
 * creator's: who loses an empty directory makes another. */
static void remains_remove(shmq *q, uint64_t number)
{
	char name[24];
	DIR *d;

	snprintf(name, sizeof name, "%llu", (unsigned long long)number);
	if (dir_remove(q, name))
		return;
	d = topic_dir_list(q, number, name);
	if (d == NULL)
		return;
	names_remove(d, false);
	dir_remove(q, name);
	closedir(d);
}

/* ---- ending ------------------------------------------------------------------------- */

int topic_end(shmq *q, uint64_t number, uint64_t state)
{
	uint64_t live = TOPIC_LIVE;
	int r, fd = topic_dir_open(&q->error, q, number);
	struct topic_brief t;
	struct map m;

	if (fd < 0)
		return fd;
	r = topic_file_open(&q->error, fd, number, true, &m, &t);
	close(fd);
	if (r < 0)
		return r;
	if (!cas_seq(&((struct topic_file *)m.at)->state, &live, state)) /* end:live */
		r = SHMQ_EEXIST;
	map_close(&m);
	return r;
}

void topic_end_damaged(shmq *q, uint64_t number)
{
	struct error e;
	uint64_t live = TOPIC_LIVE;
	struct stat st;
	void *at = MAP_FAILED;
	int dir = topic_dir_open(&e, q, number);
	int fd = dir < 0 ? -1 : openat(dir, "topic", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size == (off_t)sizeof(struct topic_file))
		at = mmap(NULL, sizeof(struct topic_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED) {
		cas_seq(&((struct topic_file *)at)->state, &live, TOPIC_DELETED); /* end:live */
		munmap(at, sizeof(struct topic_file));
	}
	if (fd >= 0)
		close(fd);
	if (dir >= 0)
		close(dir);
}

/* What is left to do for a topic whose state says that it is over. 0, or an error: not now. */
static int topic_finish(shmq *q, const struct topic_brief *t)
{
	int r;

	if (t->state == TOPIC_DELETED) {
		registry_leave(q, t->name, t->number);
	} else {
		r = first_offset_set(q, t);
		if (r < 0)
			return r;
		registry_replace(q, t->name, t->number, topic_word_next(t->state));
	}
	topic_remove(q, t->number);
	return 0;
}

/* Who may not write sees what will be there when the others have finished. 0; SHMQ_EMPTY: they went on
 * meanwhile, look again; or an error. */
static int topic_look_through(shmq *q, struct topic_brief *t)
{
	for (int tries = 0; topic_word_state(t->state) == TOPIC_MOVED; tries++) {
		struct topic_brief from = *t;
		int r = tries < TRIES ? topic_brief_read(q, topic_word_next(from.state), t)
		                      : SHMQ_ENOENT; /* moved in a circle: damage */

		if (r == 0 && t->first_offset == OFFSET_UNSET)
			r = topic_offset_beyond(q, &from, &t->first_offset);
		if (r < 0)
			return r == SHMQ_ENOENT ? SHMQ_EMPTY : r;
		if (strcmp(t->name, from.name) != 0)
			return fail(&q->error, SHMQ_ECORRUPT,
			            "t/%llu/topic: moved to what is another topic",
			            (unsigned long long)from.number);
	}
	return t->state == TOPIC_LIVE ? 0 : fail(&q->error, SHMQ_ENOENT, "topic %s was deleted", t->name);
}

int topic_find(shmq *q, const char *name, struct topic_brief *out)
{
	for (int tries = 0; tries < TRIES; tries++) {
		int r = registry_find(q, name, out);

		if (r < 0 || out->state == TOPIC_LIVE)
			return r;
		r = q->observe ? topic_look_through(q, out) : topic_finish(q, out);
		if (r < 0 || (q->observe && r == 0))
			return r;
	}
	return fail(&q->error, SHMQ_ENOENT, "topic %s is deleted and made again all the time", name);
}

/* ---- sweeping ----------------------------------------------------------------------- */

static int compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One number that stands in the registry: over, and whoever ended it has died behind the CAS? */
static void sweep_registered(shmq *q, uint64_t number)
{
	struct topic_brief t, now;

	if (topic_brief_read(q, number, &t) == 0 && t.state != TOPIC_LIVE)
		topic_find(q, t.name, &now);
}

static bool has_bell(const shmq *q, uint64_t number)
{
	char path[48];

	snprintf(path, sizeof path, "%llu/bell", (unsigned long long)number);
	return faccessat(q->topics_dirfd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* One directory of t/ whose number was not registered a moment ago. */
static void sweep_one(shmq *q, uint64_t number)
{
	struct topic_brief t, now;
	int r = topic_brief_read(q, number, &t);

	if (r == SHMQ_ENOENT)
		remains_remove(q, number);
	if (r < 0 || (t.state == TOPIC_LIVE && session_alive(&q->place, t.creator)))
		return;
	/* A dead creator registers nothing any more, and a number that a dead repairer has moved a topic
	   to is put in its place here: so what the name stands for now is final. What cannot be told is
	   left alone. */
	r = topic_find(q, t.name, &now);
	/* A bell is made only in what stood in the registry: a word that is lost since is damage, and no
	   reason to delete anything. */
	if ((r == SHMQ_ENOENT || (r == 0 && now.number != number)) &&
	    (t.state != TOPIC_LIVE || !has_bell(q, number)))
		topic_remove(q, number);
}

static void sweep_directory(shmq *q, DIR *d, const uint64_t *numbers)
{
	struct dirent *entry;

	while ((entry = readdir(d)) != NULL) {
		uint64_t number = strtoull(entry->d_name, NULL, 10);

		if (number != 0 && bsearch(&number, numbers + 1, numbers[0], sizeof *numbers,
		                           compare_numbers) == NULL)
			sweep_one(q, number);
	}
}

void topic_sweep(shmq *q)
{
	uint64_t *numbers = malloc((NAMES + 1) * sizeof *numbers);
	int fd = openat(q->topics_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct error before = q->error; /* what is met here is not what was asked for */

	if (d == NULL && fd >= 0)
		close(fd);
	if (numbers != NULL && d != NULL) {
		registry_tidy(q, numbers);
		for (uint64_t i = 1; i <= numbers[0]; i++)
			sweep_registered(q, numbers[i]);
		qsort(numbers + 1, numbers[0], sizeof *numbers, compare_numbers);
		sweep_directory(q, d, numbers);
	}
	if (d != NULL)
		closedir(d);
	free(numbers);
	q->error = before;
}
