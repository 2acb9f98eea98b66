/* SPDX-License-Identifier: MIT */
/*
 * step.c - the step harness: stops and kills each operation of the library after each of its
 * instructions, and lets a crowd of processes find out. Prints TAP.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "points.h"
#include "record.h"
#include "world.h"

#define TRACE_MAX   (4u << 20)
#define JOBS_MAX    16
#define POINTS_MIN  40 /* of an operation, whatever the clock says */
#define PAIRS_SOAK  20000 /* samples of each */
#define LOOPS_SOAK  20000 /* points in later rounds of loops */
#define FAILURES_MAX 1

static struct {
	const char *only;
	long seconds; /* for everything; 0: every point */
	unsigned jobs;
	uint64_t offset;
	bool soak, list, stepping, show_trace, at_set;
	struct point at;
} option = { .seconds = 220, .jobs = 2 };

static const struct scenario *const lists[] = {
	toy_scenarios,     log_scenarios,   extent_scenarios, session_scenarios,
	reader_scenarios,  topic_scenarios, bell_scenarios,   pair_scenarios,
	group_scenarios,   settle_scenarios, dlq_scenarios,   group_admin_scenarios,
	group_pair_scenarios,
};

static struct trace *traces; /* one per child; filled by the control run, so shared */
static char base[40];
static volatile sig_atomic_t stop_signal;

/* A running case and where it reports. */
static struct slot {
	pid_t pid;
	struct point at;
	struct outcome *outcome;
	struct outcome by_breakpoint; /* both_ways */
	char dir[48];
} slots[JOBS_MAX];

/* What became of one scenario in one variant. */
struct tally {
	const struct scenario *scenario;
	enum variant variant;
	uint64_t run, unreached, failed, stepped;
	uint32_t baseline;
};

static const char *variant_name(enum variant v)
{
	return v == KILL ? "kill" : v == STOP ? "stop" : v == STOP_KILL ? "stop-kill" : "control";
}

static bool must_fail(const struct scenario *s)
{
	return strncmp(s->name, "toy-", 4) == 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		broken("mmap: %s", strerror(errno));
	return p;
}

/* ---- cases -------------------------------------------------------------------------- */

static void leave(void)
{
	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (slots[i].pid > 0) {
			kill(slots[i].pid, SIGKILL);
			waitpid(slots[i].pid, NULL, 0);
		}
	remove_tree(base);
}

static void on_signal(int signal)
{
	stop_signal = signal;
}

static bool case_fork(struct slot *s)
{
	memset(s->outcome, 0, sizeof(*s->outcome));
	fflush(stdout);
	s->pid = fork();
	if (s->pid < 0)
		broken("fork: %s", strerror(errno));
	if (s->pid > 0)
		return false;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	return true;
}

/* A case that ended without a word was killed, or crashed beyond its handlers. */
static void case_collect(struct slot *s, int status)
{
	s->pid = 0;
	if (s->outcome->verdict == VERDICT_NONE) {
		s->outcome->verdict = VERDICT_FAIL;
		snprintf(s->outcome->text, sizeof(s->outcome->text),
		         "the case ended with wait status %#x", (unsigned)status);
	}
	if (s->outcome->verdict == VERDICT_FAIL)
		remove_tree(s->dir);
}

static struct slot *wait_slot(void)
{
	int status;
	pid_t pid = wait(&status);

	if (stop_signal) {
		leave();
		signal(stop_signal, SIG_DFL);
		raise(stop_signal);
	}
	for (unsigned i = 0; i < option.jobs; i++)
		if (pid > 0 && slots[i].pid == pid) {
			case_collect(&slots[i], status);
			return &slots[i];
		}
	if (pid < 0 && errno != EINTR)
		broken("wait: %s", strerror(errno));
	return NULL;
}

static void print_failure(const struct tally *t, const struct slot *s)
{
	const struct outcome *o = s->outcome;
	bool pair = t->scenario->children == 2;

	for (unsigned c = 0; c < t->scenario->children; c++)
		printf("  # after instruction %u%s%s at %#llx: %s\n", s->at.k[c],
		       pair ? " of child " : "", pair ? (c ? "1" : "0") : "",
		       (unsigned long long)o->pc[c], o->pc[c] ? trace_symbol(o->pc[c]) : "-");
	printf("  # broken: %s\n", o->text);
	printf("  # again:  build/release/tests/step/step --only %s:%s --at %u", t->scenario->name,
	       variant_name(t->variant), s->at.k[0]);
	if (pair)
		printf(",%u", s->at.k[1]);
	printf("%s\n", s->at.stepping ? " --stepping" : "");
}

/* True when the same point has to be visited by single steps, too. */
static bool other_way(const struct tally *t, struct slot *s)
{
	if (!t->scenario->both_ways || s->outcome->verdict != VERDICT_PASS)
		return false;
	if (!s->at.stepping) {
		s->by_breakpoint = *s->outcome;
		return s->at.stepping = true;
	}
	if (s->by_breakpoint.capacity != s->outcome->capacity ||
	    s->by_breakpoint.pc[0] != s->outcome->pc[0]) {
		s->outcome->verdict = VERDICT_FAIL;
		snprintf(s->outcome->text, sizeof(s->outcome->text),
		         "the breakpoint led to state %u, single steps to %u",
		         s->by_breakpoint.capacity, s->outcome->capacity);
	}
	return false;
}

/* A point is over: true when it must be tried again by single steps. */
static bool account(struct tally *t, struct slot *s)
{
	if (other_way(t, s))
		return true;
	switch (s->outcome->verdict) {
	case VERDICT_UNREACHED:
		if (!s->at.stepping) {
			s->at.stepping = true;
			t->stepped++;
			return true;
		}
		t->unreached++;
		break;
	case VERDICT_FAIL:
		if (t->failed++ < FAILURES_MAX && !must_fail(t->scenario))
			print_failure(t, s);
		break;
	default:
		break;
	}
	t->run++;
	return false;
}

static void case_start(const struct tally *t, struct slot *s)
{
	if (case_fork(s))
		case_run(t->scenario, t->variant, &s->at, traces, t->baseline, s->outcome, s->dir);
}

/* Collects one case, and starts it again when it has to be. */
static void settle_one(struct tally *t)
{
	struct slot *s = wait_slot();

	if (s && account(t, s))
		case_start(t, s);
}

static struct slot *free_slot(void)
{
	for (unsigned i = 0; i < option.jobs; i++)
		if (slots[i].pid == 0)
			return &slots[i];
	return NULL;
}

static bool busy(void)
{
	for (unsigned i = 0; i < option.jobs; i++)
		if (slots[i].pid != 0)
			return true;
	return false;
}

/* ---- one scenario ------------------------------------------------------------------- */

/* Records what has to be recorded; false (and said) when the control run fails. */
static bool record(const struct scenario *s, uint32_t *baseline)
{
	for (unsigned c = 0; c < s->children; c++) {
		struct slot *slot = &slots[0];

		if (case_fork(slot))
			case_record(s, (int)c, &traces[c], slot->outcome, slot->dir);
		while (slot->pid)
			wait_slot();
		if (slot->outcome->verdict != VERDICT_PASS) {
			printf("  # %s: the control run failed: %s\n", s->name, slot->outcome->text);
			return false;
		}
		*baseline = slot->outcome->capacity;
	}
	return true;
}

/* Without a limit of time. --soak leaves out some of the later rounds of long loops. */
static uint64_t limit(const struct tally *t, const struct points *p)
{
	if (t->scenario->children == 2)
		return PAIRS_SOAK;
	return option.soak ? p->first[0] + (uint64_t)LOOPS_SOAK : UINT64_MAX;
}

static void run_points(struct tally *t, struct points *p, double until)
{
	struct point at;

	while (t->failed < FAILURES_MAX) {
		/* Every instruction in its first two rounds, whatever the clock says. */
		bool late = until > 0 && now() > until &&
		            t->run >= (p->children == 1 ? p->first[0] : POINTS_MIN);
		struct slot *s = free_slot();

		if (late || (until <= 0 && t->run >= limit(t, p)))
			break;
		if (!s) {
			settle_one(t);
			continue;
		}
		if (!points_next(p, &at))
			break;
		s->at = at;
		case_start(t, s);
	}
	while (busy())
		settle_one(t);
}

static bool verdict(const struct tally *t, uint64_t total)
{
	bool good = t->failed == 0 && t->unreached * 50 <= t->run;

	if (must_fail(t->scenario))
		good = t->failed > 0;
	printf("%s - %s %s: %s; ", good ? "ok" : "not ok", t->scenario->name,
	       variant_name(t->variant), t->scenario->says);
	if (t->run == total)
		printf("all %llu points", (unsigned long long)total);
	else
		printf("%llu of %llu points", (unsigned long long)t->run, (unsigned long long)total);
	printf(" (%u instructions), %llu by single steps, %llu unreached\n", traces[0].n,
	       (unsigned long long)t->stepped, (unsigned long long)t->unreached);
	return good;
}

static bool run_variant(struct tally *t, double until)
{
	struct points p;

	points_begin(&p, traces, t->scenario->children, option.offset);
	run_points(t, &p, until);
	bool good = verdict(t, points_total(&p));

	points_end(&p);
	return good;
}

static bool run_one_point(struct tally *t)
{
	for (unsigned c = 0; c < t->scenario->children; c++)
		if (option.at.k[c] > traces[c].n)
			broken("child %u has %u instructions", c, traces[c].n);
	slots[0].at = option.at;
	slots[0].at.stepping = option.stepping;
	case_start(t, &slots[0]);
	while (busy())
		settle_one(t);
	return verdict(t, 1);
}

static void show_trace(const struct scenario *s)
{
	for (unsigned c = 0; c < s->children; c++) {
		const struct trace *t = &traces[c];

		printf("# %s child %u: %u instructions, %u different ones\n", s->name, c, t->n,
		       t->distinct);
		for (uint32_t k = 0; option.show_trace && option.only && k <= t->n; k++)
			printf("%u %#x\n", k, t->pc[k]);
	}
}

/* ---- all of them -------------------------------------------------------------------- */

static bool wanted(const struct scenario *s, enum variant v)
{
	size_t n = option.only ? strcspn(option.only, ":") : 0;

	if (!(s->variants & v))
		return false;
	if (!option.only)
		return true;
	return strlen(s->name) == n && strncmp(s->name, option.only, n) == 0 &&
	       (!option.only[n] || strcmp(option.only + n + 1, variant_name(v)) == 0);
}

static bool any_wanted(const struct scenario *s)
{
	return wanted(s, KILL) || wanted(s, STOP) || wanted(s, STOP_KILL);
}

/* Of the time for everything. What is stopped first and then killed was stopped and killed. */
static double weight(const struct scenario *s, enum variant v)
{
	return (s->weight ? s->weight : 1) * (v == STOP_KILL ? 0.4 : 1.0);
}

static unsigned count_wanted(double *weights)
{
	unsigned n = 0;

	*weights = 0;

	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++)
		for (const struct scenario *s = lists[l]; s->name; s++)
			for (unsigned v = KILL; v <= STOP_KILL; v *= 2)
				if (wanted(s, (enum variant)v)) {
					*weights += weight(s, (enum variant)v);
					n++;
				}
	return n;
}

/* Until when the next one may take, when `left` are still to come; gives its weight up. */
static double share(double end, const struct tally *t, double *left)
{
	double part = weight(t->scenario, t->variant) / *left;

	*left -= weight(t->scenario, t->variant);
	return option.seconds ? now() + (end - now()) * part : 0;
}

static unsigned run_scenario(const struct scenario *s, double end, double *left)
{
	static const enum variant variants[] = { KILL, STOP, STOP_KILL };
	uint32_t baseline = 0;
	unsigned failed = 0;
	bool recorded = record(s, &baseline);

	if (recorded && option.show_trace)
		show_trace(s);
	for (unsigned i = 0; i < 3; i++) {
		struct tally t = { .scenario = s, .variant = variants[i], .baseline = baseline };

		if (!wanted(s, variants[i]))
			continue;
		if (!recorded) {
			printf("not ok - %s %s: no control run\n", s->name, variant_name(t.variant));
			failed++;
		} else if (option.at_set) {
			failed += !run_one_point(&t);
		} else {
			failed += !run_variant(&t, share(end, &t, left));
		}
		fflush(stdout);
	}
	return failed;
}

static int run_all(void)
{
	double start = now(), left;
	unsigned failed = 0, variants = count_wanted(&left);

	printf("TAP version 13\n1..%u\n", variants);
	printf("# points from --offset %llu, %s\n", (unsigned long long)option.offset,
	       option.seconds ? "as many as the time allows" : "all of them");
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++)
		for (const struct scenario *s = lists[l]; s->name; s++)
			if (any_wanted(s))
				failed += run_scenario(s, start + (double)option.seconds, &left);
	printf("# %.0f s, %u failed\n", now() - start, failed);
	return failed ? 1 : 0;
}

static void list_all(void)
{
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++)
		for (const struct scenario *s = lists[l]; s->name; s++)
			printf("%-20s %s%s%s%s  %s\n", s->name, s->variants & KILL ? "k" : "-",
			       s->variants & STOP ? "s" : "-", s->variants & STOP_KILL ? "x" : "-",
			       s->children == 2 ? " pair" : "     ", s->says);
}

/* ---- options ------------------------------------------------------------------------ */

static void usage(FILE *f)
{
	fputs("usage: step [options]\n"
	      "  --only NAME[:VARIANT]  one scenario; VARIANT is kill, stop or stop-kill\n"
	      "  --at K[,K2]            one point of it\n"
	      "  --stepping             go there by single steps\n"
	      "  --seconds N            time for everything (220); 0: every point\n"
	      "  --soak                 every point but of the longest loops, many pairs\n"
	      "  --offset N             where the order of points begins (the time of day)\n"
	      "  --jobs N               cases at the same time (2)\n"
	      "  --trace                lengths of the operations; with --only every instruction\n"
	      "  --list                 the scenarios\n",
	      f);
}

static void parse_point(const char *text)
{
	char *end;

	option.at_set = true;
	option.at.k[0] = (uint32_t)strtoul(text, &end, 10);
	if (*end == ',')
		option.at.k[1] = (uint32_t)strtoul(end + 1, &end, 10);
	if (*end) {
		usage(stderr);
		exit(64);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "only", 1, NULL, 'n' },   { "at", 1, NULL, 'a' },    { "stepping", 0, NULL, 's' },
		{ "seconds", 1, NULL, 't' }, { "soak", 0, NULL, 'S' },  { "offset", 1, NULL, 'o' },
		{ "jobs", 1, NULL, 'j' },   { "trace", 0, NULL, 'T' }, { "list", 0, NULL, 'l' },
		{ "help", 0, NULL, 'h' },   { NULL, 0, NULL, 0 },
	};
	int c;

	option.offset = (uint64_t)time(NULL);
	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 'n': option.only = optarg; break;
		case 'a': parse_point(optarg); break;
		case 's': option.stepping = true; break;
		case 't': option.seconds = atol(optarg); break;
		case 'S': option.soak = true; option.seconds = 0; break;
		case 'o': option.offset = strtoull(optarg, NULL, 10); break;
		case 'j': option.jobs = (unsigned)atoi(optarg); break;
		case 'T': option.show_trace = true; break;
		case 'l': option.list = true; break;
		case 'h': usage(stdout); exit(0);
		default: usage(stderr); exit(64);
		}
	}
	if (option.jobs < 1 || option.jobs > JOBS_MAX)
		option.jobs = 2;
}

/* Runs again with addresses that do not move: then an operation takes the same path each time.
 * Where that is refused the code still does not move, and most paths neither. */
static void fix_addresses(char **argv)
{
	int p = personality(0xffffffff);

	if (p >= 0 && !(p & ADDR_NO_RANDOMIZE) &&
	    personality((unsigned long)p | ADDR_NO_RANDOMIZE) >= 0)
		execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	fix_addresses(argv);
	parse_options(argc, argv);
	if (option.list) {
		list_all();
		return 0;
	}
	record_init();
	snprintf(base, sizeof(base), "/dev/shm/shmq-step.XXXXXX");
	if (!mkdtemp(base))
		broken("%s: %s", base, strerror(errno));
	atexit(leave);
	traces = shared_memory(CHILDREN * sizeof(*traces));
	for (unsigned c = 0; c < CHILDREN; c++) {
		traces[c].max = TRACE_MAX;
		traces[c].pc = shared_memory(TRACE_MAX * sizeof(uint32_t));
		traces[c].hit = shared_memory(TRACE_MAX * sizeof(uint32_t));
		traces[c].touches = shared_memory(TRACE_MAX * sizeof(bool));
	}
	for (unsigned i = 0; i < option.jobs; i++) {
		slots[i].outcome = shared_memory(sizeof(struct outcome));
		snprintf(slots[i].dir, sizeof(slots[i].dir), "%s/%c", base, 'a' + (int)i);
	}
	struct sigaction stop = { .sa_handler = on_signal };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	return run_all();
}
