#pragma once

#include <optional>
#include <string>
#include <vector>

#include "allgrad/compile.hpp"
#include "allgrad/param_values.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

struct GradientCheckOptions {
  double tolerance = 1e-6;          ///< relative, of derivatives beyond what their differences are uncertain by
  std::optional<Key> randkey = {};  ///< for losses that draw random numbers
  ExecutorKind executor = ExecutorKind::tiled;
};

/// A gradient beside finite differences, as check_gradient found them.
struct GradientCheck {
  /// One operation of the graph: its derivative in a random direction of its operands, and the difference there.
  struct OperationCheck {
    std::string name = {};  ///< with its attributes: "pow", "custom lensing"
    SourceLocation where = {};
    bool is_forward = false;  ///< the derivative in forward mode is meant (tangent, jvp), not in reverse (adjoint, vjp)
    double derivative = 0.0, difference = 0.0;
    double error = 0.0;  ///< relative, as below
  };

  bool passed = false;
  std::vector<double> gradient = {};     ///< [ndim]
  std::vector<double> differences = {};  ///< [ndim]
  double error = 0.0;  ///< the largest |gradient - difference| beyond the uncertainty of the difference,
                       ///< relative to the larger of both
  std::optional<OperationCheck> worst = {};  ///< of all operations that depend on the parameters, the one with the
                                             ///< largest error; empty where there is none

  /// Both, and the user's line of the worst operation.
  std::string str() const;
};

/// Compares the gradient of a loss [] by the parameters [ndim] with finite differences at a point, and each operation
/// that it is made of in the same way. Differences are extrapolated, and their uncertainty is estimated, by C. J. F.
/// Ridders, Advances in Engineering Software 4 (1982) 75. For derivatives that users write, and to find bugs: it
/// compiles a small graph for each operation. Collective; the same result on every rank. Throws as `compile` does.
GradientCheck check_gradient(const Loss& loss, const Expr& params, const ParamValues& at,
                             const Communicator& comm = Communicator::world(), const GradientCheckOptions& options = {},
                             SourceLocation where = SourceLocation::current());

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::GradientCheck> : allgrad::detail::StrFormatter<allgrad::GradientCheck> {};
