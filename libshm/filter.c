/* SPDX-License-Identifier: MIT */
/*
 * filter.c - match keys against patterns of the AMQP topic exchange.
 *
 * Pattern and key are words split by '.'. The word "*" stands for exactly one word, "#" for any
 * number of words, none included (AMQP 0-9-1, section 3.1.3.3). Where the standard is silent this
 * does as RabbitMQ: empty text has no words (so "*" does not match it), "a." has two, the second
 * one empty, and "*" matches an empty word. Any byte but '.' may stand in a word.
 */
#include "filter.h"

#include "shmq.h"

#include <stdbool.h>
#include <string.h>

struct word {
	const char *text;
	size_t len;
};

/* What is left of a text; next is NULL when no word is. */
struct words {
	const char *next, *end;
};

static struct words words_of(const void *text, size_t len)
{
	struct words w = {NULL, NULL};

	if (len > 0) {
		w.next = text;
		w.end = w.next + len;
	}
	return w;
}

static bool word_take(struct words *w, struct word *word)
{
	const char *dot;

	if (w->next == NULL)
		return false;
	dot = memchr(w->next, '.', (size_t)(w->end - w->next));
	word->text = w->next;
	word->len = (size_t)((dot ? dot : w->end) - w->next);
	w->next = dot ? dot + 1 : NULL;
	return true;
}

static bool word_is(struct word word, char c)
{
	return word.len == 1 && *word.text == c;
}

static bool word_matches(struct word pattern, struct word word)
{
	return word_is(pattern, '*') ||
	       (pattern.len == word.len && memcmp(pattern.text, word.text, word.len) == 0);
}

/* The words between two '#' have a fixed number, so the leftmost place where they fit is as good as
 * any: only the last '#' ever needs to take more words. That bounds the work by words of the
 * pattern times words of the key, in constant memory. */
int shmq_filter_match(const char *pattern, const void *key, size_t key_len)
{
	struct words p = words_of(pattern, strlen(pattern)), k = words_of(key, key_len);
	struct words after_hash = {NULL, NULL}, retry = {NULL, NULL};
	struct word pw, kw;
	bool hash = false;

	if (key == NULL && *pattern == '\0') /* it asks for the empty key, which is one */
		return 0;
	for (;;) {
		bool more = word_take(&p, &pw);

		if (more && word_is(pw, '#')) {
			if (p.next == NULL)
				return 1;
			hash = true;
			after_hash = p;
			retry = k;
			continue;
		}
		if (!word_take(&k, &kw))
			return !more;
		if (more && word_matches(pw, kw))
			continue;
		if (!hash)
			return 0;
		word_take(&retry, &kw);
		p = after_hash;
		k = retry;
	}
}

int filter_check(const char *pattern)
{
	struct words w = words_of(pattern, strlen(pattern));
	struct word word;

	while (word_take(&w, &word)) {
		if (word.len > 1 &&
		    (memchr(word.text, '*', word.len) || memchr(word.text, '#', word.len)))
			return SHMQ_EINVAL;
	}
	return SHMQ_OK;
}
