#pragma once

#include <array>
#include <concepts>
#include <cstdint>

namespace allgrad {

/// A random key: all that random numbers depend on beside their place in an array. Equal keys give equal numbers on
/// every rank and machine. It is JAX's PRNGKey for the Threefry generator.
class Key {
 public:
  /// The key of a seed, as jax.random.PRNGKey makes it with 64-bit integers: its high and its low word.
  template <std::integral T>
  constexpr Key(T seed)
      : words_{static_cast<std::uint32_t>(static_cast<std::uint64_t>(seed) >> 32),
               static_cast<std::uint32_t>(static_cast<std::uint64_t>(seed))} {}

  constexpr explicit Key(std::array<std::uint32_t, 2> words) : words_(words) {}

  constexpr const std::array<std::uint32_t, 2>& words() const { return words_; }

  friend constexpr bool operator==(const Key&, const Key&) = default;

 private:
  std::array<std::uint32_t, 2> words_;
};

}  // namespace allgrad
