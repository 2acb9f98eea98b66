/* SPDX-License-Identifier: MIT */
/*
 * server.c - mqd's loop: collect, write, tell; else sleep.
 *
 * One thread. While something is in flight it collects for the next commit, then waits for the disk; what is linked
 * meanwhile is in the commit after that: group commit without a timer. With nothing in flight it sleeps on the broker's bell.
 */
#include "server.h"

#include "clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define ROUND_NS  SECOND_NS        /* between two rounds of acks that nobody waits for */
#define CARRY_NS  SECOND_NS        /* until it is written down that the newest commit is durable */
#define SNAPSHOT_BYTES (256u << 20) /* of journal between two snapshots */
#define RETAIN_NS (60u * (uint64_t)SECOND_NS) /* besides each new segment */
#define SPIN_NS    60000u           /* behind a commit */
#define PREPARE_NS (SECOND_NS / 20) /* nothing was written for so long: time to write zeros */
#define RETRY_NS  SECOND_NS        /* until a full disk is tried again */
#define LIVE_IDLE 32u              /* topics that stay mapped when nothing was to be done for LOOK_NS */
#define LOOK_NS   (10u * (uint64_t)SECOND_NS) /* until an idle mqd looks whether its runtime directory is still there */

void server_say(const struct server *s, enum say_level level, const char *format, ...)
{
	char text[1200];
	va_list ap;

	if (s->o->say == NULL)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	s->o->say(s->o->context, level, text);
}

/* ---- commits ------------------------------------------------------------------------ */

static bool round_is_due(const struct server *s, uint64_t now)
{
	if (s->collector.round != 0)
		return false;
	if (s->collector.spoiled && now - s->round_ns < ROUND_NS)
		return false;
	return acks_wanted(&s->collector) || (acks_marked(&s->collector) && now - s->round_ns >= ROUND_NS);
}

/* A round in which nothing has changed is over when everything before it is. */
static void round_skip(struct server *s, struct batch *b)
{
	if (!b->spoiled)
		store_release(&s->daemon->rounds_durable, b->rounds); /* written:stored */
	s->collector.round = 0;
	batch_clear(b);
	fence_seq();
	bell_ring(&s->q->broker->durable); /* tell:sleep */
}

static int batch_fill(struct server *s, struct batch *b)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	int r = collect_marks(&s->collector);

	if (r == 0)
		acks_finish(&s->collector, b); /* before frames take all the room */
	if (r == 0)
		r = collect_frames(&s->collector, b);
	if (r == 0 && round_is_due(s, now)) {
		s->round_ns = now;
		r = acks_begin(&s->collector);
		if (r == 0)
			r = collect_frames(&s->collector, b);
	}
	if (r == 0 && !batch_empty(b) && (s->journal.sequence != s->retained_at || now - s->retained_ns >= RETAIN_NS)) {
		s->retained_ns = now;
		s->retained_at = s->journal.sequence;
		r = retain(s, b);
	}
	if (r < 0)
		return r;
	if (b->rounds == 0)
		acks_finish(&s->collector, b);
	if (clean_busy(&s->cleaner) && !s->collector.frees_only) {
		r = clean_some(&s->error, &s->cleaner, b);
		if (r < 0)
			server_say(s, SAY_WARNING, "%s", s->error.text);
		s->clean_more = s->clean_more || (r == 0 && !clean_busy(&s->cleaner));
	}
	s->filled = !batch_empty(b) || b->rounds != 0;
	return 0;
}

/* The disk is full: what frees space goes on with what is kept for that. */
static void become_full(struct server *s)
{
	if (!s->full_said)
		server_say(s, SAY_WARNING,
		           "the store is full (%llu MiB): publishers wait; acks go on. Let consumers catch up, shorten the "
		           "retention of topics (mqd topic alter), or make room on its filesystem",
		           (unsigned long long)(s->journal.store_bytes >> 20));
	s->collector.frees_only = s->full_said = true;
	s->retried_ns = clock_ns(CLOCK_MONOTONIC);
	told_state(s, DAEMON_FULL);
}

static void become_roomy(struct server *s)
{
	s->collector.frees_only = false; /* it is told when something has been written: told.c */
}

static int submit(struct server *s, struct batch *b)
{
	int r;

	if (batch_empty(b) && b->rounds != 0 && !journal_busy(&s->journal)) {
		round_skip(s, b);
		s->filled = false;
		return 0;
	}
	r = journal_submit(&s->journal, s->collector.frees_only);
	if (r == 0)
		s->filled = false;
	if (r == SHMQ_FULL && !s->collector.frees_only) {
		become_full(s);
		batch_clear(b); /* once more, without what needs room */
		collect_rewind(&s->collector);
		s->filled = false;
		return 0;
	}
	return r == SHMQ_EMPTY || r == SHMQ_FULL ? 0 : r;
}

static int commit(struct server *s)
{
	struct batch *b = journal_filling(&s->journal);
	int r = 0;

	if (b == NULL || s->journal.broken)
		return 0;
	if (!s->filled)
		r = batch_fill(s, b);
	if (r == 0 && s->filled)
		r = submit(s, b);
	return r;
}

/* An empty commit says that the one before it was durable: then damage there is never taken for a torn tail. */
static void carry(struct server *s)
{
	if (s->carried >= s->image.commit || journal_busy(&s->journal) || s->filled || s->journal.broken)
		return;
	if (journal_submit(&s->journal, true) == 0)
		s->carried = s->image.commit + 1;
}

/* ---- what is due now and then ------------------------------------------------------- */

static int snapshot_take(struct server *s)
{
	int r;

	if (s->snapshot_bytes < SNAPSHOT_BYTES && s->snapshot_bytes < 4 * s->journal.segment_bytes)
		return 0;
	s->snapshot_bytes = 0;
	r = snapshot_save(&s->error, s->io, s->identity.id, &s->image);
	if (r < 0) /* the journal has it all */
		server_say(s, SAY_WARNING, "%s", s->error.text);
	return retain_segments(s);
}

/* Until something has to be done; 0: at once. */
static uint64_t nap_ns(const struct server *s, uint64_t now)
{
	uint64_t nap = LOOK_NS;

	if (acks_marked(&s->collector))
		nap = now - s->round_ns < ROUND_NS ? ROUND_NS - (now - s->round_ns) : 0;
	if (s->carried < s->image.commit && now - s->carry_ns < CARRY_NS && CARRY_NS - (now - s->carry_ns) < nap)
		nap = CARRY_NS - (now - s->carry_ns);
	if ((s->collector.frees_only || s->collector.stuck || s->show_again) && nap > RETRY_NS)
		nap = RETRY_NS;
	return nap;
}

static bool has_work(const struct server *s)
{
	return *s->o->stop || s->filled || (clean_busy(&s->cleaner) && !s->collector.frees_only) || collect_has_work(&s->collector) ||
	       (acks_wanted(&s->collector) && !s->collector.spoiled) || acks_ready(&s->collector);
}

/* Who waited for what is durable now may have something new at once: to sleep, and be woken, would cost it as much as a
 * quarter of the sync. */
static bool spin(const struct server *s)
{
	if (s->o->never_sleep || clock_ns(CLOCK_MONOTONIC) - s->carry_ns >= SPIN_NS)
		return false;
	do {
		for (unsigned i = 0; i < 16; i++)
			cpu_relax();
		if (has_work(s))
			return true;
	} while (clock_ns(CLOCK_MONOTONIC) - s->carry_ns < SPIN_NS);
	return false;
}

/* The disk is full: what may be let go is let go, with what is kept for that; a segment is used again once two
 * snapshots do not need it. Then it is tried again. */
static int full_retry(struct server *s)
{
	struct batch *b = journal_filling(&s->journal);
	int r = b != NULL && !s->filled ? retain(s, b) : 0;

	if (r == 0 && b != NULL && !s->filled && !batch_empty(b))
		r = journal_submit(&s->journal, true);
	while (r == 0 && journal_busy(&s->journal))
		r = journal_reap(&s->journal, true);
	if (r == 0)
		r = snapshot_save(&s->error, s->io, s->identity.id, &s->image);
	if (r == 0)
		r = retain_segments(s);
	if (r == SHMQ_ENOMEM)
		return r;
	s->journal.full = false; /* tried again */
	become_roomy(s);
	collect_rewind(&s->collector);
	return 0;
}

/* 0, or SHMQ_GONE: the runtime directory was removed. */
static int idle(struct server *s)
{
	atomic_u32 *bell = &s->q->broker->work;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), nap;
	uint32_t seen;

	if (s->carried < s->image.commit && now - s->carry_ns >= CARRY_NS) {
		carry(s);
		return 0;
	}
	if (now - s->carry_ns >= PREPARE_NS && journal_prepare(&s->journal) && !s->collector.frees_only)
		return 0;
	if (spin(s))
		return 0;
	if (s->collector.round == 0 && s->collector.pending_count == 0 && now - s->carry_ns >= LOOK_NS &&
	    !live_rest(&s->live, LIVE_IDLE))
		return 0;
	nap = nap_ns(s, now);
	if (journal_unprepared(&s->journal) && nap > PREPARE_NS)
		nap = PREPARE_NS;
	if (s->o->never_sleep)
		s->collector.stuck = false;
	if (nap == 0 || s->o->never_sleep)
		return 0;
	seen = bell_read(bell);
	if (!bell_arm(bell, &seen))
		return 0;
	if (has_work(s) || (acks_marked(&s->collector) && nap == LOOK_NS)) /* sleep pairs tell */
		return 0;
	bell_sleep_long(bell, seen, (int64_t)nap);
	if (clock_ns(CLOCK_MONOTONIC) - now >= RETRY_NS)
		s->collector.stuck = false; /* looked at again */
	if (s->show_again)
		told_again(s);
	if (clock_ns(CLOCK_MONOTONIC) - now >= LOOK_NS && session_check(&s->error, &s->q->session) != 0)
		return SHMQ_GONE;
	if (!s->collector.frees_only || s->collector.round != 0 || has_work(s) ||
	    clock_ns(CLOCK_MONOTONIC) - s->retried_ns < RETRY_NS)
		return 0;
	s->retried_ns = clock_ns(CLOCK_MONOTONIC);
	return full_retry(s);
}

/* ---- the loop ----------------------------------------------------------------------- */

int server_turn(struct server *s)
{
	int r = commit(s);
	bool more = s->filled || has_work(s);

	if (r == 0 && journal_busy(&s->journal))
		r = journal_reap(&s->journal, journal_filling(&s->journal) == NULL || s->filled || !more);
	else if (r == 0 && s->journal.broken && !s->o->never_sleep)
		usleep(100000);
	else if (r == 0 && !more)
		r = idle(s);
	if (s->journal.full == false)
		become_roomy(s);
	if (r == 0 && !journal_busy(&s->journal)) {
		if (!s->filled && s->collector.round == 0)
			live_tidy(&s->live);
		r = snapshot_take(s);
		if (r == 0 && s->clean_more && !clean_busy(&s->cleaner)) {
			s->clean_more = false;
			r = retain_segments(s);
		}
	}
	if (r == SHMQ_EDAEMON || r == SHMQ_INTERRUPTED)
		return 0; /* memory goes on without the disk; what is wanted of it is told (told.c) */
	return r;
}

/* What was there when it was told to stop is written; then that it was. */
void server_finish(struct server *s)
{
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + 10 * (uint64_t)SECOND_NS;
	bool done = false;

	s->collector.stuck = false; /* perhaps there is room by now */
	s->round_ns = 0; /* what groups have done since the last round */
	while (!done && !s->journal.broken && clock_ns(CLOCK_MONOTONIC) < until) {
		if (commit(s) < 0)
			break;
		done = !s->filled && !journal_busy(&s->journal) &&
		       !collect_has_work(&s->collector) && s->collector.pending_count == 0 && s->collector.round == 0 &&
		       !acks_marked(&s->collector);
		if (s->collector.stuck && !journal_busy(&s->journal))
			break;
		if (journal_busy(&s->journal))
			journal_reap(&s->journal, true);
	}
	s->unfinished = !done;
	carry(s);
	while (journal_busy(&s->journal) && !s->journal.broken && journal_reap(&s->journal, true) >= 0)
		;
	if (!s->journal.broken)
		snapshot_save(&s->error, s->io, s->identity.id, &s->image);
}

int server_begin(struct server *s, const struct server_options *o)
{
	struct recovered found = {0};
	int r;

	*s = (struct server){.o = o, .storefd = -1, .lockfd = -1, .daemon_map = MAP_NONE, .runs_map = MAP_NONE};
	s->journal.file = s->journal.spare_file = -1;
	r = server_start(s, &found);
	recovered_free(&found);
	return r;
}

int server_run(struct server *s, const struct server_options *o)
{
	int r = server_begin(s, o);

	while (r == 0 && !*o->stop)
		r = server_turn(s);
	if (r == SHMQ_GONE)
		server_say(s, SAY_WARNING, "the runtime directory was removed; what was durable is in the store");
	else if (r == 0)
		server_finish(s);
	else if (s->error.text[0] == '\0' && s->q != NULL)
		s->error = s->q->error;
	server_end(s);
	return r;
}
