// The bits that code the modes of macroblocks. They are collected and coded many at a time, as tokens
// are.

#ifndef ATELIER_MODE_BITS_H_
#define ATELIER_MODE_BITS_H_

#include <stddef.h>
#include <stdint.h>

#include "src/utils/bit_writer_utils.h"

// Segment 2, skip 1, type 1, sixteen modes of at most 7, chroma 3.
#define MAX_MODE_BITS 120

typedef struct {
  VP8BitWriter* bw;
  uint16_t* tokens;
  size_t size;
} VP8ModeBits;

// Starts writing to `bw`, at most `count` macroblocks between flushes. 0 if there is no memory, which
// `bw` then says.
int VP8ModeBitsInit(VP8ModeBits* const bits, VP8BitWriter* const bw, int count);
// Codes what was collected.
void VP8ModeBitsFlush(VP8ModeBits* const bits);
// Codes what was collected, and ends.
void VP8ModeBitsFinish(VP8ModeBits* const bits);

static inline int VP8PutModeBit(VP8ModeBits* const bits, int bit, int prob) {
  bits->tokens[bits->size++] = (uint16_t)((!!bit << 15) | prob);
  return bit;
}

#endif   // ATELIER_MODE_BITS_H_
