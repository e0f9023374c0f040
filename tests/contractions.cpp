// Sums of products over letters: values against loops over whole arrays, gradients against finite differences of these,
// on both executors; and that no product is stored.
#include <algorithm>

#include "array_values.hpp"
#include "catch.hpp"
#include "dsl/contraction.hpp"
#include "schedule/schedule.hpp"

namespace test_contractions {

namespace ag = allgrad;
using namespace allgrad::testing;
using ag::Array;
using ag::Expr;

namespace {

Value contracted(const Expr& expr, const Value& x, const std::string& x_letters, const Value& y,
                 const std::string& y_letters, const std::string& result) {
  return apply(
      expr,
      [=](const Array& a, const Array& b) {
        return plain_einsum({a, b}, {x_letters, y_letters}, result);
      },
      x, y);
}

Array numbers(const Lengths& shape) {
  std::uint64_t count = 100;
  return generate(shape, [&](const Lengths&) { return noise(count++, -1.0, 1.0); });
}

/// u and v beside each other, [rows, 2], by stack.
Value two_columns(const Inputs& in) {
  const Value u = in.column("u"), v = in.column("v");
  return apply(
      ag::stack({u.expr, v.expr}, 1),
      [](const Array& a, const Array& b) { return plain_concatenate(plain_expand(a, 1), plain_expand(b, 1), 1); }, u,
      v);
}

Value pair(const Inputs& in) {
  return apply(
      view(in.parameter_vector(), ag::range(0, 2)),
      [](const Array& p) {
        return plain_take(p, 0, {0, 1});
      },
      in.params());
}

}  // namespace

TEST_CASE("dot and matmul") {
  const Inputs in = uneven_inputs();
  const Value p = in.params(), m = in.matrix(), wide = in.rows_6(), deep = in.rows_2_2_3(), mid = in.two_rows_3();
  const Value six = constant_value(numbers({6})), a = constant_value(numbers({3, 4})),
              b = constant_value(numbers({6, 2}));
  check(in, contracted(dot(p.expr, six.expr), p, "i", six, "i", ""));
  check(in, contracted(dot(m.expr, a.expr), m, "ij", a, "jk", "ik"));
  check(in, contracted(dot(wide.expr, six.expr), wide, "ri", six, "i", "r"));
  check(in, contracted(dot(wide.expr, b.expr), wide, "ri", b, "ij", "rj"));
  check(in, contracted(dot(mid.expr, a.expr), mid, "irk", a, "kj", "irj"));
  check(in, contracted(dot(2.0, p.expr), constant_value(Array(2.0)), "", p, "i", "i"));
  check(in, contracted(matmul(m.expr, a.expr), m, "ij", a, "jk", "ik"));
  check(in, contracted(matmul(wide.expr, six.expr), wide, "ri", six, "i", "r"));
  check(in, contracted(matmul(deep.expr, a.expr), deep, "rsij", a, "jk", "rsik"));
  const Value batch = constant_value(numbers({2, 3, 4})), single = constant_value(numbers({1, 3, 4}));
  check(in, contracted(matmul(deep.expr, batch.expr), deep, "rsij", batch, "sjk", "rsik"));
  check(in, contracted(matmul(deep.expr, single.expr), deep, "rsij", single, "sjk", "rsik"));
  check(in, contracted(matmul(in.six_rows().expr, in.column("v").expr), in.six_rows(), "ir", in.column("v"), "r", "i"));
  check(in, contracted(matmul(two_columns(in).expr, pair(in).expr), two_columns(in), "ri", pair(in), "i", "r"));
  check(in, contracted(dot(in.rows().expr, in.column("v").expr), in.rows(), "r", in.column("v"), "r", ""));
}

TEST_CASE("outer and tensordot") {
  const Inputs in = uneven_inputs();
  const Value p = in.params(), m = in.matrix(), deep = in.rows_2_2_3(), v = in.column("v");
  const Value few = constant_value(numbers({3})), a = constant_value(numbers({3, 4})),
              b = constant_value(numbers({2, 3, 2}));
  check(in, contracted(outer(p.expr, few.expr), p, "i", few, "j", "ij"));
  check(in, contracted(outer(v.expr, p.expr), v, "r", p, "i", "ri"));
  check(in, contracted(outer(p.expr, v.expr), p, "i", v, "r", "ir"));
  check(in, contracted(tensordot(m.expr, a.expr, 1), m, "ij", a, "jk", "ik"));
  check(in, contracted(tensordot(m.expr, few.expr, 0), m, "ij", few, "k", "ijk"));
  check(in,
        contracted(tensordot(deep.expr, b.expr, 2), deep, "rsij", constant_value(numbers({2, 3, 2})), "ijk", "rsk"));
  check(in, contracted(tensordot(deep.expr, b.expr, {3, 1}, {1, 2}), deep, "rsij", b, "kjs", "rik"));
}

TEST_CASE("einsum of any number of operands") {
  const Inputs in = uneven_inputs();
  const Value wide = in.rows_6(), two = two_columns(in), p = in.params(), m = in.matrix(), v = in.column("v");
  const Value a = constant_value(numbers({6, 4})), b = constant_value(numbers({4, 2}));
  check(in, contracted(ag::einsum("ri,rj->ij", {wide.expr, two.expr}), wide, "ri", two, "rj", "ij"));
  check(in, contracted(ag::einsum("ri, ij", {wide.expr, a.expr}), wide, "ri", a, "ij", "jr"));
  check(in, contracted(ag::einsum("ij,k->ki", {m.expr, b.expr[0]}), m, "ij",
                       apply(
                           b.expr[0], [](const Array& x) { return plain_squeeze(plain_take(x, 0, {0}), 0); }, b),
                       "k", "ki"));
  const auto sum_of = [](std::vector<std::string> letters, std::string result) {
    return [=](const auto&... operands) { return plain_einsum({operands...}, letters, result); };
  };
  check(in,
        apply(ag::einsum("ri,ij,jk->rk", {wide.expr, a.expr, b.expr}), sum_of({"ri", "ij", "jk"}, "rk"), wide, a, b));
  check(in, apply(ag::einsum("i,ij,jk,r->rk", {p.expr, a.expr, b.expr, v.expr}), sum_of({"i", "ij", "jk", "r"}, "rk"),
                  p, a, b, v));
  check(in, apply(ag::einsum("ij->ji", {m.expr}), sum_of({"ij"}, "ji"), m));
  check(in, apply(ag::einsum("ij->", {m.expr}), sum_of({"ij"}, ""), m));
  check(in, apply(ag::einsum("ri->i", {wide.expr}), sum_of({"ri"}, "i"), wide));
}

TEST_CASE("einsum takes diagonals of repeated letters, and an ellipsis for further axes") {
  const Inputs in = uneven_inputs();
  const Value deep = in.rows_2_2_3(), m = in.matrix(),
              three = in.two_rows_3();  // [rows, 2, 2, 3], [2, 3], [2, rows, 3]
  const Value square = constant_value(numbers({3, 3})), cube = constant_value(numbers({3, 3, 3}));
  const Value sides = constant_value(numbers({2, 2, 3}));
  const auto sum_of = [](std::vector<std::string> letters, std::string result) {
    return [=](const auto&... operands) { return plain_einsum({operands...}, letters, result); };
  };
  check(in, apply(ag::einsum("rssj->rjs", {deep.expr}), sum_of({"rssj"}, "rjs"), deep));
  check(in, apply(ag::einsum("rssj", {deep.expr}), sum_of({"rssj"}, "jr"), deep));
  check(in, apply(ag::einsum("rssj,jj->rs", {deep.expr, square.expr}), sum_of({"rssj", "jj"}, "rs"), deep, square));
  check(in, apply(ag::einsum("ij,jjj->i", {m.expr, cube.expr}), sum_of({"ij", "jjj"}, "i"), m, cube));
  check(in, apply(ag::einsum("ii,jk->jk", {square.expr, m.expr}), sum_of({"ii", "jk"}, "jk"), square, m));
  check(in, apply(ag::einsum("...j,jk->...k", {deep.expr, square.expr}), sum_of({"rstj", "jk"}, "rstk"), deep, square));
  check(in, apply(ag::einsum("r...,...->...r", {deep.expr, sides.expr}), sum_of({"rstj", "stj"}, "stjr"), deep, sides));
  check_nonlinear(in,
                  apply(ag::einsum("...ij,...ij->...", {deep.expr, m.expr}), sum_of({"rsij", "ij"}, "rs"), deep, m));
  check_nonlinear(in, apply(ag::einsum("...j,...j", {three.expr, m.expr[0]}), sum_of({"irj", "j"}, "ir"), three,
                            apply(
                                m.expr[0], [](const Array& x) { return plain_squeeze(plain_take(x, 0, {0}), 0); }, m)));
  check(in, apply(ag::einsum("...a->a...", {three.expr}), sum_of({"irj"}, "jir"), three));
  check(in, apply(ag::einsum("... , A", {m.expr, square.expr[1]}), sum_of({"ij", "k"}, "ijk"), m,
                  apply(
                      square.expr[1], [](const Array& x) { return plain_squeeze(plain_take(x, 0, {1}), 0); }, square)));
}

TEST_CASE("products that are not linear in the parameters") {
  const Inputs in = uneven_inputs();
  const Value m = in.matrix(), wide = in.rows_6(), p = in.params();
  check_nonlinear(in,
                  contracted(matmul(m.expr, transpose(m.expr)), m, "ij",
                             apply(
                                 transpose(m.expr), [](const Array& a) { return plain_einsum({a}, {"ij"}, "ji"); }, m),
                             "jk", "ik"));
  check_nonlinear(in, contracted(matmul(wide.expr, p.expr), wide, "ri", p, "i", "r"));
  check_nonlinear(in, contracted(ag::einsum("ri,rj->ij", {wide.expr, wide.expr}), wide, "ri", wide, "rj", "ij"));
}

TEST_CASE("large products of values that are not per row are not stored") {
  const Inputs in = uneven_inputs();
  const Value p = in.params(), m = in.matrix();
  const Value a = constant_value(numbers({6, 50})), b = constant_value(numbers({50, 40})),
              c = constant_value(numbers({3, 40}));
  const auto chain = apply(
      dot(dot(p.expr, a.expr), b.expr),
      [](const Array& x, const Array& y, const Array& z) {
        return plain_einsum({x, y, z}, {"i", "ij", "jk"}, "k");
      },
      p, a, b);
  check(in, chain);
  const Value large = apply(
      outer(p.expr, constant_value(numbers({40})).expr),
      [](const Array& x) {
        return plain_einsum({x, numbers({40})}, {"i", "j"}, "ij");
      },
      p);
  const Value product =
      contracted(ag::einsum("ij,kj,lj->ik", {large.expr, b.expr, c.expr}), large, "ij", b, "kj", "ik");
  const auto plain = [](const Array& x, const Array& y, const Array& z) {
    return plain_einsum({x, y, z}, {"ij", "kj", "lj"}, "ik");
  };
  check(in, apply(product.expr, plain, large, b, c));
  check_nonlinear(in, apply(
                          ag::einsum("ij,kj->ik", {large.expr, large.expr + 0.0 * expand_dims(p.expr, 1)}),
                          [](const Array& x) {
                            return plain_einsum({x, x}, {"ij", "kj"}, "ik");
                          },
                          large));
  const Expr both = dot(a.expr * p.expr[0], b.expr);
  const ag::Schedule schedule = ag::make_schedule({both});
  const auto most = std::ranges::max_element(schedule.buffers, {}, &ag::Buffer::lanes);
  CHECK(most->lanes == 50 * 40);  // of b; the products are 6 * 50 * 40
}

TEST_CASE("products of values per row are not stored") {
  const Inputs in = uneven_inputs();
  const Expr wide = in.rows_6().expr, matrix = reshape(in.parameter_vector(), {6, 1}) * numbers({6, 300});
  const ag::Schedule schedule = ag::make_schedule({sum(square(matmul(wide, matrix)), 0)});
  for (const auto& step : schedule.steps) {
    if (const auto* rows = std::get_if<ag::RowLoop>(&step)) CHECK(rows->register_lanes <= 306);
  }
}

}  // namespace test_contractions
