#pragma once

#include <cstddef>
#include <initializer_list>
#include <span>
#include <string_view>

#include "allgrad/objective.hpp"
#include "allgrad/source_location.hpp"

namespace allgrad {

/// An option of an optimizer with what is allowed for it.
struct Option {
  static Option positive(std::string_view name, double value);
  static Option not_negative(std::string_view name, double value);
  static Option fraction(std::string_view name, double value);    // 0 <= value < 1
  static Option count(std::string_view name, std::size_t value);  // 1 <= value, within what an int holds

  std::string_view name;
  double value;
  bool allowed;
  std::string_view expected;  // "a finite number above 0"
};

/// Returns on every rank, or throws on every rank: ArgumentError where `guess` or an option cannot be used,
/// DivergenceError where they are not the same on all ranks. Collective over the objective's communicator.
void check_arguments(std::string_view optimizer, const Objective& objective, std::span<const double> guess,
                     std::initializer_list<Option> options, SourceLocation where);

}  // namespace allgrad
