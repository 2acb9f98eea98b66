/* SPDX-License-Identifier: MIT */
/* recover_files.h - which files a store has, for recover.c. */
#ifndef MQD_RECOVER_FILES_H
#define MQD_RECOVER_FILES_H

#include "recover.h"

/* All segments, by sequence. 0 or an error. */
int segments_list(struct error *e, struct io *io, uint64_t store, struct recovered *out);

/* The newest snapshot that is whole, into the empty image. 0 (also when there is none), or an error. */
int snapshot_load(struct error *e, struct io *io, uint64_t store, struct image *i, struct recovered *out);

/* Writes one: 0, or an error: the old ones are still there. Those but the newest two are removed. */
int snapshot_save(struct error *e, struct io *io, uint64_t store, const struct image *i);

/* The older one of the two newest snapshots: what segments before it hold is not needed to start. 0: there are none. */
uint64_t snapshot_oldest_kept(struct io *io);

void recover_found(const struct recovered *r, enum found_kind kind, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif
