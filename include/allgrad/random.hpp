#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>
#include <xtensor/xarray.hpp>

#include "allgrad/expr.hpp"
#include "allgrad/key.hpp"
#include "allgrad/position.hpp"

/// Random numbers, as jax.random has them: they depend on a key and on their place in an array, and on nothing else.
/// Equal keys give equal numbers, so draw with a key once, and make other keys from it by `split` or `fold_in`.
///
/// Each function comes twice. With a Key it gives numbers. With the key of an evaluation, `key()`, it gives an
/// expression, which an evaluation at another key computes anew without another compilation; its shape may have the
/// rows of a table, as in normal(key, {halos.rows(), 3}), and a row's numbers are the same on whichever rank it is.
///
/// All equal those of JAX with jax_threefry_partitionable (its default) and 64-bit types: Threefry-2x32 with 20 rounds,
/// element i of an array in row-major order from the counter i. Bits and uniform numbers are equal to the last bit,
/// normal ones to the error of JAX's inverse error function.
namespace allgrad::random {

template <class T, class... Ts>
concept OneOf = (std::same_as<T, Ts> || ...);

// With a Key: numbers, an array of `shape`. All throw ArgumentError for a shape that is larger than any memory.

/// Uniform numbers in [minval, maxval): max(minval, minval + u * (maxval - minval)) for u in [0, 1), which is maxval
/// where it is rounded to that, and minval where maxval is below it.
template <OneOf<float, double> T = double>
xt::xarray<T> uniform(const Key& key, const std::vector<std::size_t>& shape, T minval = 0, T maxval = 1,
                      SourceLocation where = SourceLocation::current());

/// Numbers of the normal distribution with mean 0 and variance 1.
template <OneOf<float, double> T = double>
xt::xarray<T> normal(const Key& key, const std::vector<std::size_t>& shape,
                     SourceLocation where = SourceLocation::current());

/// Random bits, 32 or 64 in each element.
template <OneOf<std::uint32_t, std::uint64_t> T = std::uint32_t>
xt::xarray<T> bits(const Key& key, const std::vector<std::size_t>& shape,
                   SourceLocation where = SourceLocation::current());

/// `n` new keys, which replace the old one: do not draw with that again.
std::vector<Key> split(const Key& key, std::size_t n = 2, SourceLocation where = SourceLocation::current());

/// The new key number `data` of `key`. Throws ArgumentError where `data` is not from 0 to 2^32 - 1.
Key fold_in(const Key& key, const Position& data, SourceLocation where = SourceLocation::current());

/// The key of the evaluation [2], an input of the graph beside the parameters; the same on every rank. A graph that
/// uses it is evaluated with one: `graph.value(params, {.randkey = 42})`.
Expr key(SourceLocation where = SourceLocation::current());

/// The key of a draw in an expression: `key()`, what split(key, n)[i] and fold_in make of it, or a Key, which then is
/// the same in every evaluation.
class KeyOperand : public Operand {
 public:
  KeyOperand(const Expr& words, SourceLocation where = SourceLocation::current()) : Operand(words, where) {}
  KeyOperand(const Key& key, SourceLocation where = SourceLocation::current());
};

// With a KeyOperand: expressions, of `shape`. All throw ExpressionError for a key that is not of shape [2], and for
// 2^52 elements or more.

/// Uniform numbers in [0, 1), or in [minval, maxval) for bounds that broadcast to `shape`; maxval itself is reached as
/// it is with a Key. The derivative by a bound is that of maximum(minval, minval + u * (maxval - minval)) at fixed u.
/// Throws ExpressionError where a bound does not broadcast.
Expr uniform(const KeyOperand& key, const Shape& shape);
Expr uniform(const KeyOperand& key, const Shape& shape, const Operand& minval, const Operand& maxval);

/// Numbers of the normal distribution with mean 0 and variance 1.
Expr normal(const KeyOperand& key, const Shape& shape);

/// 32 random bits each, as whole numbers from 0 to 2^32 - 1.
Expr bits(const KeyOperand& key, const Shape& shape);

/// `n` new keys [n, 2], which replace the old one: split(key, 3)[0] is the first.
Expr split(const KeyOperand& key, std::size_t n = 2);

/// The new key number `data` of `key` [2]. `data` is a whole number [] from 0 to 2^32 - 1; throws ExpressionError where
/// it has another shape, or is known to be another number.
Expr fold_in(const KeyOperand& key, const Operand& data);

}  // namespace allgrad::random
