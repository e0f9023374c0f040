// All kernels for one instruction set. Compiled once for each, with its flags and with ALLGRAD_KERNEL_SET (name of the
// set) and ALLGRAD_KERNEL_ARCH (xsimd architecture).

#include <cstdint>
#include <type_traits>

#include "dsl/bins.hpp"
#include "dsl/elementwise_functions.hpp"
#include "dsl/threefry.hpp"
#include "execute/batch.hpp"
#include "execute/kernel_call.hpp"

namespace allgrad {

namespace kernels {

namespace {

using Arch = ALLGRAD_KERNEL_ARCH;
using B = Batch<Arch>;

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

/// Sum of a batch and of the first `count` numbers of another one, in a fixed order.
double sum_of(const B& batch, const B& part, std::size_t count) {
  double numbers[B::size];
  batch.store(numbers);
  double total = 0.0;
  for (double number : numbers) total += number;
  part.store(numbers);
  for (std::size_t i = 0; i < count; ++i) total += numbers[i];
  return total;
}

/// An operand along the inner axis, batch after batch. A single number is read from a batch that is full of it, so that
/// one loop serves for runs and for numbers.
struct Run {
  const double* at;
  std::ptrdiff_t advance;  ///< from batch to batch

  /// The batch `k` batches ahead.
  B batch(std::ptrdiff_t k) const { return B::load(at + k * advance); }
  /// The first numbers of the batch at hand.
  B part(std::size_t count) const { return advance == 0 ? batch(0) : load_part(at, count); }
};

/// Operand `k` in the given lane; `repeated` has room for a batch.
Run run_of(const KernelSteps& steps, const KernelOperands& at, std::size_t k, std::size_t lane, double* repeated) {
  const double* address = at.in[k] + static_cast<std::ptrdiff_t>(lane) * steps.in_outer[k];
  if (steps.in_inner[k] != 0) return {address, B::size};
  B(*address).store(repeated);
  return {repeated, 0};
}

constexpr std::size_t unroll = 4;

/// Calls full(value, i, k) for each batch along the inner axis, then part(value, i, count) for what is left, if any: i
/// is the first element, k the number of the batch among the `unroll` that go through the loop together.
template <class F, class Full, class Part, class... Runs>
void for_each_batch(std::size_t n, Full full, Part part, Runs... in) {
  std::size_t i = 0;
  for (; i + unroll * B::size <= n; i += unroll * B::size) {
    for (std::size_t k = 0; k < unroll; ++k) {
      full(F::apply(in.batch(static_cast<std::ptrdiff_t>(k))...), i + k * B::size, k);
    }
    ((in.at += static_cast<std::ptrdiff_t>(unroll) * in.advance), ...);
  }
  for (; i + B::size <= n; i += B::size) {
    full(F::apply(in.batch(0)...), i, 0);
    ((in.at += in.advance), ...);
  }
  if (i < n) part(F::apply(in.part(n - i)...), i, n - i);
}

/// out = F(in...) along the inner axis.
struct Store {
  static void run_one(double* out, const B& value) { store_part(value, out, 1); }

  template <class F, class... Runs>
  static void run(double* out, std::ptrdiff_t, std::size_t n, Runs... in) {
    for_each_batch<F>(
        n, [out](const B& value, std::size_t i, std::size_t) { value.store(out + i); },
        [out](const B& value, std::size_t i, std::size_t count) { store_part(value, out + i, count); }, in...);
  }
};

/// out += F(in...) along the inner axis, or the sum along it; the sum in interleaved parts, in a fixed order.
struct Add {
  static void run_one(double* out, const B& value) {
    double number = 0.0;
    store_part(value, &number, 1);
    *out += number;
  }

  template <class F, class... Runs>
  static void run(double* out, std::ptrdiff_t out_step, std::size_t n, Runs... in) {
    if (out_step != 0) {
      for_each_batch<F>(
          n, [out](const B& value, std::size_t i, std::size_t) { (B::load(out + i) + value).store(out + i); },
          [out](const B& value, std::size_t i, std::size_t count) {
            store_part(load_part(out + i, count) + value, out + i, count);
          },
          in...);
      return;
    }
    B sums[unroll] = {0.0, 0.0, 0.0, 0.0}, rest = 0.0;
    std::size_t left = 0;
    for_each_batch<F>(
        n, [&sums](const B& value, std::size_t, std::size_t k) { sums[k] = sums[k] + value; },
        [&rest, &left](const B& value, std::size_t, std::size_t count) { rest = value, left = count; }, in...);
    *out += sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]), rest, left);
  }
};

/// out += the sum of F(in...) over lanes, along the inner axis: what is added to stays in registers, several batches at
/// a time, since each addition waits for the one before.
template <class F, std::size_t... K>
void add_lanes(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner) {
  const auto operand = [&](std::size_t k, std::size_t lane, std::size_t i, auto load) -> B {
    const double* address = at.in[k] + static_cast<std::ptrdiff_t>(lane) * steps.in_outer[k];
    return steps.in_inner[k] == 0 ? B(*address) : load(address + i);
  };
  const auto whole = [](const double* address) { return B::load(address); };
  std::size_t i = 0;
  for (; i + unroll * B::size <= inner; i += unroll * B::size) {
    double* out = at.out + i;
    B sums[unroll] = {whole(out), whole(out + B::size), whole(out + 2 * B::size), whole(out + 3 * B::size)};
    for (std::size_t lane = 0; lane < outer; ++lane) {
      for (std::size_t k = 0; k < unroll; ++k) {
        sums[k] = sums[k] + F::apply(operand(K, lane, i + k * B::size, whole)...);
      }
    }
    for (std::size_t k = 0; k < unroll; ++k) sums[k].store(out + k * B::size);
  }
  const auto add = [&](const auto& load) {
    B sum = load(at.out + i);
    for (std::size_t lane = 0; lane < outer; ++lane) sum = sum + F::apply(operand(K, lane, i, load)...);
    return sum;
  };
  for (; i + B::size <= inner; i += B::size) add(whole).store(at.out + i);
  if (i == inner) return;
  const std::size_t count = inner - i;
  store_part(add([count](const double* address) { return load_part(address, count); }), at.out + i, count);
}

/// A kernel of F with the operands K.
template <class F, class Mode, std::size_t... K>
void elementwise(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner) {
  if (inner == 1) {  // values that are not per row often are single numbers
    for (std::size_t lane = 0; lane < outer; ++lane) {
      const auto i = static_cast<std::ptrdiff_t>(lane);
      Mode::run_one(at.out + i * steps.out_outer, F::apply(B(at.in[K][i * steps.in_outer[K]])...));
    }
    return;
  }
  if constexpr (std::is_same_v<Mode, Add>) {
    if (outer > 1 && steps.out_outer == 0 && steps.out_inner != 0) return add_lanes<F, K...>(steps, at, outer, inner);
  }
  alignas(64) double repeated[sizeof...(K)][B::size];
  for (std::size_t lane = 0; lane < outer; ++lane) {
    Mode::template run<F>(at.out + static_cast<std::ptrdiff_t>(lane) * steps.out_outer, steps.out_inner, inner,
                          run_of(steps, at, K, lane, repeated[K])...);
  }
}

struct Copy {
  static B apply(const B& x) { return x; }
};

/// What a run is in three windows, and its largest magnitude; NaN is not seen there, but makes the parts NaN.
struct Parts {
  double of_window[3];
  double largest;
};

/// Cuts a run of up to 1024 numbers to multiples of the units of `top` and the two windows below.
Parts cut(const Run& run, std::size_t n, int top) {
  const double shifts[] = {bins::shift(top), bins::shift(top - 1), bins::shift(top - 2)};
  const B s0(shifts[0]), s1(shifts[1]), s2(shifts[2]);
  B sum0 = 0.0, sum1 = 0.0, sum2 = 0.0, largest = 0.0;
  Parts rest{};
  for_each_batch<Copy>(
      n,
      [&](const B& x, std::size_t, std::size_t) {
        const B part0 = (x + s0) - s0, left0 = x - part0;
        const B part1 = (left0 + s1) - s1, left1 = left0 - part1;
        sum0 = sum0 + part0;
        sum1 = sum1 + part1;
        sum2 = sum2 + ((left1 + s2) - s2);
        largest = maximum(abs(x), largest);
      },
      [&](const B& batch, std::size_t, std::size_t count) {
        double numbers[B::size];
        batch.store(numbers);
        largest = maximum(abs(batch), largest);  // filled up with the last of them
        for (std::size_t i = 0; i < count; ++i) {
          double left = numbers[i];
          for (std::size_t k = 0; k < 3; ++k) {
            const double part = (left + shifts[k]) - shifts[k];
            rest.of_window[k] += part;
            left -= part;
          }
        }
      },
      run);
  double magnitudes[B::size];
  largest.store(magnitudes);
  for (const double magnitude : magnitudes) rest.largest = magnitude > rest.largest ? magnitude : rest.largest;
  const B sums[] = {sum0, sum1, sum2};
  for (std::size_t k = 0; k < 3; ++k) rest.of_window[k] += sum_of(sums[k], B(0.0), 0);
  return rest;
}

/// Adds a run of up to 1024 numbers to bins. It is cut by the highest window so far, and again where it is higher.
void add_run_to_bins(double* out, const Run& run, std::size_t n) {
  int top = static_cast<int>(out[bins::highest]) - 1;
  Parts parts = cut(run, n, top < 0 ? 0 : top);
  if (parts.largest == 0.0 && parts.of_window[0] == 0.0) return;
  const int window = bins::window_of(parts.largest);
  if (window >= static_cast<int>(bins::num_windows) || parts.of_window[0] != parts.of_window[0]) {
    for (std::size_t i = 0; i < n; ++i) bins::add_term(out, run.at[run.advance == 0 ? 0 : i]);
    return;
  }
  if (window > top) {
    top = window;
    parts = cut(run, n, top);
    bins::note_highest(out, top);
  }
  for (std::size_t k = 0; k < 3; ++k) bins::add(out, top - static_cast<int>(k), parts.of_window[k]);
}

void add_to_bins(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner) {
  alignas(64) double repeated[B::size];
  for (std::size_t lane = 0; lane < outer; ++lane) {
    add_run_to_bins(at.out + static_cast<std::ptrdiff_t>(lane) * steps.out_outer, run_of(steps, at, 0, lane, repeated),
                    inner);
  }
}

/// Positions along the inner axis: whole numbers from 0 to below `length`.
struct Positions {
  static constexpr std::size_t room = 128;
  std::int64_t at[room];  ///< 0 where a number is no position
  bool all_valid;
  double valid[room];  ///< where not all are: 1, or 0 where a number is no position

  /// Numbers are turned to integers in batches: those below 2^51 are in the last bits of their sum with 1.5 * 2^52.
  void read(const Run& run, std::size_t n, double length) {
    constexpr double shift = 6755399441055744.0;
    all_valid = true;
    double shifted[room];
    const auto turn = [&](const B& number, std::size_t i, std::size_t) {
      const Mask<Arch> is = is_position(number, length);
      all_valid = all_valid && !any(!is);
      where(is, number + B(shift), B(shift)).store(shifted + i);  // there is room for whole batches
    };
    for_each_batch<Copy>(n, turn, turn, run);
    for (std::size_t i = 0; i < n; ++i) {
      at[i] = __builtin_bit_cast(std::int64_t, shifted[i]) - __builtin_bit_cast(std::int64_t, shift);
    }
    if (all_valid) return;
    const auto tell = [&](const B& number, std::size_t i, std::size_t) {
      B(is_position(number, length)).store(valid + i);
    };
    for_each_batch<Copy>(n, tell, tell, run);
  }
};

/// Calls body(lane, first element, number of elements, positions) for parts of the inner axis of all lanes; positions
/// that all lanes share are read once.
template <class Body>
void for_each_positions(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner,
                        Body body) {
  Positions positions;
  alignas(64) double repeated[B::size];
  const double length = *at.in[2];
  for (std::size_t first = 0; first < inner; first += Positions::room) {
    const std::size_t count = inner - first < Positions::room ? inner - first : Positions::room;
    for (std::size_t lane = 0; lane < outer; ++lane) {
      if (lane == 0 || steps.in_outer[1] != 0) {
        Run run = run_of(steps, at, 1, lane, repeated);
        if (run.advance != 0) run.at += first;
        positions.read(run, count, length);
      }
      body(static_cast<std::ptrdiff_t>(lane), static_cast<std::ptrdiff_t>(first), count, positions);
    }
  }
}

/// Looks positions up in a table of a few numbers, which registers hold where that is possible.
void look_up(const double* table, [[maybe_unused]] std::size_t length, const std::int64_t* positions, double* out,
             std::size_t count) {
  std::size_t i = 0;
#if defined(__AVX512F__)
  if (length <= 2 * B::size) {
    const auto part = [&](std::size_t first) {
      const std::size_t left = length > first ? length - first : 0;
      return _mm512_maskz_loadu_pd(static_cast<__mmask8>(left >= B::size ? 0xff : (1u << left) - 1), table + first);
    };
    const __m512d low = part(0), high = part(B::size);
    for (; i + B::size <= count; i += B::size) {
      const __m512i at = _mm512_loadu_si512(positions + i);
      _mm512_storeu_pd(out + i,
                       length <= B::size ? _mm512_permutexvar_pd(at, low) : _mm512_permutex2var_pd(low, at, high));
    }
  }
#endif
  for (; i + B::size <= count; i += B::size) {
    B::gather(table, positions + i).store(out + i);
  }
  for (; i < count; ++i) out[i] = table[positions[i]];
}

void take(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner) {
  for_each_positions(steps, at, outer, inner,
                     [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::size_t count, const Positions& positions) {
                       const double* table = at.in[0] + lane * steps.in_outer[0];
                       double* out = at.out + lane * steps.out_outer + first;
                       look_up(table, static_cast<std::size_t>(*at.in[2]), positions.at, out, count);
                       if (positions.all_valid) return;
                       const double outside = at.in[2][1];
                       for (std::size_t i = 0; i < count; ++i) {
                         out[i] = positions.valid[i] != 0.0 ? out[i] : outside;
                       }
                     });
}

void scatter_add(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner) {
  for_each_positions(steps, at, outer, inner,
                     [&](std::ptrdiff_t lane, std::ptrdiff_t first, std::size_t count, const Positions& positions) {
                       double* table = at.out + lane * steps.out_outer;
                       const double* x = at.in[0] + lane * steps.in_outer[0] + first * steps.in_inner[0];
                       const auto step = static_cast<std::ptrdiff_t>(at.in[2][1]);
                       const auto add = [&](std::size_t i) {
                         table[positions.at[i] * step] += x[static_cast<std::ptrdiff_t>(i) * steps.in_inner[0]];
                       };
                       if (positions.all_valid) {
                         for (std::size_t i = 0; i < count; ++i) add(i);
                         return;
                       }
                       for (std::size_t i = 0; i < count; ++i) {
                         if (positions.valid[i] != 0.0) add(i);
                       }
                     });
}

/// Draws a run of numbers with one key, given as two words. A plain loop: the compiler makes vectors of it.
template <class F>
void draw_run(double* out, double word0, double word1, const double* numbers, std::size_t n) {
  const auto key0 = static_cast<std::uint32_t>(integer_of(word0)), key1 = static_cast<std::uint32_t>(integer_of(word1));
  for (std::size_t i = 0; i < n; ++i) out[i] = F::apply(threefry(key0, key1, integer_of(numbers[i])));
}

/// Operands: the two words of the key, and the number of the element.
template <class F>
void draw(const KernelSteps& steps, const KernelOperands& at, std::size_t outer, std::size_t inner) {
  const std::ptrdiff_t* step = steps.in_inner;
  const std::size_t run = step[0] == 0 && step[1] == 0 && step[2] == 1 ? inner : 1;  // with one key
  for (std::size_t lane = 0; lane < outer; ++lane) {
    for (std::size_t i = 0; i < inner; i += run) {
      const auto number = [&](std::size_t k) {
        return at.in[k] + static_cast<std::ptrdiff_t>(lane) * steps.in_outer[k] +
               static_cast<std::ptrdiff_t>(i) * step[k];
      };
      draw_run<F>(at.out + static_cast<std::ptrdiff_t>(lane) * steps.out_outer + i, *number(0), *number(1), number(2),
                  run);
    }
  }
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

/// A function on registers, for code that is written at run time.
using Register = B::Raw::register_type;
template <class F>
Register on_registers(Register x) {
  return F::apply(B(B::Raw(x))).v;
}
template <class F>
Register on_registers(Register x, Register y) {
  return F::apply(B(B::Raw(x)), B(B::Raw(y))).v;
}
template <class F>
Register on_registers(Register x, Register y, Register z) {
  return F::apply(B(B::Raw(x)), B(B::Raw(y)), B(B::Raw(z))).v;
}

/// In the order of Kernel.
template <class Mode>
constexpr KernelFunction functions[] = {
#define ALLGRAD_UNARY(name, ...) elementwise<Apply_##name, Mode, 0>,
#define ALLGRAD_BINARY(name, ...) elementwise<Apply_##name, Mode, 0, 1>,
#define ALLGRAD_TERNARY(name, ...) elementwise<Apply_##name, Mode, 0, 1, 2>,
#include "allgrad/operators.def"
    elementwise<Copy, Mode, 0>,
    std::is_same_v<Mode, Add> ? add_to_bins : nullptr,
    std::is_same_v<Mode, Store> ? take : nullptr,
    std::is_same_v<Mode, Add> ? scatter_add : nullptr,
#define ALLGRAD_DRAW(name, ...) std::is_same_v<Mode, Store> ? draw<Draw_##name> : nullptr,
#include "dsl/draws.def"
};

/// Of each elementwise operator, in the order of Kernel.
const RegisterFunction register_functions[] = {
#define ALLGRAD_UNARY(name, ...) \
  reinterpret_cast<RegisterFunction>(static_cast<Register (*)(Register)>(on_registers<Apply_##name>)),
#define ALLGRAD_BINARY(name, ...) \
  reinterpret_cast<RegisterFunction>(static_cast<Register (*)(Register, Register)>(on_registers<Apply_##name>)),
#define ALLGRAD_TERNARY(name, ...)    \
  reinterpret_cast<RegisterFunction>( \
      static_cast<Register (*)(Register, Register, Register)>(on_registers<Apply_##name>)),
#include "allgrad/operators.def"
};

}  // namespace

}  // namespace kernels

#define ALLGRAD_STRING(text) #text
#define ALLGRAD_NAME(text) ALLGRAD_STRING(text)
#define ALLGRAD_JOIN(a, b) a##b
#define ALLGRAD_SYMBOL(set) ALLGRAD_JOIN(kernels_, set)

extern const KernelSet ALLGRAD_SYMBOL(ALLGRAD_KERNEL_SET);
const KernelSet ALLGRAD_SYMBOL(ALLGRAD_KERNEL_SET) = {ALLGRAD_NAME(ALLGRAD_KERNEL_SET),
                                                      kernels::functions<kernels::Store>,
                                                      kernels::functions<kernels::Add>,
                                                      kernels::register_functions,
                                                      kernels::B::size,
                                                      false};

}  // namespace allgrad
