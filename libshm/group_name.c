/* SPDX-License-Identifier: MIT */
/* group_name.c - which group of a topic a name stands for: made, found, moved, deleted. */
#include "group_name.h"

#include "bulk.h"
#include "clock.h"
#include "member.h"
#include "release.h"
#include "past.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 100 /* of loops that others can make go round */

int group_name_check(struct error *e, const char *name)
{
	if (shmq_topic_name_check(name) == 0)
		return 0;
	return fail(e, SHMQ_EINVAL,
	            "%.300s cannot be the name of a group: 1 to %d of A-Z a-z 0-9 . _ -, not '.' or '..', not "
	            "beginning with '-'",
	            name, SHMQ_NAME_MAX);
}

static uint64_t readers_end(const struct topic *t)
{
	uint64_t used = load_seq(&t->bell->readers_used);

	return used < READERS ? used : READERS;
}

/* ---- finding ------------------------------------------------------------------------ */

static void file_close(struct group *g)
{
	map_close(&g->map);
	g->file = NULL;
}

/* Opens the file of the group in a GROUP word: 0, SHMQ_EMPTY (it is over: the word was freed, where it may be),
 * or an error. */
static int word_open(struct group *g, unsigned reader, uint64_t word, bool writable)
{
	int r;

	g->number = reader_word_group(word);
	g->reader = reader;
	r = group_file_open(g, writable);
	if (r == 0 && group_live(g))
		return 0;
	if (r == 0) {
		if (writable)
			group_end_finish(g);
		file_close(g);
	} else if (r == SHMQ_ENOENT && writable) {
		reader_free(&g->topic.readers, reader, word);
	}
	return r == 0 || r == SHMQ_ENOENT ? SHMQ_EMPTY : r;
}

int group_find_file(struct group *g, const char *name, bool writable)
{
	uint64_t hash = bulk_hash(name, strlen(name)), used;
	int r = SHMQ_EMPTY;

	if (g->topic.bell == NULL)
		return SHMQ_ENOENT;
	used = readers_end(&g->topic);
	for (unsigned i = 1; i < used && r == SHMQ_EMPTY; i++) {
		uint64_t w = load_acquire(&g->topic.bell->readers[i]);

		if (reader_word_state(w) != READER_GROUP || !reader_word_may_be(w, hash))
			continue;
		r = word_open(g, i, w, writable);
		if (r == 0 && strcmp(g->name, name) != 0) {
			file_close(g);
			r = SHMQ_EMPTY;
		}
	}
	if (r == SHMQ_EMPTY || r == SHMQ_ENOENT)
		return fail(&g->q->error, SHMQ_ENOENT, "no group %s in topic %s", name, g->topic.name);
	return r;
}

int group_find(struct group *g, const char *name, bool writable)
{
	int r = group_find_file(g, name, writable);

	if (r == 0)
		r = group_rest_open(g);
	if (r < 0 && g->file != NULL)
		file_close(g);
	if (r == SHMQ_ENOENT)
		return fail(&g->q->error, SHMQ_ENOENT, "no group %s in topic %s", name, g->topic.name);
	return r;
}

int group_each(struct group *g, int (*each)(void *context, struct group *g), void *context)
{
	uint64_t used = g->topic.bell != NULL ? readers_end(&g->topic) : 0;

	for (unsigned i = 1; i < used; i++) {
		uint64_t w = load_acquire(&g->topic.bell->readers[i]);
		int r;

		if (reader_word_state(w) != READER_GROUP)
			continue;
		r = word_open(g, i, w, false);
		if (r == SHMQ_EMPTY)
			continue;
		if (r == 0) {
			r = each(context, g);
			file_close(g);
		}
		if (r != 0)
			return r;
	}
	return 0;
}

/* ---- making ------------------------------------------------------------------------- */

/* Every other word that may be of this name and is not GROUP yet. */
static void others_free(struct group *g, uint64_t hash)
{
	uint64_t used = readers_end(&g->topic);

	for (unsigned i = 1; i < used; i++) {
		uint64_t w = load_seq(&g->topic.bell->readers[i]);

		if (i != g->reader && reader_word_state(w) == READER_TENTATIVE && reader_word_may_be(w, hash))
			reader_free(&g->topic.readers, i, w);
	}
}

/* Whether a GROUP word of the name stands there: 1, 0, or an error. */
static int name_stands(struct group *g, const char *name, uint64_t hash)
{
	struct group other = {.q = g->q, .topic = g->topic, .map = MAP_NONE, .windows_map = MAP_NONE, .durable_map = MAP_NONE, .returns = LOG_NONE};
	uint64_t used = readers_end(&g->topic);

	for (unsigned i = 1; i < used; i++) {
		uint64_t w = load_seq(&g->topic.bell->readers[i]);
		bool same;
		int r;

		if (reader_word_state(w) != READER_GROUP || !reader_word_may_be(w, hash))
			continue;
		r = word_open(&other, i, w, true);
		if (r < 0)
			return r;
		if (r != 0)
			continue;
		same = strcmp(other.name, name) == 0;
		file_close(&other);
		if (same)
			return 1;
	}
	return 0;
}

static int place_partition(struct group *g, const struct reader *r, unsigned partition,
                           const struct shmq_seek *from, struct window_place *place, bool *kicked)
{
	struct log l = LOG_NONE;
	int e;

	*place = (struct window_place){.offset = g->topic.first_offset};
	if (topic_log_made(&g->topic, partition)) {
		e = topic_log_open(&g->topic, partition, false, &l);
		if (e != 0 && e != SHMQ_ECORRUPT) /* that: nobody can read it; the others can be */
			return e;
		if (e == 0)
			*place = group_place(&l, log_first(&l, ring_end(&l)), from);
		log_close(&l);
	}
	*kicked = *kicked || !reader_gate_set(&g->topic.readers, r, partition, place->position);
	return 0;
}

/* No word is free: those of groups that are over, and whose deleter died, are. */
static void words_tidy(struct group *g)
{
	struct group other = {.q = g->q, .topic = g->topic, .map = MAP_NONE, .windows_map = MAP_NONE, .durable_map = MAP_NONE, .returns = LOG_NONE};
	uint64_t used = readers_end(&g->topic);

	for (unsigned i = 1; i < used; i++) {
		uint64_t w = load_seq(&g->topic.bell->readers[i]);

		if (reader_word_state(w) == READER_GROUP && word_open(&other, i, w, true) == 0)
			file_close(&other);
	}
}

/* Of a group that is made with this word. */
static uint64_t first_incarnation(uint64_t word)
{
	uint64_t i = reader_word_incarnation(word);

	return i != 0 ? i : 1u << 16; /* 0 stands for the return log */
}

/* Once: 0, SHMQ_EMPTY (start again), SHMQ_EEXIST, or an error. Leaves nothing behind but on 0. */
static int make_once(struct group *g, const char *name, const struct group_config *config,
                     const struct shmq_seek *from)
{
	struct window_place places[SHMQ_PARTITIONS_MAX];
	uint64_t hash = bulk_hash(name, strlen(name)), incarnation;
	struct error *e = &g->q->error;
	struct reader reader;
	bool kicked = false;
	int r;

	g->number = fetch_add_relaxed(&g->topic.bell->next_group, 1) + 1; /* private once it is ours */
	if (g->number > GROUP_NUMBER_MAX)
		return fail(e, SHMQ_ELIMIT, "topic %s: the numbers of groups are used up", g->topic.name);
	r = reader_claim_group(e, &g->topic.readers, hash, g->number, &reader);
	if (r == SHMQ_ELIMIT) {
		words_tidy(g);
		r = reader_claim_group(e, &g->topic.readers, hash, g->number, &reader);
	}
	if (r < 0)
		return r;
	g->reader = reader.index;
	for (unsigned p = 0; p < g->topic.options.partitions && r == 0 && !kicked; p++)
		r = place_partition(g, &reader, p, from, &places[p], &kicked);
	incarnation = first_incarnation(reader.word);
	if (r == 0 && !kicked)
		r = group_files_make(g, config, incarnation, places, &(struct window_place){.offset = 0});
	if (r == 0 && !kicked) {
		others_free(g, hash);
		r = name_stands(g, name, hash);
		if (r == 1)
			r = SHMQ_EEXIST;
		if (r == 0 && reader_go_live(&g->topic.readers, &reader, READER_GROUP))
			return 0;
	}
	reader_release(&g->topic.readers, &reader);
	group_files_remove(&g->topic, g->number);
	return r == 0 ? SHMQ_EMPTY : r;
}

int group_make(struct group *g, const char *name, const struct group_config *config,
               const struct shmq_seek *from)
{
	int r = SHMQ_EMPTY;

	strcpy(g->name, name); /* was checked */
	group_sweep(&g->topic);
	for (int tries = 0; tries < TRIES && r == SHMQ_EMPTY; tries++) {
		if (!topic_live(&g->topic))
			return topic_gone(&g->topic);
		r = make_once(g, name, config, from);
		if (r == SHMQ_EMPTY && tries > 2) /* two of one name that free each other's words */
			usleep((useconds_t)(1 + (g->q->session.id + (unsigned)tries) % 16) * 100);
	}
	if (r == SHMQ_EMPTY)
		return fail(&g->q->error, SHMQ_ESYSTEM, "group %s is made by many at once; try again", name);
	if (r == 0 && !topic_live(&g->topic)) {
		group_files_remove(&g->topic, g->number);
		return topic_gone(&g->topic);
	}
	if (r == 0)
		r = group_file_open(g, true);
	if (r == 0)
		r = group_rest_open(g);
	topic_mark_acked(&g->topic);
	return r;
}

bool group_count_attach(struct group *g)
{
	uint64_t w = load_seq(&g->file->state); /* state pairs attach */

	/* First that it is used: who finds it idle has loaded the state before that. */
	cas_max(&g->file->used_ms, clock_ns(CLOCK_BOOTTIME) / 1000000);
	while ((w & 3) == GROUP_LIVE)
		if (cas_seq(&g->file->state, &w, w + 4)) { /* attach:state */
			readers_end_virgin(&g->topic.readers); /* also for a maker that stands still before it */
			return true;
		}
	return false;
}

/* ---- ending ------------------------------------------------------------------------- */

void group_end_finish(struct group *g)
{
	uint64_t w = group_reader_word(g);

	if (reader_word_state(w) == READER_GROUP && reader_word_group(w) == g->number)
		reader_free(&g->topic.readers, g->reader, w);
	group_files_remove(&g->topic, g->number);
	topic_mark_acked(&g->topic);
	bell_ring(&g->topic.bell->arrived);
	bell_ring(&g->topic.bell->room);
}

bool group_end(struct group *g, uint64_t state)
{
	uint64_t w = state != 0 ? state : load_seq(&g->file->state); /* state pairs attach */
	bool ended = false;

	while ((w & 3) == GROUP_LIVE && !ended) {
		ended = cas_seq(&g->file->state, &w, (w & ~3ULL) | GROUP_DELETED); /* attach:state */
		if (!ended && state != 0)
			return false;
	}
	group_end_finish(g);
	return ended;
}

bool group_expire(struct topic *t, unsigned reader, uint64_t word)
{
	struct group g = {.q = t->q, .topic = *t, .map = MAP_NONE, .windows_map = MAP_NONE, .durable_map = MAP_NONE, .returns = LOG_NONE};
	uint64_t state, idle_ms;
	bool ended = false;
	int r;

	if (reader_word_state(word) != READER_GROUP)
		return false;
	r = word_open(&g, reader, word, true);
	if (r != 0)
		return r == SHMQ_EMPTY;
	state = load_seq(&g.file->state); /* state pairs attach: before it is looked at how long it was idle */
	r = group_config_refresh(&g);
	idle_ms = clock_ns(CLOCK_BOOTTIME) / 1000000 - load_acquire(&g.file->used_ms);
	if (r >= 0 && g.config.o.expire_ns != SHMQ_FOREVER && (int64_t)idle_ms > g.config.o.expire_ns / 1000000 &&
	    members_alive(&g) == 0)
		ended = group_end(&g, state);
	file_close(&g);
	return ended;
}

static bool any_consumer(void *context, unsigned slot, struct member *m)
{
	uint64_t *session = context;

	(void)slot;
	if (lease_state(load_seq(&m->lease)) != LEASE_LIVE) /* lease pairs break */
		return true;
	*session = load_acquire(&m->session);
	return false;
}

void group_describe(struct topic *t, unsigned reader, uint64_t word, char *text, size_t bytes)
{
	struct group g = {.q = t->q, .topic = *t, .map = MAP_NONE, .windows_map = MAP_NONE, .durable_map = MAP_NONE, .returns = LOG_NONE};
	struct error why = t->q->error;
	struct session_file s;
	uint64_t session = 0;

	if (word_open(&g, reader, word, false) != 0) {
		snprintf(text, bytes, "a group");
	} else {
		members_each(&g, any_consumer, &session);
		if (session != 0 && session_describe(&t->q->place, session, &s))
			snprintf(text, bytes, "group %s (consumer %s, pid %u)", g.name, s.program, s.pid);
		else
			snprintf(text, bytes, "group %s, which has no consumers", g.name);
		file_close(&g);
	}
	t->q->error = why;
}

/* ---- moving ------------------------------------------------------------------------- */

/* Whether the windows of an incarnation have been linked. */
static bool windows_there(struct group *g, uint64_t incarnation)
{
	char name[64];

	snprintf(name, sizeof name, "group.%llu.window.%llu", (unsigned long long)g->number,
	         (unsigned long long)incarnation);
	return faccessat(g->topic.dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Decides about what is SETTLING in windows that are no longer current: a settler that looked at `current` before it
 * was moved finds its announced position taken, or has linked. Its consumers find everything else late. */
static int windows_settle(struct group *g, uint64_t incarnation)
{
	struct group old = *g;
	int r;

	old.windows_map = MAP_NONE;
	old.windows = NULL;
	r = group_windows_open(&old, incarnation);
	for (unsigned p = 0; r >= 0 && p < old.topic.options.partitions; p++) {
		struct window w;

		group_window(&old, p, &w);
		r = window_settle_all(&old, &w);
	}
	map_close(&old.windows_map);
	return r < 0 && r != SHMQ_ENOENT ? r : 0;
}

int group_move_finish(struct group *g)
{
	uint64_t from = group_current(g), to = from + 1;
	uint64_t w = group_reader_word(g);
	int r;

	if (!windows_there(g, to)) {
		if (!windows_there(g, from - 1))
			return 0;
		r = windows_settle(g, from - 1); /* who moved the group died before it was done with that */
		if (r == 0)
			group_files_tidy(g, from, 0);
		return r;
	}
	while (reader_word_state(w) == READER_GROUP && reader_word_group(w) == g->number &&
	       reader_word_incarnation(w) == (from & 0xffff))
		if (reader_retag(&g->topic.readers, g->reader, &w, to))
			break;
	if (reader_word_state(w) != READER_GROUP || reader_word_group(w) != g->number)
		return group_gone(g);
	readers_bump(&g->topic.readers); /* also for one that died behind its CAS */
	cas_seq(&g->file->current, &from, to); /* seek:current, move:settle */
	r = windows_settle(g, to - 1);
	if (r == 0)
		group_files_tidy(g, to, 0);
	fetch_add_relaxed(&g->file->returned, 1);
	bell_ring(&g->topic.bell->arrived);
	bell_ring(&g->topic.bell->room);
	return r;
}

int group_move(struct group *g, const struct window_place *places, uint64_t *incarnation)
{
	int r = SHMQ_EEXIST;

	for (int tries = 0; tries < TRIES && r == SHMQ_EEXIST; tries++) {
		uint64_t current = group_current(g);
		int finished;

		if (!group_live(g))
			return group_gone(g);
		*incarnation = current + 1;
		r = group_windows_make(g, current + 1, places);
		if (r != 0 && r != SHMQ_EEXIST)
			return r;
		/* Ours, if we have linked it: others may have finished the move already, and moved it on. */
		finished = group_move_finish(g);
		if (finished != 0)
			return finished;
		if (r == 0 && group_current(g) > current + 1)
			group_files_tidy(g, group_current(g), 0);
	}
	return r;
}

/* ---- sweeping ----------------------------------------------------------------------- */

static bool number_stands(struct topic *t, uint64_t number)
{
	uint64_t used = readers_end(t);

	for (unsigned i = 1; i < used; i++) {
		uint64_t w = load_seq(&t->bell->readers[i]);

		if (reader_state_is_group(reader_word_state(w)) && reader_word_group(w) == number)
			return true;
	}
	return false;
}

/* Words of makers that died when some of their files were there already. */
static void makers_bury(struct topic *t)
{
	struct group g = {.q = t->q, .topic = *t, .map = MAP_NONE, .windows_map = MAP_NONE, .durable_map = MAP_NONE, .returns = LOG_NONE};
	struct error why = t->q->error;
	uint64_t used = readers_end(t);

	for (unsigned i = 1; i < used; i++) {
		uint64_t w = load_seq(&t->bell->readers[i]);

		if (reader_word_state(w) != READER_TENTATIVE)
			continue;
		g.number = reader_word_group(w);
		if (group_windows_open(&g, first_incarnation(w)) != 0)
			continue;
		if (!session_alive(&t->q->place, g.windows->creator))
			reader_free(&t->readers, i, w);
		map_close(&g.windows_map);
	}
	t->q->error = why;
}

void group_sweep(struct topic *t)
{
	int fd = openat(t->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (d == NULL && fd >= 0)
		close(fd);
	if (d == NULL)
		return;
	makers_bury(t);
	/* A file is there only after its number stood in a word: one that does not stand there now is over. */
	while ((entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, "group.", 6) == 0 &&
		    !number_stands(t, strtoull(entry->d_name + 6, NULL, 10)))
			unlinkat(t->dirfd, entry->d_name, 0);
	closedir(d);
}
