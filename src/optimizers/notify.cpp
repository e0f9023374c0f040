#include "optimizers/notify.hpp"

#include <exception>

namespace allgrad {

void notify(const Callback& callback, const Iterate& iterate, const Communicator& comm) {
  if (!callback) return;
  try {
    callback(iterate);
  } catch (...) {
    comm.fail(std::current_exception());
  }
}

}  // namespace allgrad
