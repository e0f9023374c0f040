#pragma once

#include "optimizers/arguments.hpp"

namespace allgrad {

/// Sets the scales that are to be automatic, see Scale. Collective; throws ArgumentError where the objective cannot
/// tell.
Checked with_scales(Checked checked, const Arguments& arguments);

}  // namespace allgrad
