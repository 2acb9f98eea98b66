/* SPDX-License-Identifier: MIT */
/* op.h - what the operations of struct io_ops on a simulated disk have in common. */
#ifndef SIM_OP_H
#define SIM_OP_H

#include "disk.h"

struct io_sim {
	struct io io;
	struct sim *sim;
};

struct sim *sim_of(struct io *io);
struct rng *dice(struct sim *sim);
/* The first thing that a caller must not do is kept. */
void blame(struct sim *sim, const char *what);

/* How an operation can fail as planned. */
enum { CAN_EIO = 1, CAN_ENOSPC = 2, CAN_SHORT = 4 };

/* Before each operation. 0, or how it is to fail: -errno, SIM_SHORT. */
int begin(struct sim *sim, const char *doing, int can);

/* NULL: it is not open. */
struct sim_handle *handle_of(struct sim *sim, int file);
/* 0, or what such an access is refused with. */
int access_check(struct sim *sim, int file, const void *buffer, size_t bytes, uint64_t at,
		 bool write);

/* ---- how they end: write.c ----------------------------------------------------------- */

/* Whether so many holes can be filled. */
bool has_room(const struct sim *sim, uint64_t holes);
/* The write completes. How much of one that failed is there is not known, and no sync makes it so.
 */
int64_t write_ends(struct sim *sim, uint32_t inode, const struct blob *b, uint64_t at, bool durable,
		   int error);
/* clock: what completed before is covered. Returns `error`. */
int sync_ends(struct sim *sim, uint32_t inode, uint64_t clock, int error);

/* ---- in flight: flight.c ------------------------------------------------------------- */

int op_submit_write(struct io *io, int file, const void *from, size_t bytes, uint64_t at,
		    bool durable, uint64_t tag);
int op_submit_sync(struct io *io, int file, uint64_t tag);
int op_reap(struct io *io, struct io_done *done, unsigned max, bool wait);
/* The process of this io ends. */
void flights_orphan(struct io *io);

#endif
