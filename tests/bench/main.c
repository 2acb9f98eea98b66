/* SPDX-License-Identifier: MIT */
/* main.c - runs the rows that were asked for: every series in turn, again and again. */
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "quiet.h"
#include "report.h"

#define RUN_SECONDS_MAX 300u /* after that a run hangs */

struct plan {
	unsigned runs;
	bool chosen[32]; /* by row */
	int cpu_count;
	uint64_t patience_ns; /* left for waiting until the machine is quiet */
};

static const char usage[] =
    "Usage: tests/bench/run [-n RUNS] [-d DIR] [-s SIZE] [-S SIZE] [-t TIME] [-w TIME] [ROW...]\n"
    "Measures shmq beside its references; without a ROW all of them.\n"
    "  -n RUNS  runs of each, interleaved (5)\n"
    "  -d DIR   where stores are made, and the disk is measured (where the build is)\n"
    "  -s SIZE  of the input file of the rows with files (2 GB, less on small machines)\n"
    "  -S SIZE  of what stands in the store of B14 and B15 (as -s)\n"
    "  -t TIME  that one run of the rows with the C API lasts (500ms)\n"
    "  -w TIME  patience: waiting for a quiet machine, and repeating runs that were disturbed,\n"
    "           may take this long in all (60s)\n"
    "  -l       list the rows\n"
    "  -h       this text\n"
    "Exit status: 0 all runs were right, whatever the figures; 1 a run failed; 64 usage.\n";

/* A run that hangs ends the whole program: workspace.c says so. */
static int bounded_run(struct bench *b, const struct series *s, double *value)
{
	int rc;

	alarm(RUN_SECONDS_MAX);
	rc = s->run(b, s->what, value);
	alarm(0);
	return rc;
}

static void spend(uint64_t *patience_ns, uint64_t ns)
{
	*patience_ns -= *patience_ns > ns ? ns : *patience_ns;
}

/* One good run. A disturbed one is made again while there is patience, else kept and counted. */
static int one_run(struct bench *b, const struct series *s, struct plan *plan, double *value,
		   unsigned *disturbed)
{
	for (;;) {
		struct load load;
		int rc;

		quiet_wait(&plan->patience_ns);
		load = quiet_begin();
		rc = bounded_run(b, s, value);
		if (rc || !quiet_disturbed(&load))
			return rc;
		if (plan->patience_ns == 0) {
			++*disturbed;
			return 0;
		}
		spend(&plan->patience_ns, now_ns() - load.at_ns);
	}
}

static bool is_there(const struct bench *b, const struct series *s)
{
	return s->name && !(s->missing && s->missing(b));
}

/* A B C A B C ..., so that whatever the machine does meanwhile meets all of them. The first round
 * warms up and is thrown away. */
static int row_measure(struct bench *b, const struct row *row, struct plan *plan,
		       struct result *result)
{
	static double values[ROW_SERIES_MAX][BENCH_RUNS_MAX];
	double unused;

	if (row->input && input_prepare(b))
		return -1;
	if (row->check && bounded_run(b, row->check, &unused))
		return complain("%s: %s failed", row->name, row->check->name);
	for (unsigned round = 0; round <= plan->runs; round++) {
		if (round == 1) {
			result->disturbed = 0;
			sync_times_begin();
		}
		if (row->durable && sync_times_take(b))
			return -1;
		for (size_t i = 0; i < ROW_SERIES_MAX; i++)
			if (is_there(b, &row->series[i]) &&
			    one_run(b, &row->series[i], plan,
				    round ? &values[i][round - 1] : &unused, &result->disturbed))
				return complain("%s: %s: a run failed", row->name,
						row->series[i].name);
	}
	for (size_t i = 0; i < ROW_SERIES_MAX; i++)
		if (is_there(b, &row->series[i]))
			result->series[i] = summarise(values[i], plan->runs);
	if (row->durable)
		result->sync = sync_times();
	return 0;
}

static int broker_open(struct bench *b)
{
	struct shmq_open_options options = {.dir = b->broker_dir, .flags = SHMQ_CREATE};

	setenv("MQ_DIR", b->broker_dir, 1);
	if (shmq_open(&b->broker, &options))
		return complain("%s: %s", b->broker_dir,
				b->broker ? shmq_error(b->broker) : "no memory");
	return 0;
}

static int rows_run(struct bench *b, void *context)
{
	static struct result results[32];
	struct plan *plan = context;
	size_t n = 0;
	int status = 0;

	if (broker_open(b))
		return 1;
	for (size_t i = 0; i < row_count; i++) {
		struct result *r = &results[n];

		if (!plan->chosen[i])
			continue;
		*r = (struct result){.row = &rows[i]};
		if (rows[i].two_cpus && plan->cpu_count < 2)
			r->skipped = "skipped: it needs two CPUs";
		else
			r->failed = row_measure(b, &rows[i], plan, r) != 0;
		if (r->failed)
			status = 1;
		report_row(b, r);
		n++;
	}
	report_table(results, n);
	shmq_close(b->broker);
	return status;
}

/* build/bench/bench tests what stands in build/bin. */
static void bin_dir_find(struct bench *b)
{
	char self[BENCH_PATH] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = '\0';
	snprintf(b->bin_dir, sizeof(b->bin_dir), "%.490s/../bin", dirname(self));
}

/* Below what is built, unless told otherwise: most likely on a disk, where /tmp may be none. */
static void disk_dir_find(struct bench *b)
{
	char self[BENCH_PATH] = "";

	if (b->disk_dir[0])
		return;
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		self[0] = '\0';
	snprintf(b->disk_dir, sizeof(b->disk_dir), "%.490s", dirname(self));
}

static void rows_list(void)
{
	for (size_t i = 0; i < row_count; i++)
		printf("%-4s %s\n", rows[i].name, rows[i].work);
}

static int rows_choose(struct plan *plan, int n, char **names)
{
	for (int i = 0; i < n; i++) {
		size_t row = 0;

		while (row < row_count && strcmp(rows[row].name, names[i]) != 0)
			row++;
		if (row == row_count)
			return complain("there is no row %s; -l lists them", names[i]);
		plan->chosen[row] = true;
	}
	for (size_t row = 0; n == 0 && row < row_count; row++)
		plan->chosen[row] = true;
	return 0;
}

static _Noreturn void bad_option(const char *what)
{
	complain("%s, try 'tests/bench/run -h'", what);
	exit(EX_USAGE);
}

static void options_read(int argc, char **argv, struct bench *b, struct plan *plan)
{
	int64_t ns;
	int option;

	opterr = 0;
	while ((option = getopt(argc, argv, "d:n:s:S:t:w:lh")) != -1) {
		switch (option) {
		case 'd':
			if (snprintf(b->disk_dir, sizeof(b->disk_dir), "%.480s", optarg) > 479)
				bad_option("-d: the path is too long");
			break;
		case 'n':
			plan->runs = (unsigned)strtoul(optarg, NULL, 10);
			if (plan->runs < 1 || plan->runs > BENCH_RUNS_MAX)
				bad_option("-n: 1 to 1000 runs");
			break;
		case 's':
			if (shmq_parse_size(optarg, &b->input_bytes) || b->input_bytes < LINE_BYTES)
				bad_option("-s: not a size of 100 bytes or more");
			break;
		case 'S':
			if (shmq_parse_size(optarg, &b->behind_bytes) || b->behind_bytes < LINE_BYTES)
				bad_option("-S: not a size of 100 bytes or more");
			break;
		case 't':
			if (shmq_parse_duration(optarg, &ns) || ns <= 0)
				bad_option("-t: not a duration");
			b->run_ns = (uint64_t)ns;
			break;
		case 'w':
			if (shmq_parse_duration(optarg, &ns) || ns < 0)
				bad_option("-w: not a duration");
			plan->patience_ns = (uint64_t)ns;
			break;
		case 'l':
			rows_list();
			exit(0);
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			bad_option("no such option, or its argument is missing");
		}
	}
	if (rows_choose(plan, argc - optind, argv + optind))
		exit(EX_USAGE);
}

int main(int argc, char **argv)
{
	static struct bench b = {.run_ns = 500000000, .input_bytes = 2000000000};
	struct plan plan = {.runs = 5, .patience_ns = 60000000000};
	uint64_t memory = machine_memory_available();

	if (memory && b.input_bytes > memory / 4)
		b.input_bytes = memory / 4;
	options_read(argc, argv, &b, &plan);
	plan.cpu_count = machine_cpus(b.cpus);
	bin_dir_find(&b);
	disk_dir_find(&b);
	if (b.behind_bytes == 0)
		b.behind_bytes = b.input_bytes;
	machine_print();
	machine_print_disk(b.disk_dir);
	printf("input   %.4g GB of %d-byte lines; C rows run %.4g s, on CPU %d and %d\n",
	       (double)b.input_bytes / 1e9, LINE_BYTES, (double)b.run_ns / 1e9, b.cpus[0],
	       b.cpus[1]);
	fflush(stdout);
	return workspace_run(&b, rows_run, &plan);
}
