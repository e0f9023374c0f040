#include "plain_arrays.hpp"

#include <algorithm>
#include <map>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>

namespace allgrad::testing {

Lengths shape_of(const Array& x) { return {x.shape().begin(), x.shape().end()}; }

double element(const Array& x, const Lengths& index) { return x.element(index.begin(), index.end()); }

void for_each_index(const Lengths& shape, const std::function<void(const Lengths& index)>& body) {
  std::size_t size = 1;
  for (std::size_t length : shape) size *= length;
  Lengths index(shape.size());
  for (std::size_t i = 0; i < size; ++i) {
    body(index);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

Array generate(const Lengths& shape, const std::function<double(const Lengths& index)>& function) {
  Array result = Array::from_shape(shape);
  std::size_t i = 0;
  for_each_index(shape, [&](const Lengths& index) { result.flat(i++) = function(index); });
  return result;
}

Lengths without_axes(const Lengths& lengths, const Lengths& axes) {
  Lengths result;
  for (std::size_t axis = 0; axis < lengths.size(); ++axis) {
    if (std::ranges::find(axes, axis) == axes.end()) result.push_back(lengths[axis]);
  }
  return result;
}

// What is called often is inlined whole: of a template that another source of the program has too, compiled without
// optimization, the linker takes either.

[[gnu::flatten]] Array plain_multiply(const Array& x, const Array& y) { return x * y; }

[[gnu::flatten]] Array plain_add(const Array& x, const Array& y) { return x + y; }

[[gnu::flatten]] Array plain_sum(const Array& x, const Lengths& axes) {
  Array result = xt::zeros<double>(without_axes(shape_of(x), axes));
  for_each_index(shape_of(x), [&](const Lengths& index) {
    const Lengths kept = without_axes(index, axes);
    result.element(kept.begin(), kept.end()) += element(x, index);
  });
  return result;
}

Array plain_mean(const Array& x, const Lengths& axes) {
  double count = 1.0;
  for (std::size_t axis : axes) count *= static_cast<double>(x.shape()[axis]);
  return plain_sum(x, axes) / count;
}

Array plain_take(const Array& x, std::size_t axis, const Lengths& positions) {
  Lengths shape = shape_of(x);
  shape[axis] = positions.size();
  return generate(shape, [&](Lengths index) {
    index[axis] = positions[index[axis]];
    return element(x, index);
  });
}

Array plain_reshape(Array x, const Lengths& shape) {
  x.reshape(shape);
  return x;
}

Array plain_expand(const Array& x, std::size_t axis) {
  Lengths shape = shape_of(x);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return plain_reshape(x, shape);
}

Array plain_squeeze(const Array& x, std::size_t axis) { return plain_reshape(x, without_axes(shape_of(x), {axis})); }

Array plain_broadcast(const Array& x, const Lengths& shape) {
  return generate(shape, [&](const Lengths& index) {
    Lengths source(index.end() - static_cast<std::ptrdiff_t>(x.dimension()), index.end());
    for (std::size_t axis = 0; axis < source.size(); ++axis) source[axis] %= x.shape()[axis];
    return element(x, source);
  });
}

Array plain_concatenate(const Array& x, const Array& y, std::size_t axis) {
  Lengths shape = shape_of(x);
  shape[axis] += y.shape()[axis];
  return generate(shape, [&](Lengths index) {
    if (index[axis] < x.shape()[axis]) return element(x, index);
    index[axis] -= x.shape()[axis];
    return element(y, index);
  });
}

Array plain_reduce(const Array& x, const Lengths& axes, const std::function<double(const std::vector<double>&)>& body) {
  std::map<Lengths, std::vector<double>> groups;
  for_each_index(shape_of(x),
                 [&](const Lengths& index) { groups[without_axes(index, axes)].push_back(element(x, index)); });
  return generate(without_axes(shape_of(x), axes), [&](const Lengths& index) { return body(groups[index]); });
}

Array plain_einsum(const std::vector<Array>& operands, const std::vector<std::string>& letters,
                   const std::string& result) {
  std::string all = result;
  std::map<char, std::size_t> lengths;
  for (std::size_t k = 0; k < operands.size(); ++k) {
    for (std::size_t axis = 0; axis < letters[k].size(); ++axis) {
      const char letter = letters[k][axis];
      if (all.find(letter) == std::string::npos) all += letter;
      lengths[letter] = std::max(lengths[letter], static_cast<std::size_t>(operands[k].shape()[axis]));
    }
  }
  Lengths whole;
  for (const char letter : all) whole.push_back(lengths[letter]);
  const auto index_of = [&](const Lengths& index, const std::string& word, const Array* of) {
    Lengths part;
    for (std::size_t axis = 0; axis < word.size(); ++axis) {
      const std::size_t i = index[all.find(word[axis])];
      part.push_back(of == nullptr ? i : i % of->shape()[axis]);
    }
    return part;
  };
  Array sums = xt::zeros<double>(Lengths(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(result.size())));
  for_each_index(whole, [&](const Lengths& index) {
    double product = 1.0;
    for (std::size_t k = 0; k < operands.size(); ++k) {
      product *= element(operands[k], index_of(index, letters[k], &operands[k]));
    }
    const Lengths at = index_of(index, result, nullptr);
    sums.element(at.begin(), at.end()) += product;
  });
  return sums;
}

}  // namespace allgrad::testing
