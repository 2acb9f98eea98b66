/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - the only place that names a memory order.
 *
 * Every access that is not relaxed carries, where it is made, a label and the label of its
 * partner. The pairs:
 *
 *   link     CAS of a slot word (ring.c)        pairs  read     load of a slot word (ring.c)
 *            publishes the frame's bytes               makes them visible to the reader
 *   reuse    fence after taking an extent       pairs  recheck  fence between copying a frame out
 *            (extent.c), behind the load of            and loading head (ring.c): who copied a
 *            head that allowed it                      byte of the new owner sees the new head
 *   advance  CAS of head (reclaim.c)            pairs  head     load of head (ring.c, extent.c)
 *   attach   CAS of a head's gen (readers.c)    pairs  head     load of head (reclaim.c): who loads
 *            behind the store of CREATING              the new gen sees the reader word
 *   raise    CAS of a gate (readers.c)          pairs  gates    load of a gate (reclaim.c): what
 *            behind the copying                        was copied is not needed any more
 *   leave    CAS of an extent word (extent.c)   pairs  take     CAS of an extent word (extent.c)
 *   tell     link, then load of the bell        pairs  sleep    CAS of the bell, then load of the
 *            (seq_cst both, bell.c)                    slot (seq_cst both): one sees the other
 *   enter    CAS of a session word (session.c)  pairs  alive    load of a session word
 *   name     CAS of a registry word             pairs  lookup   load of a registry word
 *   end      CAS of a topic's state, fence,     pairs  live     link (seq_cst CAS), then load of a
 *            then loads of slots (topic_end.c)             topic's state: one sees the other
 *   first    CAS of a topic's first offset      pairs  offset   load of it
 *   finish   CAS of a window word, then of its   pairs  floor    load of the floor (window.h): who finds
 *            floor (window.c)                                  it passed finds the words DONE
 *   settle   CAS of a window word to SETTLING    pairs  intent   load of that word (intent.c), seq_cst
 *   arm      CAS of an intent's control, after   pairs  keep     load of it (intent.c): who sees the seq
 *            its fields; before the link                       sees its fields; who sees the frame linked
 *                                                              sees it ARMED (seq_cst both)
 *   settle   the same CAS, then load of a        pairs  move     CAS of `current`, then loads of words
 *            group's `current` (settle.c)                      (group_name.c): one sees the other
 *   attach   CAS of a group's state              pairs  state    load of it: a deleter's CAS names what it
 *            (group_name.c)                                    loaded, and fails when somebody has attached
 *   claim    store of a member's session and     pairs  lease    load of a lease, then of its session or
 *            target, then CAS of its lease or                  target (member.c, release.c)
 *            of an intent (member.c, settle.c)
 *   break    CAS of a lease (member.c)           pairs  lease    load of it: then words may be given back
 *   join     fetch_or of member_pages            pairs  member   load of it
 *   take     CAS of a partition's owner (take.c) pairs  owner    load of it
 *   seek     CAS of a group's `current`          pairs  current  load of it: its windows are linked
 *   alter    CAS of a group's `config`           pairs  config   load of it: its file is linked
 *   written  store of a word of mqd's, behind   pairs  stored   load of it (durable.h): the table or list
 *            what it counts                             that it counts, the segment that it tells of
 *   mark     CAS of a slot (link) or of a window  pairs  look    exchange of a bit, then loads of slots and
 *            word, then load of a topic's bit           words (mqd): one sees the other
 *
 * Objects in shared memory are only ever reached through these functions or copied with
 * racy_copy(); there is no lock anywhere.
 */
#ifndef SHMQ_ATOMIC_H
#define SHMQ_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

typedef _Atomic uint64_t atomic_u64;
typedef _Atomic uint32_t atomic_u32;

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(atomic_u64) == 8, "64-bit words need a CAS");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && sizeof(atomic_u32) == 4, "futex words need a CAS");

static inline uint64_t load_relaxed(const atomic_u64 *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

static inline uint64_t load_acquire(const atomic_u64 *w)
{
	return atomic_load_explicit(w, memory_order_acquire);
}

static inline uint64_t load_seq(const atomic_u64 *w)
{
	return atomic_load_explicit(w, memory_order_seq_cst);
}

static inline uint32_t load32_seq(const atomic_u32 *w)
{
	return atomic_load_explicit(w, memory_order_seq_cst);
}

static inline void store_relaxed(atomic_u64 *w, uint64_t v)
{
	atomic_store_explicit(w, v, memory_order_relaxed);
}

static inline void store_release(atomic_u64 *w, uint64_t v)
{
	atomic_store_explicit(w, v, memory_order_release);
}

/* All of these CAS once and strongly; *expected receives what was there instead. */
static inline bool cas_acq_rel(atomic_u64 *w, uint64_t *expected, uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(w, expected, desired, memory_order_acq_rel,
	                                               memory_order_acquire);
}

static inline bool cas_seq(atomic_u64 *w, uint64_t *expected, uint64_t desired)
{
	return atomic_compare_exchange_strong_explicit(w, expected, desired, memory_order_seq_cst,
	                                               memory_order_seq_cst);
}

static inline bool cas32_seq(atomic_u32 *w, uint32_t *expected, uint32_t desired)
{
	return atomic_compare_exchange_strong_explicit(w, expected, desired, memory_order_seq_cst,
	                                               memory_order_seq_cst);
}

static inline uint64_t fetch_add_relaxed(atomic_u64 *w, uint64_t n)
{
	return atomic_fetch_add_explicit(w, n, memory_order_relaxed);
}

static inline uint64_t fetch_add_seq(atomic_u64 *w, uint64_t n)
{
	return atomic_fetch_add_explicit(w, n, memory_order_seq_cst);
}

static inline uint64_t fetch_or_seq(atomic_u64 *w, uint64_t bits)
{
	return atomic_fetch_or_explicit(w, bits, memory_order_seq_cst);
}

static inline uint64_t fetch_and_seq(atomic_u64 *w, uint64_t bits)
{
	return atomic_fetch_and_explicit(w, bits, memory_order_seq_cst);
}

/* For hints: never moves a word down. */
static inline void cas_max(atomic_u64 *w, uint64_t v)
{
	uint64_t old = atomic_load_explicit(w, memory_order_relaxed);
	while (old < v && !atomic_compare_exchange_weak_explicit(w, &old, v, memory_order_seq_cst,
	                                                         memory_order_relaxed))
		;
}

static inline void fence_acquire(void)
{
	atomic_thread_fence(memory_order_acquire);
}

static inline void fence_seq(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

static inline void fence_release(void)
{
	atomic_thread_fence(memory_order_release);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/* Asks for a cache line that will be written to. */
static inline void prefetch_write(const void *line)
{
#if defined(__x86_64__)
	/* __builtin_prefetch() takes this only where -mprfchw is set: the line would come shared. A
	   no-op where the processor does not have it. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/* Copies bytes that another process may be overwriting; what was copied is only used after a
 * fence_acquire() and a check that nobody could have. Not instrumented: this race is the
 * protocol (a sequence lock by position), and ThreadSanitizer has no word for it. */
void racy_copy(void *to, const void *from, size_t bytes);

/* The same for one cache line, both aligned: in registers, without a call. */
static inline void racy_copy_line(void *to, const void *from)
{
#ifdef UNDER_TSAN
	racy_copy(to, from, 64);
#else
	memcpy(to, from, 64);
	/* The compiler must not look at the source again, where it thinks that it knows the copy. */
	__asm__ volatile("" : : : "memory");
#endif
}

#endif
