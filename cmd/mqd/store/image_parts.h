/* SPDX-License-Identifier: MIT */
/* image_parts.h - one log of an image (image_log.c), for image.c. */
#ifndef MQD_IMAGE_PARTS_H
#define MQD_IMAGE_PARTS_H

#include "image.h"

void log_free(struct image_log *l);

/* Notes in which segment a run stands. bytes: of the log before it. moved: it stood in an older segment before. 0 or
 * SHMQ_ENOMEM. */
int log_note_run(struct image_log *l, const struct run_entry *run, uint64_t bytes, uint64_t segment, bool moved);

/* What is below goes. */
void log_trim(struct image_log *l, uint64_t position, uint64_t offset);

/* RECORD_LOG, RECORD_GAP. 0, SHMQ_ECORRUPT or SHMQ_ENOMEM. */
int log_restore(struct image_log *l, const struct record *r, const void *data);
int log_gap(struct image_log *l, const struct record *r);

#endif
