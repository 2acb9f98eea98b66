/* SPDX-License-Identifier: MIT */
/*
 * io_sim.h - a disk in memory that forgets what was not synced: struct io_ops over it, and what a
 * crash may leave.
 *
 *   struct sim disk, after;
 *   struct io *io;
 *
 *   sim_make(&disk, seed);
 *   sim_open(&disk, &io);             io->ops->write(io, ...), as with every other struct io
 *   sim_image(&disk, seed, SIM_MIXED, &after);    one disk that there may be when the power fails
 * now sim_open(&after, &next);          recover it
 *
 * Everything is decided by seeds: the same calls give the same results. README.md has the model.
 * One thread.
 */
#ifndef IO_SIM_H
#define IO_SIM_H

#include "io.h"

#define SIM_SECTOR   512u
#define SIM_FILE_MAX (1ULL << 36) /* larger is -EFBIG */
#define SIM_NAME_MAX 95u
#define SIM_SHORT    1

/* Which operation fails, and how. `at` counts as sim.ops does, from 1 on; 0: none, as it is again
 * after a single one. An operation that cannot fail so (size of a file, list, space, close, reap;
 * all but writes for SIM_SHORT) leaves it to the next one. */
struct sim_fault {
	uint64_t at;
	int error;     /* -EIO, -ENOSPC, SIM_SHORT: a write writes too little */
	bool for_ever; /* from then on */
	const char *doing; /* only this operation ("sync"); NULL: any */
};

struct inode;
struct sim_entry;
struct entry_change;
struct flight;
struct sim_dir {
	struct sim_entry *entry;
	size_t entries;
};

struct sim {
	/* Set by who tests, at any time; an image has its capacity only. */
	uint64_t capacity; /* bytes; 0: without end */
	/* Called before each operation; op counts them from 1 on. 0, or a -errno that the operation
	   ends with where it can. In it sim_image(), sim_late() and sim_copy() of this disk may be
	   called, nothing else; it may leave by longjmp(), and nothing of the operation was done.
	 */
	int (*at)(void *context, struct sim *sim, uint64_t op);
	void *context;
	struct sim_fault fault;
	unsigned interrupt; /* one in so many waits for a completion ends with -EINTR; 0: none */
	uint64_t late_ops;  /* sim_late(): within how many operations writes land; 64 */

	/* To be read. */
	uint64_t ops;      /* operations so far */
	const char *doing; /* the last one: "rename" */
	uint64_t changes; /* grows when a crash may leave something new: else an image is no news */
	uint64_t faults;  /* how many operations failed as `fault` says */
	const char *misuse; /* what the caller did that io.h forbids: the test has failed; NULL */

	/* Its own. */
	uint64_t dice, clock;
	struct inode **inode; /* by number; NULL: a free one */
	uint32_t inodes;
	struct sim_dir visible, durable;
	struct entry_change *entry_change; /* from durable to visible, in order */
	size_t entry_changes;
	struct sim_handle *handle;
	int handles;
	struct flight *flight; /* in flight, in the order of submission */
	unsigned flights;
	struct flight *late; /* of processes that are dead */
	unsigned lates;
};

/* An empty disk. The seed decides how operations in flight complete. */
void sim_make(struct sim *sim, uint64_t seed);
/* An io on this disk. Of several, one at a time may have operations in flight. ops->free() leaves
 * what is in flight to land later, as a process that ends does. */
int sim_open(struct sim *sim, struct io **out);
void sim_free(struct sim *sim);

enum sim_mode {
	SIM_OLD,     /* nothing took place that was not made durable */
	SIM_NEW,     /* everything took place, also what is in flight */
	SIM_MIXED,   /* each sector, size and directory entry old or of a newer version */
	SIM_GARBAGE, /* and a sector that was being written may also be zero, torn, anything */
};

/* One possible disk after a power loss now, in *out, which held nothing. */
void sim_image(const struct sim *sim, uint64_t seed, enum sim_mode mode, struct sim *out);
/* The disk that the next process finds when this one dies now, but the host does not. What is in
 * flight has landed, lands while the next process works, or never does, whole or in part. */
void sim_late(const struct sim *sim, struct sim *out, uint64_t seed);
/* The same disk once more, without open files. Images of it are as those of `sim`; what is in
 * flight never lands. */
void sim_copy(const struct sim *sim, struct sim *out);

/* Flips a bit (0-7) of a byte, on the disk and as it is read. 0, -ENOENT; -ERANGE: not in it. */
int sim_flip(struct sim *sim, const char *name, uint64_t byte, unsigned bit);
/* Calls each() with every file, in the order of their names, until it returns non-zero: returns
 * that. */
int sim_each_file(const struct sim *sim,
		  int (*each)(void *context, const char *name, uint64_t bytes), void *context);
/* Whether a reader finds the same names, sizes and bytes on both. Fast where they share. */
bool sim_same(const struct sim *a, const struct sim *b);
/* Bytes that files take. */
uint64_t sim_used(const struct sim *sim);

#endif
