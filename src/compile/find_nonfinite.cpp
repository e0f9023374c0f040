// What CompiledGraph::find_nonfinite does: a graph of masks over the loss as it was written tells which of its values
// is the first to be not finite; searches over the rows tell where. Both are graphs like any other, so that memory does
// not grow with the rows and all ranks get the same answer.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "allgrad/elementwise.hpp"
#include "base/finite.hpp"
#include "comm/call.hpp"
#include "compile/compiled_graph_state.hpp"
#include "compile/compute.hpp"
#include "compile/describe_nonfinite.hpp"
#include "compile/nonfinite_trace.hpp"
#include "dsl/collectives.hpp"
#include "dsl/input.hpp"
#include "dsl/random_key.hpp"
#include "dsl/reshape.hpp"
#include "dsl/row_number.hpp"
#include "dsl/sum.hpp"
#include "graph/operator.hpp"
#include "graph/shape.hpp"
#include "passes/insert_allreduce.hpp"

namespace allgrad {

namespace {

Operation search() { return Operation("the search for what is not finite", {}); }

/// Computes expressions at one point, as Compute; collective, guarded by whoever calls it.
class Calculator {
 public:
  Calculator(const ModelPrograms& programs, std::span<const double> params, const Key& randkey)
      : comm_(programs.communicator()),
        executor_(programs.options().executor),
        params_(params),
        key_(numbers_of(randkey)) {}

  const Communicator& communicator() const { return comm_; }

  std::vector<std::vector<double>> operator()(const std::function<std::vector<Expr>()>& build) const {
    const InputValue inputs[] = {{parameters_name, params_}, {random_key_name, key_}};
    return allgrad::compute(build(), inputs, comm_, executor_, search());
  }

 private:
  Communicator comm_;
  ExecutorKind executor_;
  std::span<const double> params_;
  std::array<double, 2> key_;
};

Expr row_numbers(const Expr& value) {
  const SourceLocation where = value.node()->where;
  return make_node(std::make_shared<const RowNumber>(rows_of(value.shape())), {}, where);
}

/// How many rows in which a mask [rows] is 1 come before each of some row numbers.
Expr count_rows_before(const Expr& mask, const Array& ends) {
  const Shape column{mask.shape()[0], Extent(1)};
  const Expr rows = reshaped(row_numbers(mask), column);
  return sum_over(reshaped(mask, column) && rows < constant(ends), {0}, mask.node()->where);
}

/// The lowest row in which a mask [rows] is 1; it is in one.
std::size_t lowest_row(const Expr& mask, const Calculator& compute) {
  constexpr std::size_t parts = 64;  // of the rows that are left, in one sweep
  std::size_t low = 0, high = rows_of(mask.shape())->total_rows;
  while (high - low > 1) {
    const std::size_t width = (high - low + parts - 1) / parts;
    Array ends = Array::from_shape({parts});
    for (std::size_t i = 0; i < parts; ++i) ends(i) = static_cast<double>(low + (i + 1) * width);
    const std::vector<double> counts = compute([&] { return std::vector{count_rows_before(mask, ends)}; })[0];
    const auto part = std::ranges::find_if(counts, [](double n) { return n > 0.0; }) - counts.begin();
    low += static_cast<std::size_t>(part) * width;
    high = std::min(high, low + width);
  }
  return low;
}

/// The row, or the rank, at which values are looked at; neither where all ranks have the same.
struct Place {
  std::optional<std::size_t> row;
  std::optional<int> rank;
};

Expr rank_number(const Communicator& comm) { return rank_constant(Array(static_cast<double>(comm.rank()))); }

Expr at_row(const Expr& value, std::size_t row) {
  const std::size_t axis = *row_axis(value.shape());
  Shape column(value.ndim(), Extent(1));
  column[axis] = value.shape()[axis];
  const Expr is_row = equal(reshaped(row_numbers(value), column), static_cast<double>(row));
  return sum_over(where(is_row, value, 0.0), {axis}, value.node()->where);
}

/// What is looked at of a value; `rows` are those that the row of the place is of.
Expr at(const Expr& value, const Place& place, const std::shared_ptr<const RowAxis>& rows, const Communicator& comm) {
  if (is_per_row(value)) {
    const bool is_there = place.row && rows_of(value.shape()) == rows;
    return is_there ? at_row(value, *place.row) : constant(Array::from_shape({0}));  // too many to show
  }
  if (value.placement() != Placement::per_rank) return value;
  const auto rank = static_cast<double>(place.rank.value_or(0));
  return as_placement(where(equal(rank_number(comm), rank), value, 0.0), Placement::partial);
}

Place find_place(const TracedValue& value, const FirstNonfinite& origin, const Calculator& compute) {
  const Communicator& comm = compute.communicator();
  if (!origin.rows.empty()) {
    const std::size_t row = lowest_row(origin.rows, compute);
    const auto rank = compute([&] { return std::vector{at_row(origin.rows * rank_number(comm), row)}; });
    return {.row = row, .rank = static_cast<int>(rank[0][0])};
  }
  if (value.value.placement() != Placement::per_rank) return {};
  const double own = compute([&] { return std::vector{has_nonfinite(value.value)}; })[0][0];
  const std::vector<std::uint64_t> found = comm.allgather(own > 0.0 ? 1 : 0, search());
  return {.row = {}, .rank = static_cast<int>(std::ranges::find(found, 1U) - found.begin())};
}

Nonfinite look_at(const TracedValue& value, const Place& place, const Expr& sumstats, const Calculator& compute) {
  std::vector<Expr> looked_at{value.value};
  std::ranges::copy(value.node.node()->operands, std::back_inserter(looked_at));
  if (!sumstats.empty()) looked_at.push_back(sumstats);
  std::vector<std::vector<double>> numbers = compute([&] {
    std::vector<Expr> there;
    for (const Expr& expr : looked_at)
      there.push_back(at(expr, place, rows_of(value.value.shape()), compute.communicator()));
    return there;
  });
  Sighting sighting{.value = std::move(numbers[0]), .row = place.row, .rank = place.rank};
  if (!sumstats.empty()) {
    sighting.sumstats = std::move(numbers.back());
    numbers.pop_back();
  }
  sighting.operands.assign(std::next(numbers.begin()), numbers.end());
  return describe_nonfinite(value, sighting);
}

/// What was run is another order of the same operations, which may overflow alone.
Nonfinite in_what_is_run(double loss, std::span<const double> gradient, const Node& node) {
  const auto bad = std::ranges::find_if_not(gradient, [](double number) { return std::isfinite(number); });
  const std::string what = std::isfinite(loss) ? "gradient" : "loss";
  return {.node = what,
          .where = node.where,
          .is_derivative = std::isfinite(loss),
          .value = std::isfinite(loss) ? *bad : loss,
          .text = fmt::format("the {} overflows, though not in the order in which it was written", what)};
}

}  // namespace

std::optional<Nonfinite> CompiledGraph::find_nonfinite(std::span<const double> params,
                                                       const EvaluationOptions& options) {
  return in_call("CompiledGraph::find_nonfinite", state().where(), communicator(), [&] {
    return communicator().guarded([&] { return find_nonfinite_unguarded(params, options); }, search());
  });
}

std::optional<Nonfinite> CompiledGraph::find_nonfinite_unguarded(std::span<const double> params,
                                                                 const EvaluationOptions& options) {
  std::vector<double> gradient(num_params());
  const double loss = value_and_gradient(params, gradient, {.randkey = options.randkey, .frozen = options.frozen});
  for (std::size_t i = 0; i < options.frozen.size(); ++i) {
    if (options.frozen[i]) gradient[i] = 0.0;
  }
  if (std::isfinite(loss) && all_finite(gradient)) return {};

  const ModelGraph& graph = state().programs.graph();
  std::vector<Expr> results{graph.loss};
  if (!graph.sumstats.empty()) results.push_back(graph.sumstats);
  results = insert_allreduce(results);
  const std::vector<TracedValue> values =
      std::isfinite(loss) ? trace_gradient(results[0], graph.params, options.frozen) : trace_loss(results[0]);
  const Calculator compute(state().programs, params, options.randkey.value_or(0));
  const std::optional<FirstNonfinite> origin = find_first(values, compute);
  if (!origin) return in_what_is_run(loss, gradient, *graph.loss.node());
  const TracedValue& value = values[origin->index];
  const Place place = find_place(value, *origin, compute);
  return look_at(value, place, results.size() > 1 ? results[1] : Expr(), compute);
}

std::string CompiledGraph::what_is_not_finite(std::span<const double> params, const EvaluationOptions& options) {
  const std::optional<Nonfinite> found = find_nonfinite(params, options);
  return found ? found->text : "";
}

}  // namespace allgrad
