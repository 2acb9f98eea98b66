/* SPDX-License-Identifier: MIT */
/* lag.c - a subscriber that is far behind catches up from disk, and others go on beside it. */
#include "lag.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "disk.h"
#include "live.h"
#include "store.h"

#define MEMORY (64u << 20) /* what the topic is given; */
#define SLACK  (8u << 20)  /* the runtime directory has some more: rings, sessions, groups */
#define ALONE_NS 2000000000u

const enum lag_figure lag_catch_up = LAG_CATCH_UP, lag_disk_read = LAG_DISK_READ, lag_beside_rate = LAG_BESIDE_RATE,
		      lag_alone_rate = LAG_ALONE_RATE, lag_beside_p99 = LAG_BESIDE_P99, lag_alone_p99 = LAG_ALONE_P99;

/* ---- what the runtime directory takes ---- */

static uint64_t blocks;

static int blocks_add(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)path;
	(void)where;
	if (type == FTW_F)
		blocks += (uint64_t)st->st_blocks;
	return 0;
}

struct watcher {
	pid_t pid;
	uint64_t *most; /* bytes; shared */
};

/* A process that looks again and again. */
static int watcher_start(struct bench *b, struct watcher *w)
{
	w->most = shared_alloc(sizeof *w->most);
	fflush(NULL);
	w->pid = w->most ? fork() : -1;
	if (w->pid < 0)
		return complain("the memory cannot be watched");
	for (; w->pid == 0; nap(20000000)) {
		blocks = 0;
		nftw(b->broker_dir, blocks_add, 16, FTW_PHYS);
		*w->most = blocks * 512 > *w->most ? blocks * 512 : *w->most;
	}
	return 0;
}

static int watcher_end(struct watcher *w)
{
	uint64_t most = *w->most;

	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	shared_free(w->most, sizeof *w->most);
	if (most == 0)
		return complain("the memory was not watched");
	return most <= MEMORY + SLACK ? 0
				      : complain("the topic was given %u MiB of memory, the runtime directory took %llu",
						 MEMORY >> 20, (unsigned long long)most >> 20);
}

/* ---- the one that is behind ---- */

static int catch_up(struct bench *b, const struct store *s, uint64_t lines, double *rate)
{
	static const struct command subscribe = {.words = {"mqsub", "-q", "-o", "beginning", "-c", "@lines", "@topic"}};
	struct commands running = COMMANDS_NONE;
	uint64_t whole = b->input_lines, start;
	int rc = disk_forget(s->dir, "");

	if (rc)
		return rc;
	start = now_ns();
	b->input_lines = lines;
	command_start(b, &running, &subscribe);
	b->input_lines = whole;
	rc = commands_wait(&running, NULL);
	*rate = (double)(lines * LINE_BYTES) * 1e9 / (double)(now_ns() - start);
	return rc;
}

static int beside(struct bench *b, const struct store *s, uint64_t lines, double found[LAG_FIGURES])
{
	struct live *l = live_start(b, BENCH_TOPIC);
	double rate[2], p99[2], unused;
	int rc;

	if (!l)
		return -1;
	live_phase(l);
	nap(ALONE_NS);
	live_phase(l);
	rc = catch_up(b, s, lines, &unused);
	if (live_end(l, rate, p99))
		rc = -1;
	found[LAG_ALONE_RATE] = rate[0];
	found[LAG_BESIDE_RATE] = rate[1];
	found[LAG_ALONE_P99] = p99[0];
	found[LAG_BESIDE_P99] = p99[1];
	return rc;
}

static int all_measure(struct bench *b, const struct store *s, double found[LAG_FIGURES])
{
	struct watcher w;
	uint64_t lines;
	int rc;

	if (store_topic(b, BENCH_TOPIC, MEMORY) || store_fill(b, b->behind_bytes, &lines))
		return -1;
	if (disk_read_rate(s->dir, "journal.", &found[LAG_DISK_READ]) || watcher_start(b, &w))
		return -1;
	rc = catch_up(b, s, lines, &found[LAG_CATCH_UP]) || beside(b, s, lines, found);
	return watcher_end(&w) || rc ? -1 : 0;
}

int lag_run(struct bench *b, const void *figure, double *value)
{
	static double found[LAG_FIGURES];
	const enum lag_figure *which = figure;
	struct store store;
	int rc = 0;

	if (*which == LAG_CATCH_UP) {
		rc = store_begin(b, &store);
		if (rc == 0)
			rc = all_measure(b, &store, found);
		if (store_end(b, &store))
			rc = -1;
	}
	*value = found[*which];
	return rc;
}
