#include <fmt/format.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/masked_traps.hpp"
#include "execute/executor.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

/// Node by node on whole arrays: simple enough to be obviously right.
class ReferenceExecutor final : public Executor, private Evaluation {
 public:
  ReferenceExecutor(std::vector<Expr> outputs, Communicator comm)
      : order_(topological_order(outputs)),
        outputs_(std::move(outputs)),
        comm_(std::move(comm)),
        results_(outputs_.size()) {}

  void run(std::span<const InputValue> inputs, const Operation& operation) override {
    const MaskedTraps masked;
    inputs_ = inputs;
    operation_ = &operation;
    comm_.guarded(
        [&] {
          NodeMap<Array> values;
          for (const Expr& expr : order_) values[expr.node()] = value_of(expr, values);
          for (std::size_t i = 0; i < outputs_.size(); ++i) results_[i] = values.at(outputs_[i].node());
        },
        operation);
  }

  std::span<const double> output(std::size_t i) const override { return {results_[i].data(), results_[i].size()}; }

 private:
  Array value_of(const Expr& expr, const NodeMap<Array>& values) {
    std::vector<const Array*> operands;
    for (const Expr& operand : expr.node()->operands) operands.push_back(&values.at(operand.node()));
    return expr.node()->op->evaluate(*expr.node(), operands, *this);
  }

  std::span<const double> input(std::string_view name) const override {
    const auto found = std::ranges::find(inputs_, name, &InputValue::name);
    if (found == inputs_.end()) throw InternalError(fmt::format("the input \"{}\" has no value", name));
    return found->numbers;
  }

  Array allreduce(const Array& partial) override {
    Message message(partial.size());
    std::ranges::copy(partial.storage(), message.payload().begin());
    comm_.allreduce(message, *operation_);
    Array total = partial;
    std::ranges::copy(message.payload(), total.storage().begin());
    return total;
  }

  std::vector<Expr> order_, outputs_;
  Communicator comm_;
  std::vector<Array> results_;
  std::span<const InputValue> inputs_;
  const Operation* operation_ = nullptr;
};

}  // namespace

std::unique_ptr<Executor> make_reference_executor(std::vector<Expr> outputs, Communicator comm) {
  return std::make_unique<ReferenceExecutor>(std::move(outputs), std::move(comm));
}

}  // namespace allgrad
