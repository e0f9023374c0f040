#pragma once

#include <fmt/format.h>

#include <span>
#include <string>
#include <vector>

#include "base/sign_of_nan.hpp"

namespace allgrad {

/// A number to be printed. A NaN loses its sign, and is not given to fmt, which would trap where the program traps
/// invalid operations.
struct Shown {
  double value;
};
inline Shown shown(double value) { return {value}; }

/// Parameters, or a gradient, [ndim] as text: "log_m1 = 11.6 dex, beta = 1.2".
std::string named(std::span<const std::string> names, std::span<const double> values,
                  std::span<const std::string> units = {});

/// The same, but "[11.6, 1.2]" where no parameter was given a name: for results, which show all fields so.
std::string named_or_listed(std::span<const std::string> names, std::span<const double> values,
                            std::span<const std::string> units = {});

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Shown> : fmt::formatter<double> {
  template <class Context>
  auto format(allgrad::Shown number, Context& context) const {
    if (std::isnan(number.value)) return fmt::format_to(context.out(), "nan");
    return fmt::formatter<double>::format(number.value, context);
  }
};
