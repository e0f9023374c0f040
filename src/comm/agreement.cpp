#include "comm/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <vector>

#include "base/emit.hpp"
#include "base/fingerprint.hpp"
#include "comm/call.hpp"
#include "comm/comm_state.hpp"

namespace allgrad {

namespace {

constexpr double tolerated = 1e-9;

bool nearly_equal(double a, double b, double scale) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return true;
  if (!std::isfinite(a) || !std::isfinite(b)) return false;
  return std::abs(a - b) <= tolerated * std::max({std::abs(a), std::abs(b), scale});
}

/// The bits of the numbers of rank 0. Collective.
std::shared_ptr<const std::vector<std::uint64_t>> bits_of_root(const Communicator& comm, std::span<const double> own,
                                                               const Operation& operation) {
  Communicator::State& state = CommAccess::state(comm);
  const auto bits = comm.attempt([&] { return std::make_shared<std::vector<std::uint64_t>>(own.size()); });
  state.meet(false, {}, operation);  // all have room
  if (state.rank == 0)
    std::ranges::transform(own, bits->begin(), [](double x) { return std::bit_cast<std::uint64_t>(x); });
  state.reduce(bits, bits->data(), bits->size(), MPI_UINT64_T, MPI_BOR, operation);
  return bits;
}

void warn_once(Communicator::State& state, const OwnNumbers& numbers, const Operation& operation) {
  if (std::exchange(state.numbers_differed, true) || state.rank != 0) return;
  emit(Severity::warning,
       fmt::format("{}: ranks have computed {} that differ in their last bits, as where processors or mathematical "
                   "libraries are not the same; all go on with those of rank 0. This is said once.",
                   describe_call(operation), numbers.name));
}

}  // namespace

bool all_ranks_know(const Communicator& comm, const std::exception_ptr& error) {
  return error == CommAccess::state(comm).raised;
}

std::optional<StopRequest> meet(const Communicator& comm, const Operation& operation,
                                const std::optional<StopRequest>& wish) {
  return agree(comm, operation, {}, wish);
}

Operation comparing(Operation operation, const OwnNumbers& numbers) {
  Fingerprint hash;
  for (const double value : numbers.values) hash.add(value);
  return operation.nearly(hash.value());
}

std::optional<StopRequest> agree(const Communicator& comm, Operation operation, const OwnNumbers& numbers,
                                 const std::optional<StopRequest>& wish) {
  Communicator::State& state = CommAccess::state(comm);
  const TakenTurn turn(state.turn, line_of(operation));
  operation = comparing(operation, numbers);
  const envelope::Sum sum = state.meet(wish.has_value(), {}, operation);
  if (sum.any_wants_to_stop) return state.merge_requests(wish, operation);
  if (sum.same_numbers) return std::nullopt;

  const auto bits = bits_of_root(comm, numbers.values, operation);
  const auto theirs = [&](std::size_t i) { return std::bit_cast<double>((*bits)[i]); };
  bool all_near = true;
  for (std::size_t i = 0; i < bits->size(); ++i) {
    const double scale = numbers.scales.empty() ? 0.0 : numbers.scales[i];
    all_near = all_near && nearly_equal(numbers.values[i], theirs(i), scale);
  }
  state.meet(false, {}, operation.with(numbers.name, all_near ? 0 : operation.numbers() | 1U));
  for (std::size_t i = 0; i < bits->size(); ++i) numbers.values[i] = theirs(i);
  comm.attempt([&] { warn_once(state, numbers, operation); });
  return std::nullopt;
}

}  // namespace allgrad
