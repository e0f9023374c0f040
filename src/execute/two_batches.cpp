#include "execute/two_batches.hpp"

#include <algorithm>

namespace allgrad {

using Op = BatchProgram::Op;
using Step = BatchProgram::Step;

bool waits_much(const BatchProgram& program) {
  constexpr std::size_t of_function = 8, looked_ahead = 8;  // arithmetic steps that take as long; chains side by side
  std::vector<std::size_t> depths;
  std::size_t longest = 0;
  for (const Step& step : program.steps()) {
    std::size_t depth = 0;
    for (const int operand : step.in) {
      if (operand != BatchProgram::none) depth = std::max(depth, depths[static_cast<std::size_t>(operand)]);
    }
    const bool is_given = step.op == Op::load || step.op == Op::constant;
    depths.push_back(depth + (is_given ? 0 : step.op == Op::call || step.op == Op::gather ? of_function : 1));
    longest = std::max(longest, depths.back());
  }
  return program.steps().size() < looked_ahead * longest;
}

std::vector<Step> two_batches(const BatchProgram& program, const std::function<bool(std::size_t)>& is_same) {
  std::vector<Step> both;
  std::vector<std::array<int, 2>> places;  // of each step, for each batch
  for (const Step& step : program.steps()) {
    if (step.op == Op::accumulate && step.in[1] == BatchProgram::none) {  // both at once: sums wait for themselves
      const std::array<int, 2>& terms = places[static_cast<std::size_t>(step.in[0])];
      both.push_back({Op::add, BatchProgram::operands({terms[0], terms[1]})});
      both.push_back({Op::accumulate, BatchProgram::operands({static_cast<int>(both.size()) - 1}), step.index});
      places.push_back({});
      continue;
    }
    const bool is_once = step.op == Op::constant || (step.op == Op::load && is_same(step.index));
    std::array<int, 2> place{};
    for (std::size_t batch = 0; batch < (is_once ? 1 : 2); ++batch) {
      place[batch] = static_cast<int>(both.size());
      Step& one = both.emplace_back(step);
      one.batch = batch;
      for (int& operand : one.in) {
        if (operand != BatchProgram::none) operand = places[static_cast<std::size_t>(operand)][batch];
      }
    }
    if (is_once) place[1] = place[0];
    places.push_back(place);
  }
  return both;
}

}  // namespace allgrad
