/* SPDX-License-Identifier: MIT */
/* storm.c - publishers, consumers and settlers that are killed and stopped all the time: rounds, and their verdict. */
#include "storm.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define ROUND_SECONDS 10u
#define DRAIN_MS      30000u /* without any progress: no machine is as slow as this */

const char *const topic_names[TOPICS] = {"in", "mid", "out", "work"};
struct board *board;
char dir[64];
int64_t lease_ns;

static shmq *q;
static struct rng rng;
static unsigned kills, stops;
static bool keep;

void violation(const char *format, ...)
{
	uint32_t n = board->violations++;
	va_list args;

	if (n >= sizeof board->violation / sizeof *board->violation)
		return;
	va_start(args, format);
	vsnprintf(board->violation[n], sizeof board->violation[n], format, args);
	va_end(args);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static void must(const char *what, int result)
{
	if (result == 0)
		return;
	printf("Bail out! %s: %d %s\n", what, result, q != NULL ? shmq_error(q) : "");
	exit(1);
}

/* ---- one round ------------------------------------------------------------------------ */

static void topics_make(void)
{
	static const char *const groups[][2] = {
	        {"in", "to-mid"}, {"mid", "to-out"}, {"out", "at-out"}, {"work", "shared"}, {"work", "ordered"}};
	struct shmq_open_options o = {.dir = dir, .flags = SHMQ_CREATE};
	struct shmq_topic_options t = {.partitions = PARTITIONS,
	                               .slots = 32u << rng_below(&rng, 6),
	                               .pool_bytes = (uint64_t)(1 + rng_below(&rng, 3)) << 20};

	must("shmq_open", shmq_open(&q, &o));
	for (unsigned i = 0; i < TOPICS; i++)
		must("shmq_topic_create", shmq_topic_create(q, topic_names[i], &t));
	for (unsigned i = 0; i < 5; i++) {
		struct shmq_group_options g = {.mode = i == 4 ? SHMQ_GROUP_ORDERED : SHMQ_GROUP_SHARED,
		                               .retries = 250,
		                               .lease_ns = lease_ns,
		                               .window = 64u << rng_below(&rng, 5),
		                               .returns_rows = rng_one_in(&rng, 2) ? 64 : 4096,
		                               .returns_bytes = 1 << 20,
		                               .backoff_ns = 1000000,
		                               .backoff_max_ns = 50000000};
		struct shmq_consume_options c = {.options = &g};
		shmq_group *group;

		must("shmq_group_open", shmq_group_open(q, groups[i][0], groups[i][1], &c, &group, NULL));
		shmq_group_close(group);
	}
}

static void worker_start(unsigned i)
{
	struct worker *w = &board->workers[i];
	struct rng r = rng_part(rng_u64(&rng), i);

	pid_t pid;

	w->resume_ms = 0;
	pid = fork();
	if (pid < 0)
		must("fork", -errno);
	if (pid > 0) {
		w->pid = pid; /* it is shared with the child */
	} else {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (i < PUBLISHERS)
			publisher_run(i, &r);
		consumer_run(i - PUBLISHERS, &r);
	}
}

/* Stays as it is, to be looked at with a debugger. */
static void look_closer(void)
{
	printf("# %s, process %d stays: %s\n", dir, (int)getpid(), board->violation[0]);
	fflush(stdout);
	if (keep)
		pause();
}

/* Over by itself, or killed: started again when `again`. */
static void worker_reap(unsigned i, bool again)
{
	struct worker *w = &board->workers[i];
	uint64_t end = now_ms() + DRAIN_MS;
	int status;

	while (waitpid(w->pid, &status, WNOHANG) == 0) {
		if (now_ms() > end) {
			violation("worker %u (pid %d) does not end, in %s", i, (int)w->pid, w->doing);
			look_closer();
			kill(w->pid, SIGKILL);
		}
		usleep(200);
	}
	if (!WIFSIGNALED(status) && (WEXITSTATUS(status) != 0 || (again && i >= PUBLISHERS)))
		violation("worker %u ended with %d in %s", i, WEXITSTATUS(status), w->doing);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		violation("worker %u: signal %d in %s", i, WTERMSIG(status), w->doing);
	worker_killed(w);
	w->pid = 0;
	if (again)
		worker_start(i);
}

static void disturb(void)
{
	unsigned i = rng_below(&rng, WORKERS);
	struct worker *w = &board->workers[i];

	if (w->pid == 0 || (w->resume_ms != 0 && !rng_one_in(&rng, 8)))
		return;
	if (rng_one_in(&rng, 3) && w->resume_ms == 0) {
		kill(w->pid, SIGSTOP);
		w->resume_ms = now_ms() + 1 + rng_below(&rng, rng_one_in(&rng, 3) ? 1500 : 100);
		stops++;
	} else if (i >= PUBLISHERS || rng_one_in(&rng, 3)) {
		kill(w->pid, SIGKILL);
		worker_reap(i, true);
		kills++;
	}
}

static void resume(bool all)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &board->workers[i];

		if (w->resume_ms != 0 && (all || w->resume_ms <= now_ms())) {
			w->resume_ms = 0;
			kill(w->pid, SIGCONT);
		}
	}
}

static void look_for_ended(bool again)
{
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &board->workers[i];
		siginfo_t s = {0};

		if (w->pid != 0 && waitid(P_PID, (id_t)w->pid, &s, WEXITED | WNOHANG | WNOWAIT) == 0 && s.si_pid != 0)
			worker_reap(i, again && i >= PUBLISHERS);
	}
}

static void rage(unsigned seconds)
{
	uint64_t end = now_ms() + seconds * 1000u;
	unsigned calm = rng_one_in(&rng, 6) ? 1 : rng_one_in(&rng, 4) ? 40 : rng_one_in(&rng, 2) ? 400 : 4000; /* pauses, in 0.1 ms */

	while (now_ms() < end && board->violations == 0) {
		usleep(100 + rng_below(&rng, 100 * calm));
		resume(false);
		look_for_ended(true);
		if (calm > 1)
			disturb();
	}
	resume(true);
}

static uint64_t left_in(const char *topic, const char *group)
{
	static struct shmq_group_log_info logs[SHMQ_PARTITIONS_MAX];
	struct shmq_group_info info = {.logs = logs};
	uint64_t left = 0;

	must("shmq_group_info", shmq_group_info(q, topic, group, &info));
	for (unsigned p = 0; p < PARTITIONS; p++)
		left += logs[p].lag;
	return left + info.retry;
}

static uint64_t left_everywhere(void)
{
	return left_in("in", "to-mid") + left_in("mid", "to-out") + left_in("out", "at-out") + left_in("work", "shared") +
	       left_in("work", "ordered");
}

static bool publishers_run(void)
{
	for (unsigned i = 0; i < PUBLISHERS; i++)
		if (board->workers[i].pid != 0)
			return true;
	return false;
}

static void say_where(void)
{
	printf("# left: in %llu mid %llu out %llu shared %llu ordered %llu\n",
	       (unsigned long long)left_in("in", "to-mid"), (unsigned long long)left_in("mid", "to-out"),
	       (unsigned long long)left_in("out", "at-out"), (unsigned long long)left_in("work", "shared"),
	       (unsigned long long)left_in("work", "ordered"));
	for (unsigned i = 0; i < WORKERS; i++)
		printf("# worker %u: pid %d, %s, %llu steps\n", i, (int)board->workers[i].pid, board->workers[i].doing,
		       (unsigned long long)board->workers[i].steps);
}

/* Nobody is disturbed any more: all that is left comes to its end. */
static void drain(void)
{
	uint64_t end = now_ms() + DRAIN_MS, least = UINT64_MAX, left;

	board->stop_publishing = true;
	while (((left = left_everywhere()) > 0 || publishers_run()) && board->violations == 0) {
		if (left < least) {
			least = left;
			end = now_ms() + DRAIN_MS;
		}
		if (now_ms() > end) {
			violation("it does not come to an end");
			say_where();
			look_closer();
			break;
		}
		look_for_ended(true);
		usleep(10000);
	}
	board->stop_consuming = true;
	for (unsigned i = 0; i < WORKERS; i++) {
		struct worker *w = &board->workers[i];

		if (w->pid == 0)
			continue;
		if (board->violations > 0)
			kill(w->pid, SIGKILL);
		worker_reap(i, false);
	}
}

/* ---- the verdict ---------------------------------------------------------------------- */

struct sums {
	uint64_t published, maybe, lost, twice, unexpected, doubtful;
};

static void lost(struct sums *s, uint32_t id, const char *what)
{
	if (s->lost++ < 3)
		violation("message %u is lost: %s", id, what);
}

static void judge_piped(struct sums *s, uint32_t id, const struct note *n)
{
	if (n->flushed && n->out == 0)
		lost(s, id, n->mid == 0 ? "between in and mid" : "between mid and out");
	/* one that was never flushed may be in, and then goes all the way */
	if (!n->flushed && n->mid != 0 && n->out == 0)
		lost(s, id, "between mid and out, never flushed");
}

static void judge_worked(struct sums *s, uint32_t id, const struct note *n)
{
	bool over = n->acked || n->dead || n->doubtful;

	if (n->acked && n->dead)
		violation("message %u is acked, and dead", id);
	if (n->flushed && !over)
		lost(s, id, n->delivered > 0 ? "delivered, not acked" : "never delivered to `shared`");
	if (n->flushed && !n->ordered && !n->doubtful)
		lost(s, id, "never acked by `ordered`");
	if (n->delivered > 1 + n->excused && n->delivered < 255 && s->twice++ < 3)
		violation("message %u was delivered %u times, for %u reasons", id, n->delivered, n->excused);
}

/* Dead letters: those that were said to be, each once. */
static void judge_letters(struct sums *s)
{
	struct shmq_dead_letter l;
	uint64_t letters = 0, noted = 0, before = 0;
	shmq_dlq *d;
	int r;

	must("shmq_dlq_open", shmq_dlq_open(q, "work", "shared", &d));
	while ((r = shmq_dlq_next(d, &l)) == 0) {
		uint32_t id = (uint32_t)strtoul((const char *)l.message.value, NULL, 10);
		struct note *n = &board->notes[id % (PUBLISHERS * IDS)];

		letters++;
		if (!n->dead && !n->doubtful && s->unexpected++ < 3)
			violation("message %u is a dead letter, and nobody said so", id);
		if (n->dead == 2)
			violation("message %u is a dead letter twice", id);
		if (n->acked)
			violation("message %u is acked, and a dead letter", id);
		n->dead = 2;
		if (shmq_dlq_drop(d, &l) != 0)
			violation("message %u: a dead letter cannot be dropped", id);
	}
	if (r != SHMQ_END)
		violation("shmq_dlq_next: %d, %s", r, shmq_error(q));
	shmq_dlq_close(d);
	for (uint32_t id = 0; id < PUBLISHERS * IDS; id++) {
		noted += board->notes[id].dead != 0;
		before += board->notes[id].dead == 1;
	}
	if (before > 0)
		violation("%llu dead letters are lost, of %llu", (unsigned long long)before, (unsigned long long)noted);
}

static void judge(struct sums *s)
{
	for (unsigned p = 0; p < PUBLISHERS; p++)
		for (uint32_t i = 0; i < board->next[p]; i++) {
			const struct note *n = &board->notes[p * IDS + i];

			s->published += n->flushed;
			s->maybe += n->sent && !n->flushed;
			s->doubtful += n->doubtful;
			if (p < 2)
				judge_piped(s, p * IDS + i, n);
			else
				judge_worked(s, p * IDS + i, n);
		}
	judge_letters(s);
}

static bool round_run(uint64_t seed, unsigned number, unsigned seconds)
{
	struct sums s = {0};
	uint64_t drained_ms;
	unsigned wrong;

	rng = rng_part(seed, number);
	snprintf(dir, sizeof dir, "/dev/shm/shmq-storm-XXXXXX");
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (board == MAP_FAILED || mkdtemp(dir) == NULL)
		must("memory", -errno);
	lease_ns = (int64_t)(200 + rng_below(&rng, 300)) * 1000000;
	board->pipelined = rng_one_in(&rng, 2);
	kills = stops = 0;
	topics_make();
	for (unsigned i = 0; i < WORKERS; i++)
		worker_start(i);
	rage(seconds);
	drained_ms = now_ms();
	drain();
	drained_ms = now_ms() - drained_ms;
	if (board->violations == 0)
		judge(&s);
	wrong = board->violations;
	printf("# seed %llu round %u: %u kills, %u stops; %llu published, %llu not acknowledged, %llu doubtful; "
	       "%llu deliveries, %llu again, %llu acks, %llu settled, %llu late, %llu given back, %llu dead; drained in %llu ms\n",
	       (unsigned long long)seed, number, kills, stops, (unsigned long long)s.published,
	       (unsigned long long)s.maybe, (unsigned long long)s.doubtful, (unsigned long long)board->deliveries,
	       (unsigned long long)board->redeliveries, (unsigned long long)board->acks,
	       (unsigned long long)board->settles, (unsigned long long)board->lates, (unsigned long long)board->retries,
	       (unsigned long long)board->deads, (unsigned long long)drained_ms);
	ok(wrong == 0, "round %u: nothing lost, nothing twice, every input once at the end", number);
	for (unsigned i = 0; i < wrong && i < 8; i++)
		printf("# %s\n", board->violation[i]);
	fflush(stdout);
	shmq_close(q);
	q = NULL;
	if (wrong == 0 || !keep)
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	munmap(board, sizeof *board);
	return wrong == 0;
}

static pid_t child;

static void on_end(int sig)
{
	(void)sig;
	kill(child, SIGKILL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"seed", 1, NULL, 's'}, {"seconds", 1, NULL, 't'}, {"round", 1, NULL, 'r'},
	        {"keep", 0, NULL, 'k'}, {NULL, 0, NULL, 0}};
	unsigned seconds = 12, number = 0, first = 0;
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
		else
			return 64;
	}
	printf("# seed %llu\n", (unsigned long long)seed);
	fflush(stdout);
	signal(SIGINT, on_end);
	child = getpid();
	end = now_ms() + seconds * 1000u;
	for (;;) {
		uint64_t now = now_ms(), left = now < end ? (end - now) / 1000 : 0;

		if (number > first && left < ROUND_SECONDS / 2)
			break;
		if (!round_run(seed, number++, left < ROUND_SECONDS ? (unsigned)left : ROUND_SECONDS))
			break;
	}
	return done();
}
