#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "graph/node.hpp"

namespace allgrad {

struct BoundProgram;

/// The value of an input of a graph, in row-major order.
struct InputValue {
  std::string_view name;
  std::span<const double> numbers;
};

/// Runs a compiled graph. There are two: the reference executor, one xtensor expression per node, and the tiled
/// executor, which runs a schedule.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Computes all outputs from the values of the inputs, all of the graph's and maybe others. Collective, each
  /// allreduce as a part of `operation`.
  virtual void run(std::span<const InputValue> inputs, const Operation& operation) = 0;

  /// The same, and the seconds that each step of program() takes.
  virtual std::vector<double> run_timed(std::span<const InputValue> inputs, const Operation& operation) {
    run(inputs, operation);
    return {};
  }

  /// What it runs, where that is a schedule.
  virtual const BoundProgram* program() const { return nullptr; }

  /// Output `i` of the last run, in row-major order.
  virtual std::span<const double> output(std::size_t i) const = 0;

  /// What it has made of the graph, stage by stage: the name of each and its text, to be looked at.
  virtual std::vector<std::pair<std::string, std::string>> stages() const { return {}; }
};

std::unique_ptr<Executor> make_reference_executor(std::vector<Expr> outputs, Communicator comm);

/// Collective: ranks agree on the fastest instruction set that all of them have, since results of different sets differ
/// in the last bits.
std::unique_ptr<Executor> make_tiled_executor(const std::vector<Expr>& outputs, Communicator comm);

/// Either of the two. Collective.
inline std::unique_ptr<Executor> make_executor(ExecutorKind kind, const std::vector<Expr>& outputs,
                                               const Communicator& comm) {
  return kind == ExecutorKind::tiled ? make_tiled_executor(outputs, comm) : make_reference_executor(outputs, comm);
}

}  // namespace allgrad
