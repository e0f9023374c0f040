#include "optimizers/arguments.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "allgrad/error.hpp"

namespace allgrad {

namespace {

void check_options(std::string_view optimizer, std::initializer_list<Option> options, SourceLocation where) {
  for (const Option& option : options) {
    if (option.allowed) continue;
    throw ArgumentError(fmt::format("{0}: expected {1} for {2}, got {3}. Set {2} to {1}, or leave it at its default.",
                                    optimizer, option.expected, option.name, option.value),
                        where);
  }
}

void check_guess(std::string_view optimizer, std::size_t num_params, std::span<const double> guess,
                 SourceLocation where) {
  if (num_params == 0) {
    throw ArgumentError(fmt::format("{}: expected an objective with parameters, got one without. "
                                    "Let the loss depend on at least one parameter.",
                                    optimizer),
                        where);
  }
  if (guess.size() != num_params) {
    throw ArgumentError(fmt::format("{}: expected a guess of {} numbers, one for each parameter of the objective, "
                                    "got {}. Pass as many numbers as the objective has parameters.",
                                    optimizer, num_params, guess.size()),
                        where);
  }
  for (std::size_t i = 0; i < guess.size(); ++i) {
    if (std::isfinite(guess[i])) continue;
    throw ArgumentError(fmt::format("{}: expected a guess of finite numbers, got {} for parameter {}. "
                                    "Start where the loss can be computed.",
                                    optimizer, guess[i], i),
                        where);
  }
}

// The values of one argument on all ranks, in a message; collective.
[[noreturn]] void throw_divergence(std::string_view optimizer, std::string_view name, std::uint64_t bits,
                                   const Communicator& comm, SourceLocation where) {
  std::vector<double> values;
  for (const std::uint64_t on_rank : comm.allgather(bits)) values.push_back(std::bit_cast<double>(on_rank));
  throw DivergenceError(fmt::format("{0}: expected the same {1} on every rank, got {2} on the ranks in turn. "
                                    "Set {1} from something that all ranks know, or broadcast it (MPI_Bcast).",
                                    optimizer, name, fmt::join(values, ", ")),
                        where);
}

void check_same_on_all_ranks(std::string_view optimizer, const Communicator& comm, std::span<const double> guess,
                             std::initializer_list<Option> options, SourceLocation where) {
  const auto bits = comm.guarded([&] {
    std::vector<std::uint64_t> all;
    for (const Option& option : options) all.push_back(std::bit_cast<std::uint64_t>(option.value));
    for (const double value : guess) all.push_back(std::bit_cast<std::uint64_t>(value));
    return all;
  });
  const std::size_t different = comm.first_difference(bits);
  if (different == bits.size()) return;
  const std::string name = different < options.size() ? std::string(options.begin()[different].name)
                                                      : fmt::format("guess[{}]", different - options.size());
  throw_divergence(optimizer, name, bits[different], comm, where);
}

}  // namespace

Option Option::positive(std::string_view name, double value) {
  return {name, value, std::isfinite(value) && value > 0.0, "a finite number above 0"};
}

Option Option::not_negative(std::string_view name, double value) {
  return {name, value, std::isfinite(value) && value >= 0.0, "a finite number, at least 0"};
}

Option Option::fraction(std::string_view name, double value) {
  return {name, value, value >= 0.0 && value < 1.0, "a number from 0 to below 1"};
}

Option Option::count(std::string_view name, std::size_t value) {
  constexpr std::size_t most = std::numeric_limits<int>::max();
  return {name, static_cast<double>(value), value >= 1 && value <= most, "a whole number from 1 to 2147483647"};
}

void check_arguments(std::string_view optimizer, const Objective& objective, std::span<const double> guess,
                     std::initializer_list<Option> options, SourceLocation where) {
  const Communicator& comm = objective.communicator();
  comm.guarded([&] {
    check_options(optimizer, options, where);
    check_guess(optimizer, objective.num_params(), guess, where);
  });
  check_same_on_all_ranks(optimizer, comm, guess, options, where);
}

}  // namespace allgrad
