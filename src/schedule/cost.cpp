#include "schedule/cost.hpp"

#include <bit>
#include <utility>

#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

// In nanoseconds, as measured with AVX-512: one of 512 numbers, the call of a kernel, and a message of a collective for
// each doubling of the ranks.
constexpr double per_number = 0.075, per_call = 8.0, per_message = 1500.0;
constexpr double rows_per_call = 512.0;

/// The unary operation of pairs that have one.
constexpr std::pair<Kernel, Kernel> pairs_with_unary[] = {
#define ALLGRAD_UNARY_PAIR(inner, outer) {Kernel::inner##_##outer, Kernel::outer},
#define ALLGRAD_PAIR_OF_UNARY(inner, outer, operand) {Kernel::inner##_##outer##_##operand, Kernel::inner},
#include "dsl/pairs.def"
};

/// What a kernel costs beside an addition.
double weight_of(Kernel kernel) {
  switch (kernel) {
    case Kernel::neg:
    case Kernel::abs:
    case Kernel::sign:
    case Kernel::square:
    case Kernel::add:
    case Kernel::subtract:
    case Kernel::multiply:
    case Kernel::maximum:
    case Kernel::minimum:
    case Kernel::equal:
    case Kernel::not_equal:
    case Kernel::less:
    case Kernel::less_equal:
    case Kernel::greater:
    case Kernel::greater_equal:
    case Kernel::logical_and:
    case Kernel::logical_or:
    case Kernel::logical_not:
    case Kernel::isnan:
    case Kernel::where:
    case Kernel::copy: return 1.0;
    case Kernel::take: return 4.0;
    case Kernel::safe_multiply: return 1.4;
    case Kernel::add_to_bins: return 6.0;
#define ALLGRAD_PAIR(inner, outer, operand) case Kernel::inner##_##outer##_##operand:
#include "dsl/pairs.def"
      return 1.4;
    case Kernel::pow: return 30.0;
    default: break;
  }
  for (const auto& [pair, unary] : pairs_with_unary) {
    if (pair == kernel) return weight_of(unary) + 0.2;
  }
  return 9.0;  // quotients, roots, functions
}

double cost_of(const std::vector<LaneLoop>& loops, double rows) {
  double cost = 0.0;
  for (const LaneLoop& loop : loops) {
    double lanes = 1.0;
    for (const std::size_t extent : loop.extents) lanes *= static_cast<double>(extent);
    for (const Instruction& instruction : loop.instructions) {
      const double calls = lanes * rows / rows_per_call + 1.0;
      cost += lanes * rows * weight_of(instruction.kernel) * per_number + calls * per_call;
    }
  }
  return cost;
}

}  // namespace

double estimated_nanoseconds(const Schedule& schedule, std::size_t num_ranks) {
  double cost = 0.0;
  for (const auto& step : schedule.steps) {
    if (const auto* dense = std::get_if<DenseStep>(&step)) {
      cost += cost_of(dense->loops, 1.0);
    } else if (const auto* rows = std::get_if<RowLoop>(&step)) {
      cost += cost_of(rows->loops, static_cast<double>(rows->rows->total_rows) / static_cast<double>(num_ranks));
    } else {
      cost += per_message * static_cast<double>(std::bit_width(num_ranks - 1));
    }
  }
  return cost;
}

}  // namespace allgrad
