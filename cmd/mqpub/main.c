/* SPDX-License-Identifier: MIT */
/* main.c - mqpub: publishes records to a topic. */
#include "run.h"
#include "settings.h"
#include "tool.h"

/* Whole frames can be read into place when nothing is to be looked at or added record by record. */
static bool as_lines(const struct settings *set)
{
	return set->message_count == 0 && set->record.framing == RECORD_DELIMITED &&
	       set->record.delim_len == 1 && set->record.key_delim_len == 0 && !set->key &&
	       set->headers.count == 0 && set->rate.count == 0 && set->count == UINT64_MAX &&
	       !set->tee && !set->unbuffered && !set->never_wait;
}

int main(int argc, char **argv)
{
	static struct settings set;
	static struct run run;

	tool_name = "mqpub";
	settings_read(&set, argc, argv);
	run_open(&run, &set);
	if (set.atomic)
		publish_atomic(&run);
	else if (as_lines(&set))
		publish_lines(&run);
	else
		publish_records(&run);
	return run_close(&run);
}
