#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/flat_map.hpp"
#include "dsl/kernel_id.hpp"

namespace allgrad {

/// What is computed for one batch of rows of a lane: steps without branches, each of which gives a value or stores one.
/// Machine code is made of it.
class BatchProgram {
 public:
  enum class Op : std::uint8_t {
    load,            ///< operand `index`: of the batch's rows, or one number for all of them
    constant,        ///< `number`
    copy,            ///< the value at this place, whatever is stored later where it was read
    negate,          //
    abs,             //
    sqrt,            //
    floor,           //
    ceil,            //
    trunc,           //
    rint,            //
    add,             //
    subtract,        //
    multiply,        //
    divide,          //
    maximum,         ///< x > y ? x : y
    minimum,         ///< x < y ? x : y
    less,            ///< a mask, as all comparisons; of what is in a third operand, a mask too, where there is one
    less_equal,      //
    equal,           //
    not_equal,       ///< true where one is NaN
    mask_and,        //
    mask_or,         //
    mask_not,        //
    select,          ///< mask ? x : y
    masked_product,  ///< mask ? x * y : 0
    gather,          ///< mask ? the number at position x of the table at operand `index` : 0
    call,            ///< the function `index` of the operands
    store,           ///< x to operand `index`
    accumulate,      ///< adds x to the sum `index`, where a second operand, a mask, says so if there is one
    scatter,         ///< adds x to the number at position y of the table at operand `index`, where a mask says so, and
                     ///< a fourth operand, where there is one, to the number behind it
  };

  static constexpr int none = -1;
  using Operands = std::array<int, 4>;  ///< steps, behind the last of them `none`

  static constexpr Operands operands(std::initializer_list<int> in) {
    Operands all{none, none, none, none};
    std::ranges::copy(in, all.begin());
    return all;
  }

  struct Step {
    Op op;
    Operands in = operands({});
    std::size_t index = 0;
    double number = 0.0;
    std::size_t batch = 0;  ///< the batch that it belongs to, where several are computed together

    bool is_mask() const { return op >= Op::less && op <= Op::mask_not; }
    bool is_constant(double value) const;  ///< this one, to the bit
    bool computes_as(const Step& other) const;
    bool is_root() const { return op == Op::store || op >= Op::accumulate; }
  };

  /// Appends a step, but for one that is there already; returns its place.
  int add(Op op, std::initializer_list<int> in, std::size_t index = 0, double number = 0.0);

  /// Joins masks to the comparisons and sums that they are for, and takes out what no store and no sum needs.
  void finish();

  const std::vector<Step>& steps() const { return steps_; }

 private:
  void join_masks();
  void drop_unused();

  std::vector<Step> steps_;
  FlatMap<std::uint64_t, int> known_;  // the first step of a hash
};

/// Appends the value of an arithmetic kernel, which is its formula in the table of operators; returns its step.
int append(BatchProgram& program, Kernel kernel, const BatchProgram::Operands& operands);

/// Appends the mask of where a value is a position in a table of so many numbers; returns its step.
int append_is_position(BatchProgram& program, int value, double length);

}  // namespace allgrad
