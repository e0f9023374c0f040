#pragma once

#include "allgrad/objective.hpp"
#include "allgrad/params.hpp"
#include "allgrad/source_location.hpp"
#include "base/interrupt.hpp"
#include "comm/call.hpp"

namespace allgrad {

/// What every optimizer's `minimize` does: the steps by hand, with one guard against signals around all of them.
template <class Optimizer>
auto minimize_by(std::string_view name, const Optimizer& optimizer, Objective& objective, const Guess& guess,
                 SourceLocation where) {
  return in_call(name, where, objective.communicator(), [&] {
    const InterruptGuard interrupts;
    auto state = optimizer.init(objective, guess, where);
    while (!state.ended()) optimizer.step(state);
    auto result = state.result();
    objective.communicator().synchronize(Operation("the end of a run", where));
    return result;
  });
}

}  // namespace allgrad
