#include "optimizers/named.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace allgrad {

std::string named(std::span<const std::string> names, std::span<const double> values,
                  std::span<const std::string> units) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += fmt::format("{}{} = {:.8g}", i == 0 ? "" : ", ", names[i], shown(values[i]));
    if (i < units.size() && !units[i].empty()) text += " " + units[i];
  }
  return text;
}

std::string named_or_listed(std::span<const std::string> names, std::span<const double> values,
                            std::span<const std::string> units) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const bool has_unit = i < units.size() && !units[i].empty();
    if (has_unit || names[i] != fmt::format("params[{}]", i)) return named(names, values, units);
  }
  std::vector<Shown> numbers;
  for (const double value : values) numbers.push_back(shown(value));
  return fmt::format("[{:.8g}]", fmt::join(numbers, ", "));
}

}  // namespace allgrad
