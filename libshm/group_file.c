/* SPDX-License-Identifier: MIT */
/* group_file.c - the files of one group: its members, options, windows and return log. */
#include "group_file.h"

#include "past.h"

#include "bulk.h"
#include "clock.h"
#include "filter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_NS (24 * 3600 * INT64_C(1000000000))
#define MS_NS  INT64_C(1000000)

static void file_name(char name[64], uint64_t number, const char *part, uint64_t version)
{
	if (part == NULL)
		snprintf(name, 64, "group.%llu", (unsigned long long)number);
	else if (version == 0)
		snprintf(name, 64, "group.%llu.%s", (unsigned long long)number, part);
	else
		snprintf(name, 64, "group.%llu.%s.%llu", (unsigned long long)number, part,
		         (unsigned long long)version);
}

/* What the head of each file of a group says; sealed when its dimensions are there, too. */
static void head_begin(struct file_head *h, const struct group *g, enum file_kind kind, size_t bytes)
{
	h->kind = kind;
	h->number = g->topic.number;
	h->bytes = bytes;
}

/* Links a file that is complete. 0, SHMQ_EEXIST, or an error. */
static int file_publish(struct error *e, struct aside *a, const char *name)
{
	int r = map_publish(e, a, name);

	if (r == 0)
		map_close(&a->map);
	return r;
}

/* ---- options ------------------------------------------------------------------------ */

static bool between(int64_t v, int64_t low, int64_t high)
{
	return v >= low && v <= high;
}

static void fill_defaults(struct shmq_group_options *o, const struct shmq_group_options *in)
{
	*o = in != NULL ? *in : (struct shmq_group_options){0};
	o->retries = o->retries == 0 ? 5 : o->retries;
	o->lease_ns = o->lease_ns == 0 ? 30000 * MS_NS : o->lease_ns;
	o->backoff_ns = o->backoff_ns == 0 ? 1000 * MS_NS : o->backoff_ns;
	if (o->backoff_max_ns == 0)
		o->backoff_max_ns = o->backoff_ns > 300000 * MS_NS ? o->backoff_ns : 300000 * MS_NS;
	o->returns_rows = o->returns_rows == 0 ? 16384 : o->returns_rows;
	o->returns_bytes = o->returns_bytes == 0 ? 32u << 20 : o->returns_bytes;
	o->expire_ns = o->expire_ns == 0 ? 7 * DAY_NS : o->expire_ns;
	o->window = o->window == 0 ? 65536 : o->window;
}

static const char *option_wrong(const struct shmq_group_options *o)
{
	if (o->mode > SHMQ_GROUP_ORDERED)
		return "mode is shared or ordered";
	if (!between(o->retries, 1, 250))
		return "retries are 1 to 250";
	if (!between(o->lease_ns, 100 * MS_NS, DAY_NS))
		return "a lease is 100 ms to 1 day";
	if (!between(o->backoff_ns, MS_NS, 30 * DAY_NS) ||
	    !between(o->backoff_max_ns, o->backoff_ns, 30 * DAY_NS))
		return "back-off is 1 ms to 30 days, and at most its maximum";
	if (!between(o->returns_rows, 16, 1 << 19))
		return "the return log has room for 16 to 524288 messages";
	if (o->returns_bytes < 1 << 20 || o->returns_bytes > 512u << 20 || o->returns_bytes % EXTENT_BYTES != 0)
		return "the return log's memory is a multiple of 256 KiB from 1 MiB to 512 MiB";
	if (o->expire_ns < 1000 * MS_NS)
		return "an idle group is kept for at least a second";
	if (o->window < 64 || o->window > 65536 || (o->window & (o->window - 1)) != 0)
		return "a window is a power of two from 64 to 65536";
	if (o->dead > SHMQ_GROUP_DEAD_DROP)
		return "dead letters are kept or dropped";
	return NULL;
}

int group_options_check(struct error *e, const struct shmq_group_options *in, struct group_config *out)
{
	const char *filter = in != NULL && in->filter != NULL ? in->filter : "", *wrong;

	*out = (struct group_config){.version = 1};
	fill_defaults(&out->o, in);
	wrong = option_wrong(&out->o);
	if (wrong != NULL)
		return fail(e, SHMQ_EINVAL, "group options: %s", wrong);
	if (strlen(filter) > SHMQ_FILTER_MAX)
		return fail(e, SHMQ_EINVAL, "the key filter is longer than %d bytes", SHMQ_FILTER_MAX);
	if (filter[0] != '\0' && filter_check(filter) < 0)
		return fail(e, SHMQ_EINVAL, "key filter %.200s: * and # stand for whole words between dots",
		            filter);
	snprintf(out->filter, sizeof out->filter, "%s", filter);
	out->o.filter = filter[0] != '\0' ? out->filter : NULL;
	return 0;
}

static uint64_t config_hash(const struct config_file *c)
{
	uint64_t parts[2];

	parts[0] = bulk_hash(&c->lineage,
	                     offsetof(struct config_file, hash) - offsetof(struct config_file, lineage));
	parts[1] = bulk_hash(c->filter, sizeof c->filter);
	return bulk_hash(parts, sizeof parts);
}

int group_config_make(struct group *g, const struct group_config *config)
{
	const struct shmq_group_options *o = &config->o;
	struct error *e = &g->q->error;
	struct config_file *c;
	struct aside a;
	char name[64];
	int r = map_aside(e, g->topic.dirfd, sizeof *c, sizeof *c, &a);

	if (r < 0)
		return r;
	c = a.map.at;
	head_begin(&c->head, g, FILE_CONFIG, sizeof *c);
	file_head_seal(&c->head);
	c->lineage = g->number;
	c->version = config->version;
	c->mode = o->mode;
	c->retries = o->retries;
	c->dead = o->dead;
	c->returns_rows = o->returns_rows;
	c->window = o->window;
	c->lease_ns = o->lease_ns;
	c->backoff_ns = o->backoff_ns;
	c->backoff_max_ns = o->backoff_max_ns;
	c->expire_ns = o->expire_ns;
	c->returns_bytes = o->returns_bytes;
	snprintf(c->filter, sizeof c->filter, "%s", config->filter);
	c->hash = config_hash(c);
	file_name(name, g->number, "config", config->version);
	return file_publish(e, &a, name);
}

static int config_take(struct group *g, const struct config_file *shared, uint64_t version)
{
	const struct config_file copy = *shared, *c = &copy; /* checked and used: nobody writes there */
	struct shmq_group_options o = {.mode = (enum shmq_group_mode)c->mode,
	                               .retries = (uint32_t)c->retries,
	                               .lease_ns = c->lease_ns,
	                               .backoff_ns = c->backoff_ns,
	                               .backoff_max_ns = c->backoff_max_ns,
	                               .filter = c->filter,
	                               .returns_rows = (uint32_t)c->returns_rows,
	                               .returns_bytes = c->returns_bytes,
	                               .expire_ns = c->expire_ns,
	                               .window = (uint32_t)c->window,
	                               .dead = (enum shmq_group_dead)c->dead};
	struct error e;

	if (c->hash != config_hash(c) || c->lineage != g->number || c->version != version ||
	    c->filter[sizeof c->filter - 1] != '\0' || group_options_check(&e, &o, &g->config) < 0)
		return fail(&g->q->error, SHMQ_ECORRUPT, "options of group %s: damaged", g->name);
	g->config.version = version;
	return 0;
}

int group_config_refresh(struct group *g)
{
	for (int tries = 0; tries < 100; tries++) {
		uint64_t version = load_acquire(&g->file->config); /* config pairs alter */
		struct map m;
		char name[64];
		int r;

		if (version == g->config.version)
			return tries == 0 ? 0 : 1;
		file_name(name, g->number, "config", version);
		r = map_open(&g->q->error, g->topic.dirfd, name, false, FILE_CONFIG, g->topic.number, &m);
		if (r == SHMQ_ENOENT && group_live(g))
			continue; /* there is a newer one */
		if (r < 0)
			return r;
		if (m.bytes < sizeof(struct config_file))
			r = fail(&g->q->error, SHMQ_ECORRUPT, "options of group %s: truncated", g->name);
		else
			r = config_take(g, m.at, version);
		map_close(&m);
		if (r < 0)
			return r;
	}
	return fail(&g->q->error, SHMQ_ECORRUPT, "options of group %s: the version that it names is missing",
	            g->name);
}

/* ---- windows ------------------------------------------------------------------------ */

struct window_place group_place(const struct log *l, uint64_t head, const struct shmq_seek *to)
{
	uint64_t end, position = head, wanted = 0;
	struct known_end known = log_known_end(l, &end);
	struct window_place place;
	struct error e;
	struct frame f;

	switch (to->kind) {
	case SHMQ_SEEK_BEGINNING:
		break;
	case SHMQ_SEEK_END:
		position = end;
		break;
	case SHMQ_SEEK_TIME:
		position = log_search_time(l, head, end, to->value);
		break;
	case SHMQ_SEEK_LAST:
	case SHMQ_SEEK_OFFSET:
		wanted = to->value;
		if (to->kind == SHMQ_SEEK_LAST)
			wanted = log_back(l, known.offset, wanted);
		position = wanted >= known.offset ? known.position
		                                  : log_search(l, head, known.position, false, wanted);
		break;
	}
	if (position < head)
		position = head;
	place = (struct window_place){.position = position, .offset = log_offset_at(l, position, &known)};
	if (wanted > place.offset && log_peek(&e, l, position, &f) == 0 && f.count > wanted - f.offset &&
	    wanted - f.offset <= CLAIM_ROW_MASK) {
		place.row = wanted - f.offset;
		place.offset = wanted;
	}
	return place;
}

static uint64_t spans_count(const struct window_place *places, unsigned n)
{
	uint64_t spans = 0;

	for (unsigned p = 0; p < n; p++)
		spans += places[p].done_count;
	return spans;
}

/* The lines of a file that is made, and behind its words, at `at`, their spans. 0 or an error. */
static int lines_fill(struct error *e, const struct map *m, struct window_line *lines, const struct window_place *places,
                      unsigned n, size_t at)
{
	struct done_span *spans = (struct done_span *)(void *)((char *)m->at + at);
	uint64_t first = 0, count = spans_count(places, n);
	int r = count > 0 ? map_reserve(e, m, at / PAGE * PAGE, at % PAGE + count * sizeof *spans) : 0;

	for (unsigned p = 0; p < n && r == 0; p++) {
		store_relaxed(&lines[p].base, places[p].offset); /* relaxed: published by linkat */
		store_relaxed(&lines[p].floor_hint, places[p].offset);
		if (places[p].done_count > 0)
			memcpy(spans + first, places[p].done, places[p].done_count * sizeof *spans);
		window_done_set(&lines[p], first, places[p].done, places[p].done_count);
		first += places[p].done_count;
	}
	return r;
}

int group_windows_make(struct group *g, uint64_t incarnation, const struct window_place *places)
{
	unsigned partitions = g->topic.options.partitions, words = g->config.o.window;
	unsigned spans = (unsigned)spans_count(places, partitions);
	struct error *e = &g->q->error;
	struct window_file *f;
	struct window_line *lines;
	struct aside a;
	char name[64];
	int r = map_aside(e, g->topic.dirfd, window_bytes(partitions, words, spans), window_words_at(partitions), &a);

	if (r < 0)
		return r;
	f = a.map.at;
	head_begin(&f->head, g, FILE_WINDOW, a.map.bytes);
	f->head.partitions = partitions;
	f->head.slots = words;
	f->head.extents = spans;
	file_head_seal(&f->head);
	f->lineage = g->number;
	f->incarnation = incarnation;
	f->creator = g->q->session.id;
	lines = (struct window_line *)(void *)(f + 1);
	r = lines_fill(e, &a.map, lines, places, partitions, window_bytes(partitions, words, 0));
	if (r < 0) {
		map_discard(&a);
		return r;
	}
	for (unsigned p = 0; p < partitions; p++)
		store_relaxed(&lines[p].claim_hint, claim_make(places[p].position, places[p].row)); /* relaxed: see there */
	file_name(name, g->number, "window", incarnation);
	return file_publish(e, &a, name);
}

static int windows_check(struct group *g, const struct map *m, uint64_t incarnation, uint32_t *count, uint32_t *all)
{
	const struct window_file *f = m->at;
	unsigned partitions = g->topic.options.partitions, words = *(const volatile uint32_t *)&f->head.slots;
	unsigned spans = *(const volatile uint32_t *)&f->head.extents;

	*count = words;
	*all = spans;
	if (m->bytes < sizeof *f || f->head.partitions != partitions || words < 64 || words > 65536 ||
	    (words & (words - 1)) != 0 || m->bytes != window_bytes(partitions, words, spans) ||
	    f->lineage != g->number || f->incarnation != incarnation)
		return fail(&g->q->error, SHMQ_ECORRUPT, "windows of group %s: impossible dimensions", g->name);
	return 0;
}

/* What stands behind the words of a file: `at`. */
static const struct done_span *spans_at(const struct map *m, size_t at)
{
	return (const struct done_span *)(const void *)((const char *)m->at + at);
}

int group_windows_open(struct group *g, uint64_t incarnation)
{
	unsigned partitions = g->topic.options.partitions;
	const struct window_line *lines;
	struct map m;
	uint32_t words, spans;
	char name[64];
	int r;

	file_name(name, g->number, "window", incarnation);
	r = map_open(&g->q->error, g->topic.dirfd, name, g->writable, FILE_WINDOW, g->topic.number, &m);
	if (r < 0)
		return r;
	r = windows_check(g, &m, incarnation, &words, &spans);
	lines = (const struct window_line *)((const struct window_file *)m.at + 1);
	for (unsigned p = 0; r == 0 && p < partitions; p++)
		if (!window_line_check(&lines[p], spans_at(&m, window_bytes(partitions, words, 0)), spans))
			r = fail(&g->q->error, SHMQ_ECORRUPT,
			         "windows of group %s: partition %u begins beyond its floor, or what was done there is damaged", g->name,
			         p);
	if (r < 0) {
		map_close(&m);
		return r;
	}
	map_close(&g->windows_map);
	g->windows_map = m;
	g->windows = m.at;
	g->window_words = words;
	g->window_spans = spans;
	g->incarnation = incarnation;
	return 0;
}

int group_windows_refresh(struct group *g)
{
	for (int tries = 0; tries < 100; tries++) {
		uint64_t incarnation = group_current(g); /* current pairs seek */
		int r;

		if (incarnation == g->incarnation && g->windows != NULL)
			return tries == 0 ? 0 : 1;
		r = group_windows_open(g, incarnation);
		if (r < 0 && (r != SHMQ_ENOENT || !group_live(g)))
			return r;
	}
	return fail(&g->q->error, SHMQ_ECORRUPT, "windows of group %s: the incarnation that it names is missing",
	            g->name);
}

void group_window(struct group *g, unsigned partition, struct window *out)
{
	unsigned partitions = g->topic.options.partitions, words = (unsigned)g->window_words;

	window_init(out, &g->windows_map, group_window_line(g, partition),
	            window_words_at(partitions) + (size_t)partition * words * 8, words, window_bytes(partitions, words, 0),
	            g->window_spans);
	out->durable = topic_durable(&g->topic, partition);
}

/* ---- the return log ----------------------------------------------------------------- */

/* A ring of twice the rows that are promised room: one that lives is moved to the end when its place is
 * needed, and then half of what it passes is free. */
static unsigned returns_slots(const struct shmq_group_options *o)
{
	unsigned slots = 64;

	while (slots < 2 * o->returns_rows)
		slots *= 2;
	return slots;
}

/* Large enough for any message of the topic with what is told about it. */
static uint64_t returns_pool(const struct shmq_group_options *o, const struct topic *t)
{
	uint64_t bytes = 2 * o->returns_bytes, least = t->options.pool_bytes + (1u << 20);

	if (bytes < least)
		bytes = least;
	return bytes < 1u << 30 ? bytes : 1u << 30;
}

static int returns_make(struct group *g, const struct group_config *config, struct log_base base)
{
	unsigned slots = returns_slots(&config->o);
	unsigned extents = (unsigned)(returns_pool(&config->o, &g->topic) / EXTENT_BYTES);
	unsigned chunk = slots < SLOT_CHUNK ? slots : SLOT_CHUNK;
	struct error *e = &g->q->error;
	struct log_file *f;
	struct aside a;
	char name[64];
	int r = map_aside(e, g->topic.dirfd, log_bytes(extents, slots), log_slots_at(extents) + chunk * 8, &a);

	if (r < 0)
		return r;
	f = a.map.at;
	head_begin(&f->head, g, FILE_RETURNS, a.map.bytes);
	f->head.slots = slots;
	f->head.extents = extents;
	log_base_set(f, base);
	file_head_seal(&f->head);
	store_relaxed(&f->slots_reserved, chunk); /* relaxed: not linked yet */
	file_name(name, g->number, "returns", 0);
	return file_publish(e, &a, name);
}

static int returns_open(struct group *g)
{
	struct error *e = &g->q->error;
	struct map m;
	char name[64];
	int r;

	if (log_attached(&g->returns))
		return 0;
	file_name(name, g->number, "returns", 0);
	r = map_open(e, g->topic.dirfd, name, g->writable, FILE_RETURNS, g->topic.number, &m);
	if (r == 0) {
		r = log_attach(e, &m, &g->file->returns_head.head, &g->returns);
		if (r < 0)
			map_close(&m);
	}
	if (r == 0 && topic_on_disk(&g->topic)) {
		r = durable_open(e, g->topic.dirfd, g->topic.number, (uint32_t)g->number, 1, false, &g->durable_map);
		if (r == 0)
			r = past_attach(e, &g->returns, &g->q->daemon, durable_of(&g->durable_map, 1, 0),
			                (struct log_id){.topic = g->topic.number, .group = (uint32_t)g->number});
	}
	if (r == 0 && (g->returns.slot_count != g->returns_words ||
	               !window_line_check(&g->file->returns, spans_at(&g->map, group_bytes((unsigned)g->returns_words, 0)),
	                                  g->returns_spans)))
		r = fail(e, SHMQ_ECORRUPT, "return log of group %s: impossible dimensions", g->name);
	if (r < 0)
		return r;
	window_init(&g->returns_window, &g->map, &g->file->returns, sizeof(struct group_file), g->returns_words,
	            group_bytes((unsigned)g->returns_words, 0), g->returns_spans);
	if (topic_on_disk(&g->topic))
		g->returns_window.durable = durable_of(&g->durable_map, 1, 0);
	g->returns_tail = (struct tail){.position = ring_end(&g->returns)};
	return 0;
}

/* ---- group.L ------------------------------------------------------------------------ */

static uint64_t group_hash(const struct group_file *f)
{
	uint64_t parts[2];

	parts[0] = bulk_hash(&f->lineage,
	                     offsetof(struct group_file, hash) - offsetof(struct group_file, lineage));
	parts[1] = bulk_hash(f->name, sizeof f->name);
	return bulk_hash(parts, sizeof parts);
}

static int group_file_make(struct group *g, const struct group_config *config, uint64_t incarnation,
                           struct log_base base, const struct window_place *returns)
{
	unsigned words = returns_slots(&config->o), spans = (unsigned)returns->done_count;
	struct error *e = &g->q->error;
	struct group_file *f;
	struct aside a;
	char name[64];
	int r = map_aside(e, g->topic.dirfd, group_bytes(words, spans), PAGE, &a);

	if (r < 0)
		return r;
	f = a.map.at;
	head_begin(&f->head, g, FILE_GROUP, a.map.bytes);
	f->head.slots = words;
	f->head.extents = spans;
	file_head_seal(&f->head);
	f->lineage = g->number;
	f->created_ns = clock_ns(CLOCK_REALTIME);
	f->creator = g->q->session.id;
	snprintf(f->name, sizeof f->name, "%s", g->name);
	f->hash = group_hash(f);
	store_relaxed(&f->state, group_state_word(0, GROUP_LIVE)); /* relaxed: published by linkat */
	store_relaxed(&f->config, config->version);
	store_relaxed(&f->used_ms, clock_ns(CLOCK_BOOTTIME) / 1000000);
	store_relaxed(&f->current, incarnation);
	store_relaxed(&f->returns_head.head, word_of(0, base.position));
	r = lines_fill(e, &a.map, &f->returns, returns, 1, group_bytes(words, 0));
	if (r < 0) {
		map_discard(&a);
		return r;
	}
	file_name(name, g->number, NULL, 0);
	return file_publish(e, &a, name);
}

int group_files_make(struct group *g, const struct group_config *config, uint64_t incarnation,
                     const struct window_place *places, const struct window_place *returns)
{
	struct log_base base = {0};
	int r;

	g->config = *config;
	r = group_windows_make(g, incarnation, places); /* first: it says who makes them */
	if (r == 0)
		r = group_config_make(g, config);
	if (r == 0 && topic_on_disk(&g->topic)) {
		r = durable_make(&g->q->error, g->topic.dirfd, g->topic.number, (uint32_t)g->number, 1);
		if (r == SHMQ_EEXIST) /* mqd, which knows where it begins, has made it */
			r = 0;
		if (r == 0)
			r = durable_open(&g->q->error, g->topic.dirfd, g->topic.number, (uint32_t)g->number, 1, false,
			                 &g->durable_map);
		if (r == 0)
			base = durable_base(&g->durable_map, 0);
		map_close(&g->durable_map);
	}
	if (r == 0)
		r = returns_make(g, config, base);
	if (r == 0)
		r = group_file_make(g, config, incarnation, base, returns);
	g->config = (struct group_config){0};
	return r;
}

int group_file_open(struct group *g, bool writable)
{
	struct error *e = &g->q->error;
	char name[64];
	uint32_t words, spans;
	int r;

	g->writable = writable;
	file_name(name, g->number, NULL, 0);
	r = map_open(e, g->topic.dirfd, name, writable, FILE_GROUP, g->topic.number, &g->map);
	if (r < 0)
		return r;
	g->file = g->map.at;
	words = *(const volatile uint32_t *)&g->file->head.slots; /* once: others may write there */
	spans = *(const volatile uint32_t *)&g->file->head.extents;
	if (g->map.bytes < sizeof *g->file || words < 64 || words > 1u << 20 || (words & (words - 1)) != 0 ||
	    g->map.bytes != group_bytes(words, spans) || g->file->hash != group_hash(g->file) ||
	    g->file->lineage != g->number || memchr(g->file->name, 0, SHMQ_NAME_MAX + 1) == NULL) {
		map_close(&g->map);
		g->file = NULL;
		return fail(e, SHMQ_ECORRUPT, "%s: damaged", name);
	}
	g->returns_words = words;
	g->returns_spans = spans;
	memcpy(g->name, g->file->name, sizeof g->name);
	g->name[sizeof g->name - 1] = '\0'; /* it ended within it just now: see above */
	return 0;
}

int group_rest_open(struct group *g)
{
	int r = group_windows_refresh(g);

	if (r >= 0)
		r = group_config_refresh(g);
	if (r >= 0)
		r = returns_open(g);
	return r < 0 ? r : 0;
}

void group_close_files(struct group *g)
{
	bool forked = g->q != NULL && g->q->forked; /* mappings did not come along, descriptors did */

	if (forked)
		g->map.at = g->windows_map.at = g->returns.map.at = g->durable_map.at = NULL;
	map_close(&g->durable_map);
	map_close(&g->map);
	map_close(&g->windows_map);
	log_close(&g->returns);
	topic_close(&g->topic);
	g->file = NULL;
	g->windows = NULL;
}

int group_gone(struct group *g)
{
	int r = topic_check_linked(&g->topic);

	if (r != 0)
		return r;
	fail(&g->q->error, SHMQ_GONE, "group %s of topic %s was deleted", g->name, g->topic.name);
	return SHMQ_GONE;
}

/* ---- removing ----------------------------------------------------------------------- */

/* The number behind a prefix of a name, 0 when it is another name. */
static uint64_t number_behind(const char *name, const char *prefix, char **rest)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 ? strtoull(name + n, rest, 10) : 0;
}

static DIR *directory_of(struct topic *t)
{
	int fd = openat(t->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		close(fd);
	return d;
}

void group_files_remove(struct topic *t, uint64_t number)
{
	DIR *d = directory_of(t);
	struct dirent *entry;
	char *rest;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (number_behind(entry->d_name, "group.", &rest) == number && (*rest == '\0' || *rest == '.'))
			unlinkat(t->dirfd, entry->d_name, 0);
	closedir(d);
}

void group_files_tidy(struct group *g, uint64_t incarnation, uint64_t version)
{
	char windows[64], configs[64], *rest;
	DIR *d = directory_of(&g->topic);
	struct dirent *entry;

	if (d == NULL)
		return;
	snprintf(windows, sizeof windows, "group.%llu.window.", (unsigned long long)g->number);
	snprintf(configs, sizeof configs, "group.%llu.config.", (unsigned long long)g->number);
	while ((entry = readdir(d)) != NULL) {
		uint64_t i = number_behind(entry->d_name, windows, &rest);
		uint64_t k = number_behind(entry->d_name, configs, &rest);

		if ((i > 0 && i < incarnation) || (k > 0 && k < version))
			unlinkat(g->topic.dirfd, entry->d_name, 0);
	}
	closedir(d);
}
