/* SPDX-License-Identifier: MIT */
/* args_table.h - the option table of mqsub, for those that read the command line. */
#ifndef MQSUB_ARGS_TABLE_H
#define MQSUB_ARGS_TABLE_H

#include <stdbool.h>

#include "args.h"
#include "opt.h"

#define OPT(NAME, ...) OPT_##NAME,
enum {
	OPT_NONE,
#include "mqsub_options.def"
	OPTIONS_END
};
#undef OPT

extern const struct opt_tool args_tool;

/* The long name of an option. */
const char *args_name(int id);

/* What goes together, and what the framing is; given[id]: is this option there? Exits with 64
 * where it does not. */
void args_check(const struct args *args, const bool *given);
void args_framing(struct args *args, const bool *given);

#endif
