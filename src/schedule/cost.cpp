#include "schedule/cost.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

// In nanoseconds, as measured with AVX-512: an addition of one of many numbers, the call of a kernel, and a message of
// a collective for each doubling of the ranks.
constexpr double per_number = 0.03, per_call = 8.0, per_message = 1500.0;
constexpr double rows_per_call = 512.0;

/// What a kernel costs beside an addition.
double weight_of(Kernel kernel) {
  constexpr double function = 22.0;  // quotients and roots take about as long
  switch (kernel) {
    case Kernel::sqrt:
    case Kernel::divide:
    case Kernel::reciprocal: return function;
    case Kernel::take: return 15.0;
    case Kernel::scatter_add: return 60.0;  // alone, or the first of those that lie side by side
    case Kernel::safe_multiply: return 2.0;
    case Kernel::add_to_bins: return 15.0;
    case Kernel::pow: return 75.0;
    default: return is_arithmetic(kernel) ? 1.0 : function;
  }
}

double weight_of(const Instruction& instruction) {
  constexpr double beside_another = 15.0;
  const bool is_beside = instruction.kernel == Kernel::scatter_add && instruction.out.offset != 0;
  return is_beside ? beside_another : weight_of(instruction.kernel);
}

/// True where numbers that are not per row do not lie one behind the other, so that each is read alone.
bool reads_one_by_one(const Instruction& instruction) {
  return std::ranges::any_of(instruction.inputs, [](const View& view) {
    return !view.strides.empty() && view.strides.back() != 0 && view.strides.back() != 1;
  });
}

/// Of instructions for each number, or for each of so many rows.
double cost_of(const std::vector<LaneLoop>& loops, double rows, bool per_row) {
  constexpr double one_by_one = 30.0;
  double cost = 0.0;
  for (const LaneLoop& loop : loops) {
    double lanes = 1.0;
    for (const std::size_t extent : loop.extents) lanes *= static_cast<double>(extent);
    for (const Instruction& instruction : loop.instructions) {
      const double calls = lanes * rows / rows_per_call + 1.0;
      const double reading = !per_row && reads_one_by_one(instruction) ? one_by_one : 0.0;
      cost += lanes * rows * (weight_of(instruction) + reading) * per_number + calls * per_call;
    }
  }
  return cost;
}

}  // namespace

double estimated_nanoseconds(const Schedule& schedule, std::size_t num_ranks) {
  double cost = 0.0;
  for (const auto& step : schedule.steps) {
    if (const auto* dense = std::get_if<DenseStep>(&step)) {
      cost += cost_of(dense->loops, 1.0, false);
    } else if (const auto* rows = std::get_if<RowLoop>(&step)) {
      cost += cost_of(rows->loops, static_cast<double>(rows->rows->total_rows) / static_cast<double>(num_ranks), true);
    } else {
      cost += per_message * static_cast<double>(std::bit_width(num_ranks - 1));
    }
  }
  return cost;
}

}  // namespace allgrad
