// Sums over rows of products of derivatives.
#include "allgrad/outer_product.hpp"

#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/reductions.hpp"
#include "autodiff/tangents.hpp"
#include "comm/call.hpp"
#include "compile/check_graph.hpp"
#include "compile/program.hpp"
#include "passes/insert_allreduce.hpp"
#include "uncertainty/positive_definite.hpp"

namespace allgrad {

namespace {

constexpr std::string_view outer_product_call = "calc_outer_product";

/// Sums of products of two of the derivatives by each parameter and the values: the upper triangle, row by row. Those
/// that are zero by structure are left out.
struct Sums {
  struct Element {
    std::size_t i, k;
  };
  std::vector<Element> elements;
  Expr values;  // [elements]
};

Sums sums_of(const Expr& rows, const Expr& params) {
  const std::size_t ndim = params.shape()[0].length;
  std::vector<Expr> factors;
  for (std::size_t i = 0; i < ndim; ++i) {
    Array direction = xt::zeros<double>({ndim});
    direction(i) = 1.0;
    factors.push_back(tangents({&rows, 1}, params, constant(std::move(direction)))[0]);
  }
  factors.push_back(rows);
  Sums sums;
  std::vector<Expr> products;
  for (std::size_t i = 0; i <= ndim; ++i) {
    for (std::size_t k = i; k <= ndim; ++k) {
      if (factors[i].empty() || factors[k].empty()) continue;
      sums.elements.push_back({i, k});
      products.push_back(reshape(sum(i == k ? square(factors[i]) : factors[i] * factors[k]), {1}));
    }
  }
  sums.values = concatenate(products);
  return sums;
}

}  // namespace

OuterProduct calc_outer_product(const std::function<Expr(const Expr& params)>& rows, const ParamValues& params,
                                const Communicator& comm, const std::optional<Key>& randkey, SourceLocation where) {
  return in_call(outer_product_call, where, comm, [&] {
    const std::size_t ndim = params.size();
    const Expr inputs = parameters(ndim, where);
    const Sums sums = comm.attempt([&] {
      const Expr value = rows(inputs);
      if (value.empty() || value.placement() != Placement::per_row) {
        throw ExpressionError(
            fmt::format("{}: expected an expression per row, [rows, ...], got {}; build it from a table's columns",
                        outer_product_call, value.empty() ? "an empty one" : "one that is not"),
            value.empty() ? where : value.node()->where);
      }
      return sums_of(insert_allreduce({value})[0], inputs);
    });
    const NamedOutputs outputs{{"sums", sums.values}};
    comm.attempt([&] { check_inputs({&sums.values, 1}, inputs, comm, where); });
    const std::uint64_t number = comm.next_number();
    check_same_on_all_ranks(outputs, ndim, comm, Operation("the comparison of graphs", where).with("model", number),
                            where);
    Program program({number, "outer product"}, outputs, inputs, comm, {});
    program.run(params, randkey);
    return comm.attempt([&] {
      const std::span<const double> values = program.output("sums");
      OuterProduct result{.jtj = xt::zeros<double>({ndim, ndim}), .jtr = xt::zeros<double>({ndim}), .rtr = 0.0};
      for (std::size_t n = 0; n < values.size(); ++n) {
        const auto [i, k] = sums.elements[n];
        if (k < ndim) {
          result.jtj(i, k) = result.jtj(k, i) = values[n];
        } else {
          (i < ndim ? result.jtr(i) : result.rtr) = values[n];
        }
      }
      return result;
    });
  });
}

xt::xtensor<double, 2> OuterProduct::calc_covariance(SourceLocation where) const {
  const std::size_t n = jtr.size();
  const auto inverse = positive_inverse(symmetric({jtj.data(), n * n}, n));
  if (!inverse) {
    throw ArgumentError(
        "calc_covariance: expected J^T J that is positive definite, got one that is not: some combination of the "
        "parameters does not matter to the rows; keep it fixed, or add rows that it matters to",
        where);
  }
  auto result = xt::xtensor<double, 2>::from_shape({n, n});
  const auto size = static_cast<Eigen::Index>(n);
  Eigen::Map<RowMajorMatrix>(result.data(), size, size) = *inverse;
  return result;
}

}  // namespace allgrad
