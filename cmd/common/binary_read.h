/* SPDX-License-Identifier: MIT */
/* binary_read.h - a message from a record of mqsub -B, whose format is records_format.h. */
#ifndef BINARY_READ_H
#define BINARY_READ_H

#include <stdint.h>

#include "headers.h"
#include "shmq.h"

/* How long the record is that begins at from, of which len bytes are there: its bytes in
 * *record_len, 0 when that is not known yet. Returns NULL, or what is wrong with it. */
const char *binary_length(const unsigned char *from, size_t len, uint64_t *record_len);

/* Fills *m from a record that is wholly there; its headers stand in *headers. Returns NULL, or
 * what is wrong with it. */
const char *binary_read(const unsigned char *from, struct headers *headers, struct shmq_message *m);

#endif
