/*
 * Numbers as JSON values.
 *
 * Copyright (c) 2026 the libhealth authors.  SPDX-License-Identifier: MIT
 */
#ifndef HEALTH_RENDER_NUMBER_H
#define HEALTH_RENDER_NUMBER_H

#define HEALTH__NUMBER_BYTES 40

/*
 * Writes a JSON value that reads back as exactly this number, with no more digits than it needs
 * beyond 15.  What JSON has no number for is a string, as in the JSON mapping of Protocol Buffers:
 * "NaN", "Infinity", "-Infinity".  The host's locale does not matter.
 */
void health__number(char to[HEALTH__NUMBER_BYTES], double value);

#endif
