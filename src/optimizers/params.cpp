#include "allgrad/params.hpp"

#include <fmt/format.h>

namespace allgrad {

Params Guess::params() const {
  Params params = declared_;
  for (const double value : std::span<const double>(values_)) params.push_back({.guess = value});
  for (std::size_t i = 0; i < params.size(); ++i) {
    if (params[i].name.empty()) params[i].name = fmt::format("params[{}]", i);
  }
  return params;
}

}  // namespace allgrad
