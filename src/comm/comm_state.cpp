#include "comm/comm_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <limits>

#include "allgrad/error.hpp"
#include "base/exception_text.hpp"
#include "comm/call.hpp"
#include "comm/mpi_check.hpp"
#include "comm/record_merge.hpp"
#include "comm/wait.hpp"

namespace allgrad {

namespace {

int rank_in(MPI_Comm comm) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  return rank;
}

int ranks_of(MPI_Comm comm) {
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  return size;
}

/// The rank of its first process in MPI_COMM_WORLD, and how many that process has made before; collective.
std::uint64_t agree_on_id(MPI_Comm comm, const std::shared_ptr<std::uint64_t>& id, const Awaited& awaited) {
  static std::atomic<std::uint32_t> made = 0;
  if (rank_in(comm) == 0) *id = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD)) << 32 | ++made;
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(MPI_IN_PLACE, id.get(), 1, MPI_UINT64_T, MPI_MAX, comm, &request), "MPI_Iallreduce");
  PendingRequest pending(request, id);
  wait(pending, awaited);
  return *id;
}

std::string describe_failure(const FailureRecord& record, int size) {
  std::string text = fmt::format("rank {} of {}: {}", record.rank, size, record.text.data());
  if (record.count == 2) text += " (1 other rank failed too)";
  if (record.count > 2) text += fmt::format(" ({} other ranks failed too)", record.count - 1);
  return text;
}

}  // namespace

Communicator::State::State(MPI_Comm original)
    : world_ranks(ranks_in_world(original)),
      rank(rank_in(original)),
      size(ranks_of(original)),
      own_id(std::make_shared<std::uint64_t>(0)),
      envelopes(std::make_shared<ShortSum>(rank, size)),
      failure(std::make_shared<FailureRecord>()),
      divergence(std::make_shared<DivergenceRecord>()) {
  check_time_limit();
}

Communicator::State::~State() {
  if (Notes* notes = Notes::get()) notes->forget(id);
}

void Communicator::State::open(MPI_Comm original, const CollectiveId& opening, const Operation& operation) {
  const Awaited awaited{.operation = operation, .id = opening, .ranks = world_ranks, .original = original};
  comm.duplicate(original, awaited);
  if (size > 1) lane.duplicate(comm.get(), awaited);
  envelopes->use(lane.get());
  id = agree_on_id(comm.get(), own_id, awaited);
  if (Notes* notes = Notes::get()) notes->count(id, &collectives);
}

void Communicator::State::require_usable(const Operation& operation) const {
  require_mpi();
  if (!broken) return;
  throw Error(fmt::format("{}: the communicator cannot be used any more, since a collective of it was given up: {}",
                          operation.what(), exception_text(broken)),
              line_of(operation));
}

void Communicator::State::complete(Pending& pending, const Operation& operation, bool as_failed) {
  ++collectives;
  try {
    wait(pending, {operation, {id, collectives}, world_ranks, as_failed});
  } catch (...) {
    broken = std::current_exception();
    throw;
  }
}

envelope::Sum Communicator::State::sum_envelopes(const envelope::Contribution& own, std::span<double> payload,
                                                 const Operation& operation) {
  require_usable(operation);
  envelope::write(own, rank, size, envelopes->values());
  std::ranges::copy(payload, envelopes->values().subspan<envelope::header>().begin());
  envelopes->start(envelope::header + payload.size());
  complete(*envelopes, operation, own.failed);
  std::ranges::copy_n(envelopes->values().subspan<envelope::header>().begin(), std::ssize(payload), payload.begin());
  return envelope::read(envelopes->values());
}

envelope::Sum Communicator::State::meet(bool wants_to_stop, std::span<double> payload, const Operation& operation) {
  const envelope::Sum sum = sum_envelopes(
      {.wants_to_stop = wants_to_stop, .fingerprint = fingerprint_with_call(operation), .numbers = operation.numbers()},
      payload, operation);
  if (sum.any_failed) raise_failure(nullptr, operation);
  if (!sum.same_operation) raise_divergence(operation);
  return sum;
}

void Communicator::State::reduce(std::shared_ptr<void> owner, void* data, std::size_t count, MPI_Datatype type,
                                 MPI_Op op, const Operation& operation) {
  if (size == 1) {
    ++collectives;
    return;
  }
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Iallreduce(MPI_IN_PLACE, data, static_cast<int>(count), type, op, comm.get(), &request),
            operation.what());
  PendingRequest pending(request, std::move(owner));
  complete(pending, operation);
}

StopRequest Communicator::State::merge_requests(const std::optional<StopRequest>& own, const Operation& operation) {
  const RecordMerge<FailureRecord> merge(allgrad_merge_failure_records);
  *failure = stop_record(own);
  reduce(failure, failure.get(), 1, merge.type(), merge.op(), operation);
  return stop_request(*failure);
}

void Communicator::State::raise(std::exception_ptr error) {
  raised = std::move(error);
  std::rethrow_exception(raised);
}

void Communicator::State::raise_failure(const std::exception_ptr& own, const Operation& operation) {
  const RecordMerge<FailureRecord> merge(allgrad_merge_failure_records);
  *failure = failure_record(rank, own);
  failure->next_number = next_number;
  reduce(failure, failure.get(), 1, merge.type(), merge.op(), operation);
  next_number = failure->next_number;  // what some ranks have begun to make alone is of no object
  if (failure->count == size) raise(own);
  try {
    const RankError error(failure->rank, describe_failure(*failure, size));
    if (!own) throw error;
    try {
      std::rethrow_exception(own);
    } catch (...) {
      std::throw_with_nested(error);
    }
  } catch (...) {  // that error, or that there is no memory for it
    raise(std::current_exception());
  }
}

void Communicator::State::raise_numbers(const Operation& operation) {
  raise(std::make_exception_ptr(NumbersDiffer(
      fmt::format("{}: ranks have numbers that are not the same", describe_call(operation)), line_of(operation))));
}

void Communicator::State::raise_divergence(const Operation& operation) {
  const RecordMerge<DivergenceRecord> merge(allgrad_merge_divergence_records);
  *divergence = divergence_record(rank, operation);
  divergence->next_number = next_number;
  reduce(divergence, divergence.get(), 1, merge.type(), merge.op(), operation);
  next_number = divergence->next_number;
  try {
    throw DivergenceError(allgrad::describe(*divergence), line_of(operation));
  } catch (...) {  // that error, or that there is no memory for it
    raise(std::current_exception());
  }
}

}  // namespace allgrad
