#pragma once

// The triweight kernel and its integral on batches, z in units of its standard deviation and clipped to -3 and 3.

#include "batch.hpp"

namespace limits {

inline Batch clipped(Batch z) {
  z = z > 3.0 ? Batch{} + 3.0 : z;
  return z < -3.0 ? Batch{} - 3.0 : z;
}

inline Batch triweight_cdf(Batch z) {
  const Batch t = z * (1.0 / 3.0), t2 = t * t;
  return 0.5 + t * (35.0 - t2 * (35.0 - t2 * (21.0 - 5.0 * t2))) * (1.0 / 32.0);
}

/// 0 at -3 and 3, so that what was clipped has no derivative.
inline Batch triweight(Batch z) {
  const Batch t = z * (1.0 / 3.0), left = 1.0 - t * t;
  return 35.0 / 96.0 * (left * left * left);
}

}  // namespace limits
