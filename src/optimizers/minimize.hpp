#pragma once

#include "allgrad/objective.hpp"
#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"
#include "optimizers/interrupt.hpp"

namespace allgrad {

/// What every optimizer's `minimize` does: the steps by hand, with one guard against signals around all of them.
template <class Optimizer>
auto minimize_by(const Optimizer& optimizer, Objective& objective, const Guess& guess, SourceLocation where) {
  const InterruptGuard interrupts;
  auto state = optimizer.init(objective, guess, where);
  while (!state.ended()) optimizer.step(state);
  return objective.communicator().guarded([&] { return state.result(); });
}

}  // namespace allgrad
