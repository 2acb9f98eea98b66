/* SPDX-License-Identifier: MIT */
/* snapshot_check.h - verifying all snapshots of a store, not only the newest that is whole. */
#ifndef MQD_SNAPSHOT_CHECK_H
#define MQD_SNAPSHOT_CHECK_H

#include "recover.h"

/* Tells of each that is damaged. One that goes away meanwhile is no matter. 0 or an error. */
int snapshots_check(struct error *e, struct io *io, uint64_t store, void (*found)(void *context, const char *sentence),
                    void *context);

#endif
