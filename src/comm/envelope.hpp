#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "comm/short_sum.hpp"

namespace allgrad {

/// What every message begins with, summed over ranks as doubles that are whole numbers and exact:
///   0     ranks that have failed
///   1     ranks that want to stop
///   2, 3  of the halves of the fingerprint of what is asked, (size - 1) times that of rank 0 less the others'
///   4, 5  the same for numbers that may differ in their last bits
/// and then the beginning of the payload. Ranks whose fingerprints are equal sum to 0 in 2 and 3; others do so with a
/// chance of 2^-64, for up to 2^21 ranks.
namespace envelope {

inline constexpr std::size_t header = 6;
inline constexpr std::size_t room = ShortSum::most - header;  // most fits have fewer numbers in their Jacobians

struct Contribution {
  bool failed = false;
  bool wants_to_stop = false;
  std::uint64_t fingerprint = 0;
  std::uint64_t numbers = 0;
};

struct Sum {
  bool any_failed;
  bool any_wants_to_stop;
  bool same_operation;
  bool same_numbers;
};

inline void write(const Contribution& own, int rank, int size, std::span<double> buffer) {
  const double weight = rank == 0 ? size - 1 : -1;
  const auto write_halves = [&](std::uint64_t value, std::size_t at) {
    buffer[at] = weight * static_cast<double>(value >> 32);
    buffer[at + 1] = weight * static_cast<double>(value & 0xffffffffU);
  };
  buffer[0] = own.failed ? 1.0 : 0.0;
  buffer[1] = own.wants_to_stop ? 1.0 : 0.0;
  write_halves(own.fingerprint, 2);
  write_halves(own.numbers, 4);
}

inline Sum read(std::span<const double> buffer) {
  return {.any_failed = buffer[0] != 0.0,
          .any_wants_to_stop = buffer[1] != 0.0,
          .same_operation = buffer[2] == 0.0 && buffer[3] == 0.0,
          .same_numbers = buffer[4] == 0.0 && buffer[5] == 0.0};
}

}  // namespace envelope

}  // namespace allgrad
