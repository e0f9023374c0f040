#include "schedule/interleave_sums.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <span>
#include <tuple>

#include "dsl/kernel_id.hpp"

namespace allgrad {

namespace {

/// Numbers that fit into one line of the cache.
constexpr std::size_t most_sums = 64 / sizeof(double);

/// Calls f(instruction, view, whether it is read in a sweep) for all views of a schedule.
template <class F>
void for_each_view(Schedule& schedule, F f) {
  const auto visit = [&](std::vector<LaneLoop>& loops, bool in_sweep) {
    for (LaneLoop& loop : loops) {
      for (Instruction& instruction : loop.instructions) {
        f(instruction, instruction.out, false);
        for (View& view : instruction.inputs) f(instruction, view, in_sweep);
      }
    }
  };
  for (auto& step : schedule.steps) {
    if (auto* dense = std::get_if<DenseStep>(&step)) visit(dense->loops, false);
    if (auto* sweep = std::get_if<RowLoop>(&step)) visit(sweep->loops, true);
  }
}

/// Which buffers are read by copies outside of sweeps alone.
std::vector<bool> find_copied(Schedule& schedule) {
  std::vector<bool> copied(schedule.buffers.size(), true);
  for_each_view(schedule, [&](const Instruction& instruction, const View& view, bool in_sweep) {
    if (&view == &instruction.out) return;
    if (in_sweep || instruction.kernel != Kernel::copy) copied[view.buffer] = false;
  });
  return copied;
}

/// Where the numbers of a buffer lie now: at every `step`-th place of another.
struct Move {
  std::size_t buffer = 0, offset = 0, step = 0;
};

class Interleaver {
 public:
  explicit Interleaver(Schedule& schedule) : schedule_(schedule), moves_(schedule.buffers.size()) {}

  void run() {
    const std::vector<bool> copied = find_copied(schedule_);
    for (auto& step : schedule_.steps) {
      auto* sweep = std::get_if<RowLoop>(&step);
      if (sweep == nullptr) continue;
      std::map<std::tuple<std::size_t, std::size_t, double>, std::vector<Instruction*>> by_positions;
      for (LaneLoop& loop : sweep->loops) {
        Instruction& sum = loop.instructions[0];
        if (!loop.extents.empty() || !is_whole_table(sum) || !copied[sum.out.buffer]) continue;
        by_positions[{sum.inputs[1].buffer, sum.inputs[1].offset, length_of(sum)}].push_back(&sum);
      }
      for (const auto& [positions, sums] : by_positions) {
        for (std::size_t first = 0; first + 1 < sums.size(); first += most_sums) {
          join(*sweep, std::span(sums).subspan(first, std::min(most_sums, sums.size() - first)));
        }
      }
    }
    if (!schedule_.numbers.empty()) move_views();
  }

 private:
  double length_of(const Instruction& sum) const { return numbers_of(sum.inputs[2], schedule_.buffers)[0]; }

  bool is_whole_table(const Instruction& instruction) const {
    if (instruction.kernel != Kernel::scatter_add) return false;
    const Buffer& table = schedule_.buffers[instruction.out.buffer];
    return table.kind == Buffer::Kind::accumulator && static_cast<double>(table.lanes) == length_of(instruction);
  }

  /// Into the buffer of the first of them.
  void join(RowLoop& sweep, std::span<Instruction* const> sums) {
    const double length = length_of(*sums[0]);
    const View table_form = add_numbers({length, static_cast<double>(sums.size())});
    for (std::size_t k = 0; k < sums.size(); ++k) {
      const std::size_t buffer = sums[k]->out.buffer;
      moves_[buffer] = {sums[0]->out.buffer, k, sums.size()};
      sums[k]->inputs[2] = table_form;
      if (k == 0) {
        schedule_.buffers[buffer].lanes *= sums.size();
      } else {
        schedule_.buffers[buffer].lanes = 0;
        std::erase(sweep.accumulators, buffer);
      }
    }
  }

  View add_numbers(const std::array<double, 2>& numbers) {
    std::unique_ptr<double[]> memory(new double[2]{numbers[0], numbers[1]});
    schedule_.buffers.push_back({Buffer::Kind::constant, 1, memory.get()});
    schedule_.numbers.push_back(std::move(memory));
    return {schedule_.buffers.size() - 1, 0, {}};
  }

  void move_views() {
    moves_.resize(schedule_.buffers.size());
    for_each_view(schedule_, [&](const Instruction&, View& view, bool) {
      const Move& move = moves_[view.buffer];
      if (move.step == 0) return;
      view.buffer = move.buffer;
      view.offset = view.offset * move.step + move.offset;
      for (std::ptrdiff_t& stride : view.strides) stride *= static_cast<std::ptrdiff_t>(move.step);
    });
  }

  Schedule& schedule_;
  std::vector<Move> moves_;  // of each buffer; none where its step is 0
};

}  // namespace

void interleave_sums(Schedule& schedule) {
  std::size_t num_sums = 0;
  for (const auto& step : schedule.steps) {
    const auto* sweep = std::get_if<RowLoop>(&step);
    if (sweep == nullptr) continue;
    num_sums += static_cast<std::size_t>(std::ranges::count_if(
        sweep->loops, [](const LaneLoop& loop) { return loop.instructions[0].kernel == Kernel::scatter_add; }));
  }
  if (num_sums > 1) Interleaver(schedule).run();
}

}  // namespace allgrad
