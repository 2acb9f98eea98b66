/* SPDX-License-Identifier: MIT */
/* topics.c - what one message costs when there are many topics: one process publishes to all of them in turn, each
 * message linked alone. */
#include "topics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "store.h"
#include "stream.h"

#define MESSAGES    200000u
#define DESCRIPTORS 1000u  /* left for others */
#define MAPS        60000u /* vm.max_map_count is 65,530 */

const struct topics topics_1 = {.there = 1, .used = 1};
const struct topics topics_100 = {.there = 100, .used = 100};
const struct topics topics_10000 = {.there = 10000, .used = 10000};
const struct topics topics_10000_use_1 = {.there = 10000, .used = 1};
const struct topics topics_disk_1 = {.there = 1, .used = 1, .disk = true};
const struct topics topics_disk_100 = {.there = 100, .used = 100, .disk = true};
const struct topics topics_disk_10000 = {.there = 10000, .used = 10000, .disk = true};
const struct topics topics_disk_10000_use_1 = {.there = 10000, .used = 1, .disk = true};

static const char *topic_name(unsigned i)
{
	static char name[32];

	snprintf(name, sizeof name, "bench.topic%u", i);
	return name;
}

static uint32_t slots_for(uint64_t messages)
{
	uint32_t slots = 8;

	while (slots < messages)
		slots *= 2;
	return slots;
}

static int topic_make(struct bench *b, const struct topics *t, unsigned i)
{
	uint64_t messages = i < t->used ? MESSAGES / t->used + 1 : 1;
	struct shmq_topic_options options = {
	    .pool_bytes = messages > 3000 ? 64u << 20 : 1u << 20, /* nobody reads them: all must fit */
	    .slots = slots_for(messages + 1),
	    .storage = t->disk ? SHMQ_STORAGE_DISK : SHMQ_STORAGE_MEMORY,
	};

	return shmq_topic_create(b->broker, topic_name(i), &options)
		   ? complain("topic %s: %s", topic_name(i), shmq_error(b->broker))
		   : 0;
}

/* And one more, behind them, to try with. */
static int topics_make(struct bench *b, const struct topics *t)
{
	for (unsigned i = 0; i <= t->there; i++)
		if (topic_make(b, t, i))
			return -1;
	return 0;
}

/* Messages to n publishers in turn; on disk until all of them are durable. */
static int publish(struct bench *b, shmq_pub **p, unsigned n, uint64_t messages, bool disk, uint64_t *spent_ns)
{
	struct stream_message text;
	struct shmq_message m = {.value = text.bytes, .value_len = STREAM_BYTES, .partition = -1};
	uint64_t start = now_ns();
	unsigned next = 0;

	stream_message_init(&text);
	for (uint64_t i = 0; i < messages; i++) {
		stream_message_number(&text, i);
		if (shmq_pub_send(p[next], &m) || shmq_pub_flush(p[next]))
			return complain("publish: %s", shmq_error(b->broker));
		next = next + 1 == n ? 0 : next + 1;
	}
	for (unsigned i = 0; i < n && disk; i++)
		if (shmq_pub_sync(p[i]))
			return complain("publish: %s", shmq_error(b->broker));
	*spent_ns += now_ns() - start;
	return 0;
}

/* ---- how many at a time ---- */

static unsigned descriptors(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static unsigned maps(void)
{
	unsigned n = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	int c;

	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static int pub_open(struct bench *b, unsigned i, shmq_pub **p)
{
	return shmq_pub_open(b->broker, topic_name(i), NULL, p, NULL)
		   ? complain("topic %s: %s", topic_name(i), shmq_error(b->broker))
		   : 0;
}

/* As many publishers as this process can have open at the same time, by what one takes that has published. */
static int at_a_time(struct bench *b, const struct topics *t, unsigned *most)
{
	struct rlimit l;
	unsigned files = descriptors(), areas = maps(), by_files, by_maps;
	uint64_t unused = 0;
	shmq_pub *p;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	if (getrlimit(RLIMIT_NOFILE, &l))
		return complain_errno("getrlimit");
	if (pub_open(b, t->there, &p) || publish(b, &p, 1, 1, false, &unused))
		return -1;
	files = descriptors() - files;
	areas = maps() - areas;
	shmq_pub_close(p);
	by_files = l.rlim_cur > 2 * DESCRIPTORS && files ? (unsigned)(l.rlim_cur - DESCRIPTORS) / files : 100;
	by_maps = areas ? MAPS / (areas + 1) : t->used;
	if (files == 0)
		by_files = t->used;
	*most = by_files < by_maps ? by_files : by_maps;
	if (*most > t->used)
		*most = t->used;
	return 0;
}

/* ---- publishing ---- */

static int some_publish(struct bench *b, const struct topics *t, shmq_pub **p, unsigned first, unsigned n,
			uint64_t *spent_ns)
{
	unsigned open = 0;
	int rc = 0;

	while (open < n && rc == 0) {
		rc = pub_open(b, first + open, &p[open]);
		open += rc == 0;
	}
	if (rc == 0) /* what a first message to each costs: memory that was never touched */
		rc = publish(b, p, n, n, t->disk, &(uint64_t){0});
	if (rc == 0)
		rc = publish(b, p, n, MESSAGES / t->used * n, t->disk, spent_ns);
	while (open)
		shmq_pub_close(p[--open]);
	return rc;
}

static int all_publish(struct bench *b, const struct topics *t, double *seconds)
{
	shmq_pub **p = calloc(t->used, sizeof *p);
	uint64_t spent_ns = 0;
	unsigned most = 1;
	int rc = p ? at_a_time(b, t, &most) : complain("no memory");

	for (unsigned i = 0; i < t->used && rc == 0; i += most)
		rc = some_publish(b, t, p, i, t->used - i < most ? t->used - i : most, &spent_ns);
	free(p);
	*seconds = (double)spent_ns / 1e9 / (MESSAGES / t->used * t->used);
	for (unsigned i = 0; i < t->used && rc == 0; i++)
		rc = topic_count_check(b, topic_name(i), MESSAGES / t->used + 1);
	return rc;
}

int topics_run(struct bench *b, const void *what, double *seconds)
{
	const struct topics *t = what;
	struct store store;
	int rc = t->disk ? store_begin(b, &store) : store_begin_memory(b, &store);

	if (rc == 0)
		rc = topics_make(b, t) || all_publish(b, t, seconds) ? -1 : 0;
	return store_end(b, &store) ? -1 : rc;
}
