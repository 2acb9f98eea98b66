/* SPDX-License-Identifier: MIT */
#include "group_crowd.h"
const struct scenario group_admin_scenarios[] = {
	{ .name = NULL },
};
