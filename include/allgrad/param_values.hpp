#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <ranges>
#include <span>
#include <vector>
#include <xtensor/xarray.hpp>

namespace allgrad {

/// Values of the parameters [ndim], as an argument: an xtensor expression, whatever holds numbers in a row (a
/// std::vector, a span), or numbers in braces.
class ParamValues {
 public:
  template <class E>
  ParamValues(const xt::xexpression<E>& values) {
    const xt::xarray<double> array = values.derived_cast();
    values_.assign(array.begin(), array.end());
  }

  template <class C>
  requires std::ranges::input_range<const C> && std::convertible_to < std::ranges::range_reference_t<const C>,
  double > &&(!xt::is_xexpression<C>::value)ParamValues(const C& values) {
    for (const auto& value : values) values_.push_back(static_cast<double>(value));
  }

  ParamValues(std::initializer_list<double> values) : values_(values) {}

  operator std::span<const double>() const { return values_; }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<double> values_;
};

}  // namespace allgrad
