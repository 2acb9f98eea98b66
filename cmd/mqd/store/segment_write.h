/* SPDX-License-Identifier: MIT */
/* segment_write.h - files of the journal: made ready, begun, sealed, used again; for journal_write.c. */
#ifndef MQD_SEGMENT_WRITE_H
#define MQD_SEGMENT_WRITE_H

#include "journal_write.h"

/* Spares that an earlier mqd has left: their names. 0 or an error. */
int segment_spares_find(struct error *e, struct journal *j);
void segment_spares_free(struct journal *j);

/* Whether a batch fits, with the footer that it makes necessary. */
bool segment_has_room(const struct journal *j, const struct batch *b);

/* Whether there are as many spares as are kept; makes those that are missing. */
bool segment_reserve(struct journal *j);

/* Seals the segment being written and begins the next one, large enough for a batch. Nothing is in flight. 0;
 * SHMQ_FULL; SHMQ_EMPTY: it failed, another may do; SHMQ_EDAEMON. */
int segment_next(struct journal *j, const struct batch *b, bool frees);

/* Seals the segment being written, unless it is suspect, and closes it. */
void segment_leave(struct journal *j);

/* Before a small commit: writes zeros where it and the next ones will stand, if those blocks were never written. Writing
 * them for the first time costs the filesystem an entry in its own journal each time. */
void segment_zero_ahead(struct journal *j, size_t length);

/* A write or sync failed: journal_write.c. */
void journal_failed(struct journal *j, const char *what, int error);

/* The footer and the last block of a segment of which everything is durable. 0 or -errno; it is of no consequence. */
int segment_seal(struct io *io, int file, uint64_t bytes, uint64_t sequence, uint64_t salt, uint64_t end,
                 uint64_t last_commit, const struct column *runs);

#endif
