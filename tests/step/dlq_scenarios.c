/* SPDX-License-Identifier: MIT */
#include "group_crowd.h"
const struct scenario dlq_scenarios[] = {
	{ .name = NULL },
};
