// Code that is written at run time: random programs of a batch run as they do when they are read step by step, in
// registers of each width that this machine has.
#include "execute/machine_code.hpp"

#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "catch.hpp"
#include "dsl/kernel_id.hpp"
#include "execute/kernel_set.hpp"

namespace test_machine_code {

namespace ag = allgrad;
using ag::BatchProgram;
using Op = BatchProgram::Op;

namespace {

constexpr auto first_op = static_cast<std::uint8_t>(Op::copy);
constexpr auto num_ops = static_cast<std::uint8_t>(static_cast<std::uint8_t>(Op::scatter) - first_op + 1);
constexpr std::size_t num_columns = 4, num_numbers = 3, max_lanes = 3, max_rows = 40;
constexpr std::size_t table_length = 3;

/// A step: its kind, and what it reads. All are taken modulo what there is.
using Choice = std::array<std::uint8_t, 4>;

/// Memory of a run: columns, single numbers and tables that are read, columns that are written, sums, and tables that
/// are added to; each differs from lane to lane.
struct Memory {
  using Table = std::array<double, table_length * max_lanes + 1>;  // pairs reach one number more
  std::array<std::array<double, max_rows * max_lanes>, num_columns> columns{}, results{};
  std::array<std::array<double, max_lanes>, num_numbers> numbers{}, sums{};
  Table table{}, counts{};
};

/// Ordinary numbers, and some that comparisons and products treat in a way of their own.
Memory make_memory() {
  constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double special[] = {0.0, -0.0, 1.0, inf, -inf, nan};
  Memory memory;
  std::size_t count = 0;
  const auto next = [&] {
    const double x = std::sin(static_cast<double>(++count)) * 3.0;
    return count % 7 == 0 ? special[count / 7 % std::size(special)] : x;
  };
  for (auto& column : memory.columns) std::ranges::generate(column, next);
  for (auto& number : memory.numbers) std::ranges::generate(number, next);
  std::ranges::generate(memory.table, next);
  return memory;
}

/// What `kernel` gives, by the formula that code is made of.
double function_of(ag::Kernel kernel, double x) { return kernel == ag::Kernel::exp ? std::exp(x) : std::sin(x); }

/// A program of so many random steps, what each reads and the functions that it calls.
struct Random {
  ag::CodeBody body;
  std::vector<ag::Kernel> functions;
};

Random make_program(const std::vector<Choice>& choices, const ag::KernelSet& set, bool calls) {
  Random random;
  ag::CodeBody& body = random.body;
  for (std::size_t k = 0; k < num_columns; ++k) body.operands.push_back({k, 0, true});
  for (std::size_t k = 0; k < num_numbers; ++k) body.operands.push_back({num_columns + k, 0, false});
  for (std::size_t k = 0; k < num_columns; ++k) body.operands.push_back({num_columns + num_numbers + k, 0, true});
  for (std::size_t k = 0; k < num_numbers; ++k) body.sums.push_back({2 * num_columns + num_numbers + k, 0, false});
  const std::size_t num_pointers = 2 * (num_columns + num_numbers), table = body.operands.size();
  body.operands.push_back({num_pointers, 0, false});
  body.operands.push_back({num_pointers + 1, 0, false});
  const auto rows = static_cast<std::ptrdiff_t>(max_rows);
  for (std::size_t k = 0; k < num_pointers; ++k) {
    const std::size_t place = k % (num_columns + num_numbers);
    body.lane_strides.push_back(place < num_columns ? rows : 1);
  }
  body.lane_strides.insert(body.lane_strides.end(), 2, static_cast<std::ptrdiff_t>(table_length));
  random.functions = {ag::Kernel::exp, ag::Kernel::sin};
  for (const ag::Kernel kernel : random.functions) {
    body.functions.push_back(set.on_registers[static_cast<std::size_t>(kernel)]);
  }

  BatchProgram& program = body.program;
  std::vector<int> values, masks;
  for (std::size_t k = 0; k < num_columns + num_numbers; ++k) values.push_back(program.add(Op::load, {}, k));
  values.push_back(program.add(Op::constant, {}, 0, 0.5));
  values.push_back(program.add(Op::constant, {}, 0, 0.0));
  masks.push_back(program.add(Op::less, {values[0], values[1]}));
  for (const auto& [kind, first, second, third] : choices) {
    const auto value = [&](std::uint8_t choice) { return values[choice % values.size()]; };
    const auto mask = [&](std::uint8_t choice) { return masks[choice % masks.size()]; };
    const auto op = static_cast<Op>(first_op + kind % num_ops);
    if (op < Op::add) {
      values.push_back(program.add(op, {value(first)}));
    } else if (op < Op::less) {
      values.push_back(program.add(op, {value(first), value(second)}));
    } else if (op < Op::mask_and) {
      masks.push_back(program.add(op, {value(first), value(second)}));
    } else if (op < Op::mask_not) {
      masks.push_back(program.add(op, {mask(first), mask(second)}));
    } else if (op == Op::mask_not) {
      masks.push_back(program.add(op, {mask(first)}));
    } else if (op == Op::gather || op == Op::scatter) {
      const int position = program.add(Op::floor, {value(second)});
      const int is_there = ag::append_is_position(program, position, table_length);
      if (op == Op::gather) values.push_back(program.add(op, {is_there, position}, table));
      if (op == Op::scatter && third % 2 == 0) program.add(op, {value(first), position, is_there}, table + 1);
      if (op == Op::scatter && third % 2 == 1) {
        program.add(op, {value(first), position, is_there, value(third)}, table + 1);
      }
    } else if (op < Op::call) {
      values.push_back(program.add(op, {mask(first), value(second), value(third)}));
    } else if (op == Op::call) {
      if (calls) values.push_back(program.add(op, {value(first)}, second % 2u));
    } else if (op == Op::store) {
      program.add(op, {value(first)}, num_columns + num_numbers + second % num_columns);
    } else {
      program.add(op, {value(first)}, second % num_numbers);
    }
  }
  program.add(Op::store, {values.back()}, num_columns + num_numbers);
  program.finish();
  return random;
}

/// Runs the program as it reads. A sum is that of each place of a batch, then of halves, quarters and so on.
void read_through(const Random& random, Memory& memory, std::size_t lanes, std::size_t rows, std::size_t batch) {
  const std::vector<BatchProgram::Step>& steps = random.body.program.steps();
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    std::array<std::array<double, 8>, num_numbers> sums{};
    for (std::size_t row = 0; row < rows; ++row) {
      std::vector<double> values(steps.size());
      for (std::size_t i = 0; i < steps.size(); ++i) {
        const auto& step = steps[i];
        const auto in = [&](std::size_t k) { return values[static_cast<std::size_t>(step.in[k])]; };
        const auto in_mask = [&](std::size_t k) { return step.in[k] == BatchProgram::none || in(k) != 0.0; };
        const auto place = [&](double position) { return lane * table_length + static_cast<std::size_t>(position); };
        double& out = values[i];
        switch (step.op) {
          case Op::load:
            out = step.index < num_columns ? memory.columns[step.index][lane * max_rows + row]
                                           : memory.numbers[step.index - num_columns][lane];
            break;
          case Op::constant: out = step.number; break;
          case Op::copy: out = in(0); break;
          case Op::negate: out = -in(0); break;
          case Op::abs: out = std::abs(in(0)); break;
          case Op::sqrt: out = std::sqrt(in(0)); break;
          case Op::floor: out = std::floor(in(0)); break;
          case Op::ceil: out = std::ceil(in(0)); break;
          case Op::trunc: out = std::trunc(in(0)); break;
          case Op::rint: out = std::nearbyint(in(0)); break;
          case Op::add: out = in(0) + in(1); break;
          case Op::subtract: out = in(0) - in(1); break;
          case Op::multiply: out = in(0) * in(1); break;
          case Op::divide: out = in(0) / in(1); break;
          case Op::maximum: out = in(0) > in(1) ? in(0) : in(1); break;
          case Op::minimum: out = in(0) < in(1) ? in(0) : in(1); break;
          case Op::less: out = in(0) < in(1) && in_mask(2); break;
          case Op::less_equal: out = in(0) <= in(1) && in_mask(2); break;
          case Op::equal: out = in(0) == in(1) && in_mask(2); break;
          case Op::not_equal: out = in(0) != in(1) && in_mask(2); break;
          case Op::mask_and: out = in(0) != 0.0 && in(1) != 0.0; break;
          case Op::mask_or: out = in(0) != 0.0 || in(1) != 0.0; break;
          case Op::mask_not: out = in(0) == 0.0; break;
          case Op::select: out = in(0) != 0.0 ? in(1) : in(2); break;
          case Op::masked_product: out = in(0) != 0.0 ? in(1) * in(2) : 0.0; break;
          case Op::gather: out = in_mask(0) ? memory.table[place(in(1))] : 0.0; break;
          case Op::call: out = function_of(random.functions[step.index], in(0)); break;
          case Op::store: memory.results[step.index - num_columns - num_numbers][lane * max_rows + row] = in(0); break;
          case Op::accumulate: sums[step.index][row % batch] += in_mask(1) ? in(0) : 0.0; break;
          case Op::scatter:
            if (!in_mask(2)) break;
            memory.counts[place(in(1))] += in(0);
            if (step.in[3] != BatchProgram::none) memory.counts[place(in(1)) + 1] += in(3);
            break;
        }
      }
    }
    for (std::size_t k = 0; k < num_numbers; ++k) {
      for (std::size_t width = batch / 2; width > 0; width /= 2) {
        for (std::size_t i = 0; i < width; ++i) sums[k][i] += sums[k][i + width];
      }
      memory.sums[k][lane] += sums[k][0];
    }
  }
}

/// NaNs have many patterns of bits, and functions of libraries differ in the last of theirs.
bool is_close(double x, double y) {
  return std::isnan(x) ? std::isnan(y) : x == y || std::abs(x - y) <= 1e-9 * (std::abs(x) + std::abs(y));
}

}  // namespace

TEST_CASE("code does what its program says, whatever the program") {
  for (const ag::KernelSet& set : ag::available_kernel_sets()) {
    if (set.doubles_per_register < ag::MachineCode::least_doubles_per_register || !ag::MachineCode::is_possible())
      continue;
    const auto any_choice = rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<Choice>());
    CHECK(rc::check([&] {
      const auto choices = *rc::gen::container<std::vector<Choice>>(any_choice);
      const bool calls = *rc::gen::arbitrary<bool>();
      const auto rows = *rc::gen::inRange<std::size_t>(1, max_rows - 8), lanes = *rc::gen::inRange<std::size_t>(1, 4);
      const Random random = make_program(choices, set, calls);
      const auto others = *rc::gen::container<std::vector<Choice>>(any_choice);
      ag::MachineCode code(set.doubles_per_register);
      code.add(make_program(others, set, !calls).body);  // of which nothing is left in the next
      const std::size_t number = code.add(random.body);
      code.finish();
      const Memory given = make_memory();
      Memory expected = given, memory = given;
      std::vector<double*> pointers;
      for (auto& column : memory.columns) pointers.push_back(column.data());
      for (auto& value : memory.numbers) pointers.push_back(value.data());
      for (auto& column : memory.results) pointers.push_back(column.data());
      for (auto& sum : memory.sums) pointers.push_back(sum.data());
      for (Memory::Table* table : {&memory.table, &memory.counts}) pointers.push_back(table->data());
      code.function(number)(pointers.data(), lanes, rows);
      read_through(random, expected, lanes, rows, set.doubles_per_register);
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        for (std::size_t k = 0; k < num_columns; ++k) {
          for (std::size_t row = 0; row < max_rows; ++row) {
            RC_ASSERT(is_close(memory.results[k][lane * max_rows + row], expected.results[k][lane * max_rows + row]));
          }
        }
        for (std::size_t k = 0; k < num_numbers; ++k) RC_ASSERT(is_close(memory.sums[k][lane], expected.sums[k][lane]));
      }
      for (std::size_t k = 0; k < memory.counts.size(); ++k) {
        RC_ASSERT(is_close(memory.counts[k], expected.counts[k]));
      }
    }));
  }
}

}  // namespace test_machine_code
