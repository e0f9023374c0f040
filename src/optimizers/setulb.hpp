#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"
#include "base/archive.hpp"

namespace allgrad {

/// The Fortran code of L-BFGS-B 3.0, which asks for evaluations and does not make them ("reverse communication").
/// The code keeps all of its state in arrays of the caller, so that runs may interleave.
class Setulb {
 public:
  enum class Wish { evaluation, acknowledgement, nothing };

  /// How long the first step is where all variables have two bounds; elsewhere it is 1 at most.
  enum class FirstStep {
    gradient,  ///< as the code does it: as long as the gradient
    unit,
  };

  /// From `guess` [ndim] within `bounds` [ndim], with `memory` past steps. Ends itself only where the projected
  /// gradient is within `gtol` or an iteration does not lower the loss. Throws ArgumentError where its integers cannot
  /// address the workspace.
  Setulb(std::span<const double> guess, const Bounds& bounds, std::size_t memory, double gtol, FirstStep first_step,
         SourceLocation where);

  /// Goes on until it wants the loss at x(), or has made x() its next iterate, or has ended.
  Wish next();

  /// The point that it is about.
  std::span<const double> x() const { return x_; }

  /// Loss and gradient [ndim] at x(), before next().
  void answer(double loss, std::span<const double> gradient);

  /// True at the first trial point of a line search.
  bool starts_line_search() const { return isave_[evaluations_in_line_search] == 1; }

  /// The largest component of the projected gradient at the iterate, as the code compares it with gtol.
  double gradient_norm() const { return dsave_[projected_gradient_norm] / unit_; }

  /// What the code says, without the blanks at its end.
  std::string_view message() const;

  /// All that changes, the workspace of the code included.
  void fields(Archive& archive) {
    archive(unit_, loss_, x_, gradient_, workspace_, integer_workspace_, task_, csave_, lsave_, isave_, dsave_);
  }

 private:
  void set_unit(std::span<const double> gradient);

  // Positions that the code documents in the comments of its drivers.
  static constexpr std::size_t evaluations_in_line_search = 35;
  static constexpr std::size_t projected_gradient_norm = 12;

  int num_params_;
  int memory_;
  double gtol_;
  FirstStep first_step_;
  double unit_ = 1.0;  // of the loss that the code sees: its first step is as long as the gradient of that
  double loss_ = 0.0;
  std::vector<double> x_, gradient_, lower_, upper_;
  std::vector<int> bound_kinds_;
  std::vector<double> workspace_;
  std::vector<int> integer_workspace_;
  std::array<char, 60> task_;
  std::array<char, 60> csave_{};
  std::array<int, 4> lsave_{};
  std::array<int, 44> isave_{};
  std::array<double, 29> dsave_{};
};

}  // namespace allgrad
