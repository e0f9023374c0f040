#pragma once

#include <cstddef>

#include "allgrad/key.hpp"

namespace allgrad {

/// The key of step `step` of a run that is given `randkey`: fold_in(randkey, step).
Key key_of_step(const Key& randkey, std::size_t step);

}  // namespace allgrad
