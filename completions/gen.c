/* SPDX-License-Identifier: MIT */
/*
 * gen.c - makes the completions from the option tables: copies bash.in, zsh.in or fish.in from
 * stdin to stdout and puts the tables, in that shell's own words, where a line says @TABLE@.
 */
#include <stdio.h>
#include <string.h>

#include "mqd.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define OPT(NAME, ...) {0, __VA_ARGS__},
static const struct opt_def common_defs[] = {
#include "common_options.def"
};
static const struct opt_def mqpub_defs[] = {
#include "mqpub_options.def"
};
static const struct opt_def mqsub_defs[] = {
#include "mqsub_options.def"
};
#undef OPT
#define OPT(NAME, ...) {OPT_##NAME, __VA_ARGS__},
static const struct opt_def mqd_defs[] = {
#include "mqd_options.def"
};
#undef OPT

static const struct command {
	const char *tool, *verb; /* verb NULL: none, or not yet */
	const char *help;
	const struct opt_def *defs;
	size_t n;
	unsigned takes; /* TAKES() of the options that belong to it; ~0: all */
} commands[] = {
    {"mqpub", NULL, NULL, mqpub_defs, COUNT(mqpub_defs), ~0U},
    {"mqsub", NULL, NULL, mqsub_defs, COUNT(mqsub_defs), ~0U},
    {"mqd", NULL, NULL, mqd_defs, COUNT(mqd_defs), ~0U},
#define VERB(NAME, word, operands, takes, help)                                                    \
	{"mqd", word, help, mqd_defs, COUNT(mqd_defs), takes},
#include "mqd_verbs.def"
#undef VERB
};

/* ---- tables ---- */

/* What completes the value of an option, by the name of its argument. */
enum kind { FLAG, DIRECTORY, WORDS, TEXT };

static enum kind kind_of(const struct opt_def *def)
{
	if (!def->arg)
		return FLAG;
	if (strcmp(def->arg, "DIR") == 0)
		return DIRECTORY;
	if (strchr(def->arg, '|') && !def->arg[strspn(def->arg, "abcdefghijklmnopqrstuvwxyz-|")])
		return WORDS;
	return TEXT;
}

typedef void print_def(const struct command *command, const struct opt_def *def);

static void each_def(const struct command *command, print_def *print)
{
	for (size_t i = 0; i < command->n; i++)
		if (command->takes & 1U << command->defs[i].id)
			print(command, &command->defs[i]);
	for (size_t i = 0; i < COUNT(common_defs); i++)
		print(command, &common_defs[i]);
}

/* Prints text as the inside of single quotes, with a backslash before each of `special`. */
static void quoted(const char *text, const char *special, const char *quote)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs(quote, stdout);
		else
			printf("%s%c", strchr(special, *text) ? "\\" : "", *text);
	}
}

/* "block|reject" with another separator. */
static void words(const char *text, char separator)
{
	for (; *text; text++)
		putchar(*text == '|' ? separator : *text);
}

/* ---- bash: ['mqd topic list']='-b,--broker,dir --hold,flag ...' ---- */

static void bash_def(const struct command *command, const struct opt_def *def)
{
	(void)command;
	putchar(' ');
	if (def->short_name)
		printf("-%c,", def->short_name);
	printf("--%s,", def->long_name);
	switch (kind_of(def)) {
	case FLAG:
		fputs("flag", stdout);
		break;
	case DIRECTORY:
		fputs("dir", stdout);
		break;
	case WORDS:
		fputs(def->arg, stdout);
		break;
	case TEXT:
		fputs("text", stdout);
		break;
	}
}

static void bash_table(void)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *c = &commands[i];

		printf("\t['%s%s%s']='", c->tool, c->verb ? " topic " : "", c->verb ? c->verb : "");
		each_def(c, bash_def);
		puts(" '");
	}
}

/* ---- zsh: one array of _arguments specifications for each command ---- */

static void zsh_def(const struct command *command, const struct opt_def *def)
{
	enum kind kind = kind_of(def);

	(void)command;
	fputs("\t\t", stdout);
	if (def->short_name && kind == FLAG)
		printf("'(-%c --%s)'{-%c,--%s}", def->short_name, def->long_name, def->short_name,
		       def->long_name);
	else if (def->short_name)
		printf("'*'{-%c+,--%s=}", def->short_name, def->long_name);
	else
		printf("%s--%s%s", kind == FLAG ? "" : "'*'", def->long_name,
		       kind == FLAG ? "" : "=");
	fputs("'[", stdout);
	quoted(def->help, "[]\\", "'\\''");
	putchar(']');
	if (kind != FLAG) {
		putchar(':');
		quoted(def->arg, ":\\", "'\\''");
		putchar(':');
	}
	if (kind == DIRECTORY)
		fputs("_directories", stdout);
	if (kind == WORDS) {
		putchar('(');
		words(def->arg, ' ');
		putchar(')');
	}
	puts("'");
}

static void zsh_table(void)
{
	puts("_shmq_specs() {\n\tcase $1 in");
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *c = &commands[i];

		printf("\t%s%s%s) specs=(\n", c->tool, c->verb ? "-" : "", c->verb ? c->verb : "");
		each_def(c, zsh_def);
		puts("\t) ;;");
	}
	puts("\tesac\n}\n\n_shmq_verbs=(");
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!commands[i].verb)
			continue;
		printf("\t'%s:", commands[i].verb);
		quoted(commands[i].help, ":\\", "'\\''");
		puts("'");
	}
	puts(")");
}

/* ---- fish: one complete(1) for each option ---- */

static void fish_def(const struct command *command, const struct opt_def *def)
{
	printf("complete -c %s -n '__shmq_at %s%s%s' -l %s", command->tool, command->tool,
	       command->verb ? " topic " : "", command->verb ? command->verb : "", def->long_name);
	if (def->short_name)
		printf(" -s %c", def->short_name);
	switch (kind_of(def)) {
	case FLAG:
		break;
	case DIRECTORY:
		fputs(" -x -a '(__fish_complete_directories)'", stdout);
		break;
	case WORDS:
		fputs(" -x -a '", stdout);
		words(def->arg, ' ');
		putchar('\'');
		break;
	case TEXT:
		fputs(" -x", stdout);
		break;
	}
	fputs(" -d '", stdout);
	quoted(def->help, "\\", "\\'");
	puts("'");
}

static void fish_valued(const struct command *command, const struct opt_def *def)
{
	(void)command;
	if (!def->arg)
		return;
	if (def->short_name)
		printf(" -%c", def->short_name);
	printf(" --%s", def->long_name);
}

static void fish_table(void)
{
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *c = &commands[i];

		if (!c->verb) {
			printf("set -g __shmq_valued_%s", c->tool);
			each_def(c, fish_valued);
			putchar('\n');
		}
	}
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *c = &commands[i];

		if (c->verb) {
			printf("complete -c mqd -n '__shmq_at mqd topic' -f -a %s -d '", c->verb);
			quoted(c->help, "\\", "\\'");
			puts("'");
		}
		each_def(c, fish_def);
	}
}

int main(int argc, char **argv)
{
	const char *shell = argc == 2 ? argv[1] : "";
	void (*table)(void) = NULL;
	char text[1024];

	if (strcmp(shell, "bash") == 0)
		table = bash_table;
	else if (strcmp(shell, "zsh") == 0)
		table = zsh_table;
	else if (strcmp(shell, "fish") == 0)
		table = fish_table;
	if (!table) {
		fputs("usage: gen bash|zsh|fish <TEMPLATE >FILE\n", stderr);
		return EX_USAGE;
	}
	while (fgets(text, sizeof(text), stdin)) {
		if (strcmp(text, "@TABLE@\n") == 0)
			table();
		else
			fputs(text, stdout);
	}
	return fflush(stdout) == 0 && !ferror(stdout) && !ferror(stdin) ? EX_OK : EX_IOERR;
}
