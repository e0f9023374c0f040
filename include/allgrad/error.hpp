#pragma once

#include <stdexcept>
#include <string>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// Base of everything that allgrad throws. what() says what was expected, what came, where, and what to do.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, SourceLocation where = {});

  /// The user's line that the error is about; not known() where there is none.
  const SourceLocation& where() const { return where_; }

 private:
  SourceLocation where_;
};

/// An expression that has no meaning: shapes that do not broadcast, tables mixed, a value per row where a total is due.
class ExpressionError : public Error {
  using Error::Error;
};

/// Data that cannot be used: a missing file or dataset, unequal columns, a wrong type, NaN or an infinity where none
/// was declared.
class DataError : public Error {
  using Error::Error;
};

/// An argument that does not fit what it is given to: a wrong number of parameters, a step size below zero, a guess
/// outside its bounds.
class ArgumentError : public Error {
  using Error::Error;
};

/// Ranks that do not do the same: other functions, other objects, other graphs, constants or parameters.
class DivergenceError : public Error {
  using Error::Error;
};

/// Ranks that do the same with numbers that are not: parameters, or a loss that each has computed for itself.
class NumbersDiffer : public DivergenceError {
  using DivergenceError::DivergenceError;
};

/// What is raised on every rank when some ranks, but not all, have failed. On a rank that failed, the exception that
/// it threw itself is nested (std::rethrow_if_nested). Also where a rank waits for one that has left or does not come.
class RankError : public Error {
 public:
  RankError(int rank, const std::string& message, SourceLocation where = {});

  /// The lowest rank that failed, has left or is missing.
  int rank() const { return rank_; }

 private:
  int rank_;
};

/// A defect of allgrad itself, never of the program that uses it.
class InternalError : public Error {
 public:
  explicit InternalError(const std::string& message);
};

}  // namespace allgrad
