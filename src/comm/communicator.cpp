#include "allgrad/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>

#include "allgrad/error.hpp"
#include "base/exception_text.hpp"
#include "comm/condense.hpp"
#include "comm/failure_record.hpp"
#include "comm/mpi_check.hpp"
#include "comm/owned_comm.hpp"
#include "comm/stop_request.hpp"

namespace allgrad {

namespace {

// MPI counts the elements of a message in an int.
int mpi_count(std::size_t size) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  if (size > most) {
    throw ArgumentError(
        fmt::format("a message of {} numbers: MPI counts to {}. Reduce the statistics to fewer numbers.", size, most));
  }
  return static_cast<int>(size);
}

int rank_in(MPI_Comm comm) {
  int rank = 0;
  check_mpi(MPI_Comm_rank(comm, &rank), "MPI_Comm_rank");
  return rank;
}

int size_of(MPI_Comm comm) {
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  return size;
}

/// The rank of its first process in MPI_COMM_WORLD, and how many that process has made before; collective.
std::uint64_t agree_on_id(MPI_Comm comm) {
  static std::uint32_t made = 0;
  std::uint64_t id = static_cast<std::uint64_t>(rank_in(MPI_COMM_WORLD)) << 32 | made++;
  check_mpi(MPI_Bcast(&id, 1, MPI_UINT64_T, 0, comm), "Communicator");
  return id;
}

std::string describe(const FailureRecord& record, int size) {
  std::string text = fmt::format("rank {} of {}: {}", record.rank, size, record.text.data());
  if (record.failed == 2) text += " (1 other rank failed too)";
  if (record.failed > 2) text += fmt::format(" ({} other ranks failed too)", record.failed - 1);
  return text;
}

[[noreturn]] void throw_stop_request(const FailureRecord& record) {
  const StopReason reason = record.urgency == Urgency::exception ? StopReason::exception
                            : record.urgency == Urgency::signal  ? StopReason::signal
                                                                 : StopReason::wish;
  throw StopRequest(reason, record.rank, record.text.data());
}

[[noreturn]] void throw_divergence(int size) {
  throw DivergenceError(
      fmt::format("the {} ranks do not evaluate the same: expected equal fingerprints (parameters, random keys, number "
                  "of the evaluation) in Communicator::allreduce, got different ones. Evaluate the same objective on "
                  "every rank, equally often and with the same parameters, for example broadcast from one rank "
                  "(MPI_Bcast).",
                  size));
}

}  // namespace

Message::Message(std::size_t size) : buffer_(static_cast<std::size_t>(mpi_count(size + trailer))) {}

struct Communicator::State {
  explicit State(MPI_Comm original) : comm(original), id(agree_on_id(comm.get())) {}

  bool failed() const { return pending != nullptr; }

  /// Exchanges the causes and throws on every rank; collective.
  [[noreturn]] void raise_failure();

  const OwnedComm comm;
  const std::uint64_t id;
  const int rank = rank_in(comm.get());
  const int size = size_of(comm.get());
  std::size_t collectives = 0;
  std::uint64_t next_number = 0;
  std::exception_ptr pending;
  std::uint64_t compare_too = 0;
  Message status{0};
};

void Communicator::State::raise_failure() {
  const std::exception_ptr own = std::exchange(pending, nullptr);
  FailureRecord record = own ? make_failure_record(rank, own) : FailureRecord{};
  const bool own_failed = record.failed != 0;
  ++collectives;
  merge_failure_records(record, comm.get());
  if (record.failed == 0) throw_stop_request(record);
  if (record.failed == size) std::rethrow_exception(own);
  const RankError error(record.rank, describe(record, size));
  if (!own_failed) throw error;
  try {
    std::rethrow_exception(own);
  } catch (...) {
    std::throw_with_nested(error);
  }
}

Communicator::Communicator(MPI_Comm comm) : state_(std::make_shared<State>(comm)) {}

Communicator Communicator::world() {
  require_mpi();
  // Not destroyed at exit, when some ranks may be gone; MPI_Finalize frees the duplicate.
  static const auto* const world = new Communicator(MPI_COMM_WORLD);
  return *world;
}

int Communicator::rank() const { return state_->rank; }

int Communicator::size() const { return state_->size; }

MPI_Comm Communicator::handle() const { return state_->comm.get(); }

bool Communicator::operator==(const Communicator& other) const { return state_ == other.state_; }

std::uint64_t Communicator::id() const { return state_->id; }

std::uint64_t Communicator::next_number() const { return state_->next_number++; }

std::size_t Communicator::collectives() const { return state_->collectives; }

void Communicator::fail(std::exception_ptr cause) const {
  std::exception_ptr& pending = state_->pending;
  if (!pending || urgency_of(cause) > urgency_of(pending)) pending = std::move(cause);
}

void Communicator::compare_too(std::uint64_t fingerprint) const { state_->compare_too = fingerprint; }

void Communicator::allreduce(Message& message, std::uint64_t fingerprint) const {
  std::vector<double>& buffer = message.buffer_;
  const std::span<double, Message::trailer> trailer(buffer.end() - Message::trailer, buffer.end());
  const std::uint64_t compare_too = std::exchange(state_->compare_too, 0);
  if (state_->failed()) {
    std::ranges::fill(buffer, 0.0);
    trailer[0] = 1.0;
  } else {
    const double h = condense(fingerprint + compare_too, size());
    trailer[0] = 0.0;
    trailer[1] = h;
    trailer[2] = h * h;
  }
  ++state_->collectives;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, buffer.data(), static_cast<int>(buffer.size()), MPI_DOUBLE, MPI_SUM, handle()),
            "Communicator::allreduce");
  if (trailer[0] > 0.0) state_->raise_failure();
  if (!all_equal(trailer[1], trailer[2], size())) throw_divergence(size());
}

void Communicator::synchronize(std::uint64_t fingerprint) const { allreduce(state_->status, fingerprint); }

std::vector<std::uint64_t> Communicator::allgather(std::uint64_t value) const {
  struct Entry {
    std::uint64_t value;
    std::uint64_t failed;
  };
  const Entry own{value, state_->failed() ? 1U : 0U};
  std::vector<Entry> entries(static_cast<std::size_t>(size()));
  ++state_->collectives;
  check_mpi(MPI_Allgather(&own, 2, MPI_UINT64_T, entries.data(), 2, MPI_UINT64_T, handle()), "Communicator::allgather");
  if (std::ranges::any_of(entries, [](const Entry& entry) { return entry.failed != 0; })) state_->raise_failure();
  std::vector<std::uint64_t> values(entries.size());
  std::ranges::transform(entries, values.begin(), &Entry::value);
  return values;
}

std::string Communicator::broadcast(const std::string& text, int root) const {
  std::string result = text;
  result.resize(allgather(text.size())[static_cast<std::size_t>(root)]);
  check_mpi(MPI_Bcast(result.data(), mpi_count(result.size()), MPI_CHAR, root, handle()), "Communicator::broadcast");
  return result;
}

std::size_t Communicator::first_difference(std::span<const std::uint64_t> values) const {
  // The maximum of ~v is the complement of the minimum of v, so that one maximum gives both.
  std::vector<std::uint64_t> extremes;
  extremes.reserve(2 * values.size() + 1);
  extremes.insert(extremes.end(), values.begin(), values.end());
  std::ranges::transform(values, std::back_inserter(extremes), [](std::uint64_t v) { return ~v; });
  extremes.push_back(state_->failed() ? 1U : 0U);
  ++state_->collectives;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, extremes.data(), mpi_count(extremes.size()), MPI_UINT64_T, MPI_MAX, handle()),
            "Communicator::first_difference");
  if (extremes.back() != 0) state_->raise_failure();
  const auto differs = [&](std::size_t i) { return extremes[i] != ~extremes[values.size() + i]; };
  std::size_t i = 0;
  while (i < values.size() && !differs(i)) ++i;
  return i;
}

}  // namespace allgrad
