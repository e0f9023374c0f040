#include "optimizers/setulb.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "allgrad/error.hpp"

// The library has no header. gfortran passes the lengths of strings at the end, and its logical is an int.
extern "C" void setulb_(const int* n, const int* m, double* x, const double* l, const double* u, const int* nbd,
                        double* f, double* g, const double* factr, const double* pgtol, double* wa, int* iwa,
                        char* task, const int* iprint, char* csave, int* lsave, int* isave, double* dsave,
                        std::size_t task_length, std::size_t csave_length);

namespace allgrad {

namespace {

// The length of the workspace `wa` that setulb asks for.
std::size_t workspace_size(std::size_t n, std::size_t m, SourceLocation where) {
  const double needed = static_cast<double>(2 * m + 5) * static_cast<double>(n) +
                        static_cast<double>(11 * m + 8) * static_cast<double>(m);
  if (needed > std::numeric_limits<int>::max()) {
    throw ArgumentError(
        fmt::format("Lbfgsb: expected a workspace of at most {} numbers, got {:.0f} for {} parameters with a memory of "
                    "{} steps. Lower memory.",
                    std::numeric_limits<int>::max(), needed, n, m),
        where);
  }
  return static_cast<std::size_t>(needed);
}

// The code's nbd.
int bound_kind(const Bound& bound) {
  if (bound.has_low()) return bound.has_high() ? 2 : 1;
  return bound.has_high() ? 3 : 0;
}

}  // namespace

Setulb::Setulb(std::span<const double> guess, const Bounds& bounds, std::size_t memory, double gtol,
               FirstStep first_step, SourceLocation where)
    : num_params_(static_cast<int>(guess.size())),
      memory_(static_cast<int>(memory)),
      gtol_(gtol),
      first_step_(first_step),
      x_(guess.begin(), guess.end()),
      gradient_(guess.size()),
      workspace_(workspace_size(guess.size(), memory, where)),
      integer_workspace_(3 * guess.size()) {
  for (const Bound& bound : bounds) {
    lower_.push_back(bound.low);
    upper_.push_back(bound.high);
    bound_kinds_.push_back(bound_kind(bound));
  }
  constexpr std::string_view start = "START";
  task_.fill(' ');
  std::ranges::copy(start, task_.begin());
}

Setulb::Wish Setulb::next() {
  constexpr double factr = 0.0;
  constexpr int silent = -1;
  const double gtol = gtol_ * unit_;
  setulb_(&num_params_, &memory_, x_.data(), lower_.data(), upper_.data(), bound_kinds_.data(), &loss_,
          gradient_.data(), &factr, &gtol, workspace_.data(), integer_workspace_.data(), task_.data(), &silent,
          csave_.data(), lsave_.data(), isave_.data(), dsave_.data(), task_.size(), csave_.size());
  if (message().starts_with("FG")) return Wish::evaluation;
  return message().starts_with("NEW_X") ? Wish::acknowledgement : Wish::nothing;
}

void Setulb::answer(double loss, std::span<const double> gradient) {
  if (message() == "FG_START") set_unit(gradient);
  loss_ = loss * unit_;
  std::ranges::transform(gradient, gradient_.begin(), [&](double g) { return g * unit_; });
}

// The path does not depend on the unit but for the first step.
void Setulb::set_unit(std::span<const double> gradient) {
  if (first_step_ == FirstStep::gradient || std::ranges::any_of(bound_kinds_, [](int kind) { return kind != 2; }))
    return;
  double square = 0.0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const bool is_held = gradient[i] < 0.0 ? x_[i] >= upper_[i] : x_[i] <= lower_[i];
    if (!is_held) square += gradient[i] * gradient[i];
  }
  if (std::isnormal(square)) unit_ = 1.0 / std::sqrt(square);
}

std::string_view Setulb::message() const {
  const std::string_view task(task_.data(), task_.size());
  return task.substr(0, task.find_last_not_of(' ') + 1);
}

}  // namespace allgrad
