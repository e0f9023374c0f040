#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/sign_of_nan.hpp"

namespace allgrad {

/// Parameters, or a gradient, [ndim] as text: "log_m1 = 11.6, beta = 1.2".
std::string named(std::span<const std::string> names, std::span<const double> values);

/// The same, but "[11.6, 1.2]" where no parameter was given a name: for results, which show all fields so.
std::string named_or_listed(std::span<const std::string> names, std::span<const double> values);

}  // namespace allgrad
