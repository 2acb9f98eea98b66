/* SPDX-License-Identifier: MIT */
/*
 * gen.c - makes the completions from the option tables: copies bash.in, zsh.in or fish.in from
 * stdin to stdout and puts the tables, in that shell's own words, where a line says @TABLE@.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "opt.h"

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

/* Of the tools with verbs, also the numbers that TAKES() is made of. */
#define OPT(NAME, ...) MQD_##NAME,
enum {
	MQD_NONE,
#include "mqd_options.def"
};
#undef OPT
#define OPT(NAME, ...) {MQD_##NAME, __VA_ARGS__},
static const struct opt_def mqd_defs[] = {
#include "mqd_options.def"
};
#undef OPT
#define OPT(NAME, ...) MQDLQ_##NAME,
enum {
	MQDLQ_NONE,
#include "mqdlq_options.def"
};
#undef OPT
#define OPT(NAME, ...) {MQDLQ_##NAME, __VA_ARGS__},
static const struct opt_def mqdlq_defs[] = {
#include "mqdlq_options.def"
};
#undef OPT

#define ALL ~0U

static const struct command {
	const char *words[3]; /* the tool; what follows it, as "topic" and "list" */
	const char *help;
	const char *operands; /* NULL: another word follows */
	const struct opt_def *defs;
	size_t n;
	unsigned takes; /* TAKES() of the options that belong to it */
} commands[] = {
    {{"mqpub"}, NULL, " TOPIC FILE...", mqpub_defs, COUNT(mqpub_defs), ALL},
    {{"mqsub"}, NULL, " TOPIC...", mqsub_defs, COUNT(mqsub_defs), ALL},
    {{"mqd"}, NULL, NULL, mqd_defs, COUNT(mqd_defs), ALL},
#define TAKES(NAME)            (1U << MQD_##NAME)
#define NOUN(NAME, word, help) {{"mqd", word}, help, NULL, mqd_defs, COUNT(mqd_defs), ALL},
#define VERB(NOUN, NAME, noun, word, operands, takes, help)                                        \
	{{"mqd", noun, word}, help, operands, mqd_defs, COUNT(mqd_defs), takes},
#define WORD(NAME, word, operands, takes, help) {{"mqd", word}, help, operands, mqd_defs, COUNT(mqd_defs), takes},
#include "mqd_verbs.def"
#undef TAKES
    {{"mqdlq"}, NULL, NULL, mqdlq_defs, COUNT(mqdlq_defs), ALL},
#define TAKES(NAME) (1U << MQDLQ_##NAME)
#define VERB(NAME, word, operands, takes, help)                                                    \
	{{"mqdlq", word}, help, operands, mqdlq_defs, COUNT(mqdlq_defs), takes},
#include "mqdlq_verbs.def"
#undef VERB
#undef TAKES
};

/* ---- commands ---- */

static size_t word_count(const struct command *c)
{
	size_t n = 0;

	while (n < COUNT(c->words) && c->words[n])
		n++;
	return n;
}

static void print_words(const struct command *c, const char *separator)
{
	for (size_t i = 0; i < word_count(c); i++)
		printf("%s%s", i ? separator : "", c->words[i]);
}

/* Is b one of those that stand for a next word of a? */
static int follows(const struct command *a, const struct command *b)
{
	size_t n = word_count(a);

	if (word_count(b) != n + 1)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(a->words[i], b->words[i]) != 0)
			return 0;
	return 1;
}

/* The kinds of a command's operands, in their order: "topic", "group", "file"; "+" behind one that
 * may be repeated. What is to be created is none that could be completed. */
static void print_operands(const struct command *c,
			   void (*print)(const char *kind, int repeated, int nth))
{
	static const struct {
		const char *text, *kind;
	} known[] = {{"TOPIC", "topic"}, {"GROUP", "group"}, {"FILE", "file"}};
	const char *last = c->words[word_count(c) - 1];
	int nth = 0;

	if (strcmp(last, "create") == 0)
		return;
	for (const char *at = c->operands; *at;) {
		at += strspn(at, " [");
		for (size_t i = 0; i < COUNT(known); i++) {
			size_t n = strlen(known[i].text);

			if (strncmp(at, known[i].text, n) == 0)
				print(known[i].kind, at[n] == '.', nth++);
		}
		at += strcspn(at, " ");
	}
}

/* ---- tables ---- */

/* What completes the value of an option, by the name of its argument. */
enum kind { FLAG, DIRECTORY, TOPIC, GROUP, WORDS, TEXT };

static enum kind kind_of(const struct opt_def *def)
{
	if (!def->arg)
		return FLAG;
	if (strcmp(def->arg, "DIR") == 0)
		return DIRECTORY;
	if (strcmp(def->arg, "TOPIC") == 0)
		return TOPIC;
	if (strcmp(def->long_name, "group") == 0)
		return GROUP;
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
	static const char *const kinds[] = {[FLAG] = "flag",
					    [DIRECTORY] = "dir",
					    [TOPIC] = "topic",
					    [GROUP] = "group",
					    [TEXT] = "text"};
	enum kind kind = kind_of(def);

	(void)command;
	putchar(' ');
	if (def->short_name)
		printf("-%c,", def->short_name);
	printf("--%s,%s", def->long_name, kind == WORDS ? def->arg : kinds[kind]);
}

static void bash_operand(const char *kind, int repeated, int nth)
{
	printf("%s%s%s", nth ? " " : "", kind, repeated ? "+" : "");
}

static void bash_key(const struct command *c)
{
	fputs("\t['", stdout);
	print_words(c, " ");
	fputs("']='", stdout);
}

static void bash_table(void)
{
	puts("declare -gA _shmq_options=(");
	for (size_t i = 0; i < COUNT(commands); i++) {
		bash_key(&commands[i]);
		each_def(&commands[i], bash_def);
		puts(" '");
	}
	puts(")\ndeclare -gA _shmq_words=(");
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (commands[i].operands)
			continue;
		bash_key(&commands[i]);
		for (size_t k = 0; k < COUNT(commands); k++)
			if (follows(&commands[i], &commands[k]))
				printf("%s ", commands[k].words[word_count(&commands[k]) - 1]);
		puts("'");
	}
	puts(")\ndeclare -gA _shmq_operands=(");
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (!commands[i].operands)
			continue;
		bash_key(&commands[i]);
		print_operands(&commands[i], bash_operand);
		puts("'");
	}
	puts(")");
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
	if (kind == TOPIC || kind == GROUP)
		fputs(kind == TOPIC ? "->topic" : "->group", stdout);
	if (kind == WORDS) {
		putchar('(');
		words(def->arg, ' ');
		putchar(')');
	}
	puts("'");
}

static void zsh_operand(const char *kind, int repeated, int nth)
{
	fputs("\t\t'", stdout);
	if (repeated)
		putchar('*');
	else
		printf("%d", nth + 1);
	if (strcmp(kind, "file") == 0)
		puts(": :_files'");
	else
		printf(": :->%s'\n", kind);
}

/* What may follow: an array of word and help for each command that goes on with a word. */
static void zsh_words(const struct command *c)
{
	fputs("typeset -ga _shmq_words_", stdout);
	print_words(c, "_");
	fputs("=(\n", stdout);
	for (size_t k = 0; k < COUNT(commands); k++) {
		if (!follows(c, &commands[k]))
			continue;
		printf("\t'%s:", commands[k].words[word_count(&commands[k]) - 1]);
		quoted(commands[k].help, ":\\", "'\\''");
		puts("'");
	}
	puts(")");
}

static void zsh_table(void)
{
	puts("_shmq_specs() {\n\tcase $1 in");
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *c = &commands[i];

		putchar('\t');
		print_words(c, "-");
		puts(") specs=(");
		each_def(c, zsh_def);
		if (c->operands)
			print_operands(c, zsh_operand);
		puts("\t) ;;");
	}
	puts("\tesac\n}\n");
	for (size_t i = 0; i < COUNT(commands); i++)
		if (!commands[i].operands)
			zsh_words(&commands[i]);
}

/* ---- fish: one complete(1) for each option ---- */

static void fish_def(const struct command *command, const struct opt_def *def)
{
	printf("complete -c %s -n '__shmq_at ", command->words[0]);
	print_words(command, " ");
	printf("' -l %s", def->long_name);
	if (def->short_name)
		printf(" -s %c", def->short_name);
	switch (kind_of(def)) {
	case FLAG:
		break;
	case DIRECTORY:
		fputs(" -x -a '(__fish_complete_directories)'", stdout);
		break;
	case TOPIC:
		fputs(" -x -a '(__shmq_topics)'", stdout);
		break;
	case GROUP:
		fputs(" -x -a '(__shmq_groups)'", stdout);
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

static void fish_operand(const char *kind, int repeated, int nth)
{
	(void)nth;
	printf(" %s%s", kind, repeated ? "+" : "");
}

/* Of a tool: which options have a value, and how many words stand before its operands. */
static void fish_tool(const struct command *tool)
{
	size_t most = 0;

	for (size_t i = 0; i < COUNT(commands); i++)
		if (strcmp(commands[i].words[0], tool->words[0]) == 0 &&
		    word_count(&commands[i]) > most)
			most = word_count(&commands[i]);
	printf("set -g __shmq_valued_%s", tool->words[0]);
	each_def(tool, fish_valued);
	printf("\nset -g __shmq_depth_%s %zu\n", tool->words[0], most - 1);
}

static void fish_word(const struct command *c)
{
	struct command before = *c;
	size_t n = word_count(c);

	before.words[n - 1] = NULL;
	printf("complete -c %s -n '__shmq_at ", c->words[0]);
	print_words(&before, " ");
	printf("' -f -a %s -d '", c->words[n - 1]);
	quoted(c->help, "\\", "\\'");
	puts("'");
}

static void fish_table(void)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (word_count(&commands[i]) == 1)
			fish_tool(&commands[i]);
	for (size_t i = 0; i < COUNT(commands); i++) {
		const struct command *c = &commands[i];

		if (c->operands) {
			fputs("set -g __shmq_operands_", stdout);
			print_words(c, "_");
			print_operands(c, fish_operand);
			putchar('\n');
		}
		if (word_count(c) > 1)
			fish_word(c);
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
