#pragma once

// The generator of random numbers, and what is made of its words. All functions are static: the kernels for each
// instruction set compile their own, and the linker has none to share.

#include <Random123/threefry.h>

#include <cstdint>

namespace allgrad {

/// What one counter gives.
using RandomWords = threefry2x32_ctr_t;

/// Threefry-2x32 with 20 rounds, as JAX has it: element `counter` of what a key gives.
static inline RandomWords threefry(std::uint32_t key0, std::uint32_t key1, std::uint64_t counter) {
  const threefry2x32_key_t key = {{key0, key1}};
  const threefry2x32_ctr_t in = {{static_cast<std::uint32_t>(counter >> 32), static_cast<std::uint32_t>(counter)}};
  return threefry2x32_R(20, in, key);
}

static inline std::uint64_t bits64(const RandomWords& words) {
  return static_cast<std::uint64_t>(words.v[0]) << 32 | words.v[1];
}

static inline std::uint32_t bits32(const RandomWords& words) { return words.v[0] ^ words.v[1]; }

/// A number in [0, 1): the highest bits make a fraction of [1, 2).
static inline double uniform64(const RandomWords& words) {
  return __builtin_bit_cast(double, bits64(words) >> 12 | 0x3ff0000000000000U) - 1.0;
}

static inline float uniform32(const RandomWords& words) {
  return __builtin_bit_cast(float, bits32(words) >> 9 | 0x3f800000U) - 1.0F;
}

// Integers to doubles and back by their bits, since vector units before AVX-512 have no instruction for it: the lowest
// bits of 2^52 + i are those of i.

/// An integer of [0, 2^52) that a double holds; other doubles give some integer.
static inline std::uint64_t integer_of(double number) {
  return __builtin_bit_cast(std::uint64_t, number + 0x1p52) & 0xfffffffffffffU;
}

static inline double number_of(std::uint32_t word) {
  return __builtin_bit_cast(double, 0x4330000000000000U | word) - 0x1p52;
}

}  // namespace allgrad
