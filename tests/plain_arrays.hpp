#pragma once

// Operations on whole arrays as plain loops, which the engine's are compared with.

#include <functional>
#include <string>
#include <vector>

#include "allgrad/expr.hpp"

namespace allgrad::testing {

using Lengths = std::vector<std::size_t>;

Lengths shape_of(const Array& x);
double element(const Array& x, const Lengths& index);

/// Calls body(index) for each index of an array, in row-major order.
void for_each_index(const Lengths& shape, const std::function<void(const Lengths& index)>& body);

/// The array of a function of the index.
Array generate(const Lengths& shape, const std::function<double(const Lengths& index)>& function);

Lengths without_axes(const Lengths& lengths, const Lengths& axes);

Array plain_multiply(const Array& x, const Array& y);
Array plain_add(const Array& x, const Array& y);
Array plain_sum(const Array& x, const Lengths& axes);
Array plain_mean(const Array& x, const Lengths& axes);

/// The elements at these positions of an axis.
Array plain_take(const Array& x, std::size_t axis, const Lengths& positions);

Array plain_reshape(Array x, const Lengths& shape);
Array plain_expand(const Array& x, std::size_t axis);
Array plain_squeeze(const Array& x, std::size_t axis);
Array plain_broadcast(const Array& x, const Lengths& shape);
Array plain_concatenate(const Array& x, const Array& y, std::size_t axis);

/// Calls body(values) with the numbers along `axes` at each place of the other axes, which the result has.
Array plain_reduce(const Array& x, const Lengths& axes, const std::function<double(const std::vector<double>&)>& body);

/// Einstein's sum by one loop over all letters.
Array plain_einsum(const std::vector<Array>& operands, const std::vector<std::string>& letters,
                   const std::string& result);

}  // namespace allgrad::testing
