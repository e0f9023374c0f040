#pragma once

#if __cplusplus < 202002L
#error "allgrad needs C++20: compile with -std=c++20"
#endif

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>
#include <xtensor/xarray.hpp>

#include "allgrad/exact.hpp"
#include "allgrad/name.hpp"
#include "allgrad/never.hpp"
#include "allgrad/position.hpp"
#include "allgrad/shape.hpp"
#include "allgrad/source_location.hpp"
#include "allgrad/str_formatter.hpp"

namespace allgrad {

struct Node;
class Index;

using Array = xt::xarray<double>;

/// What each rank holds of a value.
enum class Placement {
  replicated,  ///< the value itself, the same on every rank
  per_row,     ///< its own rows of it
  partial,     ///< a share; the value is the sum of the shares
  per_rank,    ///< something of its own
};

/// A lazy array: a value handle on an immutable node of a graph. Operations on it build further nodes; nothing is
/// computed before the graph is compiled and run.
class Expr {
 public:
  Expr() = default;
  explicit Expr(std::shared_ptr<const Node> node) : node_(std::move(node)) {}

  template <class T>
  requires std::is_arithmetic_v<T> || xt::is_xexpression<T>::value Expr(const T&) {
    static_assert(detail::never<T>, "a number or an array is no Expr by itself: write constant(value)");
  }

  Expr(const Expr&) = default;
  Expr(Expr&&) noexcept = default;
  Expr& operator=(const Expr&) & = default;
  Expr& operator=(Expr&&) & noexcept = default;
  template <class T>
  void operator=(T&&) && {
    static_assert(detail::never<T>,
                  "x[0] = y changes nothing, since graphs are immutable: build another value from x, "
                  "as stack({y, x[1]}) or where(mask, y, x)");
  }
  ~Expr() = default;

  /// What is known of the value. All throw ExpressionError where the handle is empty.
  const Shape& shape() const;
  std::size_t ndim() const { return shape().size(); }
  Placement placement() const;

  /// Element `index` of the first axis, which the result lacks: [2, 3] becomes [3]. Negative indices count from the
  /// end. Throws ExpressionError for a row axis, a number [], or an index out of bounds.
  Expr operator[](const Index& index) const;

  /// The parameter of that name, of a parameter vector whose parameters are declared. Throws ExpressionError, with the
  /// names there are, where it has none of that name.
  Expr operator[](const Name& name) const;

  // An Expr is no range: loop over indices, x[i], or write what is done to all elements at once, as sum(square(x)).
  void begin() const = delete;
  void end() const = delete;

  /// True for a default-constructed handle, which stands for no value.
  bool empty() const { return node_ == nullptr; }

  /// What it is, in a line: "multiply [rows, 11] per_row (fit.cpp:21)".
  std::string str() const;

  const Node* node() const { return node_.get(); }
  const std::shared_ptr<const Node>& node_ptr() const { return node_; }

 private:
  std::shared_ptr<const Node> node_;
};

/// A value of the array's shape that is the same on every rank, which compiling checks: constant(2.0) is a number [],
/// constant({-2.0, 0.3}) a vector [2]. Throws ArgumentError for an integer that no double equals, as 2^53 + 1.
Expr constant(Array value, SourceLocation where = SourceLocation::current());

template <class T>
requires std::is_arithmetic_v<T> Expr constant(T number, SourceLocation where = SourceLocation::current()) {
  return constant(Array(detail::exact_double(number, where)), where);
}

template <class E>
Expr constant(const xt::xexpression<E>& value, SourceLocation where = SourceLocation::current()) {
  return constant(detail::exact_array(value, where), where);
}

/// A value that each rank has of its own, of the same shape on all. It may be used with rows and other per-rank values;
/// `reduce_sum` makes a total of it. Throws as `constant` does.
Expr rank_constant(Array value, SourceLocation where = SourceLocation::current());

template <class T>
requires std::is_arithmetic_v<T> Expr rank_constant(T number, SourceLocation where = SourceLocation::current()) {
  return rank_constant(Array(detail::exact_double(number, where)), where);
}

template <class E>
Expr rank_constant(const xt::xexpression<E>& value, SourceLocation where = SourceLocation::current()) {
  return rank_constant(detail::exact_array(value, where), where);
}

/// A vector of `size` parameters [size]: the input of a graph. Throws ArgumentError where `size` is 0, ExpressionError
/// where it is larger than any memory.
Expr parameters(std::size_t size, SourceLocation where = SourceLocation::current());

/// An argument of an operation: an Expr, or a number, xtensor expression, std::vector or std::array that becomes a
/// `constant`. It notes the line that it was written on, so that messages and graphs can name it.
class Operand {
 public:
  /// Throws ExpressionError where `expr` is empty.
  Operand(const Expr& expr, SourceLocation where = SourceLocation::current());

  template <class T>
  requires std::is_arithmetic_v<T> Operand(T number, SourceLocation where = SourceLocation::current())
      : expr_(constant(number, where)), where_(where) {}

  template <class E>
  Operand(const xt::xexpression<E>& array, SourceLocation where = SourceLocation::current())
      : expr_(constant(array, where)), where_(where) {}

  template <class T>
  requires std::is_arithmetic_v<T> Operand(const std::vector<T>& numbers,
                                           SourceLocation where = SourceLocation::current())
      : expr_(constant(detail::exact_vector(numbers, where), where)), where_(where) {}

  template <class T, std::size_t N>
  requires std::is_arithmetic_v<T> Operand(const std::array<T, N>& numbers,
                                           SourceLocation where = SourceLocation::current())
      : expr_(constant(detail::exact_vector(numbers, where), where)), where_(where) {}

  const Expr& expr() const { return expr_; }
  const SourceLocation& where() const { return where_; }

 private:
  Expr expr_;
  SourceLocation where_;
};

/// An index with the line that it was written on.
class Index {
 public:
  template <class T>
  requires std::is_integral_v<T> Index(T value, SourceLocation where = SourceLocation::current())
      : position_(value), where_(where) {}

  const Position& position() const { return position_; }
  const SourceLocation& where() const { return where_; }

 private:
  Position position_;
  SourceLocation where_;
};

}  // namespace allgrad

template <>
struct fmt::formatter<allgrad::Expr> : allgrad::detail::StrFormatter<allgrad::Expr> {};

/// xtensor's operators and functions match whatever stands beside an xtensor expression. Beside an Expr they have no
/// result type, so that allgrad's are chosen.
template <class F, class... E>
requires(std::is_same_v<std::remove_cvref_t<E>, allgrad::Expr> || ...) struct xt::detail::xfunction_type<F, E...> {
};
