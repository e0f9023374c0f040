#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <vector>

#include "allgrad/communicator.hpp"
#include "comm/divergence_record.hpp"
#include "comm/envelope.hpp"
#include "comm/failure_record.hpp"
#include "comm/owned_comm.hpp"
#include "comm/pending.hpp"
#include "comm/short_sum.hpp"
#include "comm/stop_request.hpp"
#include "comm/turn.hpp"

namespace allgrad {

/// A duplicate, and what all handles to it share.
struct Communicator::State {
  /// Makes room, and sends no message.
  explicit State(MPI_Comm original);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// Makes the duplicate; `opening` is from prepare_duplicate. Collective; allocates nothing unless it throws.
  void open(MPI_Comm original, const CollectiveId& opening, const Operation& operation);

  /// The one collective with which all others begin: the sum of the envelopes. The beginning of a payload, at most as
  /// much as there is room for, travels in them and is summed in place.
  envelope::Sum sum_envelopes(const envelope::Contribution& own, std::span<double> payload, const Operation& operation);

  /// The same, and raises what there is to raise: returns where all ranks are at `operation`, and none has failed.
  envelope::Sum meet(bool wants_to_stop, std::span<double> payload, const Operation& operation);

  /// What follows an envelope in which all ranks agree: a reduction of `count` elements in place. `owner` keeps `data`.
  void reduce(std::shared_ptr<void> owner, void* data, std::size_t count, MPI_Datatype type, MPI_Op op,
              const Operation& operation);

  /// The requests of all ranks to stop, merged, after an envelope with one; collective.
  StopRequest merge_requests(const std::optional<StopRequest>& own, const Operation& operation);

  /// Exchange the causes and throw on every rank; collective.
  [[noreturn]] void raise_failure(const std::exception_ptr& own, const Operation& operation);
  [[noreturn]] void raise_divergence(const Operation& operation);

  /// Throws NumbersDiffer, as all ranks do; they do not know of a lack of memory for it.
  [[noreturn]] void raise_numbers(const Operation& operation);

  /// Throws `error`, and remembers that all ranks know of it.
  [[noreturn]] void raise(std::exception_ptr error);

  void require_usable(const Operation& operation) const;
  void complete(Pending& pending, const Operation& operation, bool as_failed = false);

  OwnedComm comm, lane;  // of the lane only the envelopes know
  const std::vector<int> world_ranks;
  const int rank, size;
  std::uint64_t id = 0;
  Turn turn;
  std::size_t collectives = 0;
  std::uint64_t next_number = 0;
  // Made here, since a rank that is out of memory has to say so.
  const std::shared_ptr<std::uint64_t> own_id;
  const std::shared_ptr<ShortSum> envelopes;
  const std::shared_ptr<FailureRecord> failure;
  const std::shared_ptr<DivergenceRecord> divergence;
  std::exception_ptr raised;      // the last error that was raised on all ranks
  std::exception_ptr broken;      // why a collective was given up; null where none was
  bool numbers_differed = false;  // so that it has been said
};

/// Lets the library's own files at the state.
struct CommAccess {
  static Communicator::State& state(const Communicator& comm) { return *comm.state_; }
};

}  // namespace allgrad
