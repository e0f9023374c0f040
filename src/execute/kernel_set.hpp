#pragma once

#include <vector>

#include "allgrad/communicator.hpp"
#include "execute/kernel_call.hpp"

namespace allgrad {

/// The kernel sets that this processor can run, from the most general to the fastest; the same sets stand at the same
/// places on every machine, so that ranks can agree on a number.
std::vector<KernelSet> available_kernel_sets();

/// The fastest set that all ranks can run, with machine code where all of them can write it, since results of different
/// sets differ in the last bits, or a slower one that the environment variable ALLGRAD_KERNELS names on some rank.
/// Throws ArgumentError where it names none of these. Collective.
KernelSet choose_kernel_set(const Communicator& comm);

}  // namespace allgrad
