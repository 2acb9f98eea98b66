/* SPDX-License-Identifier: MIT */
/* idle.c - what mqd and a subscriber do when there is nothing to do, counted by the kernel. */
#include "idle.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "store.h"

#define SETTLE_NS 3000000000u /* until what a start and the first messages leave to be done is done */

const enum idle_figure idle_mqd_ticks = IDLE_MQD_TICKS, idle_mqd_wakeups = IDLE_MQD_WAKEUPS;
const enum idle_figure idle_mqsub_ticks = IDLE_MQSUB_TICKS, idle_mqsub_wakeups = IDLE_MQSUB_WAKEUPS;

struct spent {
	uint64_t ticks, switches;
};

static int ticks_add(const char *path, struct spent *spent)
{
	FILE *f = fopen(path, "re");
	uint64_t user, system;
	int n = f ? fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, &user, &system)
		  : 0;

	if (f)
		fclose(f);
	if (n != 2)
		return complain("%s cannot be read", path);
	spent->ticks += user + system;
	return 0;
}

static int switches_add(const char *path, struct spent *spent)
{
	FILE *f = fopen(path, "re");
	uint64_t n;
	char line[256];

	if (!f)
		return complain_errno("%s", path);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &n) == 1)
			spent->switches += n;
	fclose(f);
	return 0;
}

/* Over all threads of the process. */
static int spent_read(pid_t pid, struct spent *spent)
{
	char path[128];
	struct dirent *entry;
	DIR *d;
	int rc = 0;

	*spent = (struct spent){0};
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	d = opendir(path);
	if (!d)
		return complain_errno("%s", path);
	while (rc == 0 && (entry = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%.20s/stat", (int)pid, entry->d_name);
		rc = ticks_add(path, spent);
		snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)pid, entry->d_name);
		if (rc == 0)
			rc = switches_add(path, spent);
	}
	closedir(d);
	return rc;
}

static int watch(pid_t mqd, pid_t mqsub, double found[4])
{
	struct spent before[2], after[2];
	double ticks = (double)sysconf(_SC_CLK_TCK) / 100; /* ticks of 10 ms are meant */

	nap(SETTLE_NS);
	if (spent_read(mqd, &before[0]) || spent_read(mqsub, &before[1]))
		return -1;
	nap(IDLE_SECONDS * 1000000000ull);
	if (spent_read(mqd, &after[0]) || spent_read(mqsub, &after[1]))
		return -1;
	for (int i = 0; i < 2; i++) {
		found[2 * i] = (double)(after[i].ticks - before[i].ticks) / ticks;
		found[2 * i + 1] = (double)(after[i].switches - before[i].switches) / IDLE_SECONDS;
	}
	return 0;
}

/* A topic that was in use: something was published, and read. */
static int both_watch(struct bench *b, const struct store *s, double found[4])
{
	static const struct command subscribe = {.words = {"mqsub", "@topic"}};
	static const struct command publish = {.words = {"mqpub", "-a", "disk", "-m", "hello", "@topic"}};
	struct commands beside = COMMANDS_NONE, once = COMMANDS_NONE;
	int rc = command_start(b, &beside, &subscribe);

	if (rc == 0) {
		pid_t pid = beside.pids[0];
		int status;

		/* not with commands_wait(): that would wait for any child */
		rc = command_start(b, &once, &publish);
		if (rc == 0 && (waitpid(once.pids[0], &status, 0) < 0 || status))
			rc = complain("mqpub failed");
		if (rc == 0)
			rc = watch(s->mqd, pid, found);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return rc;
}

int idle_run(struct bench *b, const void *figure, double *value)
{
	static double found[4];
	const enum idle_figure *which = figure;
	struct store store;
	int rc = 0;

	if (*which == IDLE_MQD_TICKS) {
		rc = store_begin(b, &store);
		if (rc == 0)
			rc = store_topic(b, BENCH_TOPIC, 0);
		if (rc == 0)
			rc = both_watch(b, &store, found);
		if (store_end(b, &store))
			rc = -1;
	}
	*value = found[*which];
	return rc;
}
