/* SPDX-License-Identifier: MIT */
/* bench.h - what the parts of the benchmark share: the place it works in, errors, time,
 * statistics, topics. */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shmq.h"

#define BENCH_PATH     512
#define BENCH_RUNS_MAX 1000

struct bench {
	char broker_dir[BENCH_PATH]; /* on tmpfs */
	char work_dir[BENCH_PATH];   /* sockets, the input file */
	char store_dir[BENCH_PATH];  /* runtime directory of the broker that has a store, on tmpfs */
	char disk_dir[BENCH_PATH];   /* stores, and what is measured of the disk itself */
	char bin_dir[BENCH_PATH];    /* the tools under test */
	char input[BENCH_PATH];      /* "" until a row needs it */
	uint64_t input_bytes, input_lines;
	uint64_t behind_bytes; /* how much stands in the store of the rows that read it; 0: as the input */
	uint64_t run_ns; /* how long one run of a C row moves data */
	int cpus[2];     /* the two sides of a C row; the same one twice: not pinned */
	shmq *broker;    /* the runner's own handle: topics are created and counted with it */
};

/* ---- bench.c ---- */

/* Prints one line on stderr; always -1, so that "return complain(...)" reads well. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
int complain_errno(const char *format, ...) __attribute__((format(printf, 1, 2))); /* and why */

int complain_result(const shmq *broker, int result); /* of a subscriber */

uint64_t now_ns(void); /* CLOCK_MONOTONIC: the same in every process */
void nap(uint64_t ns);

struct summary {
	double median, min, max;
	unsigned n;
};
struct summary summarise(double *values, unsigned n); /* sorts values */

/* Zeroed memory that stays shared over fork(). NULL: said why. */
void *shared_alloc(size_t bytes);
void shared_free(void *memory, size_t bytes);

/* Topics that are fresh for each run. */
int topic_fresh(struct bench *b, const char *name);
int topic_fresh_with(struct bench *b, const char *name, const struct shmq_topic_options *options);
int topic_drop(struct bench *b, const char *name);
int topic_count_check(struct bench *b, const char *name, uint64_t messages);

/* ---- machine.c ---- */

void machine_print(void);
void machine_print_disk(const char *path); /* the filesystem there, and whether it is one on a disk */
int machine_cpus(int cpus[2]);           /* how many (1 or 2) distinct ones it found */
uint64_t machine_memory_available(void); /* bytes; 0: unknown */

/* ---- workspace.c ---- */

/* Makes all directories (disk_dir says below which its own is to be), runs work(b, context) in a process group of its own and removes
 * everything afterwards, also when a signal ends it. Returns the exit status; does not return
 * from a signal. */
int workspace_run(struct bench *b, int (*work)(struct bench *b, void *context), void *context);

/* Removes a directory with all that is in it. -1: said why. */
int tree_remove(const char *path);

/* ---- input.c ---- */

#define LINE_BYTES 100 /* with its newline */

/* The input file, written and in the page cache. Once. */
int input_prepare(struct bench *b);

#endif
