#pragma once

#include "allgrad/communicator.hpp"
#include "allgrad/optimizer.hpp"

namespace allgrad {

/// Calls the user's callback, if there is one. What it throws is raised on every rank by the next collective.
void notify(const Callback& callback, const Iterate& iterate, const Communicator& comm);

}  // namespace allgrad
