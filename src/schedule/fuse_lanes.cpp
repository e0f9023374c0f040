#include "schedule/fuse_lanes.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "dsl/kernel_id.hpp"
#include "schedule/shorten_lives.hpp"

namespace allgrad {

namespace {

/// The first place that is written, and the last loop that writes.
struct Writes {
  const View* view = nullptr;  ///< none yet, where null
  std::size_t loop = 0;
  bool lane_by_lane = false;  ///< all writes are to that place, in that loop, and none adds up lanes
};

/// Chooses a loop for each instruction of a sweep or of a dense step, `given` in a loop of its own.
class Fuser {
 public:
  /// What has no lanes and needs nothing before it, such as zeros to add to, comes first.
  Fuser(std::vector<LaneLoop>& given, const std::vector<Buffer>& buffers, bool is_sweep)
      : given_(given), buffers_(buffers), is_sweep_(is_sweep), fills_(buffers.size(), none), writes_(buffers.size()) {
    choose_loop({}, 0);
    for (std::size_t place = 0; place < given.size(); ++place) add(place);
    for (std::size_t buffer = 0; buffer < buffers.size(); ++buffer) place_fill(buffer);  // what nothing is added to
  }

  std::vector<LaneLoop> finish() {
    std::vector<LaneLoop> result;
    for (const Plan& plan : plans_) {
      for (const std::size_t place : plan.fills_before) result.push_back(std::move(given_[place]));
      if (plan.places.empty()) continue;
      LaneLoop& loop = result.emplace_back(LaneLoop{plan.extents, {}});
      loop.instructions.reserve(plan.places.size());
      for (const std::size_t place : plan.places) loop.instructions.push_back(std::move(instruction_of(place)));
    }
    return result;
  }

 private:
  /// A loop to be, its instructions by their places among those given.
  struct Plan {
    std::vector<std::size_t> extents, places;
    std::vector<std::size_t> fills_before;  ///< of registers, in loops of their own
  };
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  Instruction& instruction_of(std::size_t place) { return given_[place].instructions[0]; }

  void add(std::size_t place) {
    const std::vector<std::size_t>& extents = given_[place].extents;
    const Instruction& instruction = instruction_of(place);
    const std::size_t target = instruction.out.buffer;
    if (fills(extents, instruction)) {
      if (fills_[target] == none) fills_[target] = place;
      return;
    }
    for (const View& view : instruction.inputs) place_fill(view.buffer);
    if (!instruction.adds) place_fill(target);
    const std::size_t loop = choose_loop(extents, earliest_loop(extents, instruction));
    if (const std::size_t fill = std::exchange(fills_[target], none); fill != none) {
      note_write(instruction_of(fill), loop);  // just before what adds to it, so that it joins the loop of its terms
      plans_[loop].fills_before.push_back(fill);
    }
    put(place, loop);
  }

  void put(std::size_t place, std::size_t loop) {
    note_write(instruction_of(place), loop);
    plans_[loop].places.push_back(place);
  }

  /// True for what sets all lanes of a register to a number, to add to them.
  bool fills(const std::vector<std::size_t>& extents, const Instruction& instruction) const {
    const auto is_number = [&](const View& view) { return buffers_[view.buffer].kind == Buffer::Kind::constant; };
    return instruction.kernel == Kernel::copy && !instruction.adds && !extents.empty() &&
           is_register(instruction.out) && is_whole(extents, instruction.out) &&
           std::ranges::all_of(instruction.inputs, is_number);
  }

  /// True for a view of all lanes of a buffer, in their order.
  bool is_whole(const std::vector<std::size_t>& extents, const View& view) const {
    std::size_t lanes = 1;
    for (const std::size_t extent : extents) lanes *= extent;
    return lanes == buffers_[view.buffer].lanes && view.offset == 0 && view.strides == row_major_strides(extents);
  }

  void place_fill(std::size_t buffer) {
    const std::size_t fill = std::exchange(fills_[buffer], none);
    if (fill != none) put(fill, choose_loop(given_[fill].extents, 0));
  }

  /// True for what is written in the loops at hand and read there: of a sweep, the values per row.
  bool is_register(const View& view) const {
    return !is_sweep_ || buffers_[view.buffer].kind == Buffer::Kind::row_value;
  }

  /// The earliest loop in which all that the instruction reads is there, and all that it adds to or completes.
  std::size_t earliest_loop(const std::vector<std::size_t>& extents, const Instruction& instruction) const {
    std::size_t earliest = 0;
    const auto consider = [&](const View& view) {
      const Writes& writes = writes_[view.buffer];
      if (writes.view == nullptr) return;
      const bool in_step = writes.lane_by_lane && *writes.view == view && plans_[writes.loop].extents == extents;
      earliest = std::max(earliest, in_step ? writes.loop : writes.loop + 1);
    };
    for (const View& view : instruction.inputs) {
      if (is_register(view)) consider(view);
    }
    if (is_register(instruction.out)) consider(instruction.out);
    return earliest;
  }

  /// The first loop over these lanes from `earliest` on, a new one where there is none.
  std::size_t choose_loop(const std::vector<std::size_t>& extents, std::size_t earliest) {
    std::vector<std::size_t>& candidates = by_extents_[extents];
    const auto found = std::ranges::lower_bound(candidates, earliest);
    if (found != candidates.end()) return *found;
    candidates.push_back(plans_.size());
    plans_.push_back({extents, {}, {}});
    return candidates.back();
  }

  void note_write(const Instruction& instruction, std::size_t loop) {
    const View& out = instruction.out;
    if (!is_register(out)) return;
    const bool whole = !instruction.is_call() && is_whole(plans_[loop].extents, out);
    Writes& writes = writes_[out.buffer];
    if (writes.view == nullptr) {
      writes = {&out, loop, whole};
      return;
    }
    writes.lane_by_lane = writes.lane_by_lane && whole && writes.loop == loop;
    writes.loop = std::max(writes.loop, loop);
  }

  std::vector<LaneLoop>& given_;
  const std::vector<Buffer>& buffers_;
  bool is_sweep_;
  std::vector<Plan> plans_;
  std::vector<std::size_t> fills_;  // of each buffer, that are not put into a loop yet
  std::map<std::vector<std::size_t>, std::vector<std::size_t>> by_extents_;
  std::vector<Writes> writes_;  // of each buffer
};

/// Makes lane values of the registers that only one loop uses, always in the same place.
void find_lane_values(const std::vector<LaneLoop>& loops, std::vector<Buffer>& buffers) {
  struct Use {
    std::size_t loop = 0;
    const View* view = nullptr;
    bool lane_by_lane = false;
  };
  std::vector<Use> uses(buffers.size());
  for (std::size_t loop = 0; loop < loops.size(); ++loop) {
    const std::vector<std::ptrdiff_t> strides = row_major_strides(loops[loop].extents);
    const auto note = [&](const View& view) {
      if (buffers[view.buffer].kind != Buffer::Kind::row_value) return;
      Use& use = uses[view.buffer];
      if (use.view == nullptr) {
        use = {loop, &view, view.offset == 0 && view.strides == strides};
      } else {
        use.lane_by_lane = use.lane_by_lane && use.loop == loop && *use.view == view;
      }
    };
    for (const Instruction& instruction : loops[loop].instructions) {
      std::ranges::for_each(instruction.inputs, note);
      note(instruction.out);
    }
  }
  for (std::size_t buffer = 0; buffer < buffers.size(); ++buffer) {
    if (uses[buffer].lane_by_lane) buffers[buffer].kind = Buffer::Kind::lane_value;
  }
}

}  // namespace

void fuse_lanes(RowLoop& sweep, std::vector<Buffer>& buffers) {
  sweep.loops = Fuser(sweep.loops, buffers, true).finish();
  shorten_lives(sweep.loops, buffers);
  find_lane_values(sweep.loops, buffers);
}

void fuse_lanes(DenseStep& step, const std::vector<Buffer>& buffers) {
  const auto is_long = [](const LaneLoop& loop) { return !loop.extents.empty() && loop.extents.back() >= long_loop; };
  if (std::ranges::any_of(step.loops, is_long)) step.loops = Fuser(step.loops, buffers, false).finish();
}

}  // namespace allgrad
