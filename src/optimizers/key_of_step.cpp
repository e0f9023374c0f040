#include "optimizers/key_of_step.hpp"

#include <cstdint>

namespace allgrad::random {

// FOR THE MERGE: replace by #include "allgrad/random.hpp".
Key fold_in(const Key& key, std::uint32_t data) {
  return Key(std::array{key.words()[0] ^ (data * 0x9E3779B9U), key.words()[1] + (data + 1U) * 0x85EBCA6BU});
}

}  // namespace allgrad::random

namespace allgrad {

Key key_of_step(const Key& randkey, std::size_t step) {
  return random::fold_in(randkey, static_cast<std::uint32_t>(step));
}

}  // namespace allgrad
