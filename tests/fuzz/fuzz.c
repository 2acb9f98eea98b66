/* SPDX-License-Identifier: MIT */
/* fuzz.c - hostile memory and hostile input: options, the loop over cases, TAP. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "case.h"
#include "tap.h"
#include "text.h"

#define LEFT_OVER "/dev/shm/shmq-fuzz-XXXXXX"

/* Read by the sanitizers before main(). Leaks cannot be told in processes that end anywhere. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:handle_abort=1:allocator_may_return_null=1";
}
__attribute__((visibility("default"))) const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}

static char dir[] = LEFT_OVER;
static pid_t self;

static void clean_up(void)
{
	if (getpid() == self)
		remove_tree(dir);
}

static void on_end(int sig)
{
	if (getpid() == self)
		case_abort();
	clean_up();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void print_lines(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		printf("# %.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

struct settings {
	uint64_t seed;
	unsigned seconds, cases, only;
	bool verbose, one;
};

static struct settings settings_read(int argc, char **argv)
{
	static const struct option options[] = {{"seed", 1, NULL, 's'},  {"seconds", 1, NULL, 't'},
	                                        {"cases", 1, NULL, 'c'}, {"case", 1, NULL, 'o'},
	                                        {"verbose", 0, NULL, 'v'}, {NULL, 0, NULL, 0}};
	struct settings s = {.seconds = 15, .cases = UINT32_MAX};
	int c;

	if (getrandom(&s.seed, sizeof s.seed, 0) < 0)
		s.seed = now_ns();
	s.seed %= 1000000000;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		unsigned long long n = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;

		if (c == 's')
			s.seed = n;
		else if (c == 't')
			s.seconds = (unsigned)n;
		else if (c == 'c')
			s.cases = (unsigned)n;
		else if (c == 'o') {
			s.only = (unsigned)n;
			s.one = true;
		} else if (c == 'v')
			s.verbose = true;
		else
			exit(64);
	}
	return s;
}

static void text_job(void *context)
{
	text_fuzz(context);
}

/* Cases from the seed until time or number is over, or one is wrong. */
static void run(const struct settings *s, const char *program)
{
	uint64_t end = now_ns() + s->seconds * 1000000000ull;
	unsigned done_cases = 0, number = s->one ? s->only : 0;
	const char *wrong = NULL;
	char about[200];

	for (; wrong == NULL && done_cases < s->cases && now_ns() < end; number++, done_cases++) {
		struct plan p;

		plan_make(&p, s->seed, number, dir);
		plan_say(&p, about, sizeof about);
		if (s->verbose)
			printf("# case %u: %s\n", number, about);
		wrong = case_run(&p);
		if (s->one && s->cases == UINT32_MAX)
			number--; /* again: what happens beside the damage differs */
	}
	ok(wrong == NULL, "hostile memory: %u cases, %llu calls, %llu with data, %llu errors", done_cases,
	   (unsigned long long)board->calls, (unsigned long long)board->data,
	   (unsigned long long)board->errors);
	if (wrong == NULL)
		return;
	if (!(s->one && s->cases == UINT32_MAX))
		number--;
	printf("# case %u: %s\n", number, about);
	print_lines(wrong);
	printf("# again: %s --seed %llu --case %u --seconds 60\n", program, (unsigned long long)s->seed,
	       number);
}

int main(int argc, char **argv)
{
	struct settings s = settings_read(argc, argv);
	unsigned fifth = s.seconds / 5 < 20 ? s.seconds / 5 : 20;
	struct text_plan text = {s.seed, fifth * 1000 + 1, s.cases};
	const char *wrong;

	printf("# seed %llu\n", (unsigned long long)s.seed);
	self = getpid();
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	here = &board->places[0];
	if (board == MAP_FAILED || mkdtemp(dir) == NULL) {
		printf("Bail out! no directory in /dev/shm\n");
		return 1;
	}
	atexit(clean_up);
	signal(SIGINT, on_end);
	signal(SIGTERM, on_end);
	signal(SIGHUP, on_end);
	if (!s.one) {
		wrong = case_alone(text_job, &text);
		ok(wrong == NULL, "hostile input");
		if (wrong != NULL) {
			print_lines(wrong);
			printf("# again: %s --seed %llu\n", argv[0], (unsigned long long)s.seed);
		}
		s.seconds -= fifth;
	}
	run(&s, argv[0]);
	return done();
}
