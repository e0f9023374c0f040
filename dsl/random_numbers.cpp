// The random functions of numbers: what expressions draw, at once.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <type_traits>
#include <xtensor/xmath.hpp>

#include "allgrad/random.hpp"
#include "dsl/inverse_erf.hpp"
#include "dsl/threefry.hpp"

namespace allgrad::random {

namespace {

RandomWords words_of(const Key& key, std::uint64_t number) { return threefry(key.words()[0], key.words()[1], number); }

/// value(words) for each element in row-major order.
template <class T, class F>
xt::xarray<T> draw(const Key& key, const std::vector<std::size_t>& shape, F value) {
  auto result = xt::xarray<T>::from_shape(shape);
  std::uint64_t number = 0;
  for (T& element : result) element = value(words_of(key, number++));
  return result;
}

}  // namespace

template <OneOf<float, double> T>
xt::xarray<T> uniform(const Key& key, const std::vector<std::size_t>& shape, T minval, T maxval) {
  return draw<T>(key, shape, [&](const RandomWords& words) {
    const T u = [&] {
      if constexpr (std::is_same_v<T, float>)
        return uniform32(words);
      else
        return uniform64(words);
    }();
    return std::max(minval, u * (maxval - minval) + minval);
  });
}

template <OneOf<float, double> T>
xt::xarray<T> normal(const Key& key, const std::vector<std::size_t>& shape) {
  const T lowest = std::nextafter(T{-1}, T{0});  // not -1, where the result is infinite
  const Array open = uniform<T>(key, shape, lowest, T{1});
  return xt::cast<T>(std::numbers::sqrt2 * inverse_erf(open));
}

template <OneOf<std::uint32_t, std::uint64_t> T>
xt::xarray<T> bits(const Key& key, const std::vector<std::size_t>& shape) {
  return draw<T>(key, shape, [](const RandomWords& words) {
    if constexpr (std::is_same_v<T, std::uint32_t>)
      return bits32(words);
    else
      return bits64(words);
  });
}

template xt::xarray<float> uniform(const Key&, const std::vector<std::size_t>&, float, float);
template xt::xarray<double> uniform(const Key&, const std::vector<std::size_t>&, double, double);
template xt::xarray<float> normal(const Key&, const std::vector<std::size_t>&);
template xt::xarray<double> normal(const Key&, const std::vector<std::size_t>&);
template xt::xarray<std::uint32_t> bits(const Key&, const std::vector<std::size_t>&);
template xt::xarray<std::uint64_t> bits(const Key&, const std::vector<std::size_t>&);

std::vector<Key> split(const Key& key, std::size_t n) {
  std::vector<Key> keys;
  for (std::size_t i = 0; i < n; ++i) {
    const RandomWords words = words_of(key, i);
    keys.emplace_back(std::array{words.v[0], words.v[1]});
  }
  return keys;
}

Key fold_in(const Key& key, std::uint32_t data) {
  const RandomWords words = words_of(key, data);
  return Key(std::array{words.v[0], words.v[1]});
}

}  // namespace allgrad::random
