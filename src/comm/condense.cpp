#include "comm/condense.hpp"

#include <algorithm>
#include <bit>

namespace allgrad {

namespace {

constexpr int max_bits = 20;

// size * 2^bits <= 2^26, hence size^2 h^2 <= 2^52: below 2^53 every integer is a double.
int condensed_bits(int size) {
  const auto bits_of_size = static_cast<int>(std::bit_width(static_cast<unsigned>(size) - 1));
  return std::clamp(26 - bits_of_size, 0, max_bits);
}

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every bit of the input moves every bit of the result.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

double condense(std::uint64_t fingerprint, int size) {
  const std::uint64_t mask = (std::uint64_t{1} << condensed_bits(size)) - 1;
  return static_cast<double>(mix(fingerprint) & mask);
}

bool all_equal(double sum, double sum_of_squares, int size) { return size * sum_of_squares == sum * sum; }

}  // namespace allgrad
