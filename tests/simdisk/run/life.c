/* SPDX-License-Identifier: MIT */
/* life.c - mqd on its disk: begun, stepped, killed, stopped; and the power, that goes at any operation. */
#include "run.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "publish.h"

#define KILLED     1000
#define STEP_NS    20000000 /* between two looks of an mqd that is waited for */
#define QUIET_MOST 600u

static volatile sig_atomic_t never;

/* ---- directories -------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static void directories_make(struct run *r)
{
	snprintf(r->dir, sizeof r->dir, "%s/%d.%u.run", r->base, (int)getpid(), r->lives);
	snprintf(r->store, sizeof r->store, "%s/%d.%u.store", r->base, (int)getpid(), r->lives);
	r->lives++;
	if (mkdir(r->dir, 0700) < 0 || mkdir(r->store, 0700) < 0)
		failed(r, "making %s: %s", r->dir, strerror(errno));
}

static void directories_remove(const struct run *r)
{
	nftw(r->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	nftw(r->store, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- what is durable now ------------------------------------------------------------- */

static void log_poll(struct entries *l, uint64_t durable)
{
	for (uint32_t i = l->count; i-- > 0;) {
		struct entry *e = &l->at[i];

		if (e->lost)
			continue;
		if (e->durable)
			break;
		e->durable = e->position <= durable;
	}
}

/* What shared memory says is durable is promised from now on. */
static void poll_durable(struct run *r)
{
	for (unsigned i = 0; i < r->account.topics; i++) {
		shmq_pub *p = r->client[0].pub[i];

		if (p == NULL || r->account.topic[i].lost)
			continue;
		for (unsigned n = 0; n < PARTITIONS; n++) {
			struct durable d = topic_durable(&p->topic, n);

			log_poll(&r->account.topic[i].log[n], durable_position(&d));
		}
	}
	if (r->server.daemon != NULL)
		account_round_durable(&r->account, load_seq(&r->server.daemon->rounds_durable));
}

/* ---- crash points --------------------------------------------------------------------- */

static int at_operation(void *context, struct sim *sim, uint64_t op);

static void disk_watch(struct run *r)
{
	r->disk.at = at_operation;
	r->disk.context = r;
	r->disk.late_ops = r->plan.late_ops;
	r->disk.interrupt = 7;
}

void life_next_crash(struct run *r)
{
	r->crash_at = r->disk.ops + 1 + rng_below(&r->crash_rng, 2 * r->plan.gap);
}

static int newest_snapshot(void *context, const char *name)
{
	char *newest = context;

	if (strncmp(name, "snapshot.0", 10) == 0 && strcmp(name, newest) > 0)
		snprintf(newest, 64, "%s", name);
	return 0;
}

/* Two are kept, and the journal from the older one on: one that rots costs nothing. */
static void snapshot_rots(struct run *r)
{
	char name[64] = "";
	struct io *io;

	sim_open(&r->disk, &io);
	r->disk.at = NULL;
	r->disk.fault = (struct sim_fault){0};
	io->ops->list(io, newest_snapshot, name);
	io->ops->free(io);
	r->rotten = name[0] != '\0' && sim_flip(&r->disk, name, rng_below(&r->crash_rng, 64), rng_below(&r->crash_rng, 8)) == 0;
	if (r->rotten)
		trail_add(r, ", %s damaged", name);
}

/* In a process of its own, from here on. */
__attribute__((noreturn)) static void power_lost(struct run *r, uint64_t op)
{
	static const char *const names[] = {"old", "new", "mixed", "garbage"};
	enum sim_mode mode = (enum sim_mode)rng_below(&r->crash_rng, 4);
	uint64_t seed = rng_u64(&r->crash_rng);
	bool in_begin = !r->serving;
	struct sim image;

	memory_fail_at = 0;
	trail_add(r, " > op %llu (%s%s): power, %s", (unsigned long long)op, r->disk.doing != NULL ? r->disk.doing : "",
	          in_begin ? ", while starting" : "", names[mode]);
	tally->images++;
	tally->in_recovery += in_begin;
	sim_image(&r->disk, seed, mode, &image);
	r->disk = image; /* the old one is the parent's */
	r->depth++;
	r->rng = rng_part(seed, 1);
	r->crash_rng = rng_part(seed, 2);
	if (!r->rotten && rng_one_in(&r->crash_rng, 8))
		snapshot_rots(r);
	r->plan.gap = 25;
	r->plan.images = 1;
	r->plan.steps = r->depth == 1 ? 40 : 15;
	r->plan.io_fails = r->plan.io_fails && rng_one_in(&r->rng, 2);
	life_after_power(r);
	if (r->depth < DEPTH || rng_one_in(&r->rng, 2))
		for (unsigned i = 0; i < r->plan.steps; i++)
			act(r);
	life_quiet(r);
	verify(r, SINCE_KILL);
	verify_deliveries(r);
	directories_remove(r);
	fflush(stdout);
	_exit(0);
}

static void power_loss(struct run *r, uint64_t op)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		power_lost(r, op);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		failed(r, "fork: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	if (WIFSIGNALED(status))
		failed(r, "op %llu: power loss: died of signal %d", (unsigned long long)op, WTERMSIG(status));
	_exit(1); /* told */
}

static int at_operation(void *context, struct sim *sim, uint64_t op)
{
	struct run *r = context;

	tally->operations++;
	if (op < r->crash_at || sim->changes == r->changes || r->depth >= DEPTH || tally->images >= r->images_most)
		return 0;
	r->changes = sim->changes;
	life_next_crash(r);
	if (r->depth > 0) /* a tree, not a forest */
		r->crash_at = rng_one_in(&r->crash_rng, 3) ? r->crash_at : UINT64_MAX;
	poll_durable(r);
	for (unsigned i = 0; i < r->plan.images; i++) {
		if (i > 0) /* each its own dice */
			rng_u64(&r->crash_rng);
		power_loss(r, op);
		rng_u64(&r->crash_rng);
	}
	if (r->plan.kills && r->in_server && rng_one_in(&r->crash_rng, 5)) {
		trail_add(r, " > op %llu (%s): killed", (unsigned long long)op, sim->doing != NULL ? sim->doing : "");
		longjmp(r->killed, 1);
	}
	return 0;
}

/* ---- mqd ------------------------------------------------------------------------------ */

static void say(void *context, enum say_level level, const char *sentence)
{
	struct run *r = context;

	if (verbose)
		printf("# mqd: %s\n", sentence);
	if (level == SAY_WARNING && !r->faulty && !(r->rotten && strncmp(sentence, "snapshot.", 9) == 0) &&
	    (strstr(sentence, "damaged") != NULL || strstr(sentence, "missing") != NULL))
		failed(r, "mqd finds damage where there is none: %s", sentence);
}

/* A step of mqd: what it returns, or KILLED. */
static int guarded(struct run *r, int (*step)(struct run *r))
{
	volatile int result = KILLED;

	r->in_server = true;
	if (setjmp(r->killed) == 0)
		result = step(r);
	r->in_server = false;
	return result;
}

static int step_begin(struct run *r)
{
	int result = server_begin(&r->server, &r->options);

	if (r->plan.crowded) /* all others are parked, or forgotten, again and again */
		r->server.live.most = (struct live_use){.maps = 8};
	return result;
}

static int step_turn(struct run *r)
{
	return server_turn(&r->server);
}

static int step_finish(struct run *r)
{
	server_finish(&r->server);
	return 0;
}

/* What was in flight lands later, or never. */
static void disk_goes_on(struct run *r)
{
	uint64_t capacity = r->disk.capacity;
	struct sim next;

	sim_late(&r->disk, &next, rng_u64(&r->crash_rng));
	sim_free(&r->disk);
	r->disk = next;
	r->disk.capacity = capacity;
	disk_watch(r);
	life_next_crash(r);
	if (r->depth > 0)
		r->crash_at = UINT64_MAX;
	mirror_refresh(&r->disk, r->store);
}

/* As the kernel leaves it: nothing is closed in order, its session is dead, its memory is ours to forget. */
static void drop(struct run *r)
{
	struct server *s = &r->server;

	memory_fail_at = 0;
	if (s->q != NULL && s->q->session.held != NULL)
		munmap(s->q->session.held, PAGE);
	if (s->q != NULL && s->q->session.fd >= 0)
		close(s->q->session.fd);
	if (s->lockfd >= 0)
		close(s->lockfd);
	r->serving = false;
	*s = (struct server){.lockfd = -1, .storefd = -1};
	disk_goes_on(r);
	tally->kills++;
}

static void fault_set(struct run *r)
{
	static const int errors[] = {-EIO, -EIO, -ENOSPC, SIM_SHORT};

	r->disk.fault = (struct sim_fault){.at = r->disk.ops + 1 + rng_below(&r->rng, 40),
	                                   .error = errors[rng_below(&r->rng, 4)],
	                                   .for_ever = rng_one_in(&r->rng, 3)};
	if (r->disk.fault.error == SIM_SHORT)
		r->disk.fault.for_ever = false;
	else if (rng_one_in(&r->rng, 3))
		r->disk.fault.doing = "submit_sync";
	r->faulty = true;
	tally->faults++;
	if (verbose)
		printf("# fault at op %llu: %d%s%s%s\n", (unsigned long long)r->disk.fault.at, r->disk.fault.error,
		       r->disk.fault.for_ever ? ", for ever" : "", r->disk.fault.doing != NULL ? ", " : "",
		       r->disk.fault.doing != NULL ? r->disk.fault.doing : "");
}

static void memory_set(struct run *r)
{
	memory_fail_at = 1 + rng_below(&r->rng, 150);
	memory_for_ever = rng_one_in(&r->rng, 4);
	r->faulty = true;
	tally->faults++;
}

static void begin(struct run *r)
{
	for (unsigned tries = 0;; tries++) {
		int result;

		r->faulty = false;
		r->memory_left = 0;
		r->disk.fault = (struct sim_fault){0};
		if (r->plan.io_fails && tries < 3 && rng_one_in(&r->rng, 4))
			fault_set(r);
		else if (r->plan.memory_fails && tries < 3 && rng_one_in(&r->rng, 4))
			memory_set(r);
		r->options = (struct server_options){.dir = r->dir,
		                                     .store = r->store,
		                                     .segment_bytes = SEGMENT_MIN,
		                                     .never_sleep = true,
		                                     .stop = &never,
		                                     .say = say,
		                                     .context = r};
		uint64_t armed = memory_fail_at;
		memory_fail_at = 0;
		mirror_open(&r->disk, r->store, &r->options.disk);
		memory_fail_at = armed;
		result = guarded(r, step_begin);
		memory_fail_at = 0;
		if (result == 0)
			break;
		if (result == KILLED) {
			drop(r);
			continue;
		}
		if (result == SHMQ_ENOSPACE && r->plan.full)
			r->disk.capacity += SEGMENT_MIN; /* somebody makes room */
		else if (!r->faulty)
			failed(r, "mqd does not start: %d %s", result, r->server.error.text);
		if (verbose)
			printf("# mqd does not start: %d %s\n", result, r->server.error.text);
		server_end(&r->server);
		r->server = (struct server){.lockfd = -1};
		disk_goes_on(r);
	}
	r->serving = true;
	tally->recoveries++;
}

static void begin_again(struct run *r, enum since since)
{
	begin(r);
	verify(r, since);
}

/* One turn of mqd; false: it was begun again. */
static bool turn(struct run *r)
{
	int result;

	memory_fail_at = r->memory_left;
	result = guarded(r, step_turn);
	r->memory_left = memory_fail_at;
	memory_fail_at = 0;
	poll_durable(r);
	tally->full += !r->was_full && r->server.collector.frees_only;
	r->was_full = r->was_full || r->server.collector.frees_only;
	if (result == KILLED) {
		drop(r);
		begin_again(r, SINCE_KILL);
		return false;
	}
	if (result < 0) {
		if (!r->faulty)
			failed(r, "mqd stops: %d %s / %s", result, r->server.error.text, r->server.q->error.text);
		server_end(&r->server);
		r->server = (struct server){.lockfd = -1};
		r->serving = false;
		disk_goes_on(r);
		begin_again(r, SINCE_KILL);
		return false;
	}
	if (r->server.journal.broken && !r->faulty && !r->plan.full)
		failed(r, "the journal is broken: %s", strerror(r->server.journal.error));
	if (r->server.journal.broken && rng_one_in(&r->rng, 8)) {
		life_kill(r);
		return false;
	}
	if (r->serving && r->memory_left == 0 && r->plan.memory_fails && rng_one_in(&r->rng, 150)) {
		memory_set(r);
		r->memory_left = memory_fail_at;
		memory_fail_at = 0;
	} else if (r->plan.io_fails && r->disk.fault.at == 0 && rng_one_in(&r->rng, 150)) {
		fault_set(r);
	}
	return true;
}

void life_turns(struct run *r, unsigned turns)
{
	for (unsigned i = 0; i < turns; i++)
		turn(r);
}

void life_kill(struct run *r)
{
	trail_add(r, " > op %llu: killed between turns", (unsigned long long)r->disk.ops);
	poll_durable(r);
	drop(r);
	begin_again(r, SINCE_KILL);
}

/* ---- in order --------------------------------------------------------------------------- */

static bool is_quiet(const struct server *s)
{
	return !journal_busy(&s->journal) && !s->filled && !collect_has_work(&s->collector) && s->collector.round == 0 &&
	       !acks_marked(&s->collector) && s->carried >= s->image.commit && !acks_wanted(&s->collector);
}

/* What is in memory is what would be read. */
static void image_compare(struct run *r)
{
	struct column ours = {0}, read = {0};
	struct recovered found = {0};
	struct image image = {0};
	struct store_file id;
	struct error e = {0};
	struct sim copy;
	struct io *io;

	sim_copy(&r->disk, &copy);
	sim_open(&copy, &io);
	if (store_identify(&e, io, &id) != 0 || store_recover(&e, io, &id, 0, &image, &found) != 0)
		failed(r, "an idle mqd's store cannot be read: %s", e.text);
	if (image_write(&image, &read) != 0 || image_write(&r->server.image, &ours) != 0)
		failed(r, "no memory");
	if (image.commit != r->server.image.commit || ours.used != read.used || memcmp(ours.data, read.data, ours.used) != 0)
		failed(r, "mqd's state is not what it reads: commits %llu and %llu, %zu and %zu bytes",
		       (unsigned long long)r->server.image.commit, (unsigned long long)image.commit, ours.used, read.used);
	column_free(&ours);
	column_free(&read);
	recovered_free(&found);
	image_free(&image);
	io->ops->free(io);
	sim_free(&copy);
}

void life_quiet(struct run *r)
{
	for (unsigned i = 0; i < QUIET_MOST; i++) {
		clock_now_ns += STEP_NS;
		if (!turn(r))
			continue;
		if (is_quiet(&r->server))
			break;
	}
	if (r->faulty || r->plan.full || r->server.journal.broken)
		return;
	if (!is_quiet(&r->server))
		failed(r, "mqd does not come to rest: has_work %d, round %llu, marked %d, filled %d, pending %zu",
		       collect_has_work(&r->server.collector), (unsigned long long)r->server.collector.round,
		       acks_marked(&r->server.collector), r->server.filled, r->server.collector.pending_count);
	for (unsigned i = 0; i < r->account.topics; i++) {
		struct topic_record *t = &r->account.topic[i];

		t->durable = t->durable || !t->lost;
		t->deleted_durable = t->deleted;
		for (unsigned p = 0; p < PARTITIONS; p++)
			for (uint32_t k = 0; k < t->log[p].count && !t->deleted && !t->lost; k++)
				if (!t->log[p].at[k].durable && !t->log[p].at[k].lost && !t->log[p].at[k].purged)
					failed(r, "topic %u partition %u offset %llu is not durable, and mqd is idle", i, p,
					       (unsigned long long)t->log[p].at[k].offset);
	}
	image_compare(r);
}

void life_stop(struct run *r)
{
	int result;

	trail_add(r, " > op %llu: stopped", (unsigned long long)r->disk.ops);
	result = guarded(r, step_finish);
	poll_durable(r);
	if (result == KILLED) {
		drop(r);
		begin_again(r, SINCE_KILL);
		return;
	}
	server_end(&r->server);
	r->server = (struct server){.lockfd = -1};
	r->serving = false;
	disk_goes_on(r);
	tally->stops++;
	begin_again(r, SINCE_STOP);
}

void life_first(struct run *r)
{
	sim_make(&r->disk, r->plan.seed);
	r->images_most = tally->images + IMAGES_MOST;
	if (r->plan.full)
		r->disk.capacity = (5 + rng_below(&r->rng, 5)) << 20;
	disk_watch(r);
	life_next_crash(r);
	directories_make(r);
	begin(r);
	act_begin(r);
}

void life_after_power(struct run *r)
{
	act_forget(r);
	r->server = (struct server){.lockfd = -1};
	r->serving = false;
	r->changes = 0;
	r->disk.capacity = r->plan.full ? UINT64_C(64) << 20 : 0;
	disk_watch(r);
	life_next_crash(r);
	directories_make(r);
	mirror_refresh(&r->disk, r->store);
	begin(r);
	act_begin(r);
	verify(r, SINCE_POWER);
}

void life_end(struct run *r)
{
	life_quiet(r);
	verify(r, SINCE_KILL);
	verify_deliveries(r);
	directories_remove(r);
}
