/* SPDX-License-Identifier: MIT */
/* filter_test.c - key patterns: known answers, and all short ones against a plain matcher. */
#include <stdlib.h>
#include <unistd.h>

#include "filter.h"
#include "shmq.h"
#include "tap.h"

static const struct {
	const char *pattern, *key;
	int match;
} cases[] = {
	/* literal words */
	{"a", "a", 1},
	{"a", "b", 0},
	{"a", "aa", 0},
	{"aa", "a", 0},
	{"a.b", "a.b", 1},
	{"a.b", "a", 0},
	{"a", "a.b", 0},
	{"a.b", "ab", 0},
	{"A", "a", 0},
	/* one word */
	{"*", "a", 1},
	{"*", "long-word_1", 1},
	{"*", "a.b", 0},
	{"*", "", 0},
	{"*.*", "a", 0},
	{"*.*", "a.b", 1},
	{"*.*", ".", 1},
	{"*.b", "a.b", 1},
	{"*.b", "a.a.b", 0},
	{"a.*", "a.", 1},
	{"a.*.c", "a.b.c", 1},
	{"a.*.c", "a.c", 0},
	{"*.orange.*", "quick.orange.rabbit", 1},
	{"*.orange.*", "quick.orange.new.rabbit", 0},
	/* any number of words */
	{"#", "", 1},
	{"#", "a", 1},
	{"#", "a.b.c", 1},
	{"#", ".", 1},
	{"#.#", "", 1},
	{"#.#.#", "a", 1},
	{"#.*", "", 0},
	{"#.*", "a", 1},
	{"*.#", "a", 1},
	{"*.#.*", "a", 0},
	{"*.#.*", "a.b", 1},
	{"lazy.#", "lazy", 1},
	{"lazy.#", "lazy.pink.rabbit", 1},
	{"lazy.#", "lazyx", 0},
	{"#.b", "b", 1},
	{"#.b", "a.a.b", 1},
	{"#.b", "a.b.a", 0},
	{"#.b", "ab", 0},
	{"a.#.z", "a.z", 1},
	{"a.#.z", "a.b.c.z", 1},
	{"a.#.z", "a", 0},
	{"#.a.b.#", "a.a.b", 1},
	{"#.a.a.b", "a.a.a.b", 1},
	{"#.a.#.b.#.c", "x.a.b.b.y.c", 1},
	{"#.a.#.b.#.c", "x.b.a.y.c", 0},
	/* empty words and texts */
	{"", "", 1},
	{"", "a", 0},
	{"a", "", 0},
	{"a.", "a", 0},
	{"a.", "a.", 1},
	{".", ".", 1},
	{"a..b", "a..b", 1},
	{"a..b", "a.b", 0},
	{"a.#", "a.", 1},
	/* no wildcards in keys, nor inside words */
	{"a", "*", 0},
	{"a", "#", 0},
	{"*", "#", 1},
	{"a*", "ab", 0},
	{"a*", "a*", 1},
};

static const struct {
	const char *pattern;
	int result;
} checks[] = {
	{"", SHMQ_OK},         {"a", SHMQ_OK},           {"*", SHMQ_OK},
	{"#", SHMQ_OK},        {"a.*.#.b", SHMQ_OK},     {"..", SHMQ_OK},
	{"#.#", SHMQ_OK},      {"a*", SHMQ_EINVAL},      {"*a", SHMQ_EINVAL},
	{"a#b", SHMQ_EINVAL},  {"##", SHMQ_EINVAL},      {"**", SHMQ_EINVAL},
	{"*#", SHMQ_EINVAL},   {"a.b*", SHMQ_EINVAL},    {"a*.b", SHMQ_EINVAL},
	{"*.#.c#", SHMQ_EINVAL},
};

/* ---- the plain matcher: the definition, word by word, in exponential time ---------------- */

#define WORDS_MAX 8
#define TEXT_MAX  32

struct split {
	char text[TEXT_MAX];
	char *words[WORDS_MAX + 1]; /* NULL behind the last */
};

static void split(struct split *s, const char *text)
{
	char *rest = s->text;
	size_t n = 0;

	snprintf(s->text, sizeof s->text, "%s", text);
	if (*rest == '\0')
		rest = NULL;
	while (rest && n < WORDS_MAX)
		s->words[n++] = strsep(&rest, ".");
	s->words[n] = NULL;
}

static bool plain_match(char *const *pattern, char *const *key)
{
	if (!*pattern)
		return !*key;
	if (strcmp(*pattern, "#") == 0)
		return plain_match(pattern + 1, key) || (*key && plain_match(pattern, key + 1));
	return *key && (strcmp(*pattern, "*") == 0 || strcmp(*pattern, *key) == 0) &&
	       plain_match(pattern + 1, key + 1);
}

static int plain_check(char *const *pattern)
{
	for (; *pattern; pattern++) {
		if (strlen(*pattern) > 1 && strpbrk(*pattern, "*#"))
			return SHMQ_EINVAL;
	}
	return SHMQ_OK;
}

/* All texts of 0 .. max pieces; "" is the text without pieces. */
struct texts {
	struct split *all;
	size_t count;
};

static struct texts texts_of(const char *const *pieces, size_t n, unsigned max, const char *between)
{
	struct texts t = {NULL, 0};
	size_t total = 1, level = 1;

	for (unsigned i = 0; i < max; i++)
		total += level *= n;
	t.all = calloc(total, sizeof *t.all);
	if (!t.all)
		abort();
	split(&t.all[t.count++], "");
	level = 1;
	for (unsigned len = 1; len <= max; len++) {
		level *= n;
		for (size_t i = 0; i < level; i++) {
			char text[TEXT_MAX] = "";
			size_t number = i;

			for (unsigned w = 0; w < len; w++, number /= n) {
				strcat(text, w ? between : "");
				strcat(text, pieces[number % n]);
			}
			split(&t.all[t.count++], text);
		}
	}
	return t;
}

/* strsep() has cut the text; this glues it again. */
static const char *joined(const struct split *s, char *text)
{
	*text = '\0';
	for (char *const *w = s->words; *w; w++) {
		strcat(text, w == s->words ? "" : ".");
		strcat(text, *w);
	}
	return text;
}

static void compare(struct texts patterns, struct texts keys, const char *what)
{
	char pattern[TEXT_MAX], key[TEXT_MAX];
	uint64_t wrong = 0, wrong_checks = 0, matches = 0;

	for (size_t p = 0; p < patterns.count; p++) {
		joined(&patterns.all[p], pattern);
		wrong_checks += filter_check(pattern) != plain_check(patterns.all[p].words);
		for (size_t k = 0; k < keys.count; k++) {
			int want = plain_match(patterns.all[p].words, keys.all[k].words);

			joined(&keys.all[k], key);
			matches += (uint64_t)want;
			if (shmq_filter_match(pattern, key, strlen(key)) != want && wrong++ < 5)
				printf("# \"%s\" on \"%s\": want %d\n", pattern, key, want);
		}
	}
	is_u64(wrong, 0, "%s: %zu patterns on %zu keys match as defined", what, patterns.count,
	       keys.count);
	is_u64(wrong_checks, 0, "%s: patterns are refused as defined", what);
	ok(matches > keys.count && matches < patterns.count * keys.count / 2,
	   "%s: some match and some do not", what);
	free(patterns.all);
	free(keys.all);
}

static void all_short(void)
{
	static const char *const chars[] = {"a", ".", "*", "#", "b"};
	static const char *const words[] = {"a", "", "b", "*", "#"};

	compare(texts_of(chars, 5, 5, ""), texts_of(chars, 4, 4, ""), "by letters");
	compare(texts_of(words, 5, 5, "."), texts_of(words, 3, 5, "."), "by words");
}

/* ---- long and odd ones -------------------------------------------------------------------- */

static char *repeat(const char *piece, size_t n, const char *tail)
{
	size_t len = strlen(piece);
	char *text = malloc(n * len + strlen(tail) + 1);

	if (!text)
		abort();
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, piece, len);
	strcpy(text + n * len, tail);
	return text;
}

static void hostile(void)
{
	/* Trying every way to share 2,000 words among 300 '#' would not end. */
	char *pattern = repeat("#.a.", 300, "b"), *key = repeat("a.", 2000, "a");
	char *long_run = repeat("#.a.a.a.a.", 30, "#.b"), *all = repeat("#.*.", 300, "#");
	char *words = repeat("*.", 2000, "*"), *more = repeat("*.", 2001, "*");

	alarm(120);
	is_i64(shmq_filter_match(pattern, key, strlen(key)), 0, "300 '#.a', then a word not there");
	is_i64(shmq_filter_match(long_run, key, strlen(key)), 0, "'#' before long runs");
	is_i64(shmq_filter_match(all, key, strlen(key)), 1, "300 '#.*' on 2,001 words");
	is_i64(shmq_filter_match(words, key, strlen(key)), 1, "2,001 '*' on 2,001 words");
	is_i64(shmq_filter_match(more, key, strlen(key)), 0, "2,002 '*' on 2,001 words");
	alarm(0);
	free(pattern);
	free(key);
	free(long_run);
	free(all);
	free(words);
	free(more);
}

static void bytes(void)
{
	is_i64(shmq_filter_match("#", NULL, 0), 1, "no key matches \"#\"");
	is_i64(shmq_filter_match("*", NULL, 0), 0, "no key does not match \"*\"");
	is_i64(shmq_filter_match("", NULL, 0), 0, "no key does not match the empty pattern");
	is_i64(shmq_filter_match("a.*", "a.\0\xff\n", 5), 1, "a word of any bytes");
	is_i64(shmq_filter_match("a", "a\0", 2), 0, "a NUL in the key counts");
	is_i64(shmq_filter_match("a.b", "a.bc", 3), 1, "the key ends where its length says");
}

int main(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		is_i64(shmq_filter_match(cases[i].pattern, cases[i].key, strlen(cases[i].key)),
		       cases[i].match, "\"%s\" on \"%s\"", cases[i].pattern, cases[i].key);
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		is_i64(filter_check(checks[i].pattern), checks[i].result, "check \"%s\"",
		       checks[i].pattern);
	bytes();
	all_short();
	hostile();
	return done();
}
