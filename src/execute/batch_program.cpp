#include "execute/batch_program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "dsl/formulas.hpp"

namespace allgrad {

using Op = BatchProgram::Op;

bool BatchProgram::Step::is_constant(double value) const {
  return op == Op::constant && std::bit_cast<std::uint64_t>(number) == std::bit_cast<std::uint64_t>(value);
}

bool BatchProgram::Step::computes_as(const Step& other) const {
  return op == other.op && in == other.in && index == other.index &&
         std::bit_cast<std::uint64_t>(number) == std::bit_cast<std::uint64_t>(other.number);
}

int BatchProgram::add(Op op, std::initializer_list<int> in, std::size_t index, double number) {
  const Step step{op, operands(in), index, number};
  const auto place = static_cast<int>(steps_.size());
  if (!step.is_root()) {
    Fingerprint hash;
    hash.add(static_cast<int>(step.op));
    for (const int operand : step.in) hash.add(operand);
    hash.add(step.index);
    hash.add(step.number);
    const int known = known_.emplace(hash.value(), place).first->second;
    if (known != place && steps_[static_cast<std::size_t>(known)].computes_as(step)) return known;
  }
  steps_.push_back(step);
  return place;
}

void BatchProgram::finish() {
  join_masks();
  drop_unused();
  known_ = {};
}

void BatchProgram::join_masks() {
  std::vector<int> uses(steps_.size());
  for (const Step& step : steps_) {
    for (const int operand : step.in) {
      if (operand != none) ++uses[static_cast<std::size_t>(operand)];
    }
  }
  for (Step& step : steps_) {
    if (step.op == Op::mask_and) {
      for (const std::size_t k : {1U, 0U}) {
        const Step compare = steps_[static_cast<std::size_t>(step.in[k])];
        const bool is_plain = compare.op >= Op::less && compare.op <= Op::not_equal && compare.in[2] == none;
        if (!is_plain || uses[static_cast<std::size_t>(step.in[k])] != 1) continue;
        step = {compare.op, operands({compare.in[0], compare.in[1], step.in[1 - k]})};
        break;
      }
    } else if (step.op == Op::accumulate) {
      const Step select = steps_[static_cast<std::size_t>(step.in[0])];
      const bool is_masked = select.op == Op::select && steps_[static_cast<std::size_t>(select.in[2])].is_constant(0.0);
      if (is_masked) step.in = operands({select.in[1], select.in[0]});
    }
  }
}

void BatchProgram::drop_unused() {
  std::vector<bool> used(steps_.size());
  for (std::size_t i = steps_.size(); i-- > 0;) {
    used[i] = used[i] || steps_[i].is_root();
    if (!used[i]) continue;
    for (const int operand : steps_[i].in) {
      if (operand != none) used[static_cast<std::size_t>(operand)] = true;
    }
  }
  std::vector<int> place(steps_.size(), none);
  std::vector<Step> kept;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (!used[i]) continue;
    place[i] = static_cast<int>(kept.size());
    kept.push_back(steps_[i]);
    for (int& operand : kept.back().in) operand = operand == none ? none : place[static_cast<std::size_t>(operand)];
  }
  steps_ = std::move(kept);
}

namespace {

/// The mask that a step is 1 or 0 by, or none.
int mask_of(const BatchProgram& program, int step) {
  const auto at = [&](int place) -> const BatchProgram::Step& {
    return program.steps()[static_cast<std::size_t>(place)];
  };
  const BatchProgram::Step& select = at(step);
  const bool is_truth_value =
      select.op == Op::select && at(select.in[1]).is_constant(1.0) && at(select.in[2]).is_constant(0.0);
  return is_truth_value ? select.in[0] : BatchProgram::none;
}

/// A truth value of each row.
class TracedMask {
 public:
  TracedMask(BatchProgram& program, int step) : program_(&program), step_(step) {}

  friend TracedMask operator&&(const TracedMask& x, const TracedMask& y) { return x.with(Op::mask_and, y); }
  friend TracedMask operator||(const TracedMask& x, const TracedMask& y) { return x.with(Op::mask_or, y); }
  friend TracedMask operator!(const TracedMask& x) { return {*x.program_, x.program_->add(Op::mask_not, {x.step_})}; }

  BatchProgram& program() const { return *program_; }
  int step() const { return step_; }

 private:
  TracedMask with(Op op, const TracedMask& y) const { return {*program_, program_->add(op, {step_, y.step_})}; }

  BatchProgram* program_;
  int step_;
};

/// A number type whose arithmetic is appended to a program instead of being carried out.
class Traced {
 public:
  Traced(double number) : number_(number) {}
  Traced(BatchProgram& program, int step) : program_(&program), step_(step) {}
  Traced(const TracedMask& mask) : Traced(chosen(mask, 1.0, 0.0)) {}

  int step_in(BatchProgram& program) const {
    return program_ != nullptr ? step_ : program.add(Op::constant, {}, 0, number_);
  }

  friend Traced operator-(const Traced& x) { return unary(Op::negate, x); }
  friend Traced operator+(const Traced& x, const Traced& y) { return binary(Op::add, x, y); }
  friend Traced operator-(const Traced& x, const Traced& y) { return binary(Op::subtract, x, y); }
  friend Traced operator*(const Traced& x, const Traced& y) { return binary(Op::multiply, x, y); }
  friend Traced operator/(const Traced& x, const Traced& y) { return binary(Op::divide, x, y); }
  friend TracedMask operator<(const Traced& x, const Traced& y) { return compare(Op::less, x, y); }
  friend TracedMask operator<=(const Traced& x, const Traced& y) { return compare(Op::less_equal, x, y); }
  friend TracedMask operator>(const Traced& x, const Traced& y) { return compare(Op::less, y, x); }
  friend TracedMask operator>=(const Traced& x, const Traced& y) { return compare(Op::less_equal, y, x); }

  /// What was made of a mask becomes that mask again.
  friend TracedMask equal(const Traced& x, const Traced& y) {
    const auto mask = x.as_mask_beside(y);
    return mask ? !*mask : compare(Op::equal, x, y);
  }
  friend TracedMask not_equal(const Traced& x, const Traced& y) {
    const auto mask = x.as_mask_beside(y);
    return mask ? *mask : compare(Op::not_equal, x, y);
  }

  friend Traced where(const TracedMask& mask, const Traced& x, const Traced& y) { return chosen(mask, x, y); }
  friend Traced abs(const Traced& x) { return unary(Op::abs, x); }
  friend Traced sqrt(const Traced& x) { return unary(Op::sqrt, x); }
  friend Traced floor(const Traced& x) { return unary(Op::floor, x); }
  friend Traced ceil(const Traced& x) { return unary(Op::ceil, x); }
  friend Traced trunc(const Traced& x) { return unary(Op::trunc, x); }
  friend Traced rint(const Traced& x) { return unary(Op::rint, x); }
  friend Traced sign(const Traced& x) { return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x)); }
  friend Traced maximum(const Traced& x, const Traced& y) { return binary(Op::maximum, x, y); }
  friend Traced minimum(const Traced& x, const Traced& y) { return binary(Op::minimum, x, y); }
  friend Traced safe_product(const Traced& x, const Traced& y) {
    const TracedMask counts = not_equal(x, 0.0) && not_equal(y, 0.0);
    BatchProgram& program = counts.program();
    return {program, program.add(Op::masked_product, {counts.step(), x.step_in(program), y.step_in(program)})};
  }

 private:
  static Traced chosen(const TracedMask& mask, const Traced& x, const Traced& y) {
    BatchProgram& program = mask.program();
    return {program, program.add(Op::select, {mask.step(), x.step_in(program), y.step_in(program)})};
  }
  static BatchProgram& program_of(const Traced& x, const Traced& y) {
    return x.program_ != nullptr ? *x.program_ : *y.program_;  // formulas have no arithmetic on constants alone
  }
  static Traced unary(Op op, const Traced& x) { return {*x.program_, x.program_->add(op, {x.step_})}; }
  static int binary_step(Op op, const Traced& x, const Traced& y) {
    BatchProgram& program = program_of(x, y);
    return program.add(op, {x.step_in(program), y.step_in(program)});
  }
  static Traced binary(Op op, const Traced& x, const Traced& y) { return {program_of(x, y), binary_step(op, x, y)}; }
  static TracedMask compare(Op op, const Traced& x, const Traced& y) {
    return {program_of(x, y), binary_step(op, x, y)};
  }

  std::optional<TracedMask> as_mask_beside(const Traced& zero) const {
    if (program_ == nullptr || zero.program_ != nullptr || zero.number_ != 0.0) return std::nullopt;
    const int mask = mask_of(*program_, step_);
    return mask == BatchProgram::none ? std::nullopt : std::optional(TracedMask(*program_, mask));
  }

  BatchProgram* program_ = nullptr;  // null for a constant
  int step_ = BatchProgram::none;
  double number_ = 0.0;
};

template <class T>
T value_of_kernel(Kernel kernel, const T& x, const T& y, const T& z) {
  switch (kernel) {
#define ALLGRAD_UNARY(name, ...)                 \
  case Kernel::name:                             \
    if constexpr (is_arithmetic(Kernel::name)) { \
      return Formulas<T>::name##_of(x, y, z);    \
    }                                            \
    break;
#define ALLGRAD_BINARY ALLGRAD_UNARY
#define ALLGRAD_TERNARY ALLGRAD_UNARY
#include "allgrad/operators.def"
    case Kernel::copy: return x;
    default: break;
  }
  throw InternalError(fmt::format("the kernel {} is no arithmetic", to_string(kernel)));
}

}  // namespace

int append(BatchProgram& program, Kernel kernel, const BatchProgram::Operands& operands) {
  const auto traced = [&](std::size_t k) {
    return operands[k] == BatchProgram::none ? Traced(0.0) : Traced(program, operands[k]);
  };
  return value_of_kernel(kernel, traced(0), traced(1), traced(2)).step_in(program);
}

int append_is_position(BatchProgram& program, int value, double length) {
  return is_position(Traced(program, value), length).step();
}

}  // namespace allgrad
