// What moves values between the placements: allreduce, share and their kin. All are linear, and what they do to the
// placement of a value, their adjoints undo to that of its cotangent.
#include "dsl/collectives.hpp"

#include <fmt/format.h>

#include "allgrad/arrays.hpp"
#include "allgrad/error.hpp"
#include "dsl/kernel_id.hpp"
#include "graph/placement.hpp"

namespace allgrad {

namespace {

void require(const Expr& operand, Placement placement, std::string_view name) {
  if (operand.placement() == placement) return;
  throw InternalError(fmt::format("{} of a {} value", name, to_string(operand.placement())));
}

}  // namespace

Shape AllReduce::infer_shape(std::span<const Expr> operands) const {
  require(operands[0], Placement::partial, name());
  return operands[0].shape();
}

Placement AllReduce::infer_placement(std::span<const Expr>, const Shape&) const { return Placement::replicated; }

Expr AllReduce::adjoint(const Expr&, const Expr& cotangent, std::size_t) const { return allreduce(cotangent); }

Array AllReduce::evaluate(const Node&, std::span<const Array* const> operands, Evaluation& evaluation) const {
  return evaluation.allreduce(*operands[0]);
}

View AllReduce::lower(const Node& node, Lowering& lowering) const {
  const View message = lowering.message(node.shape);
  lowering.emit(Kernel::copy, message, {lowering.operand(0)}, node.shape);
  lowering.allreduce(message);
  return message;
}

Shape Share::infer_shape(std::span<const Expr> operands) const {
  require(operands[0], Placement::replicated, name());
  return operands[0].shape();
}

Placement Share::infer_placement(std::span<const Expr>, const Shape&) const { return Placement::partial; }

Expr Share::adjoint(const Expr&, const Expr& cotangent, std::size_t) const { return share(cotangent); }

Array Share::evaluate(const Node&, std::span<const Array* const>, Evaluation&) const {
  throw InternalError("a share is left in a graph that is executed");
}

View Share::lower(const Node&, Lowering&) const { throw InternalError("a share is left in a graph that is executed"); }

Shape AsPlacement::infer_shape(std::span<const Expr> operands) const {
  const Placement from = operands[0].placement();
  const bool is_every_ranks_share = placement_ == Placement::partial && from == Placement::replicated;
  if (!is_every_ranks_share) {
    require(operands[0], placement_ == Placement::partial ? Placement::per_rank : Placement::partial, name());
  }
  return operands[0].shape();
}

Expr AsPlacement::adjoint(const Expr&, const Expr& cotangent, std::size_t) const {
  // The cotangent of a per-rank value is per rank, where a replicated one serves; that of a partial value is the sum.
  if (placement_ == Placement::partial) return cotangent;
  return allreduce(cotangent.placement() == Placement::per_rank ? as_placement(cotangent, Placement::partial)
                                                                : share(cotangent));
}

Array AsPlacement::evaluate(const Node&, std::span<const Array* const> operands, Evaluation&) const {
  return *operands[0];
}

View AsPlacement::lower(const Node&, Lowering& lowering) const { return lowering.operand(0); }

Expr allreduce(const Expr& partial) {
  return make_node(std::make_shared<const AllReduce>(), {partial}, partial.node()->where);
}

Expr share(const Expr& replicated) {
  return make_node(std::make_shared<const Share>(), {replicated}, replicated.node()->where);
}

Expr as_placement(const Expr& expr, Placement placement) {
  return make_node(std::make_shared<const AsPlacement>(placement), {expr}, expr.node()->where);
}

Expr reduce_sum(const Expr& per_rank, SourceLocation where) {
  const Operand checked(per_rank, where);  // refuses an empty Expr
  if (per_rank.placement() != Placement::per_rank) {
    throw ExpressionError(
        fmt::format(
            "reduce_sum: expected a value that each rank has of its own (from rank_constant), got a {} value of "
            "shape {}; {}",
            to_string(per_rank.placement()), to_string(per_rank.shape()),
            is_per_row(per_rank) ? "sum over its rows with sum(x, axis)" : "it needs no sum over ranks"),
        where);
  }
  return make_node(std::make_shared<const AsPlacement>(Placement::partial), {per_rank}, where);
}

}  // namespace allgrad
