/* SPDX-License-Identifier: MIT */
/*
 * group_admin.c - groups from outside: what stands in them, other options, another place, the end.
 *
 * What a death leaves: alter: nothing, or options that the next one to look makes current; seek and delete: see
 * group_name.h; pause: nothing.
 */
#include "clock.h"
#include "group.h"
#include "past.h"

#include <string.h>

static int group_open_named(shmq *q, const char *topic, const char *name, bool writable, struct group *g)
{
	int r = broker_check(q, writable);

	*g = GROUP_NONE;
	g->q = q;
	if (r == 0)
		r = group_name_check(&q->error, name);
	if (r == 0)
		r = topic_open(q, topic, false, writable, NULL, &g->topic);
	if (r == 0)
		r = group_find(g, name, writable);
	if (r == 0 && writable) {
		r = group_move_finish(g);
		if (r == 0)
			r = group_rest_open(g);
	}
	if (r != 0)
		group_close_files(g);
	return r;
}

/* ---- looking ------------------------------------------------------------------------ */

struct lister {
	int (*each)(void *context, const char *name);
	void *context;
};

static int list_one(void *context, struct group *g)
{
	const struct lister *l = context;

	return l->each(l->context, g->name);
}

int shmq_group_list(shmq *q, const char *topic, int (*each)(void *context, const char *name), void *context)
{
	struct lister l = {each, context};
	struct group g = GROUP_NONE;
	int r = broker_check(q, false);

	g.q = q;
	if (r == 0)
		r = topic_open(q, topic, false, false, NULL, &g.topic);
	if (r == 0)
		r = group_each(&g, list_one, &l);
	group_close_files(&g);
	return r;
}

static bool add_member(void *context, unsigned slot, struct member *m)
{
	struct shmq_group_info *info = context;

	(void)slot;
	info->delivered += load_relaxed(&m->delivered); /* relaxed: figures */
	info->acked += load_relaxed(&m->acked);
	info->redelivered += load_relaxed(&m->redelivered);
	info->dead_lettered += load_relaxed(&m->dead_lettered);
	info->dropped += load_relaxed(&m->dropped);
	info->filtered += load_relaxed(&m->filtered);
	return true;
}

static void returns_info(struct group *g, struct shmq_group_info *info)
{
	const struct window *w = &g->returns_window;
	uint64_t end, until = log_known_end(&g->returns, &end).offset;

	for (uint64_t o = window_from(w, until); o < until; o++) {
		uint64_t word = 0;
		enum word_says says = window_look(w, o, &word);
		struct frame_read read = {0};
		struct meta_return meta;
		struct shmq_message m;
		enum word_state state = word_state(word);

		if (says == SAYS_FREE && row_read(g, &g->returns, o, &read, &m) == 0 && returns_meta(&read, &meta, NULL)) {
			says = SAYS_HELD; /* nobody has looked at it yet */
			state = (enum word_state)meta.state;
		}
		frame_read_free(&read);
		if (says != SAYS_HELD)
			continue;
		if (state == WORD_PARKED || state == WORD_PARKED_SETTLING)
			info->dead++;
		else
			info->retry++;
	}
}

static uint32_t owner_pid(struct group *g, const struct window *w)
{
	uint64_t owner = load_seq(&w->line->owner); /* owner pairs take */
	struct session_file s;
	unsigned slot = word_owner_slot(owner_low(owner));

	if (!(owner & OWNER_HELD) || !member_backed(g, slot) || member_is_broken(g, owner_low(owner)))
		return 0;
	return session_describe(&g->q->place, load_acquire(&member_at(g, slot)->session), &s) ? s.pid : 0;
}

static int log_info(struct group *g, unsigned partition, struct shmq_group_log_info *out)
{
	struct log l = LOG_NONE;
	struct window w;
	struct frame f;
	struct error e;
	uint64_t end, head, word, oldest = UINT64_MAX;
	int r;

	group_window(g, partition, &w);
	*out = (struct shmq_group_log_info){.offset = window_floor(&w), .end_offset = g->topic.first_offset};
	if (g->config.o.mode == SHMQ_GROUP_ORDERED)
		out->owner_pid = owner_pid(g, &w);
	if (!topic_log_made(&g->topic, partition))
		return 0;
	r = topic_log_open(&g->topic, partition, false, &l);
	if (r != 0)
		return r;
	out->end_offset = log_known_end(&l, &end).offset;
	head = log_first(&l, end);
	if (head < end && log_peek(&e, &l, head, &f) == 0 && f.offset > out->offset)
		out->offset = f.offset; /* what is gone is nobody's lag */
	for (uint64_t o = out->offset; o < out->end_offset; o++) {
		enum word_says says = window_look(&w, o, &word);

		if (window_in_gap(&w, o, &o)) {
			o--;
			continue;
		}
		if (says == SAYS_BEYOND) { /* nothing is begun from here on */
			out->lag += log_count(&l, o, out->end_offset) - window_done_between(&w, o, out->end_offset);
			if (oldest == UINT64_MAX)
				oldest = o;
			break;
		}
		if (says == SAYS_DONE || says == SAYS_BELOW) {
			if (oldest == UINT64_MAX)
				out->offset = o + 1;
			continue;
		}
		if (oldest == UINT64_MAX)
			oldest = o;
		out->lag++;
		out->inflight += says == SAYS_HELD && word_is_held(word);
		out->waiting += says == SAYS_HELD && word_state(word) == WORD_WAITING;
	}
	if (oldest != UINT64_MAX && head < end &&
	    log_peek(&e, &l, log_search(&l, head, end, false, oldest), &f) == 0)
		out->oldest_ns = f.time_ns;
	log_close(&l);
	return 0;
}

int shmq_group_info(shmq *q, const char *topic, const char *name, struct shmq_group_info *info)
{
	struct shmq_group_log_info *logs = info->logs;
	uint64_t idle_ms;
	struct group g;
	int r = group_open_named(q, topic, name, false, &g);

	if (r != 0)
		return r;
	*info = (struct shmq_group_info){.number = g.number,
	                                 .incarnation = g.incarnation,
	                                 .options = g.config.o,
	                                 .paused = group_paused(&g),
	                                 .created_ns = g.file->created_ns,
	                                 .consumers = members_alive(&g),
	                                 .returns_full = load_relaxed(&g.file->returns_full), /* a figure */
	                                 .logs = logs};
	memcpy(info->name, g.name, sizeof info->name);
	memcpy(info->filter_text, g.config.filter, sizeof info->filter_text);
	info->options.filter = info->filter_text[0] != '\0' ? info->filter_text : NULL;
	idle_ms = clock_ns(CLOCK_BOOTTIME) / 1000000 - load_acquire(&g.file->used_ms);
	info->used_ns = clock_ns(CLOCK_REALTIME) - idle_ms * 1000000;
	if (info->used_ns < info->created_ns) /* that is known to a millisecond only */
		info->used_ns = info->created_ns;
	members_each(&g, add_member, info);
	returns_info(&g, info);
	for (unsigned p = 0; logs != NULL && p < g.topic.options.partitions && r == 0; p++)
		r = log_info(&g, p, &logs[p]);
	group_close_files(&g);
	return r == SHMQ_GONE ? SHMQ_ENOENT : r;
}

static const char *const state_names[] = {"done", "claimed", "working", "waiting", "settling", "dead", "settling"};

struct browser {
	int (*each)(void *context, const struct shmq_delivery *d, const char *state);
	void *context;
	struct frame_read read;
};

static int browse_one(struct group *g, struct browser *b, const struct log *log, const struct window *w, uint64_t offset,
                      int partition)
{
	struct shmq_delivery d = {.attempt = 1};
	struct meta_return meta = {0};
	uint64_t word;
	enum word_says says = window_look(w, offset, &word);
	const char *state = "new";
	int r;

	if (says == SAYS_DONE || says == SAYS_BELOW || (says == SAYS_BEYOND && window_was_done(w, offset)))
		return 0;
	r = row_read(g, log, offset, &b->read, &d.message);
	if (r != 0)
		return r == SHMQ_OVERRUN ? 0 : r;
	d.message.partition = partition;
	if (says == SAYS_HELD) {
		state = state_names[word_state(word)];
		d.attempt = word_deliveries(word) + (word_state(word) != WORD_WORKING && word_state(word) != WORD_SETTLING);
	}
	if (log == &g->returns) {
		if (!returns_meta(&b->read, &meta, NULL))
			return 0;
		if (says != SAYS_HELD && meta.state <= WORD_PARKED)
			state = state_names[meta.state];
		if (strcmp(state, "dead") == 0 || (says == SAYS_HELD && word_state(word) == WORD_PARKED_SETTLING))
			return 0;
		d.message.partition = (int)meta.origin_partition;
		d.message.offset = meta.origin_offset;
		d.message.time_ns = meta.origin_ns;
	} else if (g->config.o.filter != NULL && says != SAYS_HELD &&
	           !shmq_filter_match(g->config.o.filter, d.message.key, d.message.key_len)) {
		return 0;
	}
	return b->each(b->context, &d, state);
}

static int browse_partition(struct group *g, struct browser *b, unsigned partition)
{
	struct log l = LOG_NONE;
	struct window w;
	uint64_t end, until, from;
	struct known_end known;
	int r;

	if (!topic_log_made(&g->topic, partition))
		return 0;
	r = topic_log_open(&g->topic, partition, false, &l);
	if (r != 0)
		return r;
	group_window(g, partition, &w);
	known = log_known_end(&l, &end);
	until = known.offset;
	from = log_offset_at(&l, log_first(&l, end), &known); /* nothing below it is there */
	if (from < window_floor(&w))
		from = window_floor(&w);
	b->read.open = false;
	b->read.words.to = 0;
	for (uint64_t o = from; o < until && r == 0; o++)
		if (window_in_gap(&w, o, &o))
			o--;
		else
			r = browse_one(g, b, &l, &w, o, (int)partition);
	log_close(&l);
	return r;
}

int shmq_group_browse(shmq *q, const char *topic, const char *name,
                      int (*each)(void *context, const struct shmq_delivery *d, const char *state), void *context)
{
	struct browser b = {.each = each, .context = context};
	uint64_t end, until;
	struct group g;
	int r = group_open_named(q, topic, name, false, &g);

	if (r != 0)
		return r;
	for (unsigned p = 0; p < g.topic.options.partitions && r == 0; p++)
		r = browse_partition(&g, &b, p);
	until = log_known_end(&g.returns, &end).offset;
	b.read.open = false;
	b.read.words.to = 0;
	for (uint64_t o = window_from(&g.returns_window, until); o < until && r == 0; o++)
		if (window_in_gap(&g.returns_window, o, &o))
			o--;
		else
			r = browse_one(&g, &b, &g.returns, &g.returns_window, o, 0);
	frame_read_free(&b.read);
	group_close_files(&g);
	return r == SHMQ_GONE ? SHMQ_ENOENT : r;
}

/* ---- changing ----------------------------------------------------------------------- */

/* The options that are there, with those of `set` replaced. */
static void options_merge(struct shmq_group_options *o, const struct shmq_group_options *with, unsigned set)
{
	if (set & SHMQ_SET_MODE)
		o->mode = with->mode;
	if (set & SHMQ_SET_RETRIES)
		o->retries = with->retries;
	if (set & SHMQ_SET_LEASE)
		o->lease_ns = with->lease_ns;
	if (set & SHMQ_SET_BACKOFF) {
		o->backoff_ns = with->backoff_ns;
		o->backoff_max_ns = with->backoff_max_ns;
	}
	if (set & SHMQ_SET_FILTER)
		o->filter = with->filter;
	if (set & SHMQ_SET_EXPIRE)
		o->expire_ns = with->expire_ns;
	if (set & SHMQ_SET_DEAD)
		o->dead = with->dead;
}

/* One version on. 0; SHMQ_EEXIST: somebody else was faster; or an error. */
static int alter_once(struct group *g, const struct shmq_group_options *with, unsigned set)
{
	struct shmq_group_options o = g->config.o;
	struct group_config next;
	uint64_t version = g->config.version + 1;
	int r;

	options_merge(&o, with, set);
	r = group_options_check(&g->q->error, &o, &next);
	if (r < 0)
		return r;
	next.version = version;
	r = group_config_make(g, &next);
	if (r == 0 || r == SHMQ_EEXIST) /* also for one that died before this */
		cas_max(&g->file->config, version); /* alter:config */
	return r;
}

int shmq_group_alter(shmq *q, const char *topic, const char *name, const struct shmq_group_options *options,
                     unsigned set)
{
	struct group g;
	int r;

	if (set & (SHMQ_SET_WINDOW | SHMQ_SET_RETURNS))
		return fail(&q->error, SHMQ_EINVAL, "window and return log of a group cannot be changed");
	r = group_open_named(q, topic, name, true, &g);
	if (r != 0)
		return r;
	do {
		r = group_config_refresh(&g);
		if (r >= 0)
			r = alter_once(&g, options, set);
	} while (r == SHMQ_EEXIST && group_live(&g));
	if (r == 0) {
		group_files_tidy(&g, 0, load_acquire(&g.file->config));
		group_tell(&g);
	}
	group_close_files(&g);
	return r;
}

static int seek_places(struct group *g, const struct shmq_seek *to, struct window_place *places,
                       struct shmq_group_place *told)
{
	for (unsigned p = 0; p < g->topic.options.partitions; p++) {
		struct log l = LOG_NONE;
		struct window w;
		int r;

		group_window(g, p, &w);
		places[p] = (struct window_place){.offset = g->topic.first_offset};
		if (topic_log_made(&g->topic, p)) {
			r = topic_log_open(&g->topic, p, false, &l);
			if (r != 0)
				return r;
			places[p] = group_place(&l, log_first(&l, ring_end(&l)), to);
			log_close(&l);
		}
		if (told != NULL)
			told[p] = (struct shmq_group_place){window_reach(&w, UINT64_MAX), places[p].offset};
	}
	return 0;
}

/* So that nobody has to come before publishers may go on; who dies before this leaves it to the next consumer. Only
 * in the incarnation that begins there: another seek may have moved the group elsewhere since. */
static void seek_gates(struct group *g, const struct window_place *places, uint64_t incarnation)
{
	uint64_t word = group_reader_word(g);

	for (unsigned p = 0; p < g->topic.options.partitions; p++)
		if (reader_word_state(word) == READER_GROUP && reader_word_group(word) == g->number &&
		    reader_word_incarnation(word) == (incarnation & 0xffff))
			reader_gate_lift(&g->topic.readers, g->reader, word, p, places[p].position);
	bell_ring(&g->topic.bell->room);
}

int shmq_group_seek(shmq *q, const char *topic, const char *name, const struct shmq_seek *to, bool dry_run,
                    struct shmq_group_place *told)
{
	struct window_place places[SHMQ_PARTITIONS_MAX];
	uint64_t incarnation = 0;
	struct group g;
	int r = group_open_named(q, topic, name, !dry_run, &g);

	if (r != 0)
		return r;
	r = seek_places(&g, to, places, told);
	if (r == 0 && !dry_run)
		r = group_move(&g, places, &incarnation);
	if (r == 0 && !dry_run)
		seek_gates(&g, places, incarnation);
	group_close_files(&g);
	return r == SHMQ_GONE ? SHMQ_ENOENT : r;
}

int shmq_group_pause(shmq *q, const char *topic, const char *name, bool paused)
{
	struct group g;
	uint64_t was;
	int r = group_open_named(q, topic, name, true, &g);

	if (r != 0)
		return r;
	was = load_seq(&g.file->paused);
	while (!cas_seq(&g.file->paused, &was, paused))
		;
	group_tell(&g);
	group_close_files(&g);
	return 0;
}

int shmq_group_delete(shmq *q, const char *topic, const char *name)
{
	struct group g = GROUP_NONE;
	int r = broker_check(q, true);

	g.q = q;
	if (r == 0)
		r = group_name_check(&q->error, name);
	if (r == 0)
		r = topic_open(q, topic, false, true, NULL, &g.topic);
	if (r == 0) /* its other files may be damaged */
		r = group_find_file(&g, name, true);
	if (r == 0 && !group_end(&g, 0))
		r = fail(&q->error, SHMQ_ENOENT, "no group %s in topic %s", name, topic);
	if (r == 0)
		group_sweep(&g.topic);
	group_close_files(&g);
	return r;
}
