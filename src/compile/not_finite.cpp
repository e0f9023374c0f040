#include "compile/not_finite.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <vector>

#include "optimizers/named.hpp"

namespace allgrad {

std::string list_not_finite(std::string_view what, const Array& values) {
  constexpr std::size_t most = 5;
  std::vector<std::size_t> positions;
  std::vector<double> found;
  std::size_t count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values.storage()[i]) || ++count > most) continue;
    positions.push_back(i);
    found.push_back(without_sign_of_nan(values.storage()[i]));
  }
  if (count == 0) return {};
  const std::string more = count > most ? fmt::format(" and {} more", count - most) : "";
  return fmt::format("{}{} {}{} of {} {} not finite: {}{}", what, count == 1 ? "" : "s", fmt::join(positions, ", "),
                     more, values.size(), count == 1 ? "is" : "are", fmt::join(found, ", "),
                     more.empty() ? "" : ", ...");
}

}  // namespace allgrad
