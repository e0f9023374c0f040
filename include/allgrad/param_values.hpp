#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <span>
#include <vector>
#include <xtensor/xarray.hpp>

#include "allgrad/exact.hpp"

namespace allgrad {

/// Values of the parameters [ndim], as an argument: an xtensor expression, whatever holds numbers in a row (a
/// std::vector, a span), or numbers in braces. Throws ArgumentError for an integer that no double equals, as 2^53 + 1.
class ParamValues {
 public:
  template <class E>
  ParamValues(const xt::xexpression<E>& values, SourceLocation where = SourceLocation::current()) {
    const xt::xarray<double> array = detail::exact_array(values, where);
    values_.assign(array.begin(), array.end());
  }

  template <class C>
  requires std::ranges::input_range<const C> && std::convertible_to < std::ranges::range_reference_t<const C>,
  double >
      &&(!xt::is_xexpression<C>::value)ParamValues(const C& values, SourceLocation where = SourceLocation::current()) {
    for (const auto& value : values) values_.push_back(detail::exact_double(value, where, values_.size()));
  }

  ParamValues(std::initializer_list<double> values) : values_(values) {}
  ParamValues(const ParamValues& values, SourceLocation) : ParamValues(values) {}

  operator std::span<const double>() const { return values_; }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<double> values_;
};

}  // namespace allgrad
