#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include "allgrad/key.hpp"

namespace allgrad {

/// A 64-bit hash of a sequence of numbers and texts, the same on every rank and every machine. Sequences that differ in
/// one number always have different ones; others have the same with a chance of 2^-64.
class Fingerprint {
 public:
  template <std::integral T>
  void add(T number) {
    hash_ = mix(hash_ ^ static_cast<std::uint64_t>(number)) + 0x9e3779b97f4a7c15U;
  }

  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }

  void add(std::string_view text) {
    add(text.size());
    std::uint64_t word = 0;
    int bits = 0;
    for (const char c : text) {
      word |= std::uint64_t{static_cast<unsigned char>(c)} << bits;
      bits += 8;
      if (bits < 64) continue;
      add(word);
      word = 0;
      bits = 0;
    }
    if (bits > 0) add(word);
  }

  void add(const Key& key) {
    for (const std::uint32_t word : key.words()) add(word);
  }

  template <class T>
  void add(const std::optional<T>& value) {
    add(value.has_value());
    if (value) add(*value);
  }

  std::uint64_t value() const { return mix(hash_); }

 private:
  // The finalizer of SplitMix64 (Steele, Lea, Flood 2014), a bijection in which every bit of x moves every bit.
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
  }

  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace allgrad
