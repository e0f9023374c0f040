#include "model/not_finite.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <vector>

#include "optimizers/named.hpp"

namespace allgrad {

std::string list_not_finite(std::string_view what, const Array& values) {
  std::vector<std::size_t> positions;
  std::vector<double> found;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values.storage()[i])) continue;
    positions.push_back(i);
    found.push_back(without_sign_of_nan(values.storage()[i]));
  }
  if (positions.empty()) return {};
  return fmt::format("{}{} {} of {} {} not finite: {}", what, positions.size() == 1 ? "" : "s",
                     fmt::join(positions, ", "), values.size(), positions.size() == 1 ? "is" : "are",
                     fmt::join(found, ", "));
}

}  // namespace allgrad
