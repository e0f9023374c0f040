#include "compile/differentiate.hpp"

#include "allgrad/error.hpp"
#include "autodiff/gauss_newton.hpp"
#include "autodiff/gradient.hpp"
#include "autodiff/tangents.hpp"
#include "dsl/input.hpp"

namespace allgrad {

namespace {

/// The output that stands in for a derivative until it is computed.
const Expr& differentiated(Derivative derivative, const DerivativesOf& derivatives) {
  return derivative == Derivative::jacobian ? derivatives.sumstats : derivatives.loss;
}

Expr gradient_by_mode(const Expr& loss, const Expr& params, const DerivativesOf& derivatives, GradientMode mode) {
  return mode == GradientMode::reverse ? gradient(loss, params, derivatives.frozen)
                                       : jacobian(loss, params, derivatives.frozen);
}

}  // namespace

std::string_view to_string(Derivative derivative) {
  switch (derivative) {
    case Derivative::gradient: return "gradient";
    case Derivative::jacobian: return "jacobian";
    case Derivative::hessian: return "hessian";
    case Derivative::gauss_newton: return "gauss-newton";
    case Derivative::hessian_product: return "hessian product";
    case Derivative::sumstats_gradient: return "gradient by sumstats";
  }
  return {};
}

void add_placeholders(NamedOutputs& outputs, const DerivativesOf& derivatives) {
  for (const Derivative derivative : derivatives.which) {
    outputs.emplace_back(to_string(derivative), differentiated(derivative, derivatives));
  }
}

std::vector<Expr> differentiate(std::vector<Expr> outputs, const Expr& params, const DerivativesOf& derivatives,
                                GradientMode mode, std::size_t sumstats_at) {
  const std::size_t first = outputs.size() - derivatives.which.size();
  for (std::size_t i = 0; i < derivatives.which.size(); ++i) {
    const Expr value = outputs[first + i];
    const NodeOrigin origin(value.node()->where, true);
    const auto gradient_of_loss = [&] { return gradient_by_mode(value, params, derivatives, mode); };
    const auto derivative = [&] {
      switch (derivatives.which[i]) {
        case Derivative::gradient: return gradient_of_loss();
        case Derivative::jacobian: return jacobian(value, params, derivatives.frozen);
        case Derivative::hessian: return jacobian(gradient_of_loss(), params, derivatives.frozen);
        case Derivative::gauss_newton: {
          const bool has_statistics = sumstats_at < first;
          return gauss_newton(value, has_statistics ? outputs[sumstats_at] : Expr(), params, derivatives.frozen);
        }
        case Derivative::hessian_product: {
          const Expr along = make_node(std::make_shared<const Input>(direction_name, params.shape()), {}, {});
          const Expr gradient = gradient_of_loss();
          const Expr product = tangents({&gradient, 1}, params, along)[0];
          return product.empty() ? constant(xt::zeros<double>({params.shape()[0].length})) : product;
        }
        case Derivative::sumstats_gradient: return gradient(value, outputs[sumstats_at]);
      }
      throw InternalError("a derivative that is not known");
    };
    outputs[first + i] = derivative();
  }
  return outputs;
}

}  // namespace allgrad
