/* SPDX-License-Identifier: MIT */
#include "group_crowd.h"
const struct scenario group_pair_scenarios[] = {
	{ .name = NULL },
};
