/* SPDX-License-Identifier: MIT */
/*
 * returns.c - the return log of a group: messages that must not hold up its window.
 *
 * A row is linked by a settle of what it is about, so the message is never in both places, nor in neither. The
 * log is a ring of twice the rows that it has room for; when the place of one that still lives is needed, that
 * one is moved to the end: then at least half of what is passed is free.
 */
#include "clock.h"
#include "group.h"
#include "reclaim.h"

#include <string.h>

#define MOVES_MAX     16u  /* rows moved to make room for one */
#define FULL_PAUSE_MS 100u /* until room is looked for again where there was none */

bool returns_meta(const struct frame_read *read, struct meta_return *meta, const unsigned char **text)
{
	uint32_t bytes;
	const unsigned char *at = columns_meta(&read->columns, META_RETURN, sizeof *meta, &bytes);

	if (at == NULL)
		return false;
	memcpy(meta, at, sizeof *meta);
	if (meta->text_bytes > bytes - sizeof *meta)
		return false;
	if (text != NULL)
		*text = at + sizeof *meta;
	return true;
}

/* ---- room --------------------------------------------------------------------------- */

/* Position of the oldest row that lives. */
static uint64_t floor_position(struct group *g, uint64_t end)
{
	uint64_t floor = window_advance(&g->returns_window, UINT64_MAX);

	return log_position_of(&g->returns, ring_head(&g->returns, end), end, floor);
}

static struct ground returns_ground(struct group *g, uint64_t end)
{
	return (struct ground){.log = &g->returns,
	                       .floor = floor_position(g, end),
	                       .durable = g->returns_window.durable,
	                       .place = &g->q->place,
	                       .id = g->q->session.id,
	                       .keep_extents = 1};
}

/* Rows that live, as many as matter. */
static uint64_t rows_alive(struct group *g, uint64_t end_offset)
{
	const struct window *w = &g->returns_window;
	uint64_t floor = window_floor(w), alive = 0, word;

	for (uint64_t o = floor; o < end_offset && o - floor < w->count; o++) {
		enum word_says s = window_look(w, o, &word);

		alive += s == SAYS_FREE || s == SAYS_HELD;
	}
	return alive;
}

static unsigned extents_free(const struct log *l, uint64_t head)
{
	struct extent_survey s;

	extent_look(l, head, &s);
	return l->extent_count > s.in_use ? l->extent_count - s.in_use : 0;
}

static int link_row(struct group *g, struct rows *rows, struct settle *s,
                    const struct shmq_message *m, const struct meta_return *meta, const void *text,
                    uint64_t *new_offset);

/* Moves the oldest row that lives to the end, where it can be: 1; 0: it is in somebody's hands; or an error. */
static int oldest_move(struct group *g, struct self *self)
{
	const struct window *w = &g->returns_window;
	uint64_t offset = window_advance(w, UINT64_MAX), word = 0;
	struct frame_read read = {0};
	struct rows rows = {0};
	struct settle s = {.g = g, .self = self, .window = w, .offset = offset};
	struct meta_return meta;
	const unsigned char *text;
	struct shmq_message m;
	enum word_says says;
	uint64_t end;
	bool ours = false;
	int r;

	/* Done by now, perhaps: what would be the next row is nobody's business yet. */
	if (offset >= log_known_end(&g->returns, &end).offset)
		return 1;
	says = window_look(w, offset, &word);
	r = row_read(g, &g->returns, offset, &read, &m);

	if (r == 0 && !returns_meta(&read, &meta, &text))
		r = SHMQ_ECORRUPT;
	if (r == SHMQ_ECORRUPT && g->returns.past != NULL && offset < g->returns.base.offset) {
		frame_read_free(&read); /* it stands in the store, where a look may fail: nothing is given up for that */
		return 0;
	}
	if (r == SHMQ_ECORRUPT) { /* nobody can be given it any more */
		r = (says == SAYS_FREE || says == SAYS_HELD) && window_set(w, offset, word, window_done(w, offset, word));
		frame_read_free(&read);
		return r;
	}
	if (r == 0 && says == SAYS_FREE) {
		r = returns_wake_word(g, offset, word, &read);
		says = window_look(w, offset, &word);
	}
	if (r == 0 && says == SAYS_HELD && word_state(word) == WORD_WAITING) {
		uint64_t mine = window_next(w, offset, word_tag(word) + 1, word_deliveries(word), WORD_WORKING,
		                            self->owner);

		if (meta.state == WORD_PARKED) /* it was requeued since */
			meta.requeues++;
		meta.state = WORD_WAITING;
		meta.low = word_low(word);
		meta.deliveries = (uint16_t)word_deliveries(word);
		ours = window_set(w, offset, word, mine);
		word = mine;
	}
	if (r == 0 && says == SAYS_HELD && (word_state(word) == WORD_PARKED || ours)) {
		if (word_state(word) == WORD_PARKED) {
			meta.state = WORD_PARKED;
			if (meta.letter == 0) /* it keeps its id */
				meta.letter = offset + 1;
		}
		s.word = word;
		r = link_row(g, &rows, &s, &m, &meta, text, NULL);
		if (r != 0 && word_state(s.word) == WORD_WORKING) /* as it was */
			window_set(w, offset, s.word,
			           window_next(w, offset, word_tag(s.word), word_deliveries(s.word),
			                       WORD_WAITING, meta.low));
		r = r == 0 || r == SHMQ_LATE ? 1 : r == SHMQ_FULL ? 0 : r;
	} else if (r >= 0) {
		r = 0;
	}
	rows_free(&rows);
	frame_read_free(&read);
	return r;
}

/* Room for one more row within the capacity, `more` than there are: 0, SHMQ_FULL, or an error. */
static int room_make(struct group *g, struct self *self, unsigned more)
{
	struct log *l = &g->returns;

	for (unsigned moves = 0;; moves++) {
		uint64_t end = ring_walk(l, g->returns_tail.position), floor = floor_position(g, end), n = l->slot_count;
		struct known_end known = log_known_end(l, &end);
		const struct window *w = &g->returns_window;
		/* Rows that are in the store only, after memory was lost, take words of the window, too. */
		uint64_t span = known.offset - window_floor(w);
		int r;

		if ((end - floor >= g->config.o.returns_rows || span >= g->config.o.returns_rows) &&
		    rows_alive(g, known.offset) + more > g->config.o.returns_rows)
			return SHMQ_FULL;
		if (end - floor < n - n / 4 && span < w->count - w->count / 4 && extents_free(l, floor) * 4 >= l->extent_count)
			return 0;
		if (moves == MOVES_MAX) /* many that live stand together: the next ones go on, in what room is left */
			return 0;
		r = oldest_move(g, self);
		if (r < 0)
			return r;
		if (r == 0) /* it is in hand, and stays where it is: what room is left is used */
			return 0;
	}
}

/* ---- rows --------------------------------------------------------------------------- */

static int hold_take(struct group *g, size_t bytes, struct hold *h)
{
	struct holder holder;
	uint64_t end = ring_walk(&g->returns, g->returns_tail.position);
	struct ground ground = returns_ground(g, end);
	int r = ground_take_slot(&ground, end, &holder);

	if (r != 0)
		return r;
	return ground_take(&g->q->error, &ground, end, bytes, h, &holder);
}

static int link_row(struct group *g, struct rows *rows, struct settle *s,
                    const struct shmq_message *m, const struct meta_return *meta, const void *text,
                    uint64_t *new_offset)
{
	struct hold hold = {0};
	struct frame *f;
	uint64_t word, cost;
	int r;

	s->topic = NULL;
	s->log = &g->returns;
	s->tail = &g->returns_tail;
	s->hold = &hold;
	rows_begin(rows, NULL, 0);
	if (settle_describe(s, rows) < 0 ||
	    rows_add_meta(rows, META_RETURN, meta, sizeof *meta, text, meta->text_bytes) < 0)
		return fail(&g->q->error, SHMQ_ENOMEM, "no private memory");
	cost = rows_cost_with(rows, m);
	if (cost > g->returns.pool_bytes / 4)
		return fail(&g->q->error, SHMQ_EDATA,
		            "group %s: a message of %llu bytes is larger than a quarter of its return log", g->name,
		            (unsigned long long)cost);
	r = hold_take(g, ALIGN_UP(cost, FRAME_ALIGN) + SETTLE_ROOM, &hold);
	if (r != 0)
		return r;
	rows->frame = g->returns.pool + hold_at(&hold);
	rows->capacity = hold_room(&hold);
	r = rows_add(rows, m);
	if (r == 0) {
		f = rows_seal(rows);
		r = settle_link(s, f);
	}
	if (r == 0)
		topic_mark_linked(&g->topic);
	extent_leave(&g->returns, g->q->session.id, &hold);
	rows->frame = NULL;
	if (r != 0)
		return r == SHMQ_ENOMEM ? fail(&g->q->error, r, "no private memory") : r;
	cas_max(&g->returns.file->tail_hint, g->returns_tail.position);
	/* What it stands for, so that not everybody has to read the frame. */
	if (window_reserve(&g->q->error, &g->returns_window, g->returns_tail.offset - 1) == 0 &&
	    window_look(&g->returns_window, g->returns_tail.offset - 1, &word) == SAYS_FREE)
		window_set(&g->returns_window, g->returns_tail.offset - 1, word,
		           window_next(&g->returns_window, g->returns_tail.offset - 1, word_tag(word) + 1,
		                       meta->deliveries, (enum word_state)meta->state, meta->low));
	if (new_offset != NULL)
		*new_offset = g->returns_tail.offset - 1;
	return 0;
}

int returns_put(struct group *g, struct self *self, struct rows *rows, const struct window *w, unsigned partition,
                uint64_t incarnation, uint64_t offset, uint64_t *word, const struct shmq_message *m,
                const struct meta_return *meta, const void *text, uint64_t *new_offset)
{
	struct settle s = {.g = g,
	                   .self = self,
	                   .window = w,
	                   .offset = offset,
	                   .word = *word,
	                   .partition = partition,
	                   .incarnation = incarnation};
	uint64_t now = clock_ns(CLOCK_BOOTTIME) / 1000000;
	int r = now < g->returns_full_ms ? SHMQ_FULL : room_make(g, self, incarnation != 0);

	if (r == 0)
		r = link_row(g, rows, &s, m, meta, text, new_offset);
	*word = s.word;
	if (r == SHMQ_FULL || r == SHMQ_ENOSPACE) {
		if (now >= g->returns_full_ms) /* it cost enough to find out */
			g->returns_full_ms = now + FULL_PAUSE_MS;
		fetch_add_relaxed(&g->file->returns_full, 1); /* a figure */
		return SHMQ_FULL;
	}
	if (r == 0)
		group_tell(g);
	return r;
}
