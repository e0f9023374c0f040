#pragma once

#include <vector>

#include "execute/kernel_call.hpp"

namespace allgrad {

/// The kernel sets that this processor can run, from the most general to the fastest; the same sets stand at the same
/// places on every machine, so that ranks can agree on a number.
std::vector<KernelSet> available_kernel_sets();

}  // namespace allgrad
