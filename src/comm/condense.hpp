#pragma once

#include <cstdint>

namespace allgrad {

/// Condenses a fingerprint to a non-negative integer h of at most 20 bits, few enough that sums of h and of h^2 over
/// `size` ranks, and their products with `size`, are exact in a double.
///
/// Two different fingerprints condense to the same h, so that the difference is missed, with a chance of 2^-bits: one
/// in 10^6 to 64 ranks, one in 65,536 on 1,024. It is met anew in each message whose fingerprint is another.
double condense(std::uint64_t fingerprint, int size);

/// Whether all ranks sent the same h, from its sum and the sum of its squares: by Cauchy and Schwarz,
/// size * sum(h^2) >= sum(h)^2, and equal only if all h are.
bool all_equal(double sum, double sum_of_squares, int size);

}  // namespace allgrad
