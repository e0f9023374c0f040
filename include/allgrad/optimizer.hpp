#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <xtensor/xtensor.hpp>

namespace allgrad {

/// A point of an optimizer's path, as a callback sees it. The spans are valid during the call.
struct Iterate {
  std::size_t step;                  // 0 is the guess
  double loss;                       // at params
  std::span<const double> params;    // [ndim]
  std::span<const double> gradient;  // [ndim], of the loss at params
};

/// Called at every point of an optimizer's path whose loss is known, on each rank that sets one. What it throws on any
/// rank ends the run with an exception on every rank.
using Callback = std::function<void(const Iterate&)>;

/// The path of an optimizer that takes a fixed number of steps.
struct Trajectory {
  xt::xtensor<double, 1> loss;    // [nsteps], loss[i] at params[i]: at the last parameters it is not computed
  xt::xtensor<double, 2> params;  // [nsteps + 1, ndim], from the guess on

  /// Both ends of the path as text; `fmt::print("{}\n", trajectory)` prints it too.
  std::string str() const;
};

namespace detail {

template <class T>
struct StrFormatter : fmt::formatter<fmt::string_view> {
  template <class Context>
  auto format(const T& value, Context& context) const {
    return fmt::formatter<fmt::string_view>::format(value.str(), context);
  }
};

}  // namespace detail

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Trajectory> : allgrad::detail::StrFormatter<allgrad::Trajectory> {};
