/* SPDX-License-Identifier: MIT */
/* registry.c - which topic number a name stands for. */
#include "registry.h"

#include "bulk.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t topic_file_hash(const struct topic_file *t)
{
	uint64_t parts[2];

	parts[0] = bulk_hash(&t->options,
	                     offsetof(struct topic_file, hash) - offsetof(struct topic_file, options));
	parts[1] = bulk_hash(t->name, sizeof t->name);
	return bulk_hash(parts, sizeof parts);
}

int topic_brief_read(shmq *q, uint64_t number, struct topic_brief *out)
{
	char path[48];
	struct topic_file *t;
	struct map m;
	int r;

	snprintf(path, sizeof path, "%llu/topic", (unsigned long long)number);
	r = map_open(&q->error, q->topics_dirfd, path, false, FILE_TOPIC, number, &m);
	if (r < 0)
		return r;
	t = m.at;
	if (m.bytes != sizeof *t || t->hash != topic_file_hash(t) || t->name[SHMQ_NAME_MAX] != '\0') {
		r = fail(&q->error, SHMQ_ECORRUPT, "t/%s: damaged (checksum)", path);
	} else {
		memcpy(out->name, t->name, sizeof out->name);
		out->name[SHMQ_NAME_MAX] = '\0'; /* checked, but the file may change */
		out->creator = t->creator;
		out->created_ns = t->created_ns;
		out->first_offset = t->head.first_offset;
		out->options = t->options;
		out->deleted = load_acquire(&t->state) == TOPIC_DELETED;
	}
	map_close(&m);
	return r;
}

static atomic_u64 *window_word(shmq *q, uint64_t hash, unsigned i)
{
	return &q->broker->names[(hash + i) % NAMES];
}

/* Whether word w, whose fingerprint fits, is this name's. Files that are gone are nobody's; where a
 * file is damaged, 22 bits of fingerprint inside one window are taken as proof: the opener will meet
 * the damage. */
static bool word_is_of(shmq *q, uint64_t w, const char *name)
{
	struct topic_brief t;
	int r = topic_brief_read(q, name_word_number(w), &t);

	return r == SHMQ_ECORRUPT || (r == 0 && strcmp(t.name, name) == 0);
}

/* The word in the name's window that has this state; NULL when there is none. */
static atomic_u64 *find_word(shmq *q, const char *name, uint64_t hash, unsigned state,
                             uint64_t except, uint64_t *word)
{
	for (unsigned i = 0; i < NAME_WINDOW; i++) {
		atomic_u64 *at = window_word(q, hash, i);
		uint64_t w = load_seq(at); /* lookup pairs name */

		if (name_word_state(w) != state || !name_word_may_be(w, hash) ||
		    name_word_number(w) == except || !word_is_of(q, w, name))
			continue;
		*word = w;
		return at;
	}
	return NULL;
}

static uint64_t name_hash(const char *name)
{
	return bulk_hash(name, strlen(name));
}

int registry_find(shmq *q, const char *name, uint64_t *number)
{
	uint64_t w;

	if (find_word(q, name, name_hash(name), NAME_LIVE, 0, &w) == NULL)
		return fail(&q->error, SHMQ_ENOENT, "no topic %s in %s", name, q->dir);
	*number = name_word_number(w);
	return 0;
}

static atomic_u64 *enter_tentatively(shmq *q, uint64_t hash, uint64_t number)
{
	for (unsigned i = 0; i < NAME_WINDOW; i++) {
		uint64_t w = 0;

		if (cas_seq(window_word(q, hash, i), &w, name_word(NAME_TENTATIVE, hash, number)))
			return window_word(q, hash, i);
	}
	return NULL;
}

int registry_enter(shmq *q, const char *name, uint64_t number, uint64_t *existing)
{
	uint64_t hash = name_hash(name), w;
	struct timespec pause = {.tv_nsec = 1000};

	for (;;) {
		uint64_t mine = name_word(NAME_TENTATIVE, hash, number);
		atomic_u64 *own = enter_tentatively(q, hash, number), *other;

		if (own == NULL)
			return fail(&q->error, SHMQ_ELIMIT, "too many topics in %s", q->dir);
		/* In this order: who was tentative here and goes live meanwhile is seen as live. */
		while ((other = find_word(q, name, hash, NAME_TENTATIVE, number, &w)) != NULL)
			cas_seq(other, &w, 0);
		if (find_word(q, name, hash, NAME_LIVE, number, &w) != NULL) {
			cas_seq(own, &mine, 0);
			*existing = name_word_number(w);
			return SHMQ_EEXIST;
		}
		if (cas_seq(own, &mine, name_word(NAME_LIVE, hash, number))) /* name:lookup */
			return 0;
		/* Two creators that keep freeing each other's words: one waits longer. */
		nanosleep(&pause, NULL);
		pause.tv_nsec = pause.tv_nsec * 2 % 1000000 + (long)(number % 97) * 100;
	}
}

bool registry_leave(shmq *q, const char *name, uint64_t number)
{
	return registry_replace(q, name, number, 0);
}

bool registry_replace(shmq *q, const char *name, uint64_t from, uint64_t to)
{
	uint64_t hash = name_hash(name), live = name_word(NAME_LIVE, hash, from);
	uint64_t next = to == 0 ? 0 : name_word(NAME_LIVE, hash, to);

	for (unsigned i = 0; i < NAME_WINDOW; i++) {
		uint64_t w = live;

		if (cas_seq(window_word(q, hash, i), &w, next)) /* name:lookup */
			return true;
	}
	return false;
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
