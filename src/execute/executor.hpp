#pragma once

#include <memory>
#include <span>
#include <vector>

#include "allgrad/communicator.hpp"
#include "allgrad/compile.hpp"
#include "graph/node.hpp"

namespace allgrad {

/// Runs a compiled graph. There are two: the reference executor, one xtensor expression per node, and the tiled
/// executor, which runs a schedule.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Computes all outputs at the parameters, with a key that is any where nothing is drawn. Collective, each allreduce
  /// as a part of `operation`.
  virtual void run(std::span<const double> params, const Key& randkey, const Operation& operation) = 0;

  /// Output `i` of the last run, in row-major order.
  virtual std::span<const double> output(std::size_t i) const = 0;
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
