// The choice among the ten intra modes of a 4x4 block.

#ifndef ATELIER_MODES_H_
#define ATELIER_MODES_H_

#include <stdint.h>

// Predicts the block at `src` by each mode from its border, of which `top` is the first pixel above it;
// writes the best prediction to `predictions` + `offsets[mode]`, and returns its mode. A mode's score is
// the sum of squared differences times `distortion_weight` plus its cost times `cost_weight`.
typedef int (*VP8BestIntra4Func)(const uint8_t* src, const uint8_t* top,
                                 const uint16_t* mode_costs, int distortion_weight,
                                 int cost_weight, uint8_t* predictions, const uint16_t* offsets,
                                 int64_t* score);

// NULL where modes are compared one by one.
extern VP8BestIntra4Func VP8BestIntra4;

int VP8BestIntra4_SSE41(const uint8_t* src, const uint8_t* top, const uint16_t* mode_costs,
                        int distortion_weight, int cost_weight, uint8_t* predictions,
                        const uint16_t* offsets, int64_t* score);

#endif   // ATELIER_MODES_H_
