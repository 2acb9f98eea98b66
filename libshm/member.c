/* SPDX-License-Identifier: MIT */
/* member.c - the consumers of a group: who is one, until when, and what they hold. */
#include "member.h"

#include "clock.h"
#include "release.h"

#define LOOK_PAUSE_MS 400u /* of all consumers of a group, less than the tick of one */

static uint64_t now_ms(void)
{
	return clock_ns(CLOCK_BOOTTIME) / 1000000;
}

static uint64_t lease_end(const struct group *g)
{
	return now_ms() + (uint64_t)(g->config.o.lease_ns / 1000000);
}

void group_tell(struct group *g)
{
	fetch_add_seq(&g->file->returned, 1); /* tell:sleep */
	bell_ring(&g->topic.bell->arrived);
	topic_mark_acked(&g->topic);
}

/* ---- the table ---------------------------------------------------------------------- */

static int member_reserve(struct group *g, unsigned slot)
{
	unsigned page = slot / SLOT_PAGE_ENTRIES;
	int r;

	if (member_backed(g, slot))
		return 0;
	r = map_reserve(&g->q->error, &g->map, offsetof(struct group_file, members) + page * (size_t)PAGE, PAGE);
	if (r == 0)
		fetch_or_seq(&g->file->member_pages[page / 64], 1ULL << (page % 64)); /* join:member */
	return r;
}

void members_each(const struct group *g, bool (*each)(void *context, unsigned slot, struct member *m),
                  void *context)
{
	for (unsigned w = 0; w < SLOT_PAGE_WORDS; w++) {
		uint64_t pages = load_acquire(&g->file->member_pages[w]); /* member pairs join */

		for (; pages != 0; pages &= pages - 1) {
			unsigned page = w * 64 + (unsigned)__builtin_ctzll(pages);

			for (unsigned n = 0; n < SLOT_PAGE_ENTRIES; n++) {
				unsigned slot = page * SLOT_PAGE_ENTRIES + n;

				if (load_relaxed(&member_at(g, slot)->session) != 0 && /* relaxed: a hint */
				    !each(context, slot, member_at(g, slot)))
					return;
			}
		}
	}
}

/* ---- one's own ---------------------------------------------------------------------- */

static int lease_begin(struct group *g, struct self *self)
{
	uint64_t w = load_seq(&self->entry->lease), seq; /* lease pairs break */

	do {
		seq = (lease_seq(w) + 1) & 0xfffff;
		/* Fails only when somebody makes the last one BROKEN just now. */
	} while (!cas_seq(&self->entry->lease, &w, lease_make(seq, lease_end(g), LEASE_LIVE))); /* claim:lease */
	self->seq = seq;
	self->owner = word_owner(self->slot, seq);
	return 0;
}

int member_join(struct group *g, struct self *self, bool consumes)
{
	unsigned slot = g->q->session.slot;
	enum lease_state state;
	int r = member_reserve(g, slot);

	if (r < 0)
		return r;
	*self = (struct self){0};
	/* Also when its lease is broken: the first one gives everything of the slot back when it finds out. */
	state = lease_state(load_seq(&member_at(g, slot)->lease)); /* lease pairs break */
	if (load_seq(&member_at(g, slot)->session) == g->q->session.id &&
	    (state == LEASE_LIVE || state == LEASE_BROKEN))
		return fail(&g->q->error, SHMQ_EINVAL, "this broker handle has a consumer of group %s already",
		            g->name);
	/* The session that was in this slot before is dead, for the slot is ours: nothing new of it comes. */
	r = group_windows_refresh(g);
	if (r >= 0)
		r = slot_give_back(g, slot, UINT64_MAX, true);
	if (r < 0)
		return r;
	*self = (struct self){.slot = slot, .entry = member_at(g, slot)};
	store_relaxed(&self->entry->consumes, consumes); /* relaxed: with the lease below */
	store_release(&self->entry->session, g->q->session.id); /* claim:lease */
	return lease_begin(g, self);
}

bool member_renew(struct group *g, const struct self *self)
{
	uint64_t w = load_seq(&self->entry->lease), until = lease_end(g); /* lease pairs break */

	do {
		if (lease_state(w) != LEASE_LIVE || lease_seq(w) != self->seq)
			return false;
	} while (!cas_seq(&self->entry->lease, &w, lease_make(self->seq, until, LEASE_LIVE))); /* break:lease */
	cas_max(&g->file->used_ms, now_ms());
	return true;
}

int member_rejoin(struct group *g, struct self *self)
{
	int r = slot_give_back(g, self->slot, UINT64_MAX, true);

	return r < 0 ? r : lease_begin(g, self);
}

void member_leave(struct group *g, struct self *self)
{
	uint64_t w;

	if (self->entry == NULL)
		return;
	slot_give_back(g, self->slot, self->seq, false);
	w = load_seq(&self->entry->lease); /* lease pairs break */
	while (lease_seq(w) == self->seq &&
	       !cas_seq(&self->entry->lease, &w, lease_make(self->seq, 0, LEASE_LEFT))) /* somebody breaks it now */
		;
	cas_max(&g->file->used_ms, now_ms());
	self->entry = NULL;
}

/* ---- others ------------------------------------------------------------------------- */

bool member_is_broken(const struct group *g, uint64_t owner)
{
	unsigned slot = word_owner_slot(owner);
	uint64_t w;

	if (!member_backed(g, slot))
		return true; /* damage: nobody's */
	w = load_seq(&member_at(g, slot)->lease); /* lease pairs break */
	return lease_state(w) != LEASE_LIVE || word_owner(slot, lease_seq(w)) != owner;
}

struct looking {
	struct group *g;
	uint64_t now_ms;
	bool late_too;
	unsigned broken, alive;
};

static bool look_after(void *context, unsigned slot, struct member *m)
{
	struct looking *l = context;
	uint64_t w = load_seq(&m->lease); /* lease pairs break; before its session is looked at */
	uint64_t session = load_acquire(&m->session); /* lease pairs claim */

	(void)slot;
	if (lease_state(w) != LEASE_LIVE || session == l->g->q->session.id)
		return true;
	if ((!l->late_too || lease_until_ms(w) >= l->now_ms) && session_alive(&l->g->q->place, session))
		return true;
	/* Renewed meanwhile, or the lease of the slot's next session: then the CAS fails. */
	if (cas_seq(&m->lease, &w, lease_make(lease_seq(w), lease_until_ms(w), LEASE_BROKEN))) /* break:lease */
		l->broken++;
	return true;
}

void members_look_after(struct group *g, bool late_too)
{
	struct looking l = {.g = g, .now_ms = now_ms(), .late_too = late_too};
	uint64_t before = load_relaxed(&g->file->looked_ms); /* relaxed: it only saves work */

	/* A test of each lock by each consumer would be their number squared. */
	if (l.now_ms - before < LOOK_PAUSE_MS || !cas_acq_rel(&g->file->looked_ms, &before, l.now_ms))
		return;
	members_each(g, look_after, &l);
	if (l.broken > 0)
		group_tell(g);
}

bool member_lives(struct group *g, uint64_t owner)
{
	struct member *m = member_at(g, word_owner_slot(owner));
	uint64_t w;

	if (member_is_broken(g, owner))
		return false;
	w = load_seq(&m->lease); /* lease pairs break; before its session is looked at */
	if (session_alive(&g->q->place, load_acquire(&m->session)))
		return true;
	if (cas_seq(&m->lease, &w, lease_make(lease_seq(w), lease_until_ms(w), LEASE_BROKEN))) /* break:lease */
		group_tell(g);
	return false;
}

static bool count_alive(void *context, unsigned slot, struct member *m)
{
	struct looking *l = context;
	uint64_t w = load_seq(&m->lease); /* lease pairs break */

	(void)slot;
	if (lease_state(w) == LEASE_LIVE && lease_until_ms(w) >= l->now_ms && load_relaxed(&m->consumes) != 0 &&
	    session_alive(&l->g->q->place, load_acquire(&m->session)))
		l->alive++;
	return true;
}

unsigned members_alive(const struct group *g)
{
	struct looking l = {.g = (struct group *)(uintptr_t)g, .now_ms = now_ms()};

	members_each(g, count_alive, &l);
	return l.alive;
}
