#include "allgrad/error.hpp"
#include "allgrad/optimizer.hpp"
#include "optimizers/minimization.hpp"

namespace allgrad {

OptimizerState::OptimizerState(std::unique_ptr<Minimization> run) : run_(std::move(run)) {}
OptimizerState::OptimizerState(OptimizerState&&) noexcept = default;
OptimizerState& OptimizerState::operator=(OptimizerState&&) noexcept = default;
OptimizerState::~OptimizerState() = default;

Minimization& OptimizerState::run() const {
  if (run_) return *run_;
  throw ArgumentError(
      "expected the state of a run, got one that was moved from; use the one that it was moved to, or make another by "
      "the optimizer's init");
}

std::size_t OptimizerState::step() const { return run().steps(); }
Iterate OptimizerState::iterate() const { return run().iterate(); }
std::span<const double> OptimizerState::params() const { return run().next_params(); }
const BestPoint& OptimizerState::best() const { return run().best(); }
EndReason OptimizerState::end_reason() const { return run().end_reason(); }
const std::string& OptimizerState::message() const { return run().message(); }

}  // namespace allgrad
