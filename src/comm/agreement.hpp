#pragma once

#include <exception>
#include <optional>
#include <span>
#include <string_view>

#include "allgrad/communicator.hpp"
#include "allgrad/error.hpp"
#include "comm/stop_request.hpp"

namespace allgrad {

/// Takes part in `operation`, with a wish to stop if there is one. Returns the most urgent of all ranks' wishes, that
/// of the lowest rank where there are several, on every rank. Collective.
std::optional<StopRequest> meet(const Communicator& comm, const Operation& operation,
                                const std::optional<StopRequest>& wish = {});

/// Whether the exception is the last one that a collective has raised on all ranks, so that none needs to be told.
bool all_ranks_know(const Communicator& comm, const std::exception_ptr& error);

/// Numbers that each rank has computed for itself, and which may therefore differ in their last bits: where processors
/// or mathematical libraries are not the same.
struct OwnNumbers {
  std::string_view name;           ///< "parameters"
  std::span<double> values;        ///< [n]
  std::span<const double> scales;  ///< [n] or empty: differences up to 1e-9 of these are of the last bits too
};

/// As meet, and makes the numbers the same on all ranks to the bit, those of rank 0, of which a warning is given once.
/// Where they are the same already it is one collective. Throws DivergenceError where they differ by more than 1e-9,
/// relative to the numbers or to their scales.
std::optional<StopRequest> agree(const Communicator& comm, Operation operation, const OwnNumbers& numbers,
                                 const std::optional<StopRequest>& wish = {});

/// The operation with a hash of the numbers, so that it throws NumbersDiffer where they differ.
Operation comparing(Operation operation, const OwnNumbers& numbers);

/// Does `body(operation)` with the numbers: again, with those of rank 0, where it throws NumbersDiffer.
template <class Body>
void run_with_same(const Communicator& comm, const Operation& operation, const OwnNumbers& numbers, Body body) {
  for (;;) {
    try {
      return body(comparing(operation, numbers));
    } catch (const NumbersDiffer&) {
      agree(comm, operation, numbers);
    }
  }
}

}  // namespace allgrad
