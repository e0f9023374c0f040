#include "allgrad/params.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "allgrad/error.hpp"

namespace allgrad {

Params Guess::params() const {
  Params params = declared_;
  for (const double value : std::span<const double>(values_)) params.push_back({.guess = value});
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (params[i].name.empty()) params[i].name = fmt::format("params[{}]", i);
  }
  return params;
}

Guess Guess::declared_by(Params params) const {
  const std::span<const double> values = values_;
  if (!declared_.empty() || params.size() != values.size()) return *this;
  for (std::size_t i = 0; i < params.size(); ++i) params[i].guess = values[i];
  return params;
}

Params freeze(Params params, std::string_view prefix, SourceLocation where) {
  bool found = false;
  for (Param& param : params) {
    if (!param.name.starts_with(prefix)) continue;
    param.frozen = found = true;
  }
  if (found) return params;
  std::vector<std::string> names;
  for (const Param& param : params) names.push_back(param.name);
  throw ArgumentError(fmt::format("freeze: no parameter's name begins with \"{}\"; there are {}", prefix, names),
                      where);
}

std::string Param::str() const {
  const auto bound = [](double limit) { return std::isinf(limit) ? std::string("") : fmt::format("{}", limit); };
  std::string text = fmt::format("{} = {}", name.empty() ? "a parameter" : name, guess);
  if (!unit.empty()) text += " " + unit;
  if (bounds.has_low() || bounds.has_high()) text += fmt::format(" in [{}, {}]", bound(bounds.low), bound(bounds.high));
  return text + (frozen ? ", frozen" : "");
}

}  // namespace allgrad
