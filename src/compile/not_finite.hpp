#pragma once

#include <string>
#include <string_view>

#include "allgrad/expr.hpp"

namespace allgrad {

/// "statistics 0, 3 of 10 are not finite: nan, inf"; empty where all are finite. `what` is singular. Names a few.
std::string list_not_finite(std::string_view what, const Array& values);

}  // namespace allgrad
