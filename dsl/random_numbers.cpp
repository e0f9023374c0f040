// The random functions of numbers: what expressions draw, at once.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numbers>
#include <type_traits>
#include <xtensor/xmath.hpp>

#include "allgrad/error.hpp"
#include "allgrad/random.hpp"
#include "dsl/inverse_erf.hpp"
#include "dsl/threefry.hpp"

namespace allgrad::random {

namespace {

RandomWords words_of(const Key& key, std::uint64_t number) { return threefry(key.words()[0], key.words()[1], number); }

/// value(words) for each element in row-major order.
template <class T, class F>
xt::xarray<T> draw(const Key& key, const std::vector<std::size_t>& shape, SourceLocation where, F value) {
  detail::check_array_size(shape, where);
  auto result = xt::xarray<T>::from_shape(shape);
  std::uint64_t number = 0;
  for (T& element : result) element = value(words_of(key, number++));
  return result;
}

}  // namespace

template <OneOf<float, double> T>
xt::xarray<T> uniform(const Key& key, const std::vector<std::size_t>& shape, T minval, T maxval, SourceLocation where) {
  return draw<T>(key, shape, where, [&](const RandomWords& words) {
    const T u = [&] {
      if constexpr (std::is_same_v<T, float>)
        return uniform32(words);
      else
        return uniform64(words);
    }();
    const T scaled = u * (maxval - minval) + minval;
    return scaled < minval ? minval : scaled;  // NaN stays NaN
  });
}

template <OneOf<float, double> T>
xt::xarray<T> normal(const Key& key, const std::vector<std::size_t>& shape, SourceLocation where) {
  const T lowest = std::nextafter(T{-1}, T{0});  // not -1, where the result is infinite
  const Array open = uniform<T>(key, shape, lowest, T{1}, where);
  return xt::cast<T>(std::numbers::sqrt2 * inverse_erf(open));
}

template <OneOf<std::uint32_t, std::uint64_t> T>
xt::xarray<T> bits(const Key& key, const std::vector<std::size_t>& shape, SourceLocation where) {
  return draw<T>(key, shape, where, [](const RandomWords& words) {
    if constexpr (std::is_same_v<T, std::uint32_t>)
      return bits32(words);
    else
      return bits64(words);
  });
}

template xt::xarray<float> uniform(const Key&, const std::vector<std::size_t>&, float, float, SourceLocation);
template xt::xarray<double> uniform(const Key&, const std::vector<std::size_t>&, double, double, SourceLocation);
template xt::xarray<float> normal(const Key&, const std::vector<std::size_t>&, SourceLocation);
template xt::xarray<double> normal(const Key&, const std::vector<std::size_t>&, SourceLocation);
template xt::xarray<std::uint32_t> bits(const Key&, const std::vector<std::size_t>&, SourceLocation);
template xt::xarray<std::uint64_t> bits(const Key&, const std::vector<std::size_t>&, SourceLocation);

std::vector<Key> split(const Key& key, std::size_t n, SourceLocation where) {
  detail::check_array_size({&n, 1}, where);
  std::vector<Key> keys;
  keys.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const RandomWords words = words_of(key, i);
    keys.emplace_back(std::array{words.v[0], words.v[1]});
  }
  return keys;
}

Key fold_in(const Key& key, const Position& data, SourceLocation where) {
  if (data.is_too_large() || data.value() < 0 || data.value() > std::ptrdiff_t{0xffffffff}) {
    throw ArgumentError(fmt::format("fold_in: expected a whole number from 0 to 4294967295, got {}", data.str()),
                        where);
  }
  const RandomWords words = words_of(key, static_cast<std::uint64_t>(data.value()));
  return Key(std::array{words.v[0], words.v[1]});
}

}  // namespace allgrad::random
