/* SPDX-License-Identifier: MIT */
/* opt.c - runs getopt_long over an option table, and prints the table as --help. */
#include "opt.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "tool.h"

#define OPT_MAX     64  /* options of one tool, the common ones included */
#define HELP_WIDTH  80  /* columns of --help */
#define HELP_INDENT 26  /* where the help texts begin */
#define LONG_BASE   256 /* getopt's value of the long option with index 0: above every char */

enum { ID_HELP = -1, ID_VERSION = -2 };

#define OPT(NAME, ...) {ID_##NAME, __VA_ARGS__},
static const struct opt_def common_defs[] = {
#include "common_options.def"
};
#undef OPT

#define COMMON_COUNT (sizeof(common_defs) / sizeof(common_defs[0]))

static size_t def_count(const struct opt_tool *tool)
{
	return tool->n + COMMON_COUNT;
}

static const struct opt_def *def_at(const struct opt_tool *tool, size_t i)
{
	return i < tool->n ? &tool->defs[i] : &common_defs[i - tool->n];
}

/* ---- help ---- */

/* Prints text from this column on, broken at spaces. */
static void print_wrapped(const char *text, int column)
{
	const size_t width = (size_t)(HELP_WIDTH - column);

	while (strlen(text) > width) {
		size_t cut = width;

		while (cut > 0 && text[cut] != ' ')
			cut--;
		if (cut == 0)
			break;
		printf("%.*s\n%*s", (int)cut, text, column, "");
		text += cut + 1;
	}
	printf("%s\n", text);
}

static void print_option(const struct opt_def *def)
{
	char left[128];
	int used;

	if (def->short_name)
		used = snprintf(left, sizeof(left), "  -%c, --%s", def->short_name, def->long_name);
	else
		used = snprintf(left, sizeof(left), "      --%s", def->long_name);
	if (def->arg && used > 0)
		used += snprintf(left + used, sizeof(left) - (size_t)used, " %s", def->arg);
	if (used < HELP_INDENT - 1)
		printf("%-*s", HELP_INDENT, left);
	else
		printf("%s\n%*s", left, HELP_INDENT, "");
	print_wrapped(def->help, HELP_INDENT);
}

static _Noreturn void print_help(const struct opt_tool *tool)
{
	const char *form = tool->usage;

	for (;;) {
		size_t n = strcspn(form, "\n");

		printf("%s %s%s%.*s\n", form == tool->usage ? "Usage:" : "   or:", tool->name,
		       n ? " " : "", (int)n, form);
		if (!form[n])
			break;
		form += n + 1;
	}
	print_wrapped(tool->summary, 0);
	printf("\nOptions:\n");
	for (size_t i = 0; i < def_count(tool); i++)
		print_option(def_at(tool, i));
	stdout_finish();
	exit(EX_OK);
}

static _Noreturn void print_version(void)
{
	printf("%s %s (memory format %d)\n", tool_name, SHMQ_VERSION, SHMQ_FORMAT_VERSION);
	stdout_finish();
	exit(EX_OK);
}

/* ---- bad usage ---- */

void opt_usage(const struct opt_tool *tool, const char *fmt, ...)
{
	struct bytes text = {0};
	va_list ap;

	va_start(ap, fmt);
	bytes_vprintf(&text, fmt, ap);
	va_end(ap);
	die(EX_USAGE, "%.*s, try '%s --help'", (int)text.len, text.data, tool->name);
}

/* An option as getopt names it in optopt. */
static const char *option_name(const struct opt_tool *tool, int code, char *buf, size_t size)
{
	if (code >= LONG_BASE)
		snprintf(buf, size, "--%s", def_at(tool, (size_t)(code - LONG_BASE))->long_name);
	else
		snprintf(buf, size, "-%c", code);
	return buf;
}

/* A long option that getopt did not take: unknown, or the beginning of several. */
static _Noreturn void bad_long(const struct opt_tool *tool, const char *word)
{
	size_t n = strcspn(word, "=");
	char found[256] = "";
	size_t used = 0;

	for (size_t i = 0; n > 2 && i < def_count(tool); i++) {
		const char *name = def_at(tool, i)->long_name;

		if (strncmp(name, word + 2, n - 2) == 0 && used < sizeof(found))
			used += (size_t)snprintf(found + used, sizeof(found) - used, "%s--%s",
						 used ? ", " : "", name);
	}
	if (used)
		opt_usage(tool, "option '%.*s' is ambiguous: %s", (int)n, word, found);
	opt_usage(tool, "unknown option '%.*s'", (int)n, word);
}

static _Noreturn void bad_option(const struct opt_tool *tool, int code, char **argv)
{
	char name[64];

	if (code == ':') {
		option_name(tool, optopt, name, sizeof(name));
		opt_usage(tool, "option '%s' needs a value", name);
	}
	if (optopt >= LONG_BASE) {
		option_name(tool, optopt, name, sizeof(name));
		opt_usage(tool, "option '%s' takes no value", name);
	}
	if (optopt == 0)
		bad_long(tool, argv[optind - 1]);
	opt_usage(tool, "unknown option '-%c'", optopt);
}

/* ---- parsing ---- */

struct getopt_tables {
	char shorts[2 + 2 * OPT_MAX + 1];
	struct option longs[OPT_MAX + 1];
};

static void fill_tables(const struct opt_tool *tool, struct getopt_tables *t)
{
	char *s = t->shorts;

	memset(t, 0, sizeof(*t));
	*s++ = '+'; /* options before operands */
	*s++ = ':'; /* tell a missing value from an unknown option */
	for (size_t i = 0; i < def_count(tool) && i < OPT_MAX; i++) {
		const struct opt_def *def = def_at(tool, i);

		t->longs[i] =
		    (struct option){def->long_name, def->arg ? required_argument : no_argument,
				    NULL, LONG_BASE + (int)i};
		if (!def->short_name)
			continue;
		*s++ = (char)def->short_name;
		if (def->arg)
			*s++ = ':';
	}
}

static const struct opt_def *find_def(const struct opt_tool *tool, int code)
{
	if (code >= LONG_BASE)
		return def_at(tool, (size_t)(code - LONG_BASE));
	for (size_t i = 0; i < def_count(tool); i++)
		if (def_at(tool, i)->short_name == code)
			return def_at(tool, i);
	return NULL;
}

int opt_next(const struct opt_tool *tool, int argc, char **argv, const char **arg)
{
	struct getopt_tables tables;
	const struct opt_def *def;
	int code;

	fill_tables(tool, &tables);
	opterr = 0;
	code = getopt_long(argc, argv, tables.shorts, tables.longs, NULL);
	if (code == -1)
		return 0;
	def = code == '?' || code == ':' ? NULL : find_def(tool, code);
	if (!def)
		bad_option(tool, code, argv);
	if (def->id == ID_HELP)
		print_help(tool);
	if (def->id == ID_VERSION)
		print_version();
	*arg = def->arg ? optarg : NULL;
	return def->id;
}

/* ---- arguments ---- */

void opt_bad_value(const struct opt_tool *tool, int id, const char *arg, const char *wanted)
{
	for (size_t i = 0; i < tool->n; i++)
		if (tool->defs[i].id == id)
			opt_usage(tool, "option '--%s': '%s' is not %s", tool->defs[i].long_name,
				  arg, wanted);
	opt_usage(tool, "'%s' is not %s", arg, wanted);
}

uint64_t opt_number(const struct opt_tool *tool, int id, const char *arg, uint64_t min,
		    uint64_t max)
{
	char wanted[80];
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(arg, &end, 10);
	/* strtoull() takes blanks and signs, which nobody means */
	if (errno == 0 && *arg >= '0' && *arg <= '9' && !*end && n >= min && n <= max)
		return n;
	if (max == UINT64_MAX)
		snprintf(wanted, sizeof(wanted), "a number of at least %llu",
			 (unsigned long long)min);
	else
		snprintf(wanted, sizeof(wanted), "a number from %llu to %llu",
			 (unsigned long long)min, (unsigned long long)max);
	opt_bad_value(tool, id, arg, wanted);
}

const char *opt_text(const struct opt_tool *tool, int id, const char *arg, const char *what)
{
	if (!*arg)
		opt_bad_value(tool, id, arg, what);
	return arg;
}

int64_t opt_duration(const struct opt_tool *tool, int id, const char *arg)
{
	int64_t ns;

	if (shmq_parse_duration(arg, &ns) != SHMQ_OK)
		opt_bad_value(tool, id, arg, "a duration (as 500ms, 30s, 1h30m)");
	return ns;
}

uint64_t opt_size(const struct opt_tool *tool, int id, const char *arg)
{
	uint64_t bytes;

	if (shmq_parse_size(arg, &bytes) != SHMQ_OK)
		opt_bad_value(tool, id, arg, "a size (as 65536, 64K, 16M, 1G)");
	return bytes;
}
