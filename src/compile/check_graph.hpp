#pragma once

#include <string_view>

#include "allgrad/communicator.hpp"
#include "graph/text.hpp"

namespace allgrad {

// Errors name the line of the node that is wrong, or `where`, the user's call, if there is none.

/// Refuses a result that is per row or per rank, with a message that calls it `what` ("the loss") and says how to
/// reduce it. Throws ExpressionError.
void check_is_total(const Expr& result, std::string_view what, SourceLocation where);

/// Refuses a loss that is not one number. Throws ExpressionError.
void check_is_scalar_loss(const Expr& loss, SourceLocation where);

/// Refuses a node of a table on another communicator than `comm`. Throws ExpressionError.
void check_table(const Expr& expr, const Communicator& comm);

/// Refuses parameters other than `params` and tables on another communicator than `comm`. Throws ExpressionError.
void check_inputs(std::span<const Expr> results, const Expr& params, const Communicator& comm, SourceLocation where);

/// Collective, as `operation`; throws DivergenceError on every rank.
void check_same_num_params(std::size_t num_params, const Communicator& comm, const Operation& operation,
                           SourceLocation where);

/// Compares the graphs that the ranks have built, the names of their results, their constants, and for how many
/// parameters, in collectives of `operation`. Collective; throws DivergenceError on every rank.
void check_same_on_all_ranks(const NamedOutputs& results, std::size_t num_params, const Communicator& comm,
                             const Operation& operation, SourceLocation where);

/// Whether all operations that a result needs have derivatives in forward mode.
bool has_tangents(const Expr& result);

/// Which of the parameters a result uses [ndim].
std::vector<bool> used_params(const Expr& result, const Expr& params);

/// Warns of parameters that are not used, on the communicator's root.
void warn_of_unused_params(const std::vector<bool>& used, const Communicator& comm, SourceLocation where);

}  // namespace allgrad
