#pragma once

#include <bit>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>
#include <xtensor/xarray.hpp>

#include "allgrad/source_location.hpp"

/// Numbers as doubles, which do not hold all integers beyond 2^53. Fractions are rounded as usual.
namespace allgrad::detail {

/// Whether a double equals the number; true for all that are no integers.
template <class T>
constexpr bool is_exact([[maybe_unused]] T number) {
  if constexpr (std::is_integral_v<T> && sizeof(T) > 4) {
    auto magnitude = static_cast<unsigned long long>(number);
    if constexpr (std::is_signed_v<T>) {
      if (number < 0) magnitude = 0 - magnitude;
    }
    return magnitude == 0 || (magnitude >> std::countr_zero(magnitude)) < (1ULL << 53);
  } else {
    return true;
  }
}

/// An integer that no double equals, and its place in an array in row-major order.
struct Inexact {
  std::string number;
  std::size_t place;
};

/// The first such integer of an array.
template <class T>
std::optional<Inexact> find_inexact(std::span<const T> numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (!is_exact(numbers[i])) return Inexact{std::to_string(numbers[i]), i};
  }
  return std::nullopt;
}

/// What messages say of such an integer.
extern const char* const why_inexact;

/// Throws ArgumentError that tells the number, and its index in an array of the given shape.
[[noreturn]] void refuse(const Inexact& inexact, std::span<const std::size_t> shape, SourceLocation where);

/// False where an array of this shape has more elements than there is memory for anywhere.
bool is_array_size(std::span<const std::size_t> shape);

/// Throws ArgumentError there.
void check_array_size(std::span<const std::size_t> shape, SourceLocation where);

/// The number as a double. Throws ArgumentError where that is another number; it tells the place, where there is one.
template <class T>
double exact_double(const T& number, SourceLocation where, std::optional<std::size_t> place = {}) {
  if constexpr (std::is_integral_v<T>) {
    const std::size_t shape[] = {place.value_or(0) + 1};
    if (!is_exact(number)) {
      refuse({std::to_string(number), place.value_or(0)}, {shape, static_cast<std::size_t>(place ? 1 : 0)}, where);
    }
  }
  return static_cast<double>(number);
}

/// Numbers in a row as an array [n]. Throws as exact_double.
template <class C>
xt::xarray<double> exact_vector(const C& numbers, SourceLocation where) {
  xt::xarray<double> result = xt::xarray<double>::from_shape({numbers.size()});
  std::size_t i = 0;
  for (const auto& number : numbers) {
    result(i) = exact_double(number, where, i);
    ++i;
  }
  return result;
}

/// The elements of an xtensor expression, computed once.
template <class E>
xt::xarray<std::remove_cv_t<typename E::value_type>> computed(const xt::xexpression<E>& expression,
                                                              SourceLocation where) {
  const auto& shape = expression.derived_cast().shape();
  check_array_size(std::vector<std::size_t>(shape.begin(), shape.end()), where);
  return expression.derived_cast();
}

/// An xtensor expression as an array of doubles. Throws ArgumentError where that would have other numbers.
template <class E>
xt::xarray<double> exact_array(const xt::xexpression<E>& expression, SourceLocation where) {
  auto values = computed(expression, where);
  using T = typename decltype(values)::value_type;
  if constexpr (std::is_same_v<T, double>) {
    return values;
  } else {
    if (const auto inexact = find_inexact(std::span<const T>(values.data(), values.size()))) {
      refuse(*inexact, std::vector<std::size_t>(values.shape().begin(), values.shape().end()), where);
    }
    return values;
  }
}

}  // namespace allgrad::detail
