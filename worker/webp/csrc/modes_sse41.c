// The ten intra modes of a 4x4 block at once: all are shuffles of the same averages of the block's
// border (RFC 6386, 12.3), so predicting and measuring all costs little more than one.

#include "modes.h"

#include "src/dsp/dsp.h"

#if defined(WEBP_USE_SSE41)

#include <smmintrin.h>
#include <string.h>

#include "src/enc/vp8i_enc.h"

// Bytes of a vector, row by row of the block. `_` is zero.
#define SHUFFLE(v, ...) _mm_shuffle_epi8(v, _mm_setr_epi8(__VA_ARGS__))
#define _ -1

// The border from the lower left (0) over the corner (4) to the upper right (12), which is repeated.
// It is 13 bytes long; no more are read.
static WEBP_INLINE __m128i Border(const uint8_t* const top) {
  const __m128i low = _mm_loadl_epi64((const __m128i*)(top - 5));
  const __m128i high = _mm_loadl_epi64((const __m128i*)top);   // overlaps by three
  const __m128i all = _mm_unpacklo_epi64(low, _mm_srli_epi64(high, 24));
  return SHUFFLE(all, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12, 12);
}

static WEBP_INLINE __m128i PredictDC(const __m128i border) {
  const __m128i edge = SHUFFLE(border, 0, 1, 2, 3, 5, 6, 7, 8, _, _, _, _, _, _, _, _);
  const int sum = _mm_cvtsi128_si32(_mm_sad_epu8(edge, _mm_setzero_si128()));
  return _mm_set1_epi8((char)((sum + 4) >> 3));
}

// left + top - corner
static WEBP_INLINE __m128i PredictTM(const __m128i border) {
  const __m128i top = SHUFFLE(border, 5, _, 6, _, 7, _, 8, _, 5, _, 6, _, 7, _, 8, _);
  const __m128i corner = SHUFFLE(border, 4, _, 4, _, 4, _, 4, _, 4, _, 4, _, 4, _, 4, _);
  const __m128i left01 = SHUFFLE(border, 3, _, 3, _, 3, _, 3, _, 2, _, 2, _, 2, _, 2, _);
  const __m128i left23 = SHUFFLE(border, 1, _, 1, _, 1, _, 1, _, 0, _, 0, _, 0, _, 0, _);
  const __m128i rise = _mm_sub_epi16(top, corner);
  return _mm_packus_epi16(_mm_add_epi16(rise, left01), _mm_add_epi16(rise, left23));
}

static WEBP_INLINE void PredictAll(const uint8_t* const top, __m128i p[NUM_BMODES]) {
  const __m128i border = Border(top);
  // e[i] is the border from one before on, with its first byte twice.
  const __m128i e = SHUFFLE(border, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12);
  const __m128i e1 = _mm_srli_si128(e, 1);
  const __m128i e2 = _mm_srli_si128(e, 2);
  // Of two, (a + b + 1) / 2, and of three, (a + 2b + c + 2) / 4.
  const __m128i two = _mm_avg_epu8(e, e1);
  const __m128i odd = _mm_and_si128(_mm_xor_si128(e, e2), _mm_set1_epi8(1));
  const __m128i three = _mm_avg_epu8(_mm_sub_epi8(_mm_avg_epu8(e, e2), odd), e1);
  p[B_DC_PRED] = PredictDC(border);
  p[B_TM_PRED] = PredictTM(border);
  p[B_VE_PRED] = SHUFFLE(three, 5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8, 5, 6, 7, 8);
  p[B_HE_PRED] = SHUFFLE(three, 3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0);
  p[B_RD_PRED] = SHUFFLE(three, 4, 5, 6, 7, 3, 4, 5, 6, 2, 3, 4, 5, 1, 2, 3, 4);
  p[B_VR_PRED] =
      _mm_or_si128(SHUFFLE(two, 5, 6, 7, 8, _, _, _, _, _, 5, 6, 7, _, _, _, _),
                   SHUFFLE(three, _, _, _, _, 4, 5, 6, 7, 3, _, _, _, 2, 4, 5, 6));
  p[B_LD_PRED] = SHUFFLE(three, 6, 7, 8, 9, 7, 8, 9, 10, 8, 9, 10, 11, 9, 10, 11, 12);
  p[B_VL_PRED] =
      _mm_or_si128(SHUFFLE(two, 6, 7, 8, 9, _, _, _, _, 7, 8, 9, _, _, _, _, _),
                   SHUFFLE(three, _, _, _, _, 6, 7, 8, 9, _, _, _, 10, 7, 8, 9, 11));
  p[B_HD_PRED] =
      _mm_or_si128(SHUFFLE(two, 4, _, _, _, 3, _, 4, _, 2, _, 3, _, 1, _, 2, _),
                   SHUFFLE(three, _, 4, 5, 6, _, 3, _, 4, _, 2, _, 3, _, 1, _, 2));
  p[B_HU_PRED] =
      _mm_or_si128(SHUFFLE(two, 3, _, 2, _, 2, _, 1, _, 1, _, 0, 0, 0, 0, 0, 0),
                   SHUFFLE(three, _, 2, _, 1, _, 1, _, 0, _, 0, _, _, _, _, _, _));
}

// The squared differences of each prediction to the source.
static WEBP_INLINE void MeasureAll(const uint8_t* const src, const __m128i p[NUM_BMODES],
                                   uint32_t sse[12]) {
  const __m128i zero = _mm_setzero_si128();
  __m128i lo, hi, e[12];
  int32_t rows[4];
  int m;
  for (m = 0; m < 4; ++m) memcpy(&rows[m], src + m * BPS, 4);
  hi = _mm_setr_epi32(rows[0], rows[1], rows[2], rows[3]);
  lo = _mm_unpacklo_epi8(hi, zero);
  hi = _mm_unpackhi_epi8(hi, zero);
  for (m = 0; m < NUM_BMODES; ++m) {
    const __m128i dlo = _mm_sub_epi16(lo, _mm_unpacklo_epi8(p[m], zero));
    const __m128i dhi = _mm_sub_epi16(hi, _mm_unpackhi_epi8(p[m], zero));
    e[m] = _mm_add_epi32(_mm_madd_epi16(dlo, dlo), _mm_madd_epi16(dhi, dhi));
  }
  e[10] = e[11] = zero;
  for (m = 0; m < 12; m += 4) {
    const __m128i sums = _mm_hadd_epi32(_mm_hadd_epi32(e[m], e[m + 1]),
                                        _mm_hadd_epi32(e[m + 2], e[m + 3]));
    _mm_storeu_si128((__m128i*)(sse + m), sums);
  }
}

int VP8BestIntra4_SSE41(const uint8_t* src, const uint8_t* top, const uint16_t* mode_costs,
                        int distortion_weight, int cost_weight, uint8_t* predictions,
                        const uint16_t* offsets, int64_t* score) {
  __m128i p[NUM_BMODES];
  uint32_t sse[12];
  uint8_t best_pixels[16];
  uint8_t* dst;
  uint32_t best_score;
  int best = 0;
  int m;
  PredictAll(top, p);
  MeasureAll(src, p, sse);
  // At most 16 * 255^2 * 256 + 65535 * cost_weight: it fits.
  best_score = sse[0] * (uint32_t)distortion_weight + mode_costs[0] * (uint32_t)cost_weight;
  for (m = 1; m < NUM_BMODES; ++m) {
    const uint32_t s = sse[m] * (uint32_t)distortion_weight + mode_costs[m] * (uint32_t)cost_weight;
    best = (s < best_score) ? m : best;
    best_score = (s < best_score) ? s : best_score;
  }
  // For the reconstruction, where the stock encoder leaves all ten.
  _mm_storeu_si128((__m128i*)best_pixels, p[best]);
  dst = predictions + offsets[best];
  for (m = 0; m < 4; ++m) memcpy(dst + m * BPS, best_pixels + 4 * m, 4);
  *score = best_score;
  return best;
}

#undef _
#undef SHUFFLE

#endif   // WEBP_USE_SSE41
