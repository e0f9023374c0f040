#pragma once

#include <optional>

#include "allgrad/communicator.hpp"
#include "allgrad/expr.hpp"
#include "allgrad/key.hpp"

namespace allgrad {

/// Computes an expression that depends on no parameters: what it is called with are numbers, columns and draws. A value
/// per row comes as this rank's rows of it, any other as its total; without `total`, this rank's share of what is
/// partial. Collective; made for looking at values, not for speed.
///
/// Throws ExpressionError where the expression is empty, depends on parameters, or on tables of another communicator;
/// ArgumentError where it draws random numbers and gets no key.
Array evaluate(const Expr& expr, const Communicator& comm = Communicator::world(), bool total = true,
               const std::optional<Key>& randkey = {}, SourceLocation where = SourceLocation::current());

}  // namespace allgrad
