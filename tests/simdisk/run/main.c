/* SPDX-License-Identifier: MIT */
/* main.c - runs from seeds until the time is up, each in a process of its own, and their verdict. */
#include "run.h"

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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

int __real_clock_gettime(clockid_t clock, struct timespec *t);
ssize_t __real_getrandom(void *to, size_t bytes, unsigned flags);

struct tally *tally;
bool verbose;
static struct run run;
static char base[64];

void trail_add(struct run *r, const char *format, ...)
{
	size_t have = strlen(r->trail);
	va_list args;

	if (have > sizeof r->trail / 2 + 128) { /* what was last counts */
		memmove(r->trail, r->trail + have / 2, have - have / 2 + 1);
		have = strlen(r->trail);
	}
	va_start(args, format);
	vsnprintf(r->trail + have, sizeof r->trail - have, format, args);
	va_end(args);
	if (verbose)
		printf("# [%d]%s\n", r->depth, r->trail + have);
}

void note(const struct run *r, const char *format, ...)
{
	va_list args;

	if (!verbose)
		return;
	printf("# [%u] op %llu, step %lu: ", r->depth, (unsigned long long)r->disk.ops, r->steps_done);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

void failed(const struct run *r, const char *format, ...)
{
	va_list args;

	printf("# seed %llu%s > op %llu (%s), step %lu\n#   ", (unsigned long long)r->plan.seed, r->trail,
	       (unsigned long long)r->disk.ops, r->disk.doing != NULL ? r->disk.doing : "", r->steps_done);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

static void leave(int signal)
{
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(128 + signal);
}

static double seconds(void)
{
	struct timespec t;

	__real_clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct plan plan_of(uint64_t seed)
{
	struct rng rng = rng_part(seed, 0);
	struct plan p = {.seed = seed, .steps = 60 + rng_below(&rng, 200), .gap = 10 + rng_below(&rng, 60), .images = 1};

	p.images = 1 + rng_below(&rng, 2);
	p.big = rng_one_in(&rng, 2);
	p.kills = !rng_one_in(&rng, 4);
	p.io_fails = rng_one_in(&rng, 4);
	p.memory_fails = !p.io_fails && rng_one_in(&rng, 6);
	p.full = rng_one_in(&rng, 8);
	p.big = p.big || p.full;
	p.jumps = rng_one_in(&rng, 3);
	p.late_ops = 8 + rng_below(&rng, 24);
	p.crowded = rng_one_in(&rng, 3);
	return p;
}

/* In a process of its own. */
__attribute__((noreturn)) static void run_one(uint64_t seed)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	memset(&run, 0, sizeof run);
	run.plan = plan_of(seed);
	snprintf(run.base, sizeof run.base, "%s", base);
	run.rng = rng_part(seed, 1);
	run.crash_rng = rng_part(seed, 2);
	clock_salts = rng_part(seed, 3);
	if (verbose)
		printf("# seed %llu: steps %u gap %u images %u%s%s%s%s%s%s%s\n", (unsigned long long)seed, run.plan.steps,
		       run.plan.gap, run.plan.images, run.plan.big ? " big" : "", run.plan.kills ? " kills" : "",
		       run.plan.io_fails ? " io-fails" : "", run.plan.memory_fails ? " memory-fails" : "",
		       run.plan.full ? " full" : "", run.plan.jumps ? " jumps" : "",
		       run.plan.crowded ? " crowded" : "");
	clock_run = &run;
	life_first(&run);
	for (unsigned i = 0; i < run.plan.steps; i++)
		act(&run);
	life_end(&run);
	if (run.disk.misuse != NULL)
		failed(&run, "the disk was misused: %s", run.disk.misuse);
	tally->runs++;
	fflush(stdout);
	_exit(0);
}

static bool run_seed(uint64_t seed)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		run_one(seed);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		printf("Bail out! fork: %s\n", strerror(errno));
		exit(1);
	}
	if (WIFSIGNALED(status))
		printf("# seed %llu: died of signal %d\n", (unsigned long long)seed, WTERMSIG(status));
	return status == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
	                                        {"seed", required_argument, NULL, 'S'},
	                                        {"verbose", no_argument, NULL, 'v'},
	                                        {NULL, 0, NULL, 0}};
	uint64_t seed = 0;
	bool given = false, good = true;
	double until = 10, began = seconds();
	struct rlimit files;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			until = atof(optarg);
		} else if (c == 'S') {
			seed = strtoull(optarg, NULL, 0);
			given = true;
		} else if (c == 'v') {
			verbose = true;
		} else {
			fprintf(stderr, "usage: simdisk [--seconds N] [--seed S] [--verbose]\n");
			return 2;
		}
	}
	if (!given && __real_getrandom(&seed, 4, 0) != 4)
		return 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	unsetenv("MQ_STORE");
	snprintf(base, sizeof base, "/dev/shm/simdisk-XXXXXX");
	tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED || mkdtemp(base) == NULL) {
		printf("Bail out! %s\n", strerror(errno));
		return 1;
	}
	signal(SIGINT, leave);
	signal(SIGTERM, leave);
	printf("# first seed %llu\n", (unsigned long long)seed);
	do
		good = run_seed(seed);
	while (good && ++seed != 0 && seconds() - began < until);
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	ok(good, "the store on a simulated disk that crashes");
	if (!good)
		printf("# again: simdisk --seconds 0 --seed %llu --verbose\n", (unsigned long long)seed);
	printf("# %llu runs, %llu steps, %llu operations; power lost %llu times (%llu while starting), mqd killed %llu, stopped "
	       "%llu, begun %llu; %llu faults\n",
	       (unsigned long long)tally->runs, (unsigned long long)tally->steps, (unsigned long long)tally->operations,
	       (unsigned long long)tally->images, (unsigned long long)tally->in_recovery, (unsigned long long)tally->kills,
	       (unsigned long long)tally->stops, (unsigned long long)tally->recoveries, (unsigned long long)tally->faults);
	printf("# %llu messages published, %llu read, %llu acked, %llu settled; the store was full in %llu lives\n",
	       (unsigned long long)tally->published, (unsigned long long)tally->read, (unsigned long long)tally->acked,
	       (unsigned long long)tally->settled, (unsigned long long)tally->full);
	return done();
}
