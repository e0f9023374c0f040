// How graphs are cut into steps, lane loops and registers: as they are printed, as the verifier sees them, and as they
// run on values with many rows and lanes.
#include <algorithm>
#include <sstream>
#include <variant>
#include <xtensor/xview.hpp>

#include "allgrad/error.hpp"
#include "catch.hpp"
#include "check_error.hpp"
#include "dsl/kernel_id.hpp"
#include "evaluation.hpp"
#include "execute/chain.hpp"
#include "execute/kernel_set.hpp"
#include "passes/insert_allreduce.hpp"
#include "schedule/schedule.hpp"
#include "schedule/text.hpp"
#include "schedule/unroll_lanes.hpp"
#include "schedule/verify.hpp"

namespace test_schedules {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Expr;

namespace {

struct Inputs {
  ag::Table halos = deal("halos", {{"x", noise_column(4, 1)}, {"w", noise_column(4, 2)}}, all_on_first, self());
  ag::Table galaxies = deal("galaxies", {{"x", noise_column(3, 3)}}, all_on_first, self());
  Expr params = ag::parameters(2);
  Expr x = halos["x"], w = halos["w"], y = galaxies["x"];
};

ag::Schedule schedule_of(const std::vector<Expr>& outputs) { return ag::make_schedule(ag::insert_allreduce(outputs)); }

/// An empty line, and the text of a schedule without source lines.
std::string text_of(const ag::Schedule& schedule) {
  std::istringstream lines(to_text(schedule));
  std::string text = "\n";
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find("  ", line.find_first_not_of(' '));
    text += line.substr(0, end) + '\n';
  }
  return text;
}

ag::RowLoop& first_row_loop(ag::Schedule& schedule) {
  for (auto& step : schedule.steps) {
    if (auto* loop = std::get_if<ag::RowLoop>(&step)) return *loop;
  }
  throw std::runtime_error("the schedule has no row loop");
}

}  // namespace

TEST_CASE("a chain over lanes is one loop, whose values are never held in all lanes") {
  const Inputs in;
  const Expr z = (ag::Array{1.0, 2.0, 3.0} - expand_dims(in.x + in.params[0], 1)) * in.params[1];
  CHECK(text_of(schedule_of({sum(exp(z), 0)})) == R"(
rows of halos: 1 lanes of row values
  a7 = 0
  lanes []
    r3@0 = add(x2, parameters)
  lanes [3]: 1 lane values
    t4@0 = subtract(k0[1], r3@0)
    t5@0 = multiply(t4@0, parameters+1)
    a7[1] += exp(t5@0)
dense
  lanes [3]
    m8[1] = copy(a7[1])
allreduce m8
dense
  lanes [3]
    y9[1] = copy(m8[1])
)");
}

TEST_CASE("neighbours in lanes need all lanes; what is only summed is not stored") {
  const Inputs in;
  const Expr cdf = erf(ag::Array{1.0, 2.0, 3.0} - expand_dims(in.x, 1));
  CHECK(text_of(schedule_of({sum(diff(cdf, 1), 0)})) == R"(
rows of halos: 3 lanes of row values
  a5 = 0
  lanes [3]: 1 lane values
    t2@0 = subtract(k0[1], x1)
    r3@0[1] = erf(t2@0)
  lanes [2]
    a5[1] += subtract(r3@0+1[1], r3@0[1])
dense
  lanes [2]
    m6[1] = copy(a5[1])
allreduce m6
dense
  lanes [2]
    y7[1] = copy(m6[1])
)");
}

TEST_CASE("a table that is looked up and contracted is never held, whatever has to be ready before") {
  const Inputs in;
  const ag::Array table = xt::ones<double>({7, 90, 4});
  const Expr levels = softmax(expand_dims(in.x * in.params[0], 1) * xt::arange(90.0), 1);  // [rows, 90]
  const Expr light =
      exp(take(table, expand_dims(expand_dims(where(in.w > 0.0, 1.0, 2.0), 1), 1)) * in.params[1]);  // [rows, 7, 90]
  ag::Schedule schedule = schedule_of({sum(log(ag::einsum("ra,rma->rm", {levels, light})), 0)});
  const ag::RowLoop& loop = first_row_loop(schedule);
  CHECK(loop.register_lanes < 7 * 90);
  const auto contracts = [](const ag::LaneLoop& lanes) { return lanes.extents == std::vector<std::size_t>{7, 90}; };
  CHECK(std::ranges::count_if(loop.loops, contracts) == 1);
}

TEST_CASE("a table is swept once for sums that do not need each other, again for those that do") {
  const Inputs in;
  const Expr mean = sum(in.x) / 4.0;
  CHECK(text_of(schedule_of({sum(in.w) + sum(square(in.x - mean)), sum(in.y)})) == R"(
rows of halos: 0 lanes of row values
  a2 = 0
  a4 = 0
  lanes []
    a2 += copy(x1)
    a4 += copy(x3)
rows of galaxies: 0 lanes of row values
  a6 = 0
  lanes []
    a6 += copy(x5)
dense
  lanes []
    v7 = divide(a4, k0)
  lanes []
    m8 = copy(v7)
allreduce m8
dense
  lanes []
    m9 = copy(a6)
allreduce m9
rows of halos: 0 lanes of row values
  a13 = 0
  lanes []: 1 lane values
    t11@0 = subtract(x10, m8)
    a13 += square(t11@0)
dense
  lanes []
    v14 = add(a2, a13)
  lanes []
    m15 = copy(v14)
allreduce m15
dense
  lanes []
    y16 = copy(m15)
  lanes []
    y17 = copy(m9)
)");
}

TEST_CASE("a value of a rank that comes from its rows goes back to them in a later sweep") {
  const Inputs in;
  const Expr offset = ag::rank_constant(ag::Array(3.0));
  const Expr shifted = in.x * offset;
  for (const auto executor : executors) {
    const std::vector<double> value = evaluate(sum(shifted * sum(shifted)), in.params, {0.0, 0.0}, self(), executor);
    double total = 0.0;
    for (const double x : noise_column(4, 1)) total += 3.0 * x;
    CHECK(value[0] == Approx(total * total));
  }
}

TEST_CASE("long values that are not per row are computed in one loop, short ones in one for each instruction") {
  const auto loops = [](std::size_t length) {
    const Expr x = ag::parameters(length), y = square(x - 0.5);
    const ag::Schedule schedule = schedule_of({sum(y) / 2.0, exp(y) * x, ag::constant(xt::zeros<double>({length}))});
    return std::get<ag::DenseStep>(schedule.steps.at(0)).loops;
  };
  const std::vector<ag::LaneLoop> long_ones = loops(ag::long_loop);
  const auto holds_all = [](const ag::LaneLoop& loop) {
    const auto has = [&](ag::Kernel kernel) {
      return std::ranges::count(loop.instructions, kernel, &ag::Instruction::kernel) == 1;
    };
    return has(ag::Kernel::subtract) && has(ag::Kernel::square) && has(ag::Kernel::exp) && has(ag::Kernel::multiply);
  };
  CHECK(std::ranges::count_if(long_ones, holds_all) == 1);
  for (const ag::LaneLoop& loop : loops(ag::long_loop - 1)) CHECK(loop.instructions.size() == 1);
}

TEST_CASE("sums of rows at the same positions lie side by side, others apart") {
  const Inputs in;
  constexpr std::size_t n = 40;
  const Expr bin = floor(abs(in.x)), other = floor(abs(in.w)), w = exp(in.w);
  ag::Schedule schedule = schedule_of({histogram(bin, w, n), histogram(bin, square(w), n), histogram(bin, in.x, n + 1),
                                       histogram(other, w, n), histogram(bin, in.x, n), segment_sum(w, bin, 1)});
  ag::verify(schedule);
  const ag::RowLoop& sweep = first_row_loop(schedule);
  std::vector<std::size_t> lanes, places;
  for (const std::size_t buffer : sweep.accumulators) lanes.push_back(schedule.buffers[buffer].lanes);
  CHECK(lanes == std::vector<std::size_t>{3 * n, n + 1, n, 1});
  for (const ag::LaneLoop& loop : sweep.loops) {
    for (const ag::Instruction& sum : loop.instructions) {
      if (sum.kernel == ag::Kernel::scatter_add && sum.out.buffer == sweep.accumulators[0]) {
        places.push_back(sum.out.offset);
      }
    }
  }
  CHECK(places == std::vector<std::size_t>{0, 1, 2});
}

TEST_CASE("loops over few lanes are written out and joined, but for what is more than an elementwise operation") {
  const Inputs in;
  const Expr lanes = exp(ag::Array{1.0, 2.0, 3.0} - expand_dims(in.x, 1)) * in.params[1];  // [rows, 3]
  const Expr places = ag::searchsorted(ag::Array{0.0, 1.0}, sum(lanes, 1));                // a call
  ag::Schedule schedule = schedule_of({sum(expand_dims(places, 1) * square(lanes), 0)});
  const std::vector<ag::LaneLoop> loops = ag::unroll_lanes(first_row_loop(schedule).loops, schedule.buffers);
  REQUIRE(loops.size() == 3);
  for (const ag::LaneLoop& loop : loops) CHECK(loop.extents.empty());
  CHECK(loops[1].instructions.size() == 1);
  CHECK(loops[1].instructions[0].is_call());
  const std::vector<ag::Instruction>& first = loops[0].instructions;
  for (std::size_t lane = 0; lane < 3; ++lane) {  // exp(k[lane] - x) of each lane reads a constant of its own
    const auto reads = [&](const ag::Instruction& instruction) {
      return instruction.kernel == ag::Kernel::subtract && instruction.inputs[0].offset == lane;
    };
    CHECK(std::ranges::count_if(first, reads) == 1);
  }
  const std::vector<ag::ChainRange> chains = ag::cut_into_chains(loops[0], schedule.buffers);
  REQUIRE(chains.size() == 1);
  CHECK(chains[0].last == first.size());
}

TEST_CASE("a chain ends where a value is needed in other lanes than the one at hand") {
  const ag::View here{0, 0, {1}}, next{0, 1, {1}}, other{1, 0, {1}};
  const auto instruction = [](ag::View out, ag::View in) {
    return ag::Instruction{ag::Kernel::neg, false, std::move(out), {std::move(in)}, nullptr};
  };
  const auto chains = [&](const std::vector<ag::Instruction>& instructions) {
    return ag::cut_into_chains({{3}, instructions}, {}).size();
  };
  CHECK(chains({instruction(here, other), instruction(other, here)}) == 1);
  CHECK(chains({instruction(here, other), instruction(other, next)}) == 2);
  CHECK(chains({instruction(other, next), instruction(here, other)}) == 2);
  CHECK(chains({instruction(other, next), instruction(other, here)}) == 1);
}

TEST_CASE("operands that are too far apart for an instruction have pointers of their own") {
  const std::vector<ag::Buffer> buffers{{ag::Buffer::Kind::column, 2}, {ag::Buffer::Kind::accumulator, 1}};
  const ag::KernelSet kernels = ag::available_kernel_sets().back();
  const auto num_pointers = [&](std::ptrdiff_t doubles_between_lanes) {
    ag::ChainBuilder chain(
        buffers, kernels,
        [&](const ag::View& view) {
          const auto position = static_cast<std::ptrdiff_t>(view.offset) * doubles_between_lanes;
          return ag::BoundView{{view.buffer, position, 0, {}}, 0, view.buffer, position};
        },
        [](const ag::View& view) { return view.buffer == 0; });
    chain.add({ag::Kernel::add, true, {1, 0, {}}, {{0, 0, {}}, {0, 1, {}}}, nullptr}, [](std::size_t) { return true; });
    return chain.finish().second.size();
  };
  CHECK(num_pointers(1000) == 2);  // of the column and of the sum
  CHECK(num_pointers(std::ptrdiff_t{1} << 29) == 3);
}

TEST_CASE("the verifier names what is wrong in a schedule") {
  const Inputs in;
  const auto make = [&] { return schedule_of({sum(exp(in.x * in.params[0]) * in.w)}); };
  CHECK_NOTHROW(verify(make()));
  const auto refuses = [&](const std::string& what, auto damage) {
    ag::Schedule schedule = make();
    damage(schedule, first_row_loop(schedule).loops.at(0));
    INFO(what);
    const std::string text = allgrad::testing::caught<ag::InternalError>([&](unsigned&) { verify(schedule); }).text;
    allgrad::testing::check_parts(text, {what, "schedules.cpp:"});
  };
  refuses("a register is read that does not hold the value",
          [](ag::Schedule&, ag::LaneLoop& loop) { std::swap(loop.instructions.at(0), loop.instructions.at(1)); });
  refuses("a register is read that does not hold the value", [](ag::Schedule& schedule, ag::LaneLoop& loop) {
    ag::Instruction other = loop.instructions.at(0);  // overwrites the register with another value
    other.out.buffer = schedule.buffers.size();
    schedule.buffers.push_back(schedule.buffers[loop.instructions[0].out.buffer]);
    loop.instructions.insert(loop.instructions.begin() + 1, other);
  });
  refuses("a view leaves its buffer",
          [](ag::Schedule&, ag::LaneLoop& loop) { ++loop.instructions.at(0).inputs[1].offset += 1; });
  refuses("a view has other axes", [](ag::Schedule&, ag::LaneLoop& loop) { loop.extents.push_back(2); });
  refuses("a value per row is used outside of a row loop", [](ag::Schedule& schedule, ag::LaneLoop& loop) {
    schedule.steps.insert(schedule.steps.begin(), ag::DenseStep{{loop}});
  });
}

TEST_CASE("wide values run in tiles of rows and blocks of lanes as they do at once") {
  constexpr std::size_t rows = 2500;
  const ag::Table table =
      deal("wide", {{"x", noise_column(rows, 1)}, {"w", noise_column(rows, 2)}}, all_on_first, self());
  const auto expand = [](const Expr& x) { return expand_dims(expand_dims(x, 1), 1); };
  const Expr params = ag::parameters(2), x = expand(table["x"]), w = expand(table["w"]);
  ag::Array numbers = xt::arange<double>(35.0) / 35.0;
  const ag::Array grid = numbers.reshape({5, 7});
  const ag::Array row = xt::view(grid, xt::range(0, 1), xt::all()), column = xt::view(grid, xt::all(), xt::range(0, 1));
  const Expr wide = exp(-square(grid * params[0] - x)) * w;                          // [rows, 5, 7]
  const Expr crossed = (row + x) * (column - params[1] * w);                         // views that do not collapse
  const Expr normalized = wide / expand_dims(expand_dims(sum(wide, {1, 2}), 1), 1);  // used in two loops
  const Expr neighbours =
      diff(crossed, 1, 1) * expand_dims(ag::view(wide, {ag::all(), ag::range(0, 4), 3}), 2);  // slices, broadcast
  for (const Expr& value : {sum(wide, 0), sum(crossed * wide, {0, 2}), sum(normalized * crossed, 0), sum(neighbours)}) {
    const auto reference =
        evaluate_with_gradient(sum(square(value)), params, {0.7, 0.3}, self(), ag::ExecutorKind::reference);
    const auto tiled = evaluate_with_gradient(sum(square(value)), params, {0.7, 0.3}, self(), ag::ExecutorKind::tiled);
    CHECK(tiled.loss == Approx(reference.loss).epsilon(1e-12));
    for (std::size_t k = 0; k < 2; ++k)
      CHECK(tiled.gradient[k] == Approx(reference.gradient[k]).epsilon(1e-10).margin(1e-10));
  }
}

}  // namespace test_schedules
