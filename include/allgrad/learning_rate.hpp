#pragma once

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace allgrad {

/// How far an optimizer goes at a step: a number above 0, or a function of the step that gives one, or 0. The first
/// step has the number 0. The function is the same on every rank; where it gives any other number, the run throws
/// ArgumentError.
class LearningRate {
 public:
  LearningRate(double rate) : rate_(rate) {}

  template <class F>
  requires std::is_invocable_r_v<double, const F&, std::size_t> LearningRate(F schedule)
      : schedule_(std::move(schedule)) {}

  double at(std::size_t step) const { return schedule_ ? schedule_(step) : rate_; }
  bool is_schedule() const { return static_cast<bool>(schedule_); }

 private:
  double rate_ = 0.0;
  std::function<double(std::size_t)> schedule_;
};

}  // namespace allgrad
