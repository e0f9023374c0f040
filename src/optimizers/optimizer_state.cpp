#include "allgrad/optimizer.hpp"
#include "optimizers/minimization.hpp"

namespace allgrad {

OptimizerState::OptimizerState(std::unique_ptr<Minimization> run) : run_(std::move(run)) {}
OptimizerState::OptimizerState(OptimizerState&&) noexcept = default;
OptimizerState& OptimizerState::operator=(OptimizerState&&) noexcept = default;
OptimizerState::~OptimizerState() = default;

std::size_t OptimizerState::step() const { return run_->steps(); }
Iterate OptimizerState::iterate() const { return run_->iterate(); }
std::span<const double> OptimizerState::params() const { return run_->next_params(); }
const BestPoint& OptimizerState::best() const { return run_->best(); }
EndReason OptimizerState::end_reason() const { return run_->end_reason(); }
const std::string& OptimizerState::message() const { return run_->message(); }

}  // namespace allgrad
