/* SPDX-License-Identifier: MIT */
/*
 * disk.h - what is on the simulated disk: files, names, and for each what is durable and what came
 * later.
 *
 * A file has the bytes that a reader sees, the bytes that are durable, and between them its changes
 * in the order in which they completed. Of a change PENDING   may have taken place or not, until a
 * sync covers it; LOST      stood there when a sync failed: may have taken place or not, for ever;
 *   CERTAIN   took place: it is durable, but one before it is not settled, so it cannot be merged
 * yet. The durable bytes and all changes give the visible ones. With no changes both are the same.
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "io_sim.h"
#include "pages.h"
#include "rng.h"

enum state { PENDING, LOST, CERTAIN };

/* Bytes of a write, held by all disks on which it is not settled. */
struct blob {
	unsigned holders;
	size_t bytes;
	unsigned char data[];
};

struct blob *blob_new(const void *from, size_t bytes);
struct blob *blob_hold(struct blob *b);
void blob_drop(struct blob *b);

enum change_kind {
	CHANGE_WRITE,
	CHANGE_CUT,  /* to `end` */
	CHANGE_GROW, /* by a hole */
	CHANGE_BACK, /* no holes below `end` */
};

struct change {
	enum change_kind kind;
	enum state state;
	uint64_t clock; /* when it completed */
	uint64_t end;   /* the file is at least so large afterwards; after a cut at most */
	uint64_t at;    /* of the blob: whole sectors, as the disk knows no less */
	struct blob *blob;
};

struct inode {
	unsigned holders; /* disks: copied when one of several writes */
	uint64_t size, durable_size;
	struct pages visible, durable;
	struct change *change;
	size_t changes;
};

struct sim_entry {
	char name[SIM_NAME_MAX + 1];
	uint32_t inode;
};

/* `name` is now `inode`, and nothing else is (a rename: the old name is gone), or no longer there.
 */
struct entry_change {
	struct sim_entry entry;
	enum state state;
	bool removed;
};

struct sim_handle {
	bool open;
	uint32_t inode;
	unsigned flags; /* enum io_flags */
	const struct io *owner;
};

/* A write or a sync between submission and completion. */
struct flight {
	uint32_t inode;
	int file;
	bool sync, durable;
	uint64_t tag;
	uint64_t at;
	struct blob *blob; /* as the bytes were at submission */
	const void *from;
	uint64_t clock; /* of submission */
	int error;      /* what it will end with: 0, -errno, SIM_SHORT */
	uint64_t due;   /* late ones: the operation before which it lands */
};

/* ---- files --------------------------------------------------------------------------- */

/* For writing. */
struct inode *inode_own(struct sim *sim, uint32_t number);
uint32_t inode_new(struct sim *sim);
struct inode *inode_hold(struct inode *i);
void inode_drop(struct inode *i);
/* Forgets what no name, no open file and nothing in flight stands for. */
void inodes_sweep(struct sim *sim);

/* The write as a change of whole sectors; the file itself stays. */
struct change change_of_write(const struct inode *i, const struct blob *b, uint64_t at);
void change_apply(const struct change *c, struct pages *to, uint64_t *size);

/* The change completes: readers see it. Takes over its blob. */
void inode_change(struct sim *sim, uint32_t number, struct change c, enum state state);
/* What completed before `clock` is durable. */
void inode_sync(struct sim *sim, uint32_t number, uint64_t clock);
/* A sync failed. */
void inode_lose(struct sim *sim, uint32_t number);
/* What was lost is on the disk or not, and a reader that goes past the page cache sees which. Unless something else of the
 * file is open. */
void inode_reveal(struct sim *sim, uint32_t number); /* image.c */

/* ---- names --------------------------------------------------------------------------- */

struct sim_entry *dir_find(const struct sim_dir *d, const char *name);
void dir_copy(struct sim_dir *to, const struct sim_dir *from);
void dir_apply(struct sim_dir *d, const struct entry_change *c);
void dir_change(struct sim *sim, const char *name, uint32_t inode, bool removed);
void dir_sync(struct sim *sim);
void dir_lose(struct sim *sim);

/* ---- in flight ----------------------------------------------------------------------- */

/* Adds a copy of `f`, without a caller, to what lands late. */
void late_add(struct sim *sim, const struct flight *f, uint64_t due);
/* How `f`, whose process died, goes on: adds it or forgets it, whole or in part. */
void late_orphan(struct sim *sim, const struct flight *f, struct rng *r);
/* Lands what is due. */
void late_land(struct sim *sim);

#endif
