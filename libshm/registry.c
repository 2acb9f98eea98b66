/* SPDX-License-Identifier: MIT */
/* registry.c - which topic number a name stands for. */
#include "registry.h"

#include "bulk.h"
#include "topic_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- t/N/topic ---------------------------------------------------------------------- */

uint64_t topic_file_hash(const struct topic_file *t)
{
	uint64_t parts[2];

	parts[0] = bulk_hash(&t->options,
	                     offsetof(struct topic_file, hash) - offsetof(struct topic_file, options));
	parts[1] = bulk_hash(t->name, sizeof t->name);
	return bulk_hash(parts, sizeof parts);
}

/* What is opened in t/N is opened relative to this: no link in between is followed. */
int topic_dir_open(struct error *e, const shmq *q, uint64_t number)
{
	char dir[24];
	int fd;

	snprintf(dir, sizeof dir, "%llu", (unsigned long long)number);
	fd = openat(q->topics_dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return fail(e, SHMQ_ECORRUPT, "t/%s: is not a directory", dir);
	return fd >= 0 ? fd : fail_errno(e, "opening t/%s", dir);
}

static bool state_valid(uint64_t state, uint64_t number)
{
	uint64_t next = topic_word_next(state);

	if (topic_word_state(state) == TOPIC_MOVED) /* numbers only grow: no circles */
		return next > number && next <= NUMBER_MAX;
	return state == TOPIC_LIVE || state == TOPIC_DELETED;
}

/* Checks are made on the copy: the file may change. */
static bool brief_copy(const struct topic_file *t, struct topic_brief *out)
{
	if (t->hash != topic_file_hash(t))
		return false;
	memcpy(out->name, t->name, sizeof out->name);
	out->name[SHMQ_NAME_MAX] = '\0';
	out->creator = t->creator;
	out->created_ns = t->created_ns;
	out->options = t->options;
	out->options.retention = (struct shmq_retention){
	        .age_ns = (int64_t)load_relaxed(&t->retain_ns), /* relaxed: each alone may be altered at any time */
	        .bytes = load_relaxed(&t->retain_bytes),
	        .until_acked = (load_relaxed(&t->retain_flags) & 1) != 0};
	out->first_offset = load_acquire(&t->first_offset); /* offset pairs first */
	out->state = load_acquire(&t->state);               /* live pairs end */
	return shmq_topic_name_check(out->name) == 0 && topic_options_valid(&out->options) &&
	       state_valid(out->state, out->number);
}

int topic_file_open(struct error *e, int dirfd, uint64_t number, bool writable, struct map *m,
                    struct topic_brief *brief)
{
	int r;

	*brief = (struct topic_brief){.number = number};
	r = map_open(e, dirfd, "topic", writable, FILE_TOPIC, number, m);
	if (r < 0)
		return r;
	if (m->bytes == sizeof(struct topic_file) && brief_copy(m->at, brief))
		return 0;
	*brief = (struct topic_brief){.number = number};
	map_close(m);
	return fail(e, SHMQ_ECORRUPT, "t/%llu/topic: damaged (checksum)", (unsigned long long)number);
}

void log_name(char name[32], unsigned partition)
{
	snprintf(name, 32, "log.%u.0", partition);
}

int topic_brief_read(shmq *q, uint64_t number, struct topic_brief *out)
{
	int r, fd = topic_dir_open(&q->error, q, number);
	struct map m;

	*out = (struct topic_brief){.number = number};
	if (fd < 0)
		return fd;
	r = topic_file_open(&q->error, fd, number, false, &m, out);
	if (r == 0)
		map_close(&m);
	close(fd);
	return r;
}

/* Whether the files of a number are gone. False when that cannot be told. */
static bool topic_is_gone(shmq *q, uint64_t number)
{
	char path[48];
	struct stat st;

	snprintf(path, sizeof path, "%llu/topic", (unsigned long long)number);
	return fstatat(q->topics_dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* ---- words -------------------------------------------------------------------------- */

static atomic_u64 *window_word(shmq *q, uint64_t hash, unsigned i)
{
	return &q->broker->names[(hash + i) % NAMES];
}

/* Whether word w, whose fingerprint fits, is this name's: 1, 0, or an error. Files that are gone are
 * nobody's; where a file is damaged, 22 bits of fingerprint inside one window are taken as proof: the
 * opener will meet the damage. */
static int word_is_of(shmq *q, uint64_t w, const char *name, struct topic_brief *t)
{
	int r = topic_brief_read(q, name_word_number(w), t);

	if (r == SHMQ_ECORRUPT)
		return 1;
	if (r == SHMQ_ENOENT)
		return 0;
	return r < 0 ? r : strcmp(t->name, name) == 0;
}

struct found {
	atomic_u64 *at;
	uint64_t word;
	struct topic_brief topic;
};

/* The word in the name's window that has this state: 1 and *out, 0 when there is none, or an error. */
static int find_word(shmq *q, const char *name, uint64_t hash, unsigned state, uint64_t except,
                     struct found *out)
{
	for (unsigned i = 0; i < NAME_WINDOW; i++) {
		int r;

		out->at = window_word(q, hash, i);
		out->word = load_seq(out->at); /* lookup pairs name */
		if (name_word_state(out->word) != state || !name_word_may_be(out->word, hash) ||
		    name_word_number(out->word) == except)
			continue;
		r = word_is_of(q, out->word, name, &out->topic);
		if (r != 0)
			return r;
		if (load_seq(out->at) != out->word) /* it moved on: that is why its files were gone */
			i--;
	}
	return 0;
}

static uint64_t name_hash(const char *name)
{
	return bulk_hash(name, strlen(name));
}

int registry_find(shmq *q, const char *name, struct topic_brief *out)
{
	struct found f;
	int r = find_word(q, name, name_hash(name), NAME_LIVE, 0, &f);

	if (r < 0)
		return r;
	if (r == 0)
		return fail(&q->error, SHMQ_ENOENT, "no topic %s in %s", name, q->dir);
	*out = f.topic;
	return out->state != 0 ? 0 : SHMQ_ECORRUPT; /* the sentence is topic_file_open()'s */
}

/* ---- entering ----------------------------------------------------------------------- */

/* Frees w when its files are gone, or, `tentative`, when nobody has gone live in it: its creator finds
 * that out and begins again. */
static bool word_free(shmq *q, atomic_u64 *at, bool tentative)
{
	uint64_t w = load_seq(at); /* lookup pairs name */

	if (w == 0 || !((tentative && name_word_state(w) == NAME_TENTATIVE) ||
	                topic_is_gone(q, name_word_number(w))))
		return false;
	return cas_seq(at, &w, 0); /* name:lookup */
}

static bool make_room(shmq *q, uint64_t hash)
{
	bool freed = false;

	for (unsigned i = 0; i < NAME_WINDOW; i++)
		freed = word_free(q, window_word(q, hash, i), true) || freed;
	return freed;
}

static atomic_u64 *enter_tentatively(shmq *q, uint64_t hash, uint64_t number)
{
	do {
		for (unsigned i = 0; i < NAME_WINDOW; i++) {
			uint64_t w = 0;

			if (cas_seq(window_word(q, hash, i), &w, name_word(NAME_TENTATIVE, hash, number)))
				return window_word(q, hash, i);
		}
	} while (make_room(q, hash));
	return NULL;
}

/* Frees the other tentative words of the name, then looks for a live one: 1, 0, or an error. In this
 * order: who was tentative here and goes live meanwhile is seen as live. */
static int look_round(shmq *q, const char *name, uint64_t hash, uint64_t number)
{
	struct found f;
	int r;

	while ((r = find_word(q, name, hash, NAME_TENTATIVE, number, &f)) > 0)
		cas_seq(f.at, &f.word, 0);
	return r < 0 ? r : find_word(q, name, hash, NAME_LIVE, number, &f);
}

int registry_enter(shmq *q, const char *name, uint64_t number)
{
	uint64_t hash = name_hash(name);
	struct timespec pause = {.tv_nsec = 1000};

	for (;;) {
		uint64_t mine = name_word(NAME_TENTATIVE, hash, number);
		atomic_u64 *own = enter_tentatively(q, hash, number);
		int r;

		if (own == NULL)
			return fail(&q->error, SHMQ_ELIMIT, "too many topics in %s", q->dir);
		r = look_round(q, name, hash, number);
		if (r != 0) {
			cas_seq(own, &mine, 0);
			return r < 0 ? r : SHMQ_EEXIST;
		}
		if (cas_seq(own, &mine, name_word(NAME_LIVE, hash, number))) /* name:lookup */
			return 0;
		/* Two creators that keep freeing each other's words: one waits longer. */
		nanosleep(&pause, NULL);
		pause.tv_nsec = pause.tv_nsec * 2 % 1000000 + (long)(number % 97) * 100;
	}
}

/* ---- leaving ------------------------------------------------------------------------ */

void registry_leave(shmq *q, const char *name, uint64_t number)
{
	registry_replace(q, name, number, 0);
}

void registry_replace(shmq *q, const char *name, uint64_t from, uint64_t to)
{
	uint64_t hash = name_hash(name), live = name_word(NAME_LIVE, hash, from);
	uint64_t next = to == 0 ? 0 : name_word(NAME_LIVE, hash, to);

	for (unsigned i = 0; i < NAME_WINDOW; i++) {
		uint64_t w = live;

		if (cas_seq(window_word(q, hash, i), &w, next)) /* name:lookup */
			return;
	}
}

/* Most words are free. relaxed: who enters a name now is not met, as if it came a moment later. */
static bool eight_free(const atomic_u64 *w)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < 8; i++)
		any |= load_relaxed(&w[i]);
	return any == 0;
}

void registry_tidy(shmq *q, uint64_t *numbers)
{
	numbers[0] = 0;
	for (unsigned i = 0; i < NAMES; i++) {
		uint64_t w;

		while (i % 8 == 0 && i < NAMES && eight_free(&q->broker->names[i]))
			i += 8;
		if (i >= NAMES)
			break;
		w = load_seq(&q->broker->names[i]); /* lookup pairs name */
		if (w != 0 && !word_free(q, &q->broker->names[i], false) && name_word_state(w) == NAME_LIVE)
			numbers[++numbers[0]] = name_word_number(w);
	}
}

int registry_each(shmq *q, int (*each)(void *context, uint64_t number), void *context)
{
	for (unsigned i = 0; i < NAMES; i++) {
		uint64_t w = load_acquire(&q->broker->names[i]); /* lookup pairs name */
		int r = name_word_state(w) == NAME_LIVE ? each(context, name_word_number(w)) : 0;

		if (r != 0)
			return r;
	}
	return 0;
}

uint64_t registry_mark(shmq *q)
{
	uint64_t mark = 0;

	for (unsigned i = 0; i < NAMES; i++) {
		uint64_t w = load_acquire(&q->broker->names[i]); /* lookup pairs name */

		if (name_word_state(w) == NAME_LIVE) /* odd factor: no word is lost on the way */
			mark = (mark ^ w) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return mark;
}
