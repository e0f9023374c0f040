#include "optimizers/named.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace allgrad {

std::string named(std::span<const std::string> names, std::span<const double> values) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}{} = {:.8g}", i == 0 ? "" : ", ", names[i], without_sign_of_nan(values[i]));
  }
  return text;
}

std::string named_or_listed(std::span<const std::string> names, std::span<const double> values) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] != fmt::format("params[{}]", i)) return named(names, values);
  }
  std::vector<double> without_signs(values.size());
  std::ranges::transform(values, without_signs.begin(), without_sign_of_nan);
  return fmt::format("[{:.8g}]", fmt::join(without_signs, ", "));
}

}  // namespace allgrad
