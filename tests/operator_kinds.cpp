// Every row of operators.def with operands of every kind and shape: constants, parameters, columns, values per row that
// depend on parameters, partial values and values per rank, broadcast with each other. Value, gradient and the
// derivative of the gradient are the same on both executors, in both modes, with every instruction set and on any
// number of ranks, and equal finite differences of what one process computes.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "catch.hpp"
#include "compile/program.hpp"
#include "dsl/elementwise.hpp"
#include "evaluation.hpp"
#include "execute/kernel_set.hpp"

namespace test_operator_kinds {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

constexpr std::size_t num_params = 4;
const std::vector<double> params_at = {0.3127, -0.4271, 0.2319, 0.1513};
const std::vector<double> direction = {0.5, -1.0, 0.25, 2.0};

enum class Kind { constant, parameter, column, per_row, partial, per_rank, empty };
constexpr Kind kinds[] = {Kind::constant, Kind::parameter, Kind::column, Kind::per_row, Kind::partial, Kind::per_rank};
using Kinds = std::vector<Kind>;

/// Rows with columns of numbers from -1 to 1: one per operand, and weights whose sum is 1.
ag::Table table_of(std::size_t num_rows, const ag::Communicator& comm) {
  const auto load = [&] {
    const auto [first, last] = uneven(num_rows, comm.rank(), comm.size());
    ag::Table::Columns columns;
    for (std::size_t k = 0; k < 3; ++k) {
      const std::vector<double> all = noise_column(num_rows, k);
      columns.emplace_back(std::to_string(k), std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(first),
                                                                  all.begin() + static_cast<std::ptrdiff_t>(last)));
    }
    columns.emplace_back("weight", std::vector<double>(last - first, 1.0 / static_cast<double>(num_rows)));
    return columns;
  };
  return ag::Table("rows", load, comm);
}

/// Operands of a row: numbers within its domain.
class Operands {
 public:
  Operands(const ag::ElementwiseRow& row, const ag::Table& table, const Expr& params)
      : row_(row), table_(table), params_(params) {}

  /// False where operand k must not depend on parameters.
  bool is_possible(std::size_t k, Kind kind) const {
    return row_.has_derivative(k) || kind == Kind::constant || kind == Kind::column || kind == Kind::per_rank ||
           kind == Kind::empty;
  }

  Expr operand(std::size_t k, Kind kind) const {
    const Expr column = expand_dims(expand_dims(table_[std::to_string(k)], 1), 2);        // [rows, 1, 1]
    const xt::xtensor<double, 2> lanes = {{-0.7 + 0.2 * static_cast<double>(k)}, {0.4}};  // [2, 1]
    switch (kind) {
      case Kind::constant: return in_domain(k, ag::constant(lanes));
      case Kind::parameter: return in_domain(k, view(params_, ag::range(0, 3)));  // [3]
      case Kind::column: return in_domain(k, 0.9 * column);
      case Kind::per_row: return in_domain(k, 0.8 * column * lanes + 0.3 * view(params_, ag::range(1, 4)));
      case Kind::partial: return sum(table_["weight"] * in_domain(k, params_[3] - 0.2 * static_cast<double>(k)));  // []
      case Kind::per_rank: return in_domain(k, ag::rank_constant(xt::xarray<double>{0.2}));          // [1]
      case Kind::empty: return in_domain(k, ag::constant(xt::xtensor<double, 1>::from_shape({0})));  // [0]
    }
    throw std::logic_error("a kind that is not known");
  }

 private:
  /// Numbers from -1 to 1, as numbers within the domain of operand k.
  Expr in_domain(std::size_t k, const Expr& x) const {
    const auto [low, high] = row_.domain[k];
    return 0.5 * (low + high) + 0.45 * (high - low) * x;
  }

  const ag::ElementwiseRow& row_;
  const ag::Table& table_;
  const Expr& params_;
};

/// The mean over all elements, as a value of no placement but replicated.
Expr mean_of(const Expr& x) {
  const Expr total =
      x.placement() == ag::Placement::per_rank ? ag::reduce_sum(x) / ag::reduce_sum(ag::rank_constant(1.0)) : x;
  return mean(total);
}

std::vector<Kinds> all_kinds(std::size_t num_operands) {
  std::vector<Kinds> all{{}};
  for (std::size_t k = 0; k < num_operands; ++k) {
    std::vector<Kinds> longer;
    for (const Kinds& some : all) {
      for (const Kind kind : kinds) {
        longer.push_back(some);
        longer.back().push_back(kind);
      }
    }
    all = std::move(longer);
  }
  return all;
}

/// The operator of operands of these kinds; empty where one of them is not possible.
Expr value_of(const ag::ElementwiseRow& row, const Operands& operands, const Kinds& some) {
  std::vector<Expr> exprs;
  for (std::size_t k = 0; k < some.size(); ++k) {
    if (!operands.is_possible(k, some[k])) return {};
    exprs.push_back(operands.operand(k, some[k]));
  }
  if (row.kernel == ag::Kernel::power_below) exprs[2] = pow(exprs[0], exprs[1]);
  return elementwise(row.kernel, exprs, {});
}

/// The operator of operands of all kinds, in one number; of three operands, every fifth combination.
Expr loss_of(const ag::ElementwiseRow& row, std::size_t num_rows, const Expr& params, const ag::Communicator& comm) {
  const ag::Table table = table_of(num_rows, comm);
  const Operands operands(row, table, params);
  Expr loss = 0.0 * params[0];
  double weight = 1.0;
  const std::vector<Kinds> combinations = all_kinds(row.num_operands);
  for (std::size_t i = 0; i < combinations.size(); i += row.num_operands == 3 ? 5 : 1) {
    const Expr value = value_of(row, operands, combinations[i]);
    if (value.empty()) continue;
    weight = weight > 3.0 ? 0.7 : weight + 0.37;
    loss = loss + weight * mean_of(value);
  }
  Kinds with_empty(row.num_operands, Kind::constant);
  with_empty[0] = Kind::empty;
  loss = loss + sum(value_of(row, operands, with_empty) * params[0]);
  return loss;
}

/// Of the loss at the parameters: itself, its gradient, and the derivative of the gradient along the direction.
struct Derivatives {
  double loss = 0.0;
  std::vector<double> gradient = {}, hessian_product = {};
};

class LossProgram {
 public:
  LossProgram(const ag::ElementwiseRow& row, std::size_t num_rows, const ag::Communicator& comm,
              ag::ExecutorKind executor, ag::GradientMode mode)
      : params_(ag::parameters(num_params)),
        loss_(loss_of(row, num_rows, params_, comm)),
        program_({comm.next_number(), "outputs"}, {{"loss", loss_}}, params_, comm, {executor},
                 ag::DerivativesOf{loss_, {}, mode, {ag::Derivative::gradient, ag::Derivative::hessian_product}}) {}

  Derivatives at(std::span<const double> point) {
    program_.run(point, {}, direction);
    const auto copy = [&](std::string_view name) {
      const std::span<const double> numbers = program_.output(name);
      return std::vector<double>(numbers.begin(), numbers.end());
    };
    return {program_.output("loss")[0], copy("gradient"), copy("hessian product")};
  }

 private:
  Expr params_, loss_;
  ag::Program program_;
};

/// Finite differences of what a program computes.
Derivatives numeric(LossProgram& program) {
  constexpr double step = 2e-5;  // so small that hardly a pair of numbers changes its order
  Derivatives result{program.at(params_at).loss};
  result.gradient = numeric_gradient([&](std::span<const double> p) { return program.at(p).loss; }, params_at, step);
  const auto gradient_at = [&](double steps) {
    std::vector<double> point = params_at;
    for (std::size_t i = 0; i < num_params; ++i) point[i] += steps * step * direction[i];
    return program.at(point).gradient;
  };
  const auto plus1 = gradient_at(1.0), minus1 = gradient_at(-1.0), plus2 = gradient_at(2.0), minus2 = gradient_at(-2.0);
  for (std::size_t i = 0; i < num_params; ++i) {
    result.hessian_product.push_back((8.0 * (plus1[i] - minus1[i]) - (plus2[i] - minus2[i])) / (12.0 * step));
  }
  return result;
}

/// Checks numbers to a tolerance relative to the largest of them, or to `scale` where that is larger.
void check_numbers(std::span<const double> expected, std::span<const double> actual, double tolerance, double scale) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i << ": expected " << fmt::format("{}, got {}", expected[i], actual[i]));
    CHECK(std::abs(actual[i] - expected[i]) <= tolerance * std::max(scale, largest(expected)));
  }
}

void check_derivatives(const Derivatives& expected, const Derivatives& actual, double tolerance) {
  const double scale = std::max(1.0, std::abs(expected.loss));
  check_numbers({&expected.loss, 1}, {&actual.loss, 1}, tolerance, scale);
  check_numbers(expected.gradient, actual.gradient, tolerance, scale);
  check_numbers(expected.hessian_product, actual.hessian_product, tolerance,
                std::max(scale, largest(expected.gradient)));
}

/// ALLGRAD_KERNELS while it lives.
class Wanted {
 public:
  explicit Wanted(const char* name) { setenv("ALLGRAD_KERNELS", name, 1); }
  ~Wanted() { unsetenv("ALLGRAD_KERNELS"); }
  Wanted(const Wanted&) = delete;
  Wanted& operator=(const Wanted&) = delete;
};

}  // namespace

TEST_CASE("operands of every kind and shape, on both executors, in both modes and with every instruction set") {
  const ag::Communicator world = ag::Communicator::world();
  const std::size_t num_rows = GENERATE(1U, 67U);
  const std::string fastest = ag::available_kernel_sets().back().instruction_set;
  for (const ag::ElementwiseRow& row : ag::elementwise_rows()) {
    INFO(row.name << ", " << num_rows << " rows");
    LossProgram alone(row, num_rows, self(), ag::ExecutorKind::reference, ag::GradientMode::reverse);
    const Derivatives expected = alone.at(params_at);
    check_derivatives(numeric(alone), expected, 1e-7);
    const auto check_run = [&](ag::ExecutorKind executor, ag::GradientMode mode) {
      INFO(to_string(executor) << (mode == ag::GradientMode::reverse ? ", reverse" : ", forward"));
      check_derivatives(expected, LossProgram(row, num_rows, world, executor, mode).at(params_at), 1e-11);
    };
    check_run(ag::ExecutorKind::reference, ag::GradientMode::forward);
    check_run(ag::ExecutorKind::tiled, ag::GradientMode::forward);
    for (const ag::KernelSet& set : ag::available_kernel_sets()) {
      if (num_rows == 1 && set.instruction_set != fastest) continue;
      INFO(set.instruction_set);
      const Wanted wanted(set.instruction_set);
      check_run(ag::ExecutorKind::tiled, ag::GradientMode::reverse);
    }
  }
}

}  // namespace test_operator_kinds
