// Expressions without a meaning are refused where they are written, with the user's line.
#include <type_traits>
#include <xtensor/xarray.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"

namespace test_expression_errors {

namespace ag = allgrad;
using ag::ExpressionError;
using ag::testing::check_error;

namespace {

ag::Table make_table(const std::string& name) {
  return ag::Table(name, {{"x", xt::xarray<double>{1.0, 2.0, 3.0}}, {"y", xt::xarray<double>{4.0, 5.0, 6.0}}});
}

const ag::Expr& x() {
  static const ag::Expr x = make_table("halos")["x"];
  return x;
}

ag::Expr zeros(const std::vector<std::size_t>& shape) { return ag::constant(xt::zeros<double>(shape)); }

// What would silently mean something else does not compile; compile_errors/ has what does so with a message.
static_assert(!std::is_convertible_v<ag::Expr, double> && !std::is_constructible_v<bool, ag::Expr>);
template <class A>
concept Borrowable = requires(const A& array) {
  ag::borrow(array);
};
static_assert(Borrowable<xt::xarray<double>> && !Borrowable<xt::xarray<float>>);

}  // namespace

TEST_CASE("shapes that do not broadcast") {
  check_error<ExpressionError>({"add([2], [3]): ", "axes of lengths 2 and 3", "must be equal, 1 or missing"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 zeros({2}) + zeros({3});
                               });
  check_error<ExpressionError>({"where([4, 2], [2], [3]): ", "shapes [4, 2] and [3]"}, [](unsigned& line) {
    line = __LINE__ + 1;
    where(zeros({4, 2}), zeros({2}), zeros({3}));
  });
  check_error<ExpressionError>({"broadcast_to([2]): ", "shape [2] does not broadcast to [3]"}, [](unsigned& line) {
    line = __LINE__ + 1;
    broadcast_to(zeros({2}), ag::Shape{3});
  });
}

TEST_CASE("rows do not align with an axis of numbers, be it as long") {
  const xt::xarray<double> edges = {0.0, 1.0, 2.0};
  check_error<ExpressionError>(
      {"subtract([3], [rows]): ", "rows of table \"halos\" do not align with an axis of length 3",
       "expand_dims(value, 1)", "as a column"},
      [&](unsigned& line) {
        line = __LINE__ + 1;
        edges - x();
      });
  CHECK(to_string((edges - expand_dims(x(), 1)).shape()) == "[rows, 3]");

  // What the hint says to do works.
  const ag::Expr pair = zeros({2}), grid = zeros({2, 3}), two_rows = expand_dims(pair, 1) * x();  // [2, rows]
  const auto check = [](const ag::Expr& a, const ag::Expr& b, const std::string& hint, const ag::Expr& as_told,
                        const std::string& shape) {
    for (const bool swapped : {false, true}) {
      check_error<ExpressionError>({hint}, [&](unsigned& line) {
        line = __LINE__ + 1;
        swapped ? multiply(b, a) : multiply(a, b);
      });
    }
    CHECK(to_string(as_told.shape()) == shape);
  };
  check(two_rows, pair, "each row with all of it, give the value of shape [2] a further axis: expand_dims(value, 1)",
        two_rows * expand_dims(pair, 1), "[2, rows]");
  check(two_rows, zeros({3}), "each element, give the value of shape [2, rows] a further axis: expand_dims(value, 2)",
        expand_dims(two_rows, 2) * zeros({3}), "[2, rows, 3]");
  check(x(), grid, "each element, give the value of shape [rows] a further axis: expand_dims(expand_dims(value, 1), 1)",
        expand_dims(expand_dims(x(), 1), 1) * grid, "[rows, 2, 3]");
  check(x(), expand_dims(x(), 1) * pair,
        "row by row, give the value of shape [rows] a further axis: expand_dims(value, 1)",
        expand_dims(x(), 1) * (expand_dims(x(), 1) * pair), "[rows, 2]");
}

TEST_CASE("columns of two tables are not mixed") {
  const ag::Table galaxies = make_table("galaxies");
  check_error<ExpressionError>(
      {"multiply([rows], [rows]): ", "\"halos\" and \"galaxies\"", "cannot be mixed", "one table, or sum"},
      [&](unsigned& line) {
        line = __LINE__ + 1;
        x() * galaxies["y"];
      });
  check_error<ExpressionError>({"shape [rows, rows] would have two row axes", "sum over one of them"},
                               [&](unsigned& line) {
                                 line = __LINE__ + 1;
                                 expand_dims(x(), 1) * galaxies["y"];
                               });
  CHECK((sum(x()) * galaxies["y"]).placement() == ag::Placement::per_row);
}

TEST_CASE("axes out of bounds") {
  check_error<ExpressionError>({"sum([rows]): ", "axis 1 is out of bounds", "valid are -1 to 0"}, [](unsigned& line) {
    line = __LINE__ + 1;
    sum(x(), 1);
  });
  check_error<ExpressionError>({"mean([2, 3]): ", "axis -3 is out of bounds"}, [](unsigned& line) {
    line = __LINE__ + 1;
    mean(zeros({2, 3}), -3);
  });
  check_error<ExpressionError>({"sum([]): ", "axis 0 is out of bounds", "single number has no axes"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 sum(zeros({}), 0);
                               });
  check_error<ExpressionError>({"axes [0, -2] name an axis twice", "once"}, [](unsigned& line) {
    line = __LINE__ + 1;
    sum(zeros({2, 3}), {0, -2});
  });
  check_error<ExpressionError>({"expand_dims([rows], 3): ", "valid are -2 to 1"}, [](unsigned& line) {
    line = __LINE__ + 1;
    expand_dims(x(), 3);
  });
  check_error<ExpressionError>({"diff([5], 1, 1): ", "axis 1 is out of bounds"}, [](unsigned& line) {
    line = __LINE__ + 1;
    diff(zeros({5}), 1, 1);
  });
  check_error<ExpressionError>({"cumsum([5], 1): ", "axis 1 is out of bounds"}, [](unsigned& line) {
    line = __LINE__ + 1;
    cumsum(zeros({5}), 1);
  });
}

TEST_CASE("the row axis has no order and no positions") {
  const std::vector<std::string> parts = {"[rows]: ", "row axis cannot be sliced", "all()", "where(mask, x, 0.0)"};
  check_error<ExpressionError>(parts, [](unsigned& line) {
    line = __LINE__ + 1;
    x()[0];
  });
  check_error<ExpressionError>(parts, [](unsigned& line) {
    line = __LINE__ + 1;
    view(x(), ag::range(0, 2));
  });
  check_error<ExpressionError>({"no differences along the row axis"}, [](unsigned& line) {
    line = __LINE__ + 1;
    diff(x());
  });
  check_error<ExpressionError>({"cumsum([rows], -1): ", "no running sums along the row axis"}, [](unsigned& line) {
    line = __LINE__ + 1;
    cumsum(x());
  });
  check_error<ExpressionError>({"concatenate([rows], [rows]): ", "along the row axis"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::concatenate({x(), x()});
  });
  check_error<ExpressionError>({"reshape([rows]): ", "cannot become [3, 1]", "-1 stands for it"}, [](unsigned& line) {
    line = __LINE__ + 1;
    reshape(x(), {3, 1});
  });
}

TEST_CASE("indices and ranges that do not fit") {
  check_error<ExpressionError>({"operator[] on a value of shape [4, 2]: ",
                                "index 4 is out of bounds for axis 0 of length 4", "valid are -4 to 3"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 zeros({4, 2})[4];
                               });
  check_error<ExpressionError>({"single number, shape [], has no elements"}, [](unsigned& line) {
    line = __LINE__ + 1;
    zeros({})[0];
  });
  check_error<ExpressionError>({"view of [4, 2]: ", "index -3 is out of bounds for axis 1 of length 2"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 view(zeros({4, 2}), ag::all(), -3);
                               });
  check_error<ExpressionError>({"view of [4]: ", "2 slices for 1 axes", "at most one per axis"}, [](unsigned& line) {
    line = __LINE__ + 1;
    view(zeros({4}), ag::all(), 0);
  });
  check_error<ExpressionError>({"view of [4]: ", "a step other than 0, got 0"}, [](unsigned& line) {
    line = __LINE__ + 1;
    view(zeros({4}), ag::range(3, 0, 0));
  });
  check_error<ExpressionError>(
      {"operator[] on parameters [2]: ", "index 2 is out of bounds", "as the guess has numbers"}, [](unsigned& line) {
        const ag::Expr params = ag::parameters(2);
        line = __LINE__ + 1;
        params[2];
      });
}

TEST_CASE("unsigned numbers below 0 do not count from the end") {
  const std::size_t i = 0;
  const ag::Expr x = zeros({4, 2});
  const std::vector<std::string> index = {
      "index 18446744073709551615 (0 - 1 in an unsigned type, which has no numbers "
      "below 0) is out of bounds for axis ",
      "valid are -"};
  check_error<ExpressionError>(index, [&](unsigned& line) {
    line = __LINE__ + 1;
    x[i - 1];
  });
  check_error<ExpressionError>(index, [&](unsigned& line) {
    line = __LINE__ + 1;
    view(x, ag::all(), i - 1);
  });
  const std::vector<std::string> range = {
      "view of [4, 2]: expected a range of numbers below 2^63, got "
      "18446744073709551615 (0 - 1 in an unsigned type"};
  check_error<ExpressionError>(range, [&](unsigned& line) {
    line = __LINE__ + 1;
    view(x, ag::range(i - 1, 4));
  });
  check_error<ExpressionError>(range, [&](unsigned& line) {
    line = __LINE__ + 1;
    view(x, ag::range(0, i - 1));
  });
  const std::vector<std::string> axis = {"axis 18446744073709551615 (0 - 1 in an unsigned type", "is out of bounds"};
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    sum(x, i - 1);
  });
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    mean(x, {0, i - 1});
  });
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    expand_dims(x, i - 1);
  });
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    squeeze(x, i - 1);
  });
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    diff(x, 1, i - 1);
  });
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::concatenate({x, x}, i - 1);
  });
  check_error<ExpressionError>(axis, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::stack({x, x}, i - 1);
  });
}

TEST_CASE("a value has 16 axes at most, beside the row axis") {
  const ag::Expr p = ag::parameters(2);
  std::vector<std::size_t> odd(16, 1), even(16, 1);  // together, no two axes can be run over as one
  for (std::size_t axis = 0; axis < 16; ++axis) (axis % 2 == 0 ? even : odd)[axis] = axis < 4 ? 2 : 1;
  const ag::Expr wide = reshape(ag::concatenate({p, 2.0 * p}), even) * reshape(ag::concatenate({p, 3.0 * p}), odd);
  REQUIRE(wide.ndim() == 16);
  CHECK(ag::compile(sum(wide), p).value(std::vector{1.0, 2.0}) == 3.0 * 3.0 * 4.0 * 3.0);
  const auto expand = [](ag::Expr value, std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) value = expand_dims(value, 1);
    return value;
  };
  CHECK(expand(x(), 16).ndim() == 17);
  check_error<ExpressionError>({"reshape([rows, 1, ", "would have 17 axes", "at most 16", "squeeze"},
                               [&](unsigned& line) {
                                 const ag::Expr most = expand(x(), 16);
                                 line = __LINE__ + 1;
                                 expand_dims(most, 1);
                               });
}

TEST_CASE("shapes whose number of elements overflows") {
  const std::size_t half = std::size_t{1} << 32;    // half * half is 0 in 64 bits
  const std::size_t third = 12297829382473034411U;  // 3 * third is 1
  const std::vector<std::string> parts = {"has more elements than any memory"};
  const ag::Expr long_row = broadcast_to(zeros({}), {half}), long_column = broadcast_to(zeros({}), {half, 1});
  check_error<ExpressionError>({"broadcast_to([]): shape [4294967296, 4294967296] ", parts[0]}, [&](unsigned& line) {
    line = __LINE__ + 1;
    broadcast_to(zeros({}), {half, half});
  });
  check_error<ExpressionError>({"shape [4294967296, 4294967296, 0] ", parts[0]}, [&](unsigned& line) {
    line = __LINE__ + 1;
    broadcast_to(zeros({0}), {half, half, 0});
  });
  check_error<ExpressionError>({"add([4294967296], [4294967296, 1]): ", parts[0]}, [&](unsigned& line) {
    line = __LINE__ + 1;
    long_row + long_column;
  });
  check_error<ExpressionError>({"broadcast_to([rows, 1, 1]): shape [rows, 4294967296, 4294967296] ", parts[0]},
                               [&](unsigned& line) {
                                 const ag::Shape shape = {x().shape()[0], half, half};
                                 line = __LINE__ + 1;
                                 broadcast_to(expand_dims(expand_dims(x(), 1), 1), shape);
                               });
  check_error<ExpressionError>({"reshape([1]): shape [3, 12297829382473034411] ", parts[0]}, [&](unsigned& line) {
    line = __LINE__ + 1;
    reshape(zeros({1}), {3, third});
  });
  check_error<ExpressionError>({"reshape([0]): ", parts[0]}, [&](unsigned& line) {
    line = __LINE__ + 1;
    reshape(zeros({0}), {half, half});
  });
  check_error<ExpressionError>({"concatenate(", parts[0]}, [&](unsigned& line) {
    const ag::Expr most = broadcast_to(zeros({}), {std::size_t{1} << 44});
    line = __LINE__ + 1;
    ag::concatenate({most, most});
  });
  check_error<ExpressionError>({"parameters(): shape [18446744073709551615] ", parts[0]}, [&](unsigned& line) {
    const int wrong = -1;
    line = __LINE__ + 1;
    ag::parameters(static_cast<std::size_t>(wrong));
  });
  check_error<ag::ArgumentError>({"an array that fits into memory, got [4294967296, 4294967296]"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    zeros({1}) + xt::zeros<double>({half, half});
  });
  check_error<ExpressionError>({"shape [rows, rows] would have two row axes", "sum over one of them"},
                               [](unsigned& line) {
                                 const ag::Extent rows = x().shape()[0];
                                 line = __LINE__ + 1;
                                 broadcast_to(x(), {rows, rows});
                               });
}

TEST_CASE("squeeze, reshape and diff misused") {
  check_error<ExpressionError>({"squeeze([4, 2], 1): ", "expected an axis of length 1, got one of length 2"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 squeeze(zeros({4, 2}), 1);
                               });
  check_error<ExpressionError>({"squeeze([rows], 0): ", "expected an axis of length 1, got the row axis"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 squeeze(x(), 0);
                               });
  check_error<ExpressionError>({"reshape([4]): ", "shape [4] cannot become [3]", "number of elements"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 reshape(zeros({4}), {3});
                               });
  check_error<ExpressionError>({"diff([2], 3, -1): ", "shorter than the number of differences"}, [](unsigned& line) {
    line = __LINE__ + 1;
    diff(zeros({2}), 3);
  });
}

TEST_CASE("concatenate and stack misused") {
  check_error<ExpressionError>({"concatenate of values of shape []", "use stack"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::concatenate({zeros({}), zeros({})});
  });
  check_error<ExpressionError>({"concatenate([2, 3], [2, 4]): ", "differ in more than axis 0"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::concatenate({zeros({2, 3}), zeros({2, 4})});
  });
  check_error<ExpressionError>({"stack: shapes [2] and [3] differ", "broadcast_to"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::stack({zeros({2}), zeros({3})});
  });
  check_error<ExpressionError>({"concatenate: ", "at least one value, got none"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::concatenate({});
  });
  check_error<ExpressionError>({"stack: ", "at least one value, got none"}, [](unsigned& line) {
    const std::vector<ag::Expr> none;
    line = __LINE__ + 1;
    ag::stack(none);
  });
}

TEST_CASE("an empty Expr stands for no value") {
  const ag::Expr empty;
  const std::vector<std::string> parts = {"empty Expr", "a value before it is used"};
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    2.0 * empty;
  });
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    sum(empty);
  });
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    empty[0];
  });
  check_error<ExpressionError>(parts, [&](unsigned& line) {
    line = __LINE__ + 1;
    ag::stack({x(), empty});
  });
  check_error<ExpressionError>(parts, [&](unsigned&) { empty.shape(); });
  check_error<ExpressionError>(parts, [&](unsigned&) { empty.placement(); });
}

TEST_CASE("reduce_sum of what is not a rank's own") {
  check_error<ExpressionError>({"reduce_sum: ", "rank_constant", "got a per_row value of shape [rows]", "sum(x, axis)"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 reduce_sum(x());
                               });
  check_error<ExpressionError>({"reduce_sum: ", "got a partial value", "needs no sum over ranks"}, [](unsigned& line) {
    line = __LINE__ + 1;
    reduce_sum(sum(x()));
  });
  check_error<ExpressionError>({"reduce_sum: ", "got a replicated value", "needs no sum over ranks"},
                               [](unsigned& line) {
                                 line = __LINE__ + 1;
                                 reduce_sum(zeros({2}));
                               });
}

TEST_CASE("a column that the table does not have, and no parameters") {
  const ag::Table halos = make_table("halos");
  check_error<ExpressionError>({"table \"halos\" has no column \"mass\"", "[\"x\", \"y\"]"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    halos["mass"];
  });
  check_error<ag::ArgumentError>({"at least one parameter, got 0", "the guess of a model"}, [](unsigned& line) {
    line = __LINE__ + 1;
    ag::parameters(0);
  });
}

}  // namespace test_expression_errors
