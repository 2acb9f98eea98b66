/* SPDX-License-Identifier: MIT */
/* output.h - what mqdlq prints on standard output. */
#ifndef MQDLQ_OUTPUT_H
#define MQDLQ_OUTPUT_H

#include "bytes.h"

/* What is to be printed: add to it, then call one of these. A write that fails ends the program. */
struct bytes *output(void);
void output_more(void); /* writes when much is held */
void output_all(void);

#endif
