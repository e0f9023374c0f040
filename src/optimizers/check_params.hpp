#pragma once

#include <string_view>

#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"
#include "optimizers/param_space.hpp"

namespace allgrad {

/// The parameters that a minimization starts from, with their bounds, be they declared or in `param_bounds`. Throws
/// ArgumentError, by name, where there are not `num_params` of them or one cannot be used.
Params check_params(std::string_view optimizer, std::size_t num_params, const Guess& guess, const Bounds& param_bounds,
                    BoundsBy bounds_by, SourceLocation where);

}  // namespace allgrad
