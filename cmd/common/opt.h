/* SPDX-License-Identifier: MIT */
/*
 * opt.h - the command line of a tool, from its option table.
 *
 * A table is a file of lines
 *     OPT(NAME, 'b', "broker", "DIR", "help text, one sentence without a full stop")
 * where 0 stands for no short name and NULL for no argument. getopt, --help, the completions
 * and the tests read the same lines. --help and --version come from common_options.def and
 * must not be repeated. A tool makes its ids (from 1) and its table with
 *
 *     #define OPT(NAME, ...) OPT_##NAME,
 *     enum { OPT_NONE,
 *     #include "mqpub_options.def"
 *     };
 *     #undef OPT
 *     #define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
 *     static const struct opt_def defs[] = {
 *     #include "mqpub_options.def"
 *     };
 *     #undef OPT
 */
#ifndef OPT_H
#define OPT_H

#include <stddef.h>
#include <stdint.h>

struct opt_def {
	int id;         /* from 1 */
	int short_name; /* 0: none */
	const char *long_name;
	const char *arg;  /* NULL: a flag */
	const char *help; /* one sentence, small letter first, no full stop */
};

struct opt_tool {
	const char *name;  /* as typed: "mqpub", "mqd topic list" */
	const char *usage; /* what follows the name; one form a line: "[options] TOPIC [FILE...]" */
	const char *summary; /* one sentence, printed below the usage */
	const struct opt_def *defs;
	size_t n;
};

/* The id of the next option and its argument in *arg (NULL for a flag), or 0 at the first
 * operand, whose index is then optind. Options end at the first operand or behind "--".
 * Prints and exits for --help and --version (0) and for bad usage (64). */
int opt_next(const struct opt_tool *tool, int argc, char **argv, const char **arg);

/* "name: message, try 'name --help'" on stderr, exit 64. */
_Noreturn void opt_usage(const struct opt_tool *tool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "option '--name': 'arg' is not wanted", exit 64. */
_Noreturn void opt_bad_value(const struct opt_tool *tool, int id, const char *arg,
			     const char *wanted);

/* The argument of option id as a number (min .. max), a duration in ns or a size in bytes.
 * Bad usage names the option and exits 64. */
uint64_t opt_number(const struct opt_tool *tool, int id, const char *arg, uint64_t min,
		    uint64_t max);
int64_t opt_duration(const struct opt_tool *tool, int id, const char *arg);
uint64_t opt_size(const struct opt_tool *tool, int id, const char *arg);

/* The argument itself, which must not be empty: it is no `what` then. */
const char *opt_text(const struct opt_tool *tool, int id, const char *arg, const char *what);

#endif
