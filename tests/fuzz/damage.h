/* SPDX-License-Identifier: MIT */
/* damage.h - changes the files of a broker, knowing what stands where. */
#ifndef DAMAGE_H
#define DAMAGE_H

#include "case.h"

/* So many changes, all decided by r and what the files hold; beside others (live) with pauses. */
void damage_some(const struct plan *p, struct rng *r, unsigned count, bool live);

/* Cuts one of the files off. */
void damage_truncate(const struct plan *p, struct rng *r);

/* Of all logs: bounds how many frames there can be. */
uint64_t damage_log_bytes(const struct plan *p);

/* Pages with data in extents of the topic's logs that are not reserved: reading must not add any. */
uint64_t damage_hole_pages(const struct plan *p);

#endif
