#include "compile/dump.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>

#include "base/emit.hpp"
#include "compile/value_ranges.hpp"
#include "graph/dot.hpp"
#include "schedule/row_loops.hpp"

namespace allgrad {

namespace {

/// Text as a part of a file's name.
std::string dashed(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (kept) {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  return result;
}

/// The name, with a number if this process has used it before: for parameters that are frozen, and models built anew.
std::string unused(const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, int> uses;
  const std::lock_guard lock(mutex);
  const int use = ++uses[name];
  return use == 1 ? name : fmt::format("{}-{}", name, use);
}

}  // namespace

Dump::Dump(const Communicator& comm, std::uint64_t number, std::string_view results) {
  const char* base = std::getenv("ALLGRAD_DUMP");
  if (base != nullptr && *base != '\0' && comm.is_root()) {
    try {
      folder_ = std::filesystem::path(base) /
                unused(fmt::format("communicator-{:x}-model-{}-{}", comm.id(), number, dashed(results)));
      std::filesystem::create_directories(folder_);
      index_.open(folder_ / "index.txt");
      if (!index_) give_up(std::strerror(errno));
    } catch (const std::exception& error) {
      give_up(error.what());
    }
  }
  is_wanted_ = !comm.broadcast(is_on() ? "yes" : "", 0, Operation("the beginning of a dump", {})).empty();
}

void Dump::add(std::string_view stage, std::string_view remark, std::string_view text) {
  if (!is_on()) return;
  const std::string name = name_of(stage);
  index_ << fmt::format("{:02} {:<24} {}\n", number_, stage, remark) << std::flush;
  ++number_;
  if (!index_) return give_up(std::strerror(errno));
  if (!text.empty()) write_file(name + ".txt", text);
}

void Dump::add(std::string_view stage, std::string_view remark, const NamedOutputs& graph) {
  const std::string name = name_of(stage);
  if (is_wanted_) graphs_.emplace_back(name, graph);
  if (!is_on()) return;
  add(stage, remark, to_text(graph));
  write_file(name + ".dot", to_dot(graph, row_loops_of(exprs_of(graph))));
}

void Dump::add_values(const NamedOutputs& run, std::span<const InputValue> inputs, const Communicator& comm,
                      ExecutorKind kind, const Operation& operation) {
  const auto same = [](const auto& a, const auto& b) { return a.second.node() == b.second.node(); };
  const auto is_run = [&](const auto& stage) { return std::ranges::equal(stage.second, run, same); };
  std::vector<std::pair<std::string, NamedOutputs>> shown;
  for (auto stage = graphs_.begin(); stage != graphs_.end(); ++stage) {
    if (stage == graphs_.begin() || is_run(*stage)) shown.push_back(std::move(*stage));
  }
  graphs_.clear();
  for (const auto& [name, graph] : shown) {
    const std::vector<ValueRange> ranges = value_ranges(exprs_of(graph), inputs, comm, kind, operation);
    write_file(name + ".values", to_text(ranges));
  }
}

std::string Dump::name_of(std::string_view stage) const { return fmt::format("{:02}-{}", number_, dashed(stage)); }

void Dump::write_file(const std::string& name, std::string_view text) {
  if (!is_on()) return;
  std::ofstream file(folder_ / name);
  file << text;
  file.close();
  if (!file) give_up(std::strerror(errno));
}

void Dump::give_up(std::string_view cause) {
  static std::atomic<bool> told = false;
  if (!told.exchange(true)) {
    emit(Severity::warning,
         fmt::format("the stages of a compilation cannot be written to '{}', where ALLGRAD_DUMP wants them: {}; give a "
                     "folder that can be made and written to and has room. The compilation goes on without",
                     folder_.string(), cause));
  }
  folder_.clear();
}

}  // namespace allgrad
