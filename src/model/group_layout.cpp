#include "model/group_layout.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

/// A model as all ranks know it: by a hash of its communicator and its number there.
struct Entry {
  std::uint64_t model;
  std::uint64_t size;  // ranks that it has
};

using Lists = std::vector<std::vector<Entry>>;  // for each rank

[[noreturn]] void refuse_layout(const std::string& text, SourceLocation where) {
  throw ArgumentError("OnePointGroup: " + text, where);
}

/// Refuses a model with ranks outside of `main`.
void check_is_part(const Communicator& part, const Communicator& main, SourceLocation where) {
  std::vector<int> own(static_cast<std::size_t>(part.size())), ranks(own.size());
  std::iota(own.begin(), own.end(), 0);
  MPI_Group main_group = MPI_GROUP_NULL, part_group = MPI_GROUP_NULL;
  check_mpi(MPI_Comm_group(main.handle(), &main_group), "MPI_Comm_group");
  check_mpi(MPI_Comm_group(part.handle(), &part_group), "MPI_Comm_group");
  check_mpi(MPI_Group_translate_ranks(part_group, part.size(), own.data(), main_group, ranks.data()),
            "MPI_Group_translate_ranks");
  MPI_Group_free(&main_group);
  MPI_Group_free(&part_group);
  if (std::ranges::find(ranks, MPI_UNDEFINED) == ranks.end()) return;
  refuse_layout(
      "expected models on parts of the main communicator, got one with ranks that are not in it; give main_comm a "
      "communicator that has the ranks of all models",
      where);
}

std::vector<Entry> own_list(const std::vector<GroupMember>& models, const Communicator& main, SourceLocation where) {
  if (models.empty()) {
    refuse_layout(
        fmt::format("expected at least one model on every rank, got none on rank {}; give it a model, or make "
                    "main_comm a communicator of the ranks that have one (MPI_Comm_split)",
                    main.rank()),
        where);
  }
  std::vector<Entry> list;
  for (const GroupMember& model : models) {
    check_is_part(model.comm, main, where);
    list.push_back({model.id(), static_cast<std::uint64_t>(model.comm.size())});
  }
  return list;
}

Lists gather_layouts(const std::vector<Entry>& own, const Communicator& main, const Operation& operation) {
  const std::vector<std::uint64_t> lengths = main.allgather(own.size(), operation);
  Lists lists(lengths.size());
  for (std::size_t i = 0; i < *std::ranges::max_element(lengths); ++i) {
    const Entry entry = i < own.size() ? own[i] : Entry{};
    const std::vector<std::uint64_t> models = main.allgather(entry.model, operation);
    const std::vector<std::uint64_t> sizes = main.allgather(entry.size, operation);
    for (std::size_t rank = 0; rank < lists.size(); ++rank) {
      if (i < lengths[rank]) lists[rank].push_back({models[rank], sizes[rank]});
    }
  }
  return lists;
}

void check_complete(const Lists& lists, SourceLocation where) {
  std::map<std::uint64_t, std::vector<std::size_t>> named_by;
  for (std::size_t rank = 0; rank < lists.size(); ++rank) {
    for (const Entry& entry : lists[rank]) named_by[entry.model].push_back(rank);
  }
  for (const auto& list : lists) {
    for (const Entry& entry : list) {
      const auto& ranks = named_by[entry.model];
      if (ranks.size() == entry.size) continue;
      refuse_layout(
          fmt::format("expected a model to be named by all {} ranks of its communicator, got one that the ranks {} "
                      "alone name; pass it on the others as well",
                      entry.size, ranks),
          where);
    }
  }
}

/// Takes off the models that come first on all ranks that have them, again and again; what is left goes round in
/// circles.
void check_order(Lists lists, SourceLocation where) {
  for (auto& list : lists) std::ranges::reverse(list);  // what comes next is at the back
  for (bool taken = true; taken;) {
    taken = false;
    std::map<std::uint64_t, std::size_t> waiting;  // ranks at which a model comes next
    for (const auto& list : lists) {
      if (!list.empty()) ++waiting[list.back().model];
    }
    for (auto& list : lists) {
      if (list.empty() || waiting[list.back().model] < list.back().size) continue;
      list.pop_back();
      taken = true;
    }
  }
  std::vector<std::size_t> stuck;
  for (std::size_t rank = 0; rank < lists.size(); ++rank) {
    if (!lists[rank].empty()) stuck.push_back(rank);
  }
  if (stuck.empty()) return;
  refuse_layout(
      fmt::format("expected models that share ranks in one order on all of these, got orders on the ranks {} by which "
                  "they would wait for each other; list the models in the same order everywhere",
                  stuck),
      where);
}

}  // namespace

std::uint64_t GroupMember::id() const {
  Fingerprint hash;
  hash.add(comm.id());
  hash.add(number);
  return hash.value();
}

void check_group_layout(const std::vector<GroupMember>& models, const Communicator& main, SourceLocation where) {
  const Operation check("the comparison of lists of models", where);
  main.guarded(
      [&] {
        const Lists lists = gather_layouts(own_list(models, main, where), main, check);
        check_complete(lists, where);
        check_order(lists, where);
      },
      check);
}

}  // namespace allgrad
