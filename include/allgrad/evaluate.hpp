#pragma once

#include <optional>

#include "allgrad/communicator.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/key.hpp"

namespace allgrad {

/// The numbers of an expression that depends on no parameters: one of numbers, columns and draws, such as the
/// statistics of a model that were built at constant({-2.0, 0.3}). Collective; made for looking at values, not for
/// speed.
///
/// The result has the shape of the expression; of a value per row it has this rank's rows. Of a value that is a sum
/// over rows it is the total over all ranks, or without `total` this rank's share of it.
///
/// Throws ExpressionError where the expression is empty, depends on parameters, or on tables of another communicator;
/// ArgumentError for a random key that is missing or that nothing is drawn with; DivergenceError where ranks have built
/// different expressions or arguments.
Array evaluate(const Expr& expr, const Communicator& comm = Communicator::world(), bool total = true,
               const std::optional<Key>& randkey = {}, SourceLocation where = SourceLocation::current());

}  // namespace allgrad
