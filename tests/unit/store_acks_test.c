/* SPDX-License-Identifier: MIT */
/*
 * store_acks_test.c - what a message was made into, and that it is done: never the second without the first on disk, also
 * where mqd is not told of it by anybody else, and where it cannot look at it.
 */
#include "io_sim.h"
#include "group.h"
#include "recover_files.h"
#include "scratch.h"
#include "server.h"

#include <string.h>
#include <sys/resource.h>

static volatile sig_atomic_t stop;
static struct server server;
static struct sim disk;
static shmq *q;
static shmq_pub *in, *out;
static shmq_group *group;

static void quiet(void *context, enum found_kind kind, const char *sentence)
{
	(void)context, (void)kind, (void)sentence;
}

static bool publish_one(shmq_pub *p)
{
	struct shmq_message m = {.value = "value", .value_len = 5, .partition = -1};

	return shmq_pub_send(p, &m) == 0 && shmq_pub_flush(p) == 0;
}

/* As often as something is to be done at once; with a round of acks that nobody waits for. */
static void turns(unsigned n)
{
	while (n-- > 0) {
		server.round_ns = 0;
		server_turn(&server);
	}
}

static bool begin(const char *name)
{
	static char store[300];
	static struct server_options o;
	const struct shmq_topic_options disk_topic = {.storage = SHMQ_STORAGE_DISK, .pool_bytes = 1u << 20, .slots = 64};
	struct io *io;

	strcat(scratch, name);
	snprintf(store, sizeof store, "%s/lock", scratch);
	sim_make(&disk, 11);
	if (sim_open(&disk, &io) != 0)
		return false;
	o = (struct server_options){.dir = scratch, .store = store, .segment_bytes = 1u << 20, .stop = &stop, .never_sleep = true,
	                            .disk = io};
	if (server_begin(&server, &o) != 0 || shmq_open(&q, &(struct shmq_open_options){.dir = scratch}) != 0 ||
	    shmq_topic_create(q, "in", &disk_topic) != 0 || shmq_topic_create(q, "out", &disk_topic) != 0 ||
	    shmq_pub_open(q, "in", NULL, &in, NULL) != 0 || shmq_pub_open(q, "out", NULL, &out, NULL) != 0 ||
	    shmq_group_open(q, "in", "g", NULL, &group, NULL) != 0 || !publish_one(in))
		return false;
	turns(10);
	return true;
}

static void end(void)
{
	shmq_group_close(group);
	shmq_pub_close(in);
	shmq_pub_close(out);
	shmq_close(q);
	server_end(&server);
	sim_free(&disk);
}

static bool settle_one(void)
{
	struct shmq_message m = {.value = "made of it", .value_len = 10, .partition = -1};
	struct shmq_delivery d;

	return shmq_group_next(group, &d) == 0 && shmq_group_settle(group, &d, out, &m, 1, 0) == 0;
}

/* What a loss of power leaves: frames in `out`, and whether the message in `in` is done. */
static void left(uint64_t *made, bool *is_done)
{
	struct image image = {0};
	struct recovered r = {.found = quiet};
	struct store_file store;
	struct sim copy;
	struct error e;
	struct io *io;

	*made = UINT64_MAX;
	*is_done = false;
	sim_image(&disk, 5, SIM_OLD, &copy);
	sim_open(&copy, &io);
	if (store_identify(&e, io, &store) == 0 && store_recover(&e, io, &store, 0, &image, &r) == 0)
		for (size_t k = 0; k < image.topic_count; k++) {
			const struct image_topic *t = image.topics[k];

			if (strcmp(t->r.name, "out") == 0)
				*made = t->logs[0].end_position;
			for (size_t i = 0; i < t->group_count && strcmp(t->r.name, "in") == 0; i++)
				*is_done = *is_done || t->groups[i]->windows[0].floor > 0 || t->groups[i]->windows[0].count > 0;
		}
	image_free(&image);
	recovered_free(&r);
	io->ops->free(io);
	sim_free(&copy);
}

/* Another consumer of the group says that it has done something: mqd looks at all of its windows. */
static void ack_is_told(void)
{
	for (size_t k = 0; k < server.image.topic_count; k++)
		if (strcmp(server.image.topics[k]->r.name, "in") == 0)
			topic_mark(q->broker, &q->broker->acked, server.image.topics[k]->number);
}

static bool stops_here;
static uint64_t made_here;
static bool done_here;

/* Whoever settles is stopped behind the moment in which its message became done. */
void __real_lane_count(struct shmq_pub *p, struct pub_lane *l, uint64_t messages, uint64_t value_bytes);
void __wrap_lane_count(struct shmq_pub *p, struct pub_lane *l, uint64_t messages, uint64_t value_bytes);
void __wrap_lane_count(struct shmq_pub *p, struct pub_lane *l, uint64_t messages, uint64_t value_bytes)
{
	if (stops_here) {
		stops_here = false;
		ack_is_told();
		turns(10);
		left(&made_here, &done_here);
	}
	__real_lane_count(p, l, messages, value_bytes);
}

/* What is linked is marked before the message is done. */
static void marked(void)
{
	uint64_t made;
	bool is_done;

	ok(begin("/marked"), "a broker");
	left(&made, &is_done);
	ok(made == 0 && !is_done, "nothing was made, and nothing done");
	stops_here = true;
	ok(settle_one() && !stops_here, "a message is settled by one in another topic");
	ok(made_here == 1, "behind the moment in which it is done, what was made is on disk: %llu frames",
	   (unsigned long long)made_here);
	ok(done_here, "and that its message is done");
	end();
}

/* While the topic of what was made cannot be opened, nothing is said to be done. */
static void not_looked_at(void)
{
	struct rlimit few, all;
	uint64_t made;
	bool is_done;
	int fd;

	ok(begin("/limits"), "a broker");
	server.live.most = (struct live_use){.maps = 10, .fds = 1}; /* `in` with its group, and not `out`, too */
	publish_one(in);
	turns(10);
	ok(settle_one(), "a message is settled");
	ack_is_told();
	getrlimit(RLIMIT_NOFILE, &all);
	fd = dup(0);
	few = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = all.rlim_max};
	close(fd);
	setrlimit(RLIMIT_NOFILE, &few);
	turns(10);
	setrlimit(RLIMIT_NOFILE, &all);
	left(&made, &is_done);
	ok(made == 0 && !is_done, "without descriptors: nothing is on disk, and nothing done (%llu, %d)", (unsigned long long)made,
	   is_done);
	server.collector.stuck = false;
	server.collector.spoiled = false; /* a second later */
	turns(20);
	left(&made, &is_done);
	ok(made == 1 && is_done, "with them: both (%llu, %d)", (unsigned long long)made, is_done);
	end();
}

int main(void)
{
	size_t base;

	scratch_begin(300);
	base = strlen(scratch);
	marked();
	scratch[base] = '\0';
	not_looked_at();
	scratch[base] = '\0';
	return done();
}
