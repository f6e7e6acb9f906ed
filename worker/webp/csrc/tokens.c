// The token buffer of the encoder: every bit of the coefficients with the probability that it is coded
// with, recorded while modes are chosen and coded once the probabilities are known.
//
// Takes the place of libwebp's src/enc/token_enc.c, with the same functions. Tokens lie in one array,
// so that there is one check for room a block instead of one a token; they are coded without branches
// on their values; and partitions are coded side by side, since the coder is one long chain of
// dependent operations.

#include <stdint.h>
#include <string.h>

#include "mode_bits.h"
#include "src/dsp/cpu.h"
#include "src/enc/cost_enc.h"
#include "src/enc/vp8i_enc.h"
#include "src/utils/bit_writer_utils.h"
#include "src/utils/utils.h"

// A token: the bit at 15, below it a constant probability, or CONSTANTS + the slot of one that is not
// known yet.
#define BIT_SHIFT 15
#define PROBA_MASK 0x7fffu
#define CONSTANTS 256
#define SLOTS (NUM_TYPES * NUM_BANDS * NUM_CTX * NUM_PROBAS)

// Of 16 coefficients, each: not the end, not zero, above 1, above 4, above 10, category (2), 11 more
// bits, sign. And the end.
#define MAX_BLOCK_TOKENS (16 * 19 + 1)

//------------------------------------------------------------------------------
// Memory

void VP8TBufferInit(VP8TBuffer* const b, int page_size) {
  memset(b, 0, sizeof(*b));
  b->page_size = page_size;
}

void VP8TBufferClear(VP8TBuffer* const b) {
  if (b == NULL) return;
  WebPSafeFree(b->tokens);
  WebPSafeFree(b->starts);
  VP8TBufferInit(b, b->page_size);
}

int VP8TBufferAddMacroblock(VP8TBuffer* const b, int index, int count) {
  if (b->starts == NULL) {
    b->starts = (size_t*)WebPSafeMalloc((uint64_t)count + 1, sizeof(*b->starts));
    if (b->starts == NULL) {
      b->error = 1;
      return 0;
    }
  }
  b->starts[index] = b->size;
  return 1;
}

static int MakeRoom(VP8TBuffer* const b) {
  const size_t capacity =
      (b->capacity == 0) ? 16 * (size_t)b->page_size + 4096 : 2 * b->capacity;
  uint16_t* const tokens =
      b->error ? NULL : (uint16_t*)WebPSafeMalloc(capacity, sizeof(*tokens));
  if (tokens == NULL) {
    b->error = 1;
    return 0;
  }
  if (b->size > 0) memcpy(tokens, b->tokens, b->size * sizeof(*tokens));
  WebPSafeFree(b->tokens);
  b->tokens = tokens;
  b->capacity = capacity;
  return 1;
}

//------------------------------------------------------------------------------
// Recording

static WEBP_INLINE uint32_t Slot(int type, int band, int ctx) {
  return (uint32_t)(CONSTANTS + NUM_PROBAS * (ctx + NUM_CTX * (band + NUM_BANDS * type)));
}

static WEBP_INLINE int Record(uint16_t** const at, int bit, uint32_t slot,
                              proba_t* const stats) {
  *(*at)++ = (uint16_t)(((uint32_t)bit << BIT_SHIFT) | slot);
  VP8RecordStats(bit, stats);
  return bit;
}

static WEBP_INLINE void RecordConstant(uint16_t** const at, int bit, int proba) {
  *(*at)++ = (uint16_t)(((uint32_t)bit << BIT_SHIFT) | (uint32_t)proba);
}

// The tokens of a coefficient's absolute value above 4 (RFC 6386, 13.2).
static WEBP_INLINE void RecordLarge(uint16_t** const at, uint32_t v, uint32_t slot,
                                    proba_t* const s, int wide_stats) {
  if (!Record(at, v > 10, slot + 6, s + 6)) {
    if (!Record(at, v > 6, slot + 7, s + 7)) {
      RecordConstant(at, v == 6, 159);
    } else {
      RecordConstant(at, v >= 9, 165);
      RecordConstant(at, !(v & 1), 145);
    }
  } else {
    const uint8_t* const tables[4] = {VP8Cat3, VP8Cat4, VP8Cat5, VP8Cat6};
    static const int kBits[4] = {3, 4, 5, 11};
    const uint32_t residue = v - 3;
    const int category = (residue >= 16) + (residue >= 32) + (residue >= 64);
    const uint32_t extra = residue - (8u << category);
    const int high = category >> 1;
    const int low = category & 1;
    int i = kBits[category];
    const uint8_t* table = tables[category];
    Record(at, high, slot + 8, s + 8);
    Record(at, low, slot + 9 + high, s + 9 + (high & wide_stats));
    while (i-- > 0) RecordConstant(at, (extra >> i) & 1, *table++);
  }
}

int VP8RecordCoeffTokens(int ctx, const struct VP8Residual* const res,
                         VP8TBuffer* const b) {
  const int16_t* const coeffs = res->coeffs;
  const int type = res->coeff_type;
  const int last = res->last;
  int n = res->first;
  uint32_t slot = Slot(type, n, ctx);
  // should be stats[VP8EncBands[n]], but it's equivalent for n=0 or 1
  proba_t* s = res->stats[n][ctx];
  uint16_t* at;
  int not_empty;

  if (b->capacity - b->size < MAX_BLOCK_TOKENS && !MakeRoom(b)) return 0;
  at = b->tokens + b->size;
  not_empty = Record(&at, last >= 0, slot + 0, s + 0);
  while (not_empty && n < 16) {
    const int c = coeffs[n++];
    const int sign = c < 0;
    const uint32_t v = (uint32_t)(sign ? -c : c);
    const int band = VP8EncBands[n];
    if (!Record(&at, v != 0, slot + 1, s + 1)) {
      slot = Slot(type, band, 0);
      s = res->stats[band][0];
      continue;
    }
    if (!Record(&at, v > 1, slot + 2, s + 2)) {
      slot = Slot(type, band, 1);
      s = res->stats[band][1];
    } else {
      if (!Record(&at, v > 4, slot + 3, s + 3)) {
        if (Record(&at, v != 2, slot + 4, s + 4)) Record(&at, v == 4, slot + 5, s + 5);
      } else {
        RecordLarge(&at, v, slot, s, b->wide_stats);
      }
      slot = Slot(type, band, 2);
      s = res->stats[band][2];
    }
    RecordConstant(&at, sign, 128);
    if (n == 16 || !Record(&at, n <= last, slot + 0, s + 0)) break;
  }
  b->size = (size_t)(at - b->tokens);
  return not_empty;
}

void VP8TBufferDropSkipped(VP8TBuffer* const b, const VP8MBInfo* const info, int count) {
  size_t to = 0;
  int i;
  b->starts[count] = b->size;
  for (i = 0; i < count; ++i) {
    const size_t from = b->starts[i];
    const size_t size = b->starts[i + 1] - from;
    b->starts[i] = to;
    if (info[i].skip) continue;
    memmove(b->tokens + to, b->tokens + from, size * sizeof(*b->tokens));
    to += size;
  }
  b->size = to;
}

size_t VP8EstimateTokenSize(VP8TBuffer* const b, const uint8_t* const probas) {
  size_t size = 0;
  size_t i;
  for (i = 0; i < b->size; ++i) {
    const uint32_t proba = b->tokens[i] & PROBA_MASK;
    size += VP8BitCost(b->tokens[i] >> BIT_SHIFT,
                       (proba < CONSTANTS) ? (uint8_t)proba : probas[proba - CONSTANTS]);
  }
  return size;
}

//------------------------------------------------------------------------------
// Coding

// A boolean coder (RFC 6386, 7) of its own: bytes are written four at a time, and a carry goes back
// through those that are written.
typedef struct {
  uint64_t value;
  uint32_t range;   // minus 1
  int bits;         // of `value`, beyond those of a byte that are not written
  uint8_t* buf;
  size_t pos;
} Coder;

// Tokens that are still to be coded into one partition: of every `step`-th row of macroblocks.
typedef struct {
  Coder coder;
  const uint16_t* at;
  const uint16_t* end;   // of the current row
  int row;
} Partition;

static WEBP_INLINE void Carry(const Coder* const c) {
  size_t i = c->pos;
  while (++c->buf[--i] == 0) {
  }
}

static WEBP_INLINE void Code(Coder* const c, uint32_t token, const uint8_t* const probas) {
  const uint32_t one = 0u - (token >> BIT_SHIFT);
  const uint32_t split = (c->range * probas[token & PROBA_MASK]) >> 8;
  const uint32_t range = (split ^ one) + (c->range & one) + 1;
  const int shift = __builtin_clz(range) - 24;
  c->value = (c->value + ((split + 1) & one)) << shift;
  c->range = (range << shift) - 1;
  c->bits += shift;
  if (c->bits > 24) {
    const int left = c->bits - 16;
    const uint64_t out = c->value >> left;
    const uint8_t bytes[4] = {(uint8_t)(out >> 24), (uint8_t)(out >> 16),
                              (uint8_t)(out >> 8), (uint8_t)out};
    if (out >> 32) Carry(c);
    c->value &= ((uint64_t)1 << left) - 1;
    c->bits -= 32;
    memcpy(c->buf + c->pos, bytes, sizeof(bytes));
    c->pos += sizeof(bytes);
  }
}

// Codes `n` tokens into each of one, two or four partitions, on copies that stay in registers.
static WEBP_INLINE void CodeSideBySide(Partition* const p, int count, size_t n,
                                       const uint8_t* const probas) {
  Coder a = p[0].coder;
  size_t i;
  if (count == 1) {
    for (i = 0; i < n; ++i) Code(&a, p[0].at[i], probas);
  } else {
    Coder b = p[1].coder;
    if (count == 2) {
      for (i = 0; i < n; ++i) {
        Code(&a, p[0].at[i], probas);
        Code(&b, p[1].at[i], probas);
      }
    } else {
      Coder c = p[2].coder, d = p[3].coder;
      for (i = 0; i < n; ++i) {
        Code(&a, p[0].at[i], probas);
        Code(&b, p[1].at[i], probas);
        Code(&c, p[2].at[i], probas);
        Code(&d, p[3].at[i], probas);
      }
      p[2].coder = c;
      p[3].coder = d;
    }
    p[1].coder = b;
  }
  p[0].coder = a;
  for (i = 0; i < (size_t)count; ++i) p[i].at += n;
}

#if defined(__x86_64__)
#define HAVE_BMI2
__attribute__((target("bmi,bmi2"))) static void CodeSideBySide_BMI2(
    Partition* const p, int count, size_t n, const uint8_t* const probas) {
  CodeSideBySide(p, count, n, probas);
}
#endif

static void CodeTokens(Partition* const p, int count, size_t n, const uint8_t* const probas) {
#if defined(HAVE_BMI2)
  if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
    CodeSideBySide_BMI2(p, count, n, probas);
    return;
  }
#endif
  CodeSideBySide(p, count, n, probas);
}

// The next row that has tokens; 0 if there is none.
static int NextTokens(const VP8TBuffer* const b, Partition* const p, int step, int mb_w, int mb_h) {
  while (p->at == p->end && p->row < mb_h) {
    p->at = b->tokens + b->starts[p->row * mb_w];
    p->end = b->tokens + b->starts[(p->row + 1) * mb_w];
    p->row += step;
  }
  return p->at != p->end;
}

// Codes `count` partitions (one, two or four) side by side while all of them have tokens, and then
// one after the other.
static void CodePartitions(const VP8TBuffer* const b, Partition* const p, int count, int step,
                           int mb_w, int mb_h, const uint8_t* const probas) {
  int k;
  for (;;) {
    size_t n = b->size + 1;
    for (k = 0; k < count && NextTokens(b, &p[k], step, mb_w, mb_h); ++k) {
      const size_t left = (size_t)(p[k].end - p[k].at);
      if (left < n) n = left;
    }
    if (k < count) break;
    CodeTokens(p, count, n, probas);
  }
  for (k = 0; k < count; ++k) {
    while (NextTokens(b, &p[k], step, mb_w, mb_h)) {
      CodeTokens(&p[k], 1, (size_t)(p[k].end - p[k].at), probas);
    }
  }
}

// A token takes at most seven bits. At the end there are some that fill no byte.
static WEBP_INLINE size_t MaxBytes(size_t tokens) {
  return tokens / 8 * 7 + 64;
}

// Writes whole bytes, and leaves the rest to the writer of libwebp.
static void HandOver(Coder* const c, size_t capacity, VP8BitWriter* const bw) {
  while (c->bits > 0) {
    const int left = 8 + c->bits;
    const uint32_t out = (uint32_t)(c->value >> left);
    if (out >> 8) Carry(c);
    c->value &= ((uint64_t)1 << left) - 1;
    c->bits -= 8;
    c->buf[c->pos++] = (uint8_t)out;
  }
  if (c->buf != bw->buf) WebPSafeFree(bw->buf);
  bw->buf = c->buf;
  bw->max_pos = capacity;
  bw->pos = c->pos;
  bw->range = (int32_t)c->range;
  bw->value = (int32_t)c->value;
  bw->nb_bits = c->bits;
  // A carry may still come: it goes through these.
  for (bw->run = 0; bw->pos > 0 && bw->buf[bw->pos - 1] == 0xff; ++bw->run) --bw->pos;
}

int VP8EmitTokens(VP8TBuffer* const b, VP8BitWriter* const bw, int num_parts,
                  int mb_w, int mb_h, const uint8_t* const probas) {
  Partition parts[MAX_NUM_PARTITIONS];
  size_t capacities[MAX_NUM_PARTITIONS];
  uint8_t table[CONSTANTS + SLOTS];
  const int abreast = (num_parts < 4) ? num_parts : 4;
  int k;

  b->starts[mb_w * mb_h] = b->size;
  for (k = 0; k < CONSTANTS; ++k) table[k] = (uint8_t)k;
  memcpy(table + CONSTANTS, probas, SLOTS);
  memset(parts, 0, sizeof(parts));
  for (k = 0; k < num_parts; ++k) {
    size_t tokens = 0;
    int y;
    for (y = k; y < mb_h; y += num_parts) {
      tokens += b->starts[(y + 1) * mb_w] - b->starts[y * mb_w];
    }
    capacities[k] = MaxBytes(tokens);
    parts[k].coder.buf = (uint8_t*)WebPSafeMalloc(capacities[k], 1);
    if (parts[k].coder.buf == NULL) {
      while (k-- > 0) WebPSafeFree(parts[k].coder.buf);
      return 0;
    }
    parts[k].coder.range = 255 - 1;
    parts[k].coder.bits = -8;
    parts[k].row = k;
  }
  for (k = 0; k < num_parts; k += abreast) {
    CodePartitions(b, parts + k, abreast, num_parts, mb_w, mb_h, table);
  }
  for (k = 0; k < num_parts; ++k) HandOver(&parts[k].coder, capacities[k], &bw[k]);
  VP8TBufferClear(b);
  return 1;
}

//------------------------------------------------------------------------------
// Modes

int VP8ModeBitsInit(VP8ModeBits* const bits, VP8BitWriter* const bw, int count) {
  bits->bw = bw;
  bits->size = 0;
  bits->tokens =
      (uint16_t*)WebPSafeMalloc((uint64_t)count, MAX_MODE_BITS * sizeof(*bits->tokens));
  if (bits->tokens == NULL) bw->error = 1;
  return bits->tokens != NULL;
}

void VP8ModeBitsFlush(VP8ModeBits* const bits) {
  VP8BitWriter* const bw = bits->bw;
  const size_t needed = bw->pos + (size_t)bw->run + MaxBytes(bits->size);
  size_t capacity = bw->max_pos;
  Partition part = {{(uint64_t)bw->value, (uint32_t)bw->range, bw->nb_bits, bw->buf, bw->pos},
                    bits->tokens, NULL, 0};
  uint8_t table[CONSTANTS];
  int k;
  if (bw->error) return;
  if (needed > capacity) {
    capacity = 2 * needed;
    part.coder.buf = (uint8_t*)WebPSafeMalloc(capacity, 1);
    if (part.coder.buf == NULL) {
      bw->error = 1;
      return;
    }
    if (bw->pos > 0) memcpy(part.coder.buf, bw->buf, bw->pos);
  }
  for (; bw->run > 0; --bw->run) part.coder.buf[part.coder.pos++] = 0xff;
  for (k = 0; k < CONSTANTS; ++k) table[k] = (uint8_t)k;
  CodeTokens(&part, 1, bits->size, table);
  HandOver(&part.coder, capacity, bw);
  bits->size = 0;
}

void VP8ModeBitsFinish(VP8ModeBits* const bits) {
  VP8ModeBitsFlush(bits);
  WebPSafeFree(bits->tokens);
}
