#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <string_view>

namespace allgrad {

/// A 64-bit hash (FNV-1a over bytes, with a final mix), the same on every rank and every machine.
class Fingerprint {
 public:
  template <std::integral T>
  void add(T number) {
    auto bits = static_cast<std::uint64_t>(number);
    for (int byte = 0; byte < 8; ++byte, bits >>= 8) add_byte(static_cast<unsigned char>(bits & 0xff));
  }

  void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }

  void add(std::string_view text) {
    add(text.size());
    for (char c : text) add_byte(static_cast<unsigned char>(c));
  }

  std::uint64_t value() const {
    std::uint64_t h = hash_;
    h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
    return h ^ (h >> 33);
  }

 private:
  void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }

  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

}  // namespace allgrad
