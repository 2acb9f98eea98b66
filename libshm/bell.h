/* SPDX-License-Identifier: MIT */
/*
 * bell.h - sleeping until something happened, without missing it and without a lock.
 *
 * Word {seq:30 | WAKING | SLEEP}, a futex.
 *   sleeper  load v; look again; CAS v -> v|SLEEP; look again; futex_wait(v|SLEEP)
 *   ringer   do the thing; load v; SLEEP set: CAS v -> {seq+1, WAKING}; SLEEP or WAKING was set: wake all,
 *            then CAS exactly {seq, WAKING} -> {seq}
 * WAKING stays until somebody has woken everybody: so the next ringer finishes the wake of one that was
 * killed or stopped between its CAS and its futex_wake. seq wraps after 2^30 wakes with a sleeper
 * stopped between load and wait, and every sleep is bounded (BELL_NAP_NS), so a wrap costs one nap.
 * Modelled in tests/model/bell.pml.
 */
#ifndef SHMQ_BELL_H
#define SHMQ_BELL_H

#include "layout.h"

#define BELL_SLEEP  1u
#define BELL_WAKING 2u
#define BELL_SEQ    4u
#define BELL_NAP_NS 1000000000LL
#define BELLS_MAX   128u /* FUTEX_WAITV_MAX */

/* True when a system call was made. */
bool bell_ring_slowly(atomic_u32 *bell);

/* Call after the thing was done with a seq_cst operation (tell pairs sleep). */
static inline bool bell_ring(atomic_u32 *bell)
{
	return (load32_seq(bell) & (BELL_SLEEP | BELL_WAKING)) != 0 && bell_ring_slowly(bell);
}

/* Wakes whoever sleeps, whether the bell says so or not: for signal handlers, beside a sleeper that is about to. */
void bell_ring_always(atomic_u32 *bell);

/* The sleeper's first load: pass it to bell_arm(). */
static inline uint32_t bell_read(atomic_u32 *bell)
{
	return load32_seq(bell);
}

/* Marks the bell as slept on: true when it still was *seen; then look again before bell_sleep(). */
bool bell_arm(atomic_u32 *bell, uint32_t *seen);

/* Sleeps until one armed bell rings, or a signal handler ran, at most for ns. Spurious returns are possible. */
void bell_sleep_long(atomic_u32 *bell, uint32_t seen, int64_t ns);

/* Sleeps until one of the armed bells rings, at most nap_ns and BELL_NAP_NS. 0: rung or over;
 * SHMQ_INTERRUPTED: a signal handler ran. Spurious returns are possible. */
int bell_sleep(atomic_u32 *const *bells, const uint32_t *seen, unsigned count, int64_t nap_ns);

#endif
