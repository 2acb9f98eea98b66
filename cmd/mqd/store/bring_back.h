/* SPDX-License-Identifier: MIT */
/* bring_back.h - what the store knows, into memory that was lost. */
#ifndef MQD_BRING_BACK_H
#define MQD_BRING_BACK_H

#include "server.h"

/* Records that say where every log goes on: beyond everything that could have been read and was not durable. Into
 * *out. 0 or SHMQ_ENOMEM. */
int gaps_describe(struct server *s, struct column *out);

/* Makes every topic of the image in memory that is not there. 0, SHMQ_ECONFIG: a name stands for a topic that is not the
 * store's; or an error. */
int bring_back(struct server *s);

/* Topics that the store knows and memory, which is older than this mqd, does not: they were deleted meanwhile. Into
 * *out as records. 0 or an error. */
int deleted_describe(struct server *s, struct column *out);

#endif
