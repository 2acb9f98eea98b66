/* SPDX-License-Identifier: MIT */
/* words.h - values of options as the command line takes them. */
#ifndef MQD_WORDS_H
#define MQD_WORDS_H

#include "shmq.h"

/* Bytes as --memory takes them: 65536 is "64K". A duration: "1m30s"; SHMQ_FOREVER is "never". Both
 * are valid until the 4th next call. */
const char *size_text(uint64_t bytes);
const char *duration_text(int64_t ns);

const char *full_text(enum shmq_full full);
const char *storage_text(enum shmq_storage storage);
const char *retention_text(int64_t ns); /* as --retention takes it */
const char *mode_text(enum shmq_group_mode mode);
const char *dead_text(enum shmq_group_dead dead);

#endif
