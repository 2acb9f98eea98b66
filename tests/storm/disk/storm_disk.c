/* SPDX-License-Identifier: MIT */
/* storm_disk.c - rounds of a storm over topics on disk, and their verdict. */
#include "disk.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

#define ROUND_SECONDS 8u
#define DRAIN_MS      30000u /* without any progress: no machine is as slow as this */

static bool keep;

static void must(const char *what, int result)
{
	if (result == 0)
		return;
	printf("Bail out! %s: %d %s\n", what, result, q != NULL ? shmq_error(q) : "");
	exit(1);
}

/* ---- before --------------------------------------------------------------------------- */

static void group_make(struct rng *r, enum job job)
{
	struct shmq_group_options g = {.mode = job == ORDERED ? SHMQ_GROUP_ORDERED : SHMQ_GROUP_SHARED,
	                               .retries = 250,
	                               .lease_ns = lease_ns,
	                               .window = 64u << rng_below(r, 5),
	                               .returns_rows = rng_one_in(r, 2) ? 64 : 4096,
	                               .returns_bytes = 1 << 20,
	                               .backoff_ns = 1000000,
	                               .backoff_max_ns = 50000000};
	struct shmq_consume_options c = {.options = &g};
	shmq_group *group;

	must("shmq_group_open", shmq_group_open(q, topic_names[group_topics[job]], group_names[job], &c, &group, NULL));
	must("shmq_group_sync", shmq_group_sync(group, SHMQ_FOREVER));
	shmq_group_close(group);
}

/* A group makes its topic durable; `log` has none: its first message does. */
static void first_publish(void)
{
	struct shmq_pub_options o = {.flags = SHMQ_PUB_NO_CREATE};
	uint32_t id = 4 * IDS;
	char body[BODY_MAX];
	struct shmq_message m = {.value = body, .value_len = message_make(body, id), .partition = (int)partition_of(id)};
	shmq_pub *p;

	must("shmq_pub_open", shmq_pub_open(q, topic_names[LOG], &o, &p, NULL));
	must("shmq_pub_send", shmq_pub_send(p, &m));
	must("shmq_pub_sync", shmq_pub_sync(p));
	board->notes[id].sent = board->notes[id].durable = 1;
	board->next[4] = 1;
	shmq_pub_close(p);
}

static void topics_make(struct rng *r)
{
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_CREATE};
	uint64_t end = now_ms() + DRAIN_MS;
	int e;

	must("shmq_open", shmq_open(&q, &o));
	for (enum topic i = 0; i < TOPICS; i++) {
		struct shmq_topic_options t = {.partitions = PARTITIONS,
		                               .slots = 32u << rng_below(r, 6),
		                               .pool_bytes = i == LOG ? 1u << 20 : (uint64_t)(1 + rng_below(r, 3)) << 20,
		                               .storage = SHMQ_STORAGE_DISK,
		                               .retention = {.age_ns = SHMQ_FOREVER}};

		t.keep_bytes = t.pool_bytes >> rng_below(r, 5);
		while ((e = shmq_topic_create(q, topic_names[i], &t)) == SHMQ_EDAEMON && now_ms() < end)
			usleep(2000);
		must("shmq_topic_create", e);
	}
	for (enum job j = 0; j < JOBS; j++)
		group_make(r, j);
	first_publish();
	shmq_close(q);
	q = NULL;
}

/* ---- after ---------------------------------------------------------------------------- */

static bool publishers_run(void)
{
	for (unsigned i = 0; i < PUBLISHERS; i++)
		if (board->workers[i].pid != 0)
			return true;
	return false;
}

static void say_where(void)
{
	left_say();
	for (unsigned i = 0; i < WORKERS; i++)
		printf("# worker %u: pid %d, %s, %llu steps\n", i, (int)board->workers[i].pid, board->workers[i].doing,
		       (unsigned long long)board->workers[i].steps);
	fflush(stdout);
	if (keep)
		pause();
}

/* Nobody is disturbed any more: all that is left comes to its end. */
static void drain(struct chaos *c)
{
	uint64_t end = now_ms() + DRAIN_MS, least = UINT64_MAX, left;

	board->stop_publishing = true;
	for (enum topic t = 0; t < TOPICS; t++) {
		shmq_close(q);
		broker_open(t);
	}
	while (((left = left_everywhere()) > 0 || publishers_run()) && board->violations == 0) {
		if (left < least) {
			least = left;
			end = now_ms() + DRAIN_MS;
		}
		if (now_ms() > end) {
			violation("it does not come to an end");
			say_where();
			break;
		}
		look_for_ended(c, true);
		usleep(5000);
	}
	board->stop_consuming = true;
	for (unsigned i = 0; i < WORKERS; i++) {
		if (board->workers[i].pid == 0)
			continue;
		if (board->violations > 0)
			kill(board->workers[i].pid, SIGKILL);
		worker_reap(c, i, false);
	}
}

/* Everything is durable: it is all there without the memory, too. */
static void lose_once_more(struct chaos *c)
{
	shmq_close(q);
	q = NULL;
	memory_lose(c);
	daemon_start(c);
	board->stop_consuming = false; /* broker_open() waits */
	for (enum topic t = 0; t < TOPICS; t++) {
		shmq_close(q);
		broker_open(t);
	}
}

/* Nothing was damaged, and no disk failed: mqd has nothing of that to say. */
static void log_check(void)
{
	static const char *const bad[] = {"damage", "missing", "going on in another", "cannot", "contradict", "telling"};
	char path[PATH_BYTES + 16], line[1024];
	FILE *f;

	snprintf(path, sizeof path, "%s.log", store);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
			if (strstr(line, bad[i]) != NULL) {
				violation("%s", line);
				break;
			}
	if (f != NULL)
		fclose(f);
}

static void say_figures(const struct chaos *c, uint64_t seed, unsigned number, uint64_t drained_ms)
{
	uint64_t durable = 0, flushed = 0;

	for (uint32_t id = 0; id < ALL_IDS; id++) {
		durable += board->notes[id].durable;
		flushed += board->notes[id].flushed && !board->notes[id].durable;
	}
	printf("# seed %llu round %u, %s: mqd killed %u times, stopped %u, memory lost %u times, %u kills, %u stops\n",
	       (unsigned long long)seed, number, c->io, c->daemon_kills, c->daemon_stops, c->lost, c->kills, c->stops);
	printf("# %llu durable by %llu syncs, %llu flushed only; %llu deliveries, %llu again, %llu acks, %llu settled, "
	       "%llu group syncs, %llu timed out, %llu late, %llu given back, %llu dead; %llu passes of %llu; drained in %llu ms\n",
	       (unsigned long long)durable, (unsigned long long)board->syncs, (unsigned long long)flushed,
	       (unsigned long long)board->deliveries, (unsigned long long)board->redeliveries,
	       (unsigned long long)board->acks, (unsigned long long)board->settles,
	       (unsigned long long)board->group_syncs, (unsigned long long)board->sync_timeouts,
	       (unsigned long long)board->lates, (unsigned long long)board->retries, (unsigned long long)board->deads,
	       (unsigned long long)board->passes, (unsigned long long)board->reread, (unsigned long long)drained_ms);
}

/* ---- rounds --------------------------------------------------------------------------- */

static void places_make(char work[PATH_BYTES / 2])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(work, PATH_BYTES / 2, "%.40s/shmq-storm-XXXXXX", tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
	snprintf(dir, sizeof dir, "/dev/shm/shmq-storm-XXXXXX");
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (board == MAP_FAILED || mkdtemp(dir) == NULL || mkdtemp(work) == NULL)
		must("memory", -errno);
	snprintf(store, sizeof store, "%s/store", work);
	setenv("MQ_STORE", store, 1);
}

static bool round_run(struct chaos *c, uint64_t seed, unsigned number, unsigned seconds)
{
	char work[PATH_BYTES / 2];
	uint64_t drained_ms;
	unsigned wrong;

	c->rng = rng_part(seed, number);
	places_make(work);
	lease_ns = (int64_t)(200 + rng_below(&c->rng, 300)) * 1000000;
	board->pipelined = rng_one_in(&c->rng, 2);
	c->losses = !rng_one_in(&c->rng, 6);
	c->calm = rng_one_in(&c->rng, 6) ? 1 : rng_one_in(&c->rng, 4) ? 40 : rng_one_in(&c->rng, 2) ? 400 : 4000;
	c->kills = c->stops = c->daemon_kills = c->daemon_stops = c->lost = 0;
	daemon_start(c);
	topics_make(&c->rng);
	workers_start(c);
	rage(c, seconds);
	drained_ms = now_ms();
	drain(c);
	drained_ms = now_ms() - drained_ms;
	if (board->violations == 0 && rng_one_in(&c->rng, 2))
		lose_once_more(c);
	if (board->violations == 0)
		judge();
	shmq_close(q);
	q = NULL;
	daemon_kill(c);
	log_check();
	wrong = board->violations;
	say_figures(c, seed, number, drained_ms);
	ok(wrong == 0, "round %u on disk, %s: nothing durable lost, nothing unexpected, every input once at the end", number,
	   c->io);
	for (unsigned i = 0; i < wrong && i < 8; i++)
		printf("# %s\n", board->violation[i]);
	if (wrong != 0 && keep)
		printf("# kept: %s %s\n", dir, work);
	fflush(stdout);
	if (wrong == 0 || !keep) {
		tree_remove(dir);
		tree_remove(work);
	}
	munmap(board, sizeof *board);
	return wrong == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'},  {"seconds", 1, NULL, 't'}, {"round", 1, NULL, 'r'},
	                                        {"keep", 0, NULL, 'k'},  {"io", 1, NULL, 'i'},      {"mqd", 1, NULL, 'm'},
	                                        {NULL, 0, NULL, 0}};
	struct chaos chaos = {.mqd = "build/bin/mqd", .io = "auto"};
	unsigned seconds = 8, number = 0, first = 0;
	uint64_t seed = 0, end;
	int c;

	if (getrandom(&seed, 4, 0) < 0)
		seed = (uint64_t)time(NULL);
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 't')
			seconds = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'r')
			first = number = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'k')
			keep = true;
		else if (c == 'i')
			chaos.io = optarg;
		else if (c == 'm')
			chaos.mqd = optarg;
		else
			return 64;
	}
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	end = now_ms() + seconds * 1000u;
	for (;;) {
		uint64_t now = now_ms(), left = now < end ? (end - now) / 1000 : 0;

		if (number > first && left < ROUND_SECONDS / 2)
			break;
		if (!round_run(&chaos, seed, number++, left < ROUND_SECONDS ? (unsigned)left : ROUND_SECONDS))
			break;
	}
	return done();
}
