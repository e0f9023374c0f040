#include "allgrad/check_gradient.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <xtensor/xadapt.hpp>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "base/finite.hpp"
#include "comm/agreement.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "compile/program.hpp"
#include "dsl/collectives.hpp"
#include "dsl/input.hpp"
#include "dsl/row_number.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

struct Difference {
  double value = std::numeric_limits<double>::quiet_NaN();
  double uncertainty = infinity;
};

/// The derivative of f at 0 by central differences over shrinking steps, extrapolated to none (Ridders 1982).
Difference derivative_of(const std::function<double(double)>& f, double step) {
  constexpr double shrink = 1.4;
  constexpr std::size_t most = 10;
  const auto central = [&](double h) { return (f(h) - f(-h)) / (2.0 * h); };
  double first = central(step);
  for (int tries = 0; !std::isfinite(first) && tries < 12; ++tries) first = central(step /= 4.0);
  Difference best{first};
  std::vector<double> last{first};
  for (std::size_t i = 1; i < most; ++i) {
    std::vector<double> row{central(step /= shrink)};
    double factor = shrink * shrink;
    for (std::size_t order = 1; order <= i; ++order, factor *= shrink * shrink) {
      row.push_back((row[order - 1] * factor - last[order - 1]) / (factor - 1.0));
      const double error = std::max(std::abs(row[order] - row[order - 1]), std::abs(row[order] - last[order - 1]));
      if (error <= best.uncertainty) best = {row[order], error};
    }
    if (std::abs(row[i] - last[i - 1]) >= 2.0 * best.uncertainty) break;  // rounding has the upper hand
    last = std::move(row);
  }
  return best;
}

/// How far a derivative is from a difference, beyond what that is uncertain by, relative to the larger of both.
double relative_error(double derivative, const Difference& difference) {
  const double distance = std::abs(derivative - difference.value) - 4.0 * difference.uncertainty;
  if (!std::isfinite(distance)) return infinity;
  if (distance <= 0.0) return 0.0;
  return distance / std::max(std::abs(derivative), std::abs(difference.value));
}

/// A loss of some parameters with its gradient in one of the modes.
class LossProgram {
 public:
  LossProgram(const Expr& loss, const Expr& params, const Communicator& comm, const GradientCheckOptions& options,
              GradientMode mode)
      : key_(options.randkey),
        comm_(comm),
        where_(params.node()->where),
        program_({comm.next_number(), "loss, gradient"}, {{"loss", loss}}, params, comm, {.executor = options.executor},
                 DerivativesOf{.loss = loss, .mode = mode}) {}

  /// The same on all ranks, which choose their steps by it.
  double loss(std::span<const double> params) {
    program_.run(params, program_.draws() ? key_ : std::nullopt);
    double loss = program_.output("loss")[0];
    agree(comm_, Operation("the end of an evaluation", where_), {"the loss", {&loss, 1}, {}});
    return loss;
  }

  std::vector<double> gradient(std::span<const double> params) {
    loss(params);
    const auto own = program_.output("gradient");
    std::vector<double> gradient(own.begin(), own.end());
    const std::vector<double> scales(gradient.size(), size_of(gradient));
    agree(comm_, Operation("the end of an evaluation", where_), {"the gradient", gradient, scales});
    return gradient;
  }

 private:
  std::optional<Key> key_;
  Communicator comm_;
  SourceLocation where_;
  Program program_;
};

/// Numbers between 1/2 and 1 of a value's shape that are other ones in each row and lane, and in each such value.
Expr weights(const Shape& shape, std::size_t seed) {
  std::vector<std::size_t> lengths;
  for (const Extent& extent : shape) lengths.push_back(extent.is_rows() ? 1 : extent.length);
  Array phases = xt::zeros<double>(lengths);
  for (std::size_t i = 0; i < phases.size(); ++i) {
    phases.storage()[i] = 1.7 * static_cast<double>(i) + 0.9 * static_cast<double>(seed);
  }
  Expr phase = constant(std::move(phases));
  if (const auto rows = row_axis(shape)) {
    Shape row_shape(shape.size(), Extent(1));
    row_shape[*rows] = shape[*rows];
    const Expr row = make_node(std::make_shared<const RowNumber>(rows_of(shape)), {}, SourceLocation());
    phase = phase + 2.3 * reshape(row, row_shape);
  }
  return 0.75 + 0.25 * cos(phase);
}

/// An operation at the point, with operands that depend on the parameters moved by `along` times their own size: the
/// weighted sum of its elements.
Expr moved(const Expr& expr, const std::vector<bool>& depends, const Expr& along) {
  const NodeOrigin origin(expr.node()->where, false);
  std::vector<Expr> operands = expr.node()->operands;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (!depends[k]) continue;
    const Expr at = stop_gradient(operands[k]);
    const Expr size = where(not_equal(at, 0.0), abs(at), 1.0);
    operands[k] = at + along * weights(at.shape(), k + 1) * size;
  }
  const Expr value = with_operands(expr, std::move(operands));
  const Expr own = value.placement() == Placement::per_rank ? as_placement(value, Placement::partial) : value;
  return sum(own * weights(value.shape(), 0));
}

using OperationCheck = GradientCheck::OperationCheck;

OperationCheck check_operation(const Expr& expr, const Expr& loss, const Expr& along, GradientMode mode,
                               const Communicator& comm, const GradientCheckOptions& options) {
  LossProgram program(loss, along, comm, options, mode);
  const double zero[] = {0.0};
  const double derivative = program.gradient(zero)[0];
  const auto f = [&](double t) { return program.loss({&t, 1}); };
  const Difference difference = derivative_of(f, 1e-2);
  return {.name = describe(*expr.node()),
          .where = expr.node()->where,
          .is_forward = mode == GradientMode::forward,
          .derivative = derivative,
          .difference = difference.value,
          .error = relative_error(derivative, difference)};
}

/// The worst of all operations between parameters and loss.
std::optional<OperationCheck> worst_operation(const Expr& loss, const Expr& params, const ParamValues& at,
                                              const Communicator& comm, const GradientCheckOptions& options) {
  const std::vector<Expr> order = topological_order({&loss, 1});
  const auto is_params = [&](const Expr& expr) { return expr.node() == params.node(); };
  const NodeSet dependent = dependents(order, is_params);
  Replacements at_point;
  at_point.emplace(params.node(), constant(xt::adapt(std::span<const double>(at).data(), {at.size()})));
  const Expr along = parameters(1, params.node()->where)[0];
  const Expr input = along.node()->operands[0];
  std::optional<OperationCheck> worst;
  for (const Expr& expr : order) {
    if (is_params(expr)) continue;
    rebuild(expr, at_point);
    if (!dependent.contains(expr.node())) continue;
    std::vector<bool> depends;
    for (const Expr& operand : expr.node()->operands) depends.push_back(dependent.contains(operand.node()));
    const Expr loss_of_operation = moved(replaced(expr, at_point), depends, along);
    for (const GradientMode mode : {GradientMode::reverse, GradientMode::forward}) {
      if (mode == GradientMode::forward && !has_tangents(loss_of_operation)) continue;
      OperationCheck check = check_operation(expr, loss_of_operation, input, mode, comm, options);
      if (!worst || check.error > worst->error) worst = std::move(check);
    }
  }
  return worst;
}

}  // namespace

GradientCheck check_gradient(const Loss& loss, const Expr& params, const ParamValues& at, const Communicator& comm,
                             const GradientCheckOptions& options, SourceLocation where) {
  return in_call("check_gradient", where, comm, [&] {
    // Checks loss, parameters and key, and that they are the same on all ranks.
    CompiledGraph graph = compile({loss.value}, params, comm, {.executor = options.executor}, where);
    graph.value(at, {.randkey = options.randkey});
    LossProgram program(loss.value, params, comm, options, GradientMode::reverse);
    GradientCheck result{.gradient = program.gradient(at)};
    std::vector<double> point(std::span<const double>(at).begin(), std::span<const double>(at).end());
    for (std::size_t i = 0; i < point.size(); ++i) {
      const double center = point[i];
      const auto f = [&](double change) {
        point[i] = center + change;
        return program.loss(point);
      };
      const Difference difference = derivative_of(f, 1e-2 * (center != 0.0 ? std::abs(center) : 1.0));
      point[i] = center;
      result.differences.push_back(difference.value);
      result.error = std::max(result.error, relative_error(result.gradient[i], difference));
    }
    result.worst = worst_operation(loss.value, params, at, comm, options);
    result.passed = result.error <= options.tolerance && (!result.worst || result.worst->error <= options.tolerance);
    return result;
  });
}

std::string GradientCheck::str() const {
  std::string text = fmt::format("gradient    [{:.10g}]\ndifferences [{:.10g}]\nlargest relative error {:.2g}",
                                 fmt::join(gradient, ", "), fmt::join(differences, ", "), error);
  if (worst) {
    text +=
        fmt::format("\nworst operation: {} ({}), {} {:.10g}, difference {:.10g}, relative error {:.2g}", worst->name,
                    worst->where.str(), worst->is_forward ? "derivative in forward mode" : "derivative",
                    worst->derivative, worst->difference, worst->error);
  }
  return text + (passed ? "\npassed" : "\nfailed");
}

}  // namespace allgrad
