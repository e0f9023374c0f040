#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>

namespace allgrad {

/// Values of the parameters [ndim], as an argument: whatever holds doubles in a row (an xtensor array, a std::vector, a
/// span) or numbers in braces. It refers to them and does not outlive the call.
class ParamValues {
 public:
  template <class C>
  requires requires(const C& c) {
    { c.data() } -> std::convertible_to<const double*>;
    { c.size() } -> std::convertible_to<std::size_t>;
  }
  ParamValues(const C& values) : values_(values.data(), values.size()) {}
  ParamValues(std::initializer_list<double> values) : values_(values.begin(), values.size()) {}

  operator std::span<const double>() const { return values_; }
  std::size_t size() const { return values_.size(); }

 private:
  std::span<const double> values_;
};

}  // namespace allgrad
