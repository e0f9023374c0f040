#pragma once

// What tests of the engine need to evaluate an expression: made-up data, tables dealt out over ranks, values and
// gradients by either executor, and numbers to compare them with.

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "allgrad/allgrad.hpp"
#include "compile/pipeline.hpp"
#include "reference_models.hpp"

namespace allgrad::testing {

inline constexpr ExecutorKind executors[] = {ExecutorKind::reference, ExecutorKind::tiled};

std::string to_string(ExecutorKind executor);

/// One process that holds all rows.
const Communicator& self();

/// A number in [low, high), always the same for the same index.
double noise(std::uint64_t index, double low = 0.0, double high = 1.0);

/// `count` such numbers; other seeds give others.
std::vector<double> noise_column(std::size_t count, std::uint64_t seed, double low = -1.0, double high = 1.0);

/// All rows of a table: names and values of its columns.
using WholeColumns = std::vector<std::pair<std::string, std::vector<double>>>;

/// The table with this rank's share of the rows; see Split.
using Deal = std::function<std::pair<std::size_t, std::size_t>(std::size_t total, int rank, int size)>;
Table deal(const std::string& name, const WholeColumns& columns, const Deal& split, const Communicator& comm);

/// A value that is not per row, at the parameters: in row-major order, totalled over all ranks.
std::vector<double> evaluate(const Expr& value, const Expr& params, const ParamValues& at, const Communicator& comm,
                             ExecutorKind executor, const std::optional<Key>& randkey = {});

struct LossAndGradient {
  double loss = 0.0;
  std::vector<double> gradient = {};
};

/// By the mode that is estimated to be the faster one, where none is given.
LossAndGradient evaluate_with_gradient(const Expr& loss, const Expr& params, const ParamValues& at,
                                       const Communicator& comm, ExecutorKind executor,
                                       const std::optional<Key>& randkey = {},
                                       const std::optional<GradientMode>& mode = {});

struct ValueAndGradient {
  std::vector<double> value;
  std::vector<double> gradient;
};

/// A value, and the gradient of a loss that is computed from it, in one program.
ValueAndGradient evaluate_beside_loss(const Expr& value, const Expr& loss, const Expr& params, const ParamValues& at,
                                      const Communicator& comm, ExecutorKind executor);

/// The gradient of a function by central differences of fourth order.
std::vector<double> numeric_gradient(const std::function<double(std::span<const double>)>& f, const ParamValues& at,
                                     double step = 1e-3);

/// Distance in units of the last place of `expected`; 0 for equal infinities and for two NaN.
double ulps(double expected, double actual);

/// The largest of |expected|.
double largest(std::span<const double> values);

/// Checks that two arrays are equal to `tolerance` relative to the largest of `expected`.
void check_close(std::span<const double> expected, std::span<const double> actual, double tolerance);

}  // namespace allgrad::testing
