#include "allgrad/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

#include "allgrad/error.hpp"
#include "base/exception_text.hpp"
#include "comm/call.hpp"
#include "comm/comm_state.hpp"
#include "comm/mpi_check.hpp"
#include "comm/notes.hpp"

namespace allgrad {

namespace {

// MPI counts the elements of a message in an int.
std::size_t checked_count(std::size_t size) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  if (size <= most) return size;
  throw ArgumentError(
      fmt::format("a message of {} numbers: MPI counts to {}. Reduce the statistics to fewer numbers.", size, most));
}

}  // namespace

Message::Message(std::size_t size) : payload_(std::make_shared<std::vector<double>>(checked_count(size))) {}

Communicator::Communicator(MPI_Comm comm, SourceLocation where) {
  const Operation operation("Communicator", where);
  const CollectiveId opening = prepare_duplicate(comm, operation, [&] { state_ = std::make_shared<State>(comm); });
  state_->open(comm, opening, operation);
}

Communicator Communicator::world() {
  require_mpi();
  // Not destroyed at exit, when some ranks may be gone; MPI_Finalize frees the duplicate.
  static const auto* const world = [] {
    Notes::of_world();
    return new Communicator(MPI_COMM_WORLD);
  }();
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
  if (cause == state_->raised || state_->broken) std::rethrow_exception(cause);
  Operation operation("a failure", {});
  const std::function<std::string()> details = [&] { return std::string(exception_text(cause)); };
  operation.described_by(details);
  const TakenTurn turn(state_->turn, {});
  try {
    state_->sum_envelopes({.failed = true}, {}, operation);
  } catch (...) {  // nobody can be told
    std::rethrow_exception(cause);
  }
  state_->raise_failure(cause, operation);
}

void Communicator::allreduce(Message& message, const Operation& operation) const {
  const TakenTurn turn(state_->turn, line_of(operation));
  const std::span<double> payload = message.payload();
  const std::size_t first = std::min(payload.size(), envelope::room);  // which travel in the envelope
  Operation sized = operation;
  sized.with("number of values", payload.size());
  const envelope::Sum sum = state_->meet(false, payload.first(first), sized);
  if (!sum.same_numbers) attempt([&] { state_->raise_numbers(operation); });
  const std::span<double> rest = payload.subspan(first);
  if (!rest.empty()) state_->reduce(message.payload_, rest.data(), rest.size(), MPI_DOUBLE, MPI_SUM, operation);
}

void Communicator::synchronize(const Operation& operation) const {
  const TakenTurn turn(state_->turn, line_of(operation));
  if (state_->meet(false, {}, operation).same_numbers) return;
  attempt([&] { state_->raise_numbers(operation); });
}

std::vector<std::uint64_t> Communicator::allgather(std::uint64_t value, const Operation& operation) const {
  const auto values =
      attempt([&] { return std::make_shared<std::vector<std::uint64_t>>(static_cast<std::size_t>(size())); });
  (*values)[static_cast<std::size_t>(rank())] = value;
  synchronize(operation);
  const TakenTurn turn(state_->turn, line_of(operation));
  state_->reduce(values, values->data(), values->size(), MPI_UINT64_T, MPI_BOR, operation);
  return std::move(*values);
}

std::string Communicator::broadcast(const std::string& text, int root, const Operation& operation) const {
  const std::size_t length = allgather(text.size(), operation)[static_cast<std::size_t>(root)];
  const auto bytes = attempt([&] { return std::make_shared<std::string>(checked_count(length), '\0'); });
  if (rank() == root) *bytes = text;
  synchronize(operation);
  const TakenTurn turn(state_->turn, line_of(operation));
  state_->reduce(bytes, bytes->data(), bytes->size(), MPI_BYTE, MPI_BOR, operation);
  return std::move(*bytes);
}

std::size_t Communicator::first_difference(std::span<const std::uint64_t> values, const Operation& operation) const {
  // The maximum of ~v is the complement of the minimum of v, so that one maximum gives both.
  const std::size_t n = values.size();
  const auto extremes = attempt([&] { return std::make_shared<std::vector<std::uint64_t>>(checked_count(2 * n)); });
  std::ranges::copy(values, extremes->begin());
  std::ranges::transform(values, extremes->begin() + static_cast<std::ptrdiff_t>(n),
                         [](std::uint64_t v) { return ~v; });
  Operation sized = operation;
  sized.with("number of values", n);
  synchronize(sized);
  const TakenTurn turn(state_->turn, line_of(operation));
  state_->reduce(extremes, extremes->data(), extremes->size(), MPI_UINT64_T, MPI_MAX, operation);
  const auto differs = [&](std::size_t i) { return (*extremes)[i] != ~(*extremes)[n + i]; };
  std::size_t i = 0;
  while (i < n && !differs(i)) ++i;
  return i;
}

}  // namespace allgrad
