#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "compile/dump.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// How a gradient is computed: from the loss back to the parameters, or for each parameter from there to the loss. The
/// first takes two sweeps over the rows and two messages where the second takes one of each, but for each parameter
/// more is computed in it.
enum class GradientMode { reverse, forward };

/// What may be computed beside values. By the parameters [ndim]: of the loss, gradient [ndim], hessian [ndim, ndim],
/// gauss_newton [ndim, ndim] (see Curvature), and hessian_product [ndim], its product with the input "direction"
/// [ndim]; of the statistics, jacobian [..., ndim]. Of the loss by the statistics, with the parameters held:
/// sumstats_gradient [...].
enum class Derivative { gradient, jacobian, hessian, gauss_newton, hessian_product, sumstats_gradient };

/// Names of these outputs, and of the input.
std::string_view to_string(Derivative derivative);
inline constexpr std::string_view direction_name = "direction";

/// Derivatives as further outputs of a graph.
struct DerivativesOf {
  Expr loss;
  std::vector<bool> frozen = {};          ///< [ndim] or empty: parameters by which they are 0, and not asked for
  std::optional<GradientMode> mode = {};  ///< of gradients; the one that is estimated to be faster, where none is given
  std::vector<Derivative> which = {Derivative::gradient};
  Expr sumstats = {};  ///< where derivatives of or by them are asked for; the latter if they are an output too
};

/// The graph that is run, from the graph that was built, with its outputs by their names and the derivatives. Its
/// stages are dumped. Collective, and guarded by whoever calls it.
NamedOutputs run_pipeline(NamedOutputs built, const Expr& params, const Communicator& comm,
                          const CompileOptions& options, const std::optional<DerivativesOf>& derivatives, Dump& dump);

}  // namespace allgrad
