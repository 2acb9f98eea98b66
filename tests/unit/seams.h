/* SPDX-License-Identifier: MIT */
/*
 * seams.h - for unit tests of groups in which time passes when the test says so, and somebody acts between two steps
 * of somebody else.
 *
 * All clocks but that of the wall go on by leap() only; who falls asleep at a bell wakes up at once, that much later.
 * The functions below stand in for the library's (the linker is told so: see Makefile) or for system calls; a hook
 * runs once.
 */
#ifndef SEAMS_H
#define SEAMS_H

#include <fnmatch.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "bell.h"
#include "groups.h"
#include "intent.h"
#include "search.h"

/* ---- time --------------------------------------------------------------------------- */

static int64_t ahead_ns; /* since the first look */

int clock_gettime(clockid_t id, struct timespec *t)
{
	static struct timespec first[2];
	struct timespec *from = &first[id == CLOCK_BOOTTIME];
	int64_t ns;

	if (id != CLOCK_BOOTTIME && id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
		return (int)syscall(SYS_clock_gettime, id, t);
	if (from->tv_sec == 0 && syscall(SYS_clock_gettime, id, from) != 0)
		return -1;
	ahead_ns += 1000; /* a look takes a microsecond: who looks until it is over comes to an end */
	ns = from->tv_nsec + ahead_ns;
	t->tv_sec = from->tv_sec + (time_t)(ns / SECOND);
	t->tv_nsec = (long)(ns % SECOND);
	return 0;
}

TAP_UNUSED static void leap(int64_t ms)
{
	ahead_ns += ms * MS;
}

/* ---- hooks -------------------------------------------------------------------------- */

typedef void hook(void);

static hook *on_known_end; /* behind it */
static hook *on_place, *on_link_at, *on_directory, *on_link_file;
static const char *link_file; /* the file that on_link_file waits for; it is linked by then */
static hook *while_asleep;    /* each time */
static unsigned sleeps;
static unsigned realloc_fails; /* the how manieth from now on; 0: none */
static struct log *linking_log;

static inline void run_once(hook **h)
{
	hook *run = *h;

	*h = NULL;
	if (run != NULL)
		run();
}

int __real_ring_place(struct error *e, struct log *l, struct tail *t, struct frame *f, struct frame *null,
		      uint64_t now_ns);
int __wrap_ring_place(struct error *e, struct log *l, struct tail *t, struct frame *f, struct frame *null,
		      uint64_t now_ns);
bool __real_ring_link_at(struct log *l, uint64_t position, uint64_t word);
bool __wrap_ring_link_at(struct log *l, uint64_t position, uint64_t word);
struct known_end __real_log_known_end(const struct log *l, uint64_t *end);
struct known_end __wrap_log_known_end(const struct log *l, uint64_t *end);
int __wrap_bell_sleep(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t nap_ns);
void *__real_realloc(void *at, size_t bytes);
void *__wrap_realloc(void *at, size_t bytes);

/* A settler has looked at its message and goes to announce it. */
int __wrap_ring_place(struct error *e, struct log *l, struct tail *t, struct frame *f, struct frame *null,
		      uint64_t now_ns)
{
	run_once(&on_place);
	return __real_ring_place(e, l, t, f, null, now_ns);
}

/* A settler has announced its frame, and its message is SETTLING. */
bool __wrap_ring_link_at(struct log *l, uint64_t position, uint64_t word)
{
	linking_log = l;
	run_once(&on_link_at);
	return __real_ring_link_at(l, position, word);
}

struct known_end __wrap_log_known_end(const struct log *l, uint64_t *end)
{
	struct known_end k = __real_log_known_end(l, end);

	run_once(&on_known_end);
	return k;
}

int __wrap_bell_sleep(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t nap_ns)
{
	(void)bells, (void)seen, (void)count;
	sleeps++;
	ahead_ns += nap_ns < BELL_NAP_NS ? nap_ns : BELL_NAP_NS;
	if (while_asleep != NULL)
		while_asleep();
	return 0;
}

void *__wrap_realloc(void *at, size_t bytes)
{
	if (realloc_fails > 0 && --realloc_fails == 0)
		return NULL;
	return __real_realloc(at, bytes);
}

int openat(int from, const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & (O_CREAT | O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (strcmp(path, ".") == 0 && (flags & O_TMPFILE) != O_TMPFILE)
		run_once(&on_directory);
	return (int)syscall(SYS_openat, from, path, flags, mode);
}

int linkat(int from, const char *path, int to, const char *name, int flags)
{
	int r = (int)syscall(SYS_linkat, from, path, to, name, flags);

	if (link_file != NULL && fnmatch(link_file, name, 0) == 0)
		run_once(&on_link_file);
	return r;
}

TAP_UNUSED static void die(void)
{
	kill(getpid(), SIGKILL);
}

/* ---- consumers ---------------------------------------------------------------------- */

#define ROUNDS 1000

/* The next message: time goes on while there is none, for ten seconds. */
TAP_UNUSED static int later(shmq_group *g, struct shmq_delivery *d)
{
	int r = SHMQ_EMPTY;

	for (unsigned i = 0; i < ROUNDS && (r = shmq_group_next(g, d)) == SHMQ_EMPTY; i++)
		leap(10);
	return r;
}

/* Acks so many, as they come. Returns how many came. */
TAP_UNUSED static unsigned ack_so_many(shmq_group *g, unsigned count)
{
	struct shmq_delivery d;
	unsigned n = 0;

	while (n < count && later(g, &d) == 0 && shmq_group_ack(g, &d) == 0)
		n++;
	return n;
}

/* As if others had seen it stand still for too long. */
TAP_UNUSED static void lease_break(shmq_group *g)
{
	atomic_u64 *lease = &g->self.entry->lease;
	uint64_t w = load_seq(lease);

	need(!cas_seq(lease, &w, lease_make(lease_seq(w), lease_until_ms(w), LEASE_BROKEN)));
	group_tell(&g->g);
}

TAP_UNUSED static void seek_group(shmq *q, const char *topic, const char *group, enum shmq_seek_kind kind)
{
	struct shmq_seek to = {.kind = kind};

	step(shmq_group_seek(q, topic, group, &to, false, NULL));
}

#endif
