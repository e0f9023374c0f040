#include "schedule/fuse_lanes.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <unordered_map>

#include "dsl/kernel_id.hpp"
#include "schedule/shorten_lives.hpp"

namespace allgrad {

namespace {

/// The first place that is written, and the last loop that writes.
struct Writes {
  View view;
  std::size_t loop;
  bool lane_by_lane;  ///< all writes are to that place, in that loop, and none adds up lanes
};

class Fuser {
 public:
  /// What has no lanes and needs nothing before it, such as zeros to add to, comes first.
  explicit Fuser(const std::vector<Buffer>& buffers) : buffers_(buffers) { choose_loop({}, 0); }

  void add(const std::vector<std::size_t>& extents, Instruction instruction) {
    if (fills(extents, instruction)) {
      fills_.emplace(instruction.out.buffer, LaneLoop{extents, {std::move(instruction)}});
      return;
    }
    for (const View& view : instruction.inputs) place_fill(view.buffer);
    auto fill = fills_.extract(instruction.out.buffer);
    if (!fill.empty() && !instruction.adds) place(std::move(fill.mapped()));
    const std::size_t loop = choose_loop(extents, earliest_loop(extents, instruction));
    if (!fill.empty() && instruction.adds) {  // just before what adds to it, so that it joins the loop of its terms
      note_write(fill.mapped().instructions[0], loop);
      before_[loop].push_back(std::move(fill.mapped()));
    }
    note_write(instruction, loop);
    loops_[loop].instructions.push_back(std::move(instruction));
  }

  std::vector<LaneLoop> finish() {
    std::vector<LaneLoop> result;
    for (std::size_t loop = 0; loop < loops_.size(); ++loop) {
      std::ranges::move(before_[loop], std::back_inserter(result));
      if (!loops_[loop].instructions.empty()) result.push_back(std::move(loops_[loop]));
    }
    return result;
  }

 private:
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
    if (auto fill = fills_.extract(buffer); !fill.empty()) place(std::move(fill.mapped()));
  }

  void place(LaneLoop fill) {
    const std::size_t loop = choose_loop(fill.extents, 0);
    note_write(fill.instructions[0], loop);
    loops_[loop].instructions.push_back(std::move(fill.instructions[0]));
  }

  bool is_register(const View& view) const { return buffers_[view.buffer].kind == Buffer::Kind::row_value; }

  /// The earliest loop in which all that the instruction reads is there, and all that it adds to or completes.
  std::size_t earliest_loop(const std::vector<std::size_t>& extents, const Instruction& instruction) const {
    std::size_t earliest = 0;
    const auto consider = [&](const View& view) {
      const auto written = writes_.find(view.buffer);
      if (written == writes_.end()) return;
      const Writes& writes = written->second;
      const bool in_step = writes.lane_by_lane && writes.view == view && loops_[writes.loop].extents == extents;
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
    candidates.push_back(loops_.size());
    loops_.push_back({extents, {}});
    before_.emplace_back();
    return candidates.back();
  }

  void note_write(const Instruction& instruction, std::size_t loop) {
    const View& out = instruction.out;
    if (!is_register(out)) return;
    const bool whole = !instruction.is_call() && is_whole(loops_[loop].extents, out);
    const auto [entry, is_first] = writes_.try_emplace(out.buffer, Writes{out, loop, whole});
    Writes& writes = entry->second;
    if (is_first) return;
    writes.lane_by_lane = writes.lane_by_lane && whole && writes.loop == loop;
    writes.loop = std::max(writes.loop, loop);
  }

  const std::vector<Buffer>& buffers_;
  std::vector<LaneLoop> loops_;
  std::vector<std::vector<LaneLoop>> before_;        // of each loop, the registers to fill for it
  std::unordered_map<std::size_t, LaneLoop> fills_;  // that are not placed yet, by buffer
  std::map<std::vector<std::size_t>, std::vector<std::size_t>> by_extents_;
  std::unordered_map<std::size_t, Writes> writes_;  // by buffer
};

/// Makes lane values of the registers that only one loop uses, always in the same place.
void find_lane_values(const std::vector<LaneLoop>& loops, std::vector<Buffer>& buffers) {
  struct Use {
    std::size_t loop;
    const View* view;
    bool lane_by_lane;
  };
  std::unordered_map<std::size_t, Use> uses;
  for (std::size_t loop = 0; loop < loops.size(); ++loop) {
    const auto note = [&](const View& view) {
      if (buffers[view.buffer].kind != Buffer::Kind::row_value) return;
      const auto [entry, is_first] = uses.try_emplace(view.buffer, Use{loop, &view, true});
      Use& use = entry->second;
      if (is_first) {
        use.lane_by_lane = view.offset == 0 && view.strides == row_major_strides(loops[loop].extents);
      } else {
        use.lane_by_lane = use.lane_by_lane && use.loop == loop && *use.view == view;
      }
    };
    for (const Instruction& instruction : loops[loop].instructions) {
      std::ranges::for_each(instruction.inputs, note);
      note(instruction.out);
    }
  }
  for (const auto& [buffer, use] : uses) {
    if (use.lane_by_lane) buffers[buffer].kind = Buffer::Kind::lane_value;
  }
}

}  // namespace

void fuse_lanes(RowLoop& sweep, std::vector<Buffer>& buffers) {
  Fuser fuser(buffers);
  for (LaneLoop& loop : sweep.loops) {
    for (Instruction& instruction : loop.instructions) fuser.add(loop.extents, std::move(instruction));
  }
  sweep.loops = fuser.finish();
  shorten_lives(sweep.loops, buffers);
  find_lane_values(sweep.loops, buffers);
}

}  // namespace allgrad
