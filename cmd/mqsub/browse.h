/* SPDX-License-Identifier: MIT */
/* browse.h - prints what a group has not done, without a trace. */
#ifndef MQSUB_BROWSE_H
#define MQSUB_BROWSE_H

#include "args.h"
#include "out.h"
#include "run.h"
#include "topics.h"

struct ending browse_run(struct topics *t, struct args *args, struct out *out);

#endif
