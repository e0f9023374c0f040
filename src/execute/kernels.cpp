// All kernels for one instruction set. Compiled once for each, with its flags and with ALLGRAD_KERNEL_SET (name of the
// set) and ALLGRAD_KERNEL_ARCH (xsimd architecture).

#include "dsl/inverse_erf.hpp"
#include "dsl/threefry.hpp"
#include "execute/batch.hpp"
#include "execute/kernel_call.hpp"

namespace allgrad {

namespace kernels {

namespace {

using Arch = ALLGRAD_KERNEL_ARCH;
using B = Batch<Arch>;

/// Calls body(out, in) at every index of the outer axes.
template <class Body>
void for_each_outer(const KernelCall& call, Body body) {
  std::size_t index[max_outer_axes] = {};
  double* out = call.out;
  const double* in[max_operands] = {call.in[0], call.in[1], call.in[2]};
  for (;;) {
    body(out, in);
    std::size_t axis = call.num_outer_axes;
    for (;;) {  // the next index: the last axis runs fastest
      if (axis == 0) return;
      --axis;
      out += call.out_stride[axis];
      for (std::size_t k = 0; k < max_operands; ++k) in[k] += call.in_stride[k][axis];
      if (++index[axis] < call.extent[axis]) break;
      const auto extent = static_cast<std::ptrdiff_t>(call.extent[axis]);
      out -= extent * call.out_stride[axis];
      for (std::size_t k = 0; k < max_operands; ++k) in[k] -= extent * call.in_stride[k][axis];
      index[axis] = 0;
    }
  }
}

/// Fewer numbers than a batch holds: the batch is filled up with the last of them, so that it raises no condition that
/// they do not raise themselves.
B load_part(const double* address, std::size_t count) {
  double numbers[B::size];
  for (std::size_t i = 0; i < B::size; ++i) numbers[i] = address[i < count ? i : count - 1];
  return B::load(numbers);
}

void store_part(const B& batch, double* address, std::size_t count) {
  double numbers[B::size];
  batch.store(numbers);
  for (std::size_t i = 0; i < count; ++i) address[i] = numbers[i];
}

template <class F>
void unary(const KernelCall& call) {
  const std::size_t n = call.inner_length;
  const std::ptrdiff_t step = call.in_step[0];
  for_each_outer(call, [&](double* out, const double* const* in) {
    const double* x = in[0];
    if (step == 0) {
      const B value = F::apply(B(*x));
      std::size_t i = 0;
      for (; i + B::size <= n; i += B::size) value.store(out + i);
      if (i < n) store_part(value, out + i, n - i);
      return;
    }
    std::size_t i = 0;
    for (; i + B::size <= n; i += B::size) F::apply(B::load(x + i)).store(out + i);
    if (i < n) store_part(F::apply(load_part(x + i, n - i)), out + i, n - i);
  });
}

/// The inner loop with each operand a run of numbers or one number.
template <class F, bool broadcast_x, bool broadcast_y>
void binary_inner(double* out, const double* x, const double* y, std::size_t n) {
  const B x0(*x), y0(*y);
  std::size_t i = 0;
  for (; i + B::size <= n; i += B::size) {
    F::apply(broadcast_x ? x0 : B::load(x + i), broadcast_y ? y0 : B::load(y + i)).store(out + i);
  }
  if (i == n) return;
  const std::size_t rest = n - i;
  store_part(F::apply(broadcast_x ? x0 : load_part(x + i, rest), broadcast_y ? y0 : load_part(y + i, rest)), out + i,
             rest);
}

template <class F>
void binary(const KernelCall& call) {
  const auto inner = call.in_step[0] == 0
                         ? (call.in_step[1] == 0 ? binary_inner<F, true, true> : binary_inner<F, true, false>)
                     : call.in_step[1] == 0 ? binary_inner<F, false, true>
                                            : binary_inner<F, false, false>;
  for_each_outer(call, [&](double* out, const double* const* in) { inner(out, in[0], in[1], call.inner_length); });
}

template <class F>
void ternary(const KernelCall& call) {
  const std::size_t n = call.inner_length;
  for_each_outer(call, [&](double* out, const double* const* in) {
    const auto full = [&](std::size_t k, std::size_t i) {
      return call.in_step[k] == 0 ? B(*in[k]) : B::load(in[k] + i);
    };
    const auto part = [&](std::size_t k, std::size_t i) {
      return call.in_step[k] == 0 ? B(*in[k]) : load_part(in[k] + i, n - i);
    };
    std::size_t i = 0;
    for (; i + B::size <= n; i += B::size) F::apply(full(0, i), full(1, i), full(2, i)).store(out + i);
    if (i < n) store_part(F::apply(part(0, i), part(1, i), part(2, i)), out + i, n - i);
  });
}

/// Sum of a run of numbers, in four interleaved sums, in a fixed order.
double sum_of(const double* x, std::size_t n) {
  B sums[4] = {0.0, 0.0, 0.0, 0.0};
  std::size_t i = 0;
  for (; i + 4 * B::size <= n; i += 4 * B::size) {
    for (std::size_t k = 0; k < 4; ++k) sums[k] = sums[k] + B::load(x + i + k * B::size);
  }
  for (; i + B::size <= n; i += B::size) sums[0] = sums[0] + B::load(x + i);
  double numbers[B::size];
  ((sums[0] + sums[1]) + (sums[2] + sums[3])).store(numbers);
  double total = 0.0;
  for (double number : numbers) total += number;
  for (; i < n; ++i) total += x[i];
  return total;
}

struct Add {
  static B apply(const B& x, const B& y) { return x + y; }
};

void accumulate(const KernelCall& call) {
  const std::size_t n = call.inner_length;
  for_each_outer(call, [&](double* out, const double* const* in) {
    if (call.out_step == 0) {
      *out += call.in_step[0] == 0 ? static_cast<double>(n) * *in[0] : sum_of(in[0], n);
    } else if (call.in_step[0] == 0) {
      binary_inner<Add, false, true>(out, out, in[0], n);
    } else {
      binary_inner<Add, false, false>(out, out, in[0], n);
    }
  });
}

struct Copy {
  static B apply(const B& x) { return x; }
};

/// Draws a run of numbers with one key, given as two words. A plain loop: the compiler makes vectors of it.
template <class F>
void draw_run(double* out, double word0, double word1, const double* numbers, std::size_t n) {
  const auto key0 = static_cast<std::uint32_t>(integer_of(word0)), key1 = static_cast<std::uint32_t>(integer_of(word1));
  for (std::size_t i = 0; i < n; ++i) out[i] = F::apply(threefry(key0, key1, integer_of(numbers[i])));
}

/// Operands: the two words of the key, and the number of the element.
template <class F>
void draw(const KernelCall& call) {
  const std::ptrdiff_t* step = call.in_step;
  const bool one_key = step[0] == 0 && step[1] == 0 && step[2] == 1;
  const std::size_t n = call.inner_length, run = one_key ? n : 1;
  for_each_outer(call, [&](double* out, const double* const* in) {
    for (std::size_t i = 0; i < n; i += run) {
      const auto at = static_cast<std::ptrdiff_t>(i);
      draw_run<F>(out + i, in[0][at * step[0]], in[1][at * step[1]], in[2] + at * step[2], run);
    }
  });
}

#define ALLGRAD_DRAW(name, value)                                   \
  struct Draw_##name {                                              \
    static double apply(const RandomWords& words) { return value; } \
  };
#include "dsl/draws.def"

// The value column of the table of operators.
#define ALLGRAD_UNARY(name, linearity, value, ...) \
  struct Apply_##name {                            \
    static B apply(const B& x) { return value; }   \
  };
#define ALLGRAD_BINARY(name, linearity, value, ...)          \
  struct Apply_##name {                                      \
    static B apply(const B& x, const B& y) { return value; } \
  };
#define ALLGRAD_TERNARY(name, linearity, value, ...)                     \
  struct Apply_##name {                                                  \
    static B apply(const B& x, const B& y, const B& z) { return value; } \
  };
#include "allgrad/operators.def"

/// In the order of Kernel.
constexpr KernelFunction functions[] = {
#define ALLGRAD_UNARY(name, ...) unary<Apply_##name>,
#define ALLGRAD_BINARY(name, ...) binary<Apply_##name>,
#define ALLGRAD_TERNARY(name, ...) ternary<Apply_##name>,
#include "allgrad/operators.def"
    unary<Copy>,
    accumulate,
#define ALLGRAD_DRAW(name, ...) draw<Draw_##name>,
#include "dsl/draws.def"
};

}  // namespace

}  // namespace kernels

#define ALLGRAD_STRING(text) #text
#define ALLGRAD_NAME(text) ALLGRAD_STRING(text)
#define ALLGRAD_JOIN(a, b) a##b
#define ALLGRAD_SYMBOL(set) ALLGRAD_JOIN(kernels_, set)

extern const KernelSet ALLGRAD_SYMBOL(ALLGRAD_KERNEL_SET);
const KernelSet ALLGRAD_SYMBOL(ALLGRAD_KERNEL_SET) = {ALLGRAD_NAME(ALLGRAD_KERNEL_SET), kernels::functions};

}  // namespace allgrad
