/* SPDX-License-Identifier: MIT */
/* collect.c - frames that are new in shared memory, into the next commit. */
#include "collect.h"

#include "clock.h"
#include "registry.h"
#include "search.h"

#include <stdlib.h>
#include <string.h>

/* Numbers that are written down before they are given out: so many topics may be made and lost again with the power
 * that never got into the journal. */
#define NUMBERS_AHEAD 1024u

/* From a number to a name that stands for it. Who takes longer is found when nothing else has its bit. */
#define REGISTER_NS 2000000000u

void collector_free(struct collector *c)
{
	free(c->pending);
	free(c->known);
	free(c->marked);
	column_free(&c->acks);
	column_free(&c->barriers);
	*c = (struct collector){0};
}

int numbers_add(uint64_t **at, size_t *count, size_t *capacity, uint64_t number)
{
	if (*count == *capacity) {
		size_t more = *capacity == 0 ? 64 : 2 * *capacity;
		uint64_t *grown = realloc(*at, more * sizeof *grown);

		if (grown == NULL)
			return SHMQ_ENOMEM;
		*at = grown;
		*capacity = more;
	}
	(*at)[(*count)++] = number;
	return 0;
}

static int pending_add(struct collector *c, uint64_t number)
{
	uint64_t bit = number % TOPIC_BITS, mask = 1ULL << (bit % 64);

	for (size_t k = 0; (c->pending_bits[bit / 64] & mask) != 0 && k < c->pending_count; k++)
		if (c->pending[k] == number)
			return 0;
	c->pending_bits[bit / 64] |= mask;
	return numbers_add(&c->pending, &c->pending_count, &c->pending_capacity, number);
}

/* ---- marks -------------------------------------------------------------------------- */

static int known_add(void *context, uint64_t number)
{
	struct collector *c = context;

	return numbers_add(&c->known, &c->known_count, &c->known_capacity, number);
}

static int by_bit(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a % TOPIC_BITS, y = *(const uint64_t *)b % TOPIC_BITS;

	return x < y ? -1 : x > y;
}

/* All topics there are, by bit. */
static int known_fill(struct collector *c)
{
	shmq *q = c->live->q;
	int r;

	c->known_count = 0;
	r = registry_each(q, known_add, c);
	for (size_t k = 0; k < c->live->image->topic_count && r == 0; k++) /* those that were deleted, too */
		r = known_add(c, c->live->image->topics[k]->number);
	if (r < 0)
		return r;
	if (c->known_count > 0)
		qsort(c->known, c->known_count, sizeof *c->known, by_bit);
	return 0;
}

/* When no number was given out for a while, all of them are registered. */
static int known_refresh(struct collector *c)
{
	uint64_t numbers = load_seq(&c->live->q->broker->next_number), now;
	int r;

	if (numbers == c->known_to)
		return 0;
	now = clock_ns(CLOCK_MONOTONIC);
	if (numbers != c->numbers_seen) {
		c->numbers_seen = numbers;
		c->numbers_ns = now;
	}
	if (now - c->numbers_ns <= REGISTER_NS)
		return 0;
	r = known_fill(c);
	if (r == 0)
		c->known_to = numbers;
	return r;
}

/* The topics of a bit: the known ones, and each number that was given out since. */
static int known_take(struct collector *c, uint64_t bit, int (*each)(struct collector *c, uint64_t number), bool *any)
{
	uint64_t numbers = load_seq(&c->live->q->broker->next_number), later = c->known_to + 1;
	size_t low = 0, high = c->known_count;
	int r = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->known[middle] % TOPIC_BITS < bit)
			low = middle + 1;
		else
			high = middle;
	}
	*any = low < c->known_count && c->known[low] % TOPIC_BITS == bit;
	for (; low < c->known_count && c->known[low] % TOPIC_BITS == bit && r == 0; low++)
		if (c->known[low] <= c->known_to)
			r = each(c, c->known[low]);
	for (uint64_t n = later + (bit - later) % TOPIC_BITS; n <= numbers && r == 0; n += TOPIC_BITS) {
		*any = true;
		r = each(c, n);
	}
	return r;
}

static int bit_take(struct collector *c, uint64_t bit, int (*each)(struct collector *c, uint64_t number))
{
	bool any;
	int r = known_take(c, bit, each, &any);

	if (r < 0 || any)
		return r;
	r = known_fill(c); /* it was not in the registry yet when that was looked through */
	return r < 0 ? r : known_take(c, bit, each, &any);
}

bool bits_any(const struct topic_bits *bits)
{
	for (unsigned t = 0; t < TOPIC_BITS / 64 / 64; t++)
		if (load_seq(&bits->top[t]) != 0) /* look pairs mark */
			return true;
	return false;
}

int collect_bits(struct collector *c, struct topic_bits *bits, int (*each)(struct collector *c, uint64_t number))
{
	int r = bits_any(bits) ? known_refresh(c) : 0;

	for (unsigned t = 0; t < TOPIC_BITS / 64 / 64 && r == 0; t++) {
		uint64_t words = load_seq(&bits->top[t]) != 0 ? fetch_and_seq(&bits->top[t], 0) : 0; /* look:mark */

		for (; words != 0 && r == 0; words &= words - 1) {
			uint64_t word = t * 64u + (unsigned)__builtin_ctzll(words);
			uint64_t set = fetch_and_seq(&bits->bit[word], 0); /* look:mark */

			for (; set != 0 && r == 0; set &= set - 1)
				r = bit_take(c, word * 64 + (unsigned)__builtin_ctzll(set), each);
		}
	}
	return r;
}

int collect_marks(struct collector *c)
{
	if (bits_any(&c->live->q->broker->linked))
		c->stuck = false;
	return collect_bits(c, &c->live->q->broker->linked, pending_add);
}

/* ---- topics ------------------------------------------------------------------------- */

static int tell_numbers(struct collector *c, struct batch *b, uint64_t number)
{
	int r;

	if (number <= c->reserved)
		return 0;
	c->reserved = number + NUMBERS_AHEAD;
	r = batch_add(b, RECORD_NUMBERS, (struct log_id){0}, (const uint64_t[4]){c->reserved, 0, 0, 0}, NULL, 0);
	return r;
}

static void topic_describe(const struct topic *t, uint64_t groups, struct record_topic *out)
{
	const struct topic_file *f = t->file;

	*out = (struct record_topic){.created_ns = f->created_ns,
	                             .first_offset = t->first_offset,
	                             .groups = groups,
	                             .pool_bytes = t->options.pool_bytes,
	                             .keep_bytes = t->options.keep_bytes,
	                             .retain_ns = load_relaxed(&f->retain_ns), /* relaxed: each alone */
	                             .retain_bytes = load_relaxed(&f->retain_bytes),
	                             .retain_flags = (uint32_t)load_relaxed(&f->retain_flags) & 1,
	                             .partitions = t->options.partitions,
	                             .slots = t->options.slots,
	                             .full = t->options.full};
	memcpy(out->name, t->name, sizeof t->name);
}

/* That it is there, with what options; when that is not known yet, or has changed. */
static int topic_tell(struct collector *c, struct live_topic *t, struct batch *b)
{
	const struct image_topic *it = image_topic(c->live->image, t->number);
	struct record_topic now;
	int r;

	topic_describe(&t->t, it != NULL ? it->r.groups : 0, &now);
	if (t->told && (it == NULL || (it->r.retain_ns == now.retain_ns && it->r.retain_bytes == now.retain_bytes &&
	                               it->r.retain_flags == now.retain_flags)))
		return 0;
	now.groups = load_relaxed(&t->t.bell->next_group); /* relaxed: never less than what any frame speaks of */
	r = tell_numbers(c, b, t->number);
	if (r == 0)
		r = batch_add(b, RECORD_TOPIC, (struct log_id){.topic = t->number}, NULL, &now, sizeof now);
	t->told = r == 0;
	return r;
}

/* ---- frames ------------------------------------------------------------------------- */

enum taken { TAKEN_ALL, TAKEN_CUT, TAKEN_WAITS };

/* What is to be done before a frame is written that settles a message. */
enum input {
	INPUT_IN,     /* nothing */
	INPUT_WAITS,  /* its message is not written yet */
	INPUT_UNTOLD, /* its group, in this incarnation, is not */
};

/* Whether the message was collected. One that no log has, which only a forger names, is not waited for. */
static enum input message_in(struct collector *c, struct live_topic *t, unsigned partition, uint64_t offset)
{
	struct live_log *l = &t->logs[partition];
	uint64_t end;

	if (l->next_offset > offset || live_log_open(t, partition) != 0 || offset >= log_known_end(&l->log, &end).offset)
		return INPUT_IN;
	pending_add(c, t->number); /* who published it may have died before it marked it */
	return INPUT_WAITS;
}

/* The group is known in the incarnation that the frame names, or will never be. */
static bool group_is_told(struct collector *c, const struct live_topic *t, const struct live_group *g, uint64_t incarnation)
{
	const struct image_topic *it = image_topic(c->live->image, t->number);
	const struct image_group *ig = it != NULL ? image_group(it, g->number) : NULL;

	if (incarnation == 0)
		return ig != NULL || g->told.incarnation != 0;
	return g->told.incarnation == incarnation || (ig != NULL && ig->r.incarnation == incarnation) ||
	       group_current(&g->g) != incarnation;
}

static enum input input_look(struct collector *c, const struct frame *f, struct live_topic **t, struct live_group **g)
{
	struct meta_settles m;
	const unsigned char *at;
	struct columns columns;

	if (!(f->flags & FRAME_META) || columns_open(f, &columns) < 0)
		return INPUT_IN;
	at = columns_meta(&columns, META_SETTLES, sizeof m, NULL);
	if (at == NULL)
		return INPUT_IN;
	memcpy(&m, at, sizeof m);
	if (live_topic(c->live, m.topic, t) < 0) /* in memory, or gone: nothing of it is written */
		return INPUT_IN;
	*g = live_group(*t, (uint32_t)m.group);
	if (*g == NULL && live_groups(c->live, *t) == 0)
		*g = live_group(*t, (uint32_t)m.group);
	if (*g == NULL)
		return INPUT_IN;
	if (!group_is_told(c, *t, *g, m.incarnation))
		return INPUT_UNTOLD;
	if (m.incarnation != 0)
		return m.partition < (*t)->t.options.partitions ? message_in(c, *t, (unsigned)m.partition, m.offset) : INPUT_IN;
	if ((*g)->returns.next_offset > m.offset || !log_attached(&(*g)->g.returns) ||
	    ring_look(&(*g)->g.returns, (*g)->returns.next) == SHMQ_EMPTY)
		return INPUT_IN;
	pending_add(c, m.topic);
	return INPUT_WAITS;
}

/* A frame that cannot be read: nobody ever will. Its offsets are told by the next one that can be. */
static int skip_damaged(struct live_log *l, struct log_id id, struct batch *b, uint64_t end)
{
	struct error e;
	struct frame f;
	uint64_t next = l->next + 1;
	int r;

	while (next < end && (ring_peek(&e, &l->log, next, &f) != 0 || f.offset < l->next_offset))
		next++;
	if (next >= end)
		return SHMQ_EMPTY; /* the newest one: its publishers know */
	r = batch_add(b, RECORD_LOST, id, (const uint64_t[4]){l->next, next, l->next_offset, f.offset}, NULL, 0);
	l->next = next;
	l->next_offset = f.offset;
	return r;
}

struct run_state {
	struct collector *c;
	struct live_log *l;
	struct log_id id;
	struct batch *b;
	struct copy copy;
};

/* The next frame into the open run. 0; SHMQ_EMPTY: *taken says why not; SHMQ_ECORRUPT; or an error. */
static int take_frame(struct run_state *s, bool open, enum taken *taken)
{
	const struct frame *f;
	struct live_topic *t = NULL;
	struct live_group *g = NULL;
	struct error e;
	int r = ring_read(&e, &s->l->log, s->l->next, &s->l->words, &s->copy);

	if (r != 0)
		return r == SHMQ_OVERRUN ? SHMQ_ECORRUPT : r; /* nothing goes that is not durable: damage */
	f = (const struct frame *)(const void *)s->copy.data;
	if (!batch_has_room(s->b, f->length)) {
		*taken = TAKEN_CUT;
		return SHMQ_EMPTY;
	}
	if (f->offset != s->l->next_offset || f->count > OFFSET_MAX - f->offset)
		return SHMQ_ECORRUPT; /* its hashes are right: whoever wrote it is hostile */
	switch (input_look(s->c, f, &t, &g)) {
	case INPUT_WAITS:
		*taken = TAKEN_WAITS;
		return SHMQ_EMPTY;
	case INPUT_UNTOLD:
		if (open)
			batch_run_end(s->b, s->l->next, s->l->next_offset);
		open = false;
		r = group_tell_first(s->c, t, g, s->b);
		break;
	case INPUT_IN:
		break;
	}
	if (r < 0)
		return r;
	r = open ? 0 : batch_run_begin(s->b, RECORD_RUN, s->id, f);
	if (r == 0)
		r = batch_run_frame(s->b, f);
	if (r == 0) {
		s->l->next++;
		s->l->next_offset = f->offset + f->count;
	}
	return r;
}

static int collect_log(struct collector *c, struct live_log *l, struct log_id id, struct batch *b, enum taken *taken)
{
	struct run_state s = {.c = c, .l = l, .id = id, .b = b};
	uint64_t end = ring_walk(&l->log, l->next);
	bool open = false;
	int r = 0;

	while (l->next < end && r == 0) {
		r = take_frame(&s, open, taken);
		open = b->run_at != 0;
		if (r != SHMQ_ECORRUPT)
			continue;
		if (open)
			batch_run_end(b, l->next, l->next_offset);
		open = false;
		r = skip_damaged(l, id, b, end);
	}
	if (open)
		batch_run_end(b, l->next, l->next_offset);
	free(s.copy.data);
	return r == SHMQ_EMPTY ? 0 : r;
}

/* What a waiting frame waits for is collected first, if that can be done now. */
static int collect_partition(struct collector *c, struct live_topic *t, unsigned p, struct batch *b, enum taken *taken)
{
	int r = live_log_open(t, p);

	if (r == SHMQ_EMPTY || (r == SHMQ_ECORRUPT)) /* not made; or damaged: said by who uses it */
		return 0;
	if (r < 0)
		return r;
	return collect_log(c, &t->logs[p], (struct log_id){.topic = t->number, .partition = p}, b, taken);
}

/* The disk is full: it is only looked at whether something waits for it. */
static int partition_waits(struct live_topic *t, unsigned p, enum taken *taken)
{
	if (live_log_open(t, p) == 0 && ring_look(&t->logs[p].log, t->logs[p].next) == 0)
		*taken = TAKEN_WAITS;
	return 0;
}

static void worse(enum taken *all, enum taken one)
{
	if (one == TAKEN_CUT || (one == TAKEN_WAITS && *all == TAKEN_ALL))
		*all = one;
}

static int collect_topic(struct collector *c, uint64_t number, struct batch *b, enum taken *taken)
{
	struct live_topic *t;
	int r = live_topic(c->live, number, &t);

	*taken = TAKEN_ALL;
	if ((r == SHMQ_ENOENT && live_is_over(c->live, number)) || (r == 0 && !topic_live(&t->t))) {
		t = live_find(c->live, number);
		if (image_topic(c->live->image, number) != NULL && (t == NULL || !t->ended))
			r = batch_add(b, RECORD_TOPIC_END, (struct log_id){.topic = number}, NULL, NULL, 0);
		else
			r = 0;
		if (t != NULL)
			t->ended = true;
		return r;
	}
	if (r < 0) /* in memory; or damaged: it stays as it is in the store */
		return r == SHMQ_ECORRUPT || r == SHMQ_ENOENT ? 0 : r;
	c->live->pinned = t; /* while what it settles is looked at */
	r = topic_tell(c, t, b);
	for (unsigned p = 0; p < t->t.options.partitions && r == 0; p++) {
		enum taken one = TAKEN_ALL;

		r = c->frees_only ? partition_waits(t, p, &one) : collect_partition(c, t, p, b, &one);
		worse(taken, one);
	}
	if (r == 0)
		r = live_groups(c->live, t);
	for (size_t k = 0; k < t->group_count && r == 0; k++) {
		struct live_group *g = t->groups[k];
		enum taken one = TAKEN_ALL;

		if (!log_attached(&g->g.returns) || ring_look(&g->g.returns, g->returns.next) == SHMQ_EMPTY)
			continue;
		r = group_tell_first(c, t, g, b);
		g->returns.log = g->g.returns; /* the same mapping: closed with the group's */
		if (r == 0)
			r = collect_log(c, &g->returns, (struct log_id){.topic = number, .group = g->number}, b, &one);
		g->returns.log = LOG_NONE;
		worse(taken, one);
	}
	return r;
}

/* Another topic of the same bit is then found without it: it is among the others once more, at worst. */
static void pending_forget(struct collector *c, uint64_t number)
{
	c->pending_bits[number % TOPIC_BITS / 64] &= ~(1ULL << (number % 64));
}

int collect_frames(struct collector *c, struct batch *b)
{
	size_t rounds = c->pending_count, kept = 0, before = b->used;
	int r = 0;

	/* Twice: what waits for a message of a topic behind it. */
	for (int pass = 0; pass < 2 && r == 0; pass++) {
		kept = 0;
		rounds = c->pending_count;
		for (size_t k = 0; k < rounds && r == 0; k++) {
			enum taken taken;

			r = collect_topic(c, c->pending[k], b, &taken);
			c->live->pinned = NULL;
			if (r < 0 && r != SHMQ_ENOMEM) { /* of this topic: the others go on, and it is tried again */
				c->troubled(c->context, c->pending[k]);
				taken = TAKEN_WAITS;
				r = 0;
			}
			if (taken != TAKEN_ALL || r != 0)
				c->pending[kept++] = c->pending[k];
			else
				pending_forget(c, c->pending[k]);
		}
		if (r == 0 && rounds > 0) {
			memmove(&c->pending[kept], &c->pending[rounds], (c->pending_count - rounds) * sizeof *c->pending);
			c->pending_count = kept + (c->pending_count - rounds);
		}
	}
	c->stuck = c->pending_count > 0 && batch_empty(b) && b->used == before; /* until something is marked, or a while */
	return r;
}

bool collect_has_work(const struct collector *c)
{
	return (c->pending_count > 0 && !c->stuck) || bits_any(&c->live->q->broker->linked);
}

void collect_rewind(struct collector *c)
{
	live_rewind(c->live);
	c->stuck = false;
	c->reserved = c->live->image->numbers;
	for (size_t k = 0; c->round != 0 && k < c->marked_count; k++) /* looked at again */
		topic_mark(c->live->q->broker, &c->live->q->broker->acked, c->marked[k]);
	c->round = 0;
	c->acks.used = c->barriers.used = 0;
	if (known_fill(c) == 0)
		for (size_t k = 0; k < c->known_count; k++)
			if (pending_add(c, c->known[k]) < 0)
				break;
}
