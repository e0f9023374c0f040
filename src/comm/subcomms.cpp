#include "allgrad/subcomms.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <numeric>
#include <utility>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/call.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

/// The user's new communicator, of which a Communicator keeps a duplicate of its own.
class MadeComm {
 public:
  ~MadeComm() {
    if (comm_ != MPI_COMM_NULL) MPI_Comm_free(&comm_);
  }
  MadeComm() = default;
  MadeComm(const MadeComm&) = delete;
  MadeComm& operator=(const MadeComm&) = delete;
  MPI_Comm* address() { return &comm_; }
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

std::vector<int> sizes_of(const SplitOptions& split, int num_ranks, SourceLocation where) {
  const auto refuse = [&](const std::string& text) { throw ArgumentError("split_subcomms: " + text, where); };
  if (split.num_groups.has_value() == !split.ranks_per_group.empty()) {
    refuse("expected either num_groups or ranks_per_group, got " +
           std::string(split.num_groups ? "both" : "neither; write {.num_groups = 2} or {.ranks_per_group = {1, 3}}"));
  }
  if (split.num_groups) {
    const int groups = *split.num_groups;
    if (groups < 1 || groups > num_ranks) {
      refuse(
          fmt::format("expected from 1 to {} groups for {} ranks, since each needs a rank, got num_groups = {}; start "
                      "more ranks or make fewer groups",
                      num_ranks, num_ranks, groups));
    }
    std::vector<int> sizes(static_cast<std::size_t>(groups), num_ranks / groups);
    for (int i = 0; i < num_ranks % groups; ++i) ++sizes[static_cast<std::size_t>(i)];
    return sizes;
  }
  const std::vector<int>& sizes = split.ranks_per_group;
  const auto total = std::accumulate(sizes.begin(), sizes.end(), 0LL);
  if (total != num_ranks || std::ranges::any_of(sizes, [](int size) { return size < 1; })) {
    refuse(
        fmt::format("expected ranks_per_group of at least 1 each that add up to the {} ranks of the communicator, got "
                    "[{}], together {}",
                    num_ranks, fmt::join(sizes, ", "), total));
  }
  return sizes;
}

template <class Range>
std::uint64_t hash_of(const Range& numbers) {
  Fingerprint hash;
  for (const auto number : numbers) hash.add(number);
  return hash.value();
}

}  // namespace

Subcomm split_subcomms(const SplitOptions& split, const Communicator& comm, SourceLocation where) {
  return in_call("split_subcomms", where, comm, [&]() -> Subcomm {
    const std::vector<int> sizes = sizes_of(split, comm.size(), where);
    const std::function<std::string()> details = [&] { return fmt::format("of [{}] ranks", fmt::join(sizes, ", ")); };
    comm.synchronize(Operation("a split into groups", where).with("groups", hash_of(sizes)).described_by(details));
    int group = 0;
    for (int end = sizes[0]; comm.rank() >= end; end += sizes[static_cast<std::size_t>(group)]) ++group;
    MadeComm made;
    check_mpi(MPI_Comm_split(comm.handle(), group, comm.rank(), made.address()), "MPI_Comm_split");
    return {Communicator(made.get(), where), static_cast<int>(sizes.size()), group};
  });
}

Subcomm split_subcomms_by_node(const Communicator& comm, SourceLocation where) {
  return in_call("split_subcomms_by_node", where, comm, [&]() -> Subcomm {
    const Operation split("a split by nodes", where);
    comm.synchronize(split);
    MadeComm made;
    check_mpi(MPI_Comm_split_type(comm.handle(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, made.address()),
              "MPI_Comm_split_type");
    const Communicator node(made.get(), where);
    // A group is known by its first rank in the whole communicator; groups are numbered in the order of these.
    const std::uint64_t first = node.allgather(static_cast<std::uint64_t>(comm.rank()), split)[0];
    std::vector<std::uint64_t> firsts = comm.allgather(first, split);
    std::ranges::sort(firsts);
    firsts.erase(std::unique(firsts.begin(), firsts.end()), firsts.end());
    const auto group = std::ranges::lower_bound(firsts, first) - firsts.begin();
    return {node, static_cast<int>(firsts.size()), static_cast<int>(group)};
  });
}

namespace detail {

void sum_over_ranks(std::span<double> values, std::span<const std::size_t> shape, const Communicator& comm,
                    SourceLocation where) {
  in_call("reduce_sum", where, comm, [&] {
    const std::function<std::string()> details = [&] { return fmt::format("of shape [{}]", fmt::join(shape, ", ")); };
    Message message(values.size());
    std::ranges::copy(values, message.payload().begin());
    comm.allreduce(message, Operation("a sum over ranks", where).with("shape", hash_of(shape)).described_by(details));
    std::ranges::copy(message.payload(), values.begin());
  });
}

void check_root(int root, const Communicator& comm, SourceLocation where) {
  in_call("reduce_sum", where, comm, [&] {
    if (root < 0 || root >= comm.size()) {
      throw ArgumentError(fmt::format("reduce_sum: expected a root from 0 to {}, a rank of the communicator, got {}",
                                      comm.size() - 1, root),
                          where);
    }
    const std::function<std::string()> details = [&] { return fmt::format("to root {}", root); };
    comm.synchronize(
        Operation("a sum over ranks", where).with("root", static_cast<std::uint64_t>(root)).described_by(details));
  });
}

}  // namespace detail

}  // namespace allgrad
