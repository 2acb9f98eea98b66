/* SPDX-License-Identifier: MIT */
#include "group_crowd.h"
const struct scenario settle_scenarios[] = {
	{ .name = NULL },
};
