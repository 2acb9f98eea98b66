/* SPDX-License-Identifier: MIT */
/* verb.c - tools whose command line says what to do. */
#include "verb.h"

#include <string.h>

#include "bytes.h"

struct opt_tool verb_tool(const struct opt_tool *all, const struct verb_def *verb,
			  struct opt_def *defs)
{
	struct opt_tool tool = {
	    .name = verb->name, .usage = verb->usage, .summary = verb->help, .defs = defs};

	for (size_t i = 0; i < all->n; i++)
		if (verb->takes & 1u << all->defs[i].id)
			defs[tool.n++] = all->defs[i];
	return tool;
}

void verb_check_given(const struct opt_tool *all, const struct verb_def *verb, unsigned given)
{
	for (size_t i = 0; i < all->n; i++)
		if (given & ~verb->takes & 1u << all->defs[i].id)
			opt_usage(all, "option '--%s' does not belong to '%s'",
				  all->defs[i].long_name, verb->name);
}

const char *verb_words(const struct verb_def *verbs, size_t n, const char *noun)
{
	static struct bytes words;

	words.len = 0;
	for (size_t i = 0; i < n; i++) {
		if (noun && (!verbs[i].noun || strcmp(verbs[i].noun, noun) != 0))
			continue;
		if (words.len)
			bytes_text(&words, ", ");
		bytes_text(&words, verbs[i].word);
	}
	bytes_byte(&words, 0);
	return words.data;
}
