// Errors of what is computed from parameters.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "allgrad/arrays.hpp"
#include "allgrad/covariance.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "compile/compiled_graph_state.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

/// J times the covariances of the parameters times J^T.
DerivedQuantity with_errors(Array values, Array jacobian, const xt::xtensor<double, 2>& covariance) {
  const auto n = static_cast<Eigen::Index>(values.size()), ndim = static_cast<Eigen::Index>(covariance.shape(0));
  DerivedQuantity result{
      .values = std::move(values),
      .errors = {},
      .jacobian = std::move(jacobian),
      .covariance = xt::xtensor<double, 2>::from_shape({static_cast<std::size_t>(n), static_cast<std::size_t>(n)})};
  const Eigen::Map<const RowMajorMatrix> of_params(covariance.data(), ndim, ndim), j(result.jacobian.data(), n, ndim);
  Eigen::Map<RowMajorMatrix> of_values(result.covariance.data(), n, n);
  of_values = j * of_params * j.transpose();
  result.errors = Array::from_shape(result.values.shape());
  for (Eigen::Index i = 0; i < n; ++i)
    result.errors.storage()[static_cast<std::size_t>(i)] = std::sqrt(of_values(i, i));
  return result;
}

}  // namespace

DerivedQuantity Covariance::propagate(const std::function<Expr(const Expr& params)>& quantity,
                                      const std::optional<Key>& randkey, SourceLocation where) const {
  return in_call("propagate", where, comm, [&] {
    const auto built = comm.attempt([&] {
      const Expr params = parameters(values.size(), where);
      const Expr value = quantity(params);
      check_is_total(value, "propagate: the quantity", where);
      return ModelGraph{.params = params, .loss = sum(value), .sumstats = value};
    });
    CompiledGraph graph = compile_model(comm.next_number(), built, comm, {}, where);
    const ModelProgram& program =
        graph.state().run({.sumstats = true, .jacobian = true}, {values.data(), values.size()}, {.randkey = randkey});
    return comm.attempt(
        [&] { return with_errors(program.sumstats(), program.derivative(Derivative::jacobian), matrix); });
  });
}

std::string DerivedQuantity::str() const {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    text += fmt::format("{}{:.6g} +- {:.2g}", i == 0 ? "" : "\n", values.storage()[i], errors.storage()[i]);
  }
  return text;
}

}  // namespace allgrad
