#include "allgrad/objective.hpp"

#include "allgrad/error.hpp"

namespace allgrad {

double Objective::value_gradient_and_hessian(std::span<const double>, std::span<double>, std::span<double>,
                                             Curvature curvature, const EvaluationOptions&) {
  throw ArgumentError(
      curvature == Curvature::exact
          ? "expected an objective with second derivatives, got one without; compile its loss, or override "
            "value_gradient_and_hessian and has_hessian"
          : "expected an objective with the Gauss-Newton matrix, got one without; use Curvature::exact, or write the "
            "loss as a model's, a function of statistics");
}

}  // namespace allgrad
