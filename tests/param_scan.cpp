// Latin hypercubes, and scans of a model over one.
#include <bit>
#include <cmath>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "world.hpp"

namespace test_param_scan {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

class Line final : public ag::OnePointModel {
 public:
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const ag::Expr x = table_["x"];
    return ag::stack({sum(params[0] * x), sum(params[1] * square(x))});
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& stats) const override {
    return {sum(square(stats.value)), {{"first", stats.value[0]}, {"twice", 2.0 * stats.value}}};
  }

 private:
  ag::Table table_{"rows", {{"x", {1.0 + communicator().rank(), 0.5}}}, communicator()};
};

}  // namespace

TEST_CASE("each interval of each dimension has one point") {
  const auto points = ag::latin_hypercube(20, 3, 5);
  for (std::size_t d = 0; d < 3; ++d) {
    std::vector<int> count(20);
    bool in_order = true;
    for (std::size_t i = 0; i < 20; ++i) {
      const auto interval = static_cast<std::size_t>(std::floor(points(i, d) * 20.0));
      REQUIRE(interval < 20);
      ++count[interval];
      in_order = in_order && interval == i;
    }
    CHECK(count == std::vector<int>(20, 1));
    CHECK_FALSE(in_order);
  }
  CHECK((points == ag::latin_hypercube(20, 3, 5)));
  CHECK_FALSE((points == ag::latin_hypercube(20, 3, 6)));
}

TEST_CASE("a point is at a random place in its interval") {
  constexpr std::size_t n = 2000;
  const auto points = ag::latin_hypercube(n, 1, 7);
  std::vector<int> count(10);  // of points in each tenth of their intervals: 200 expected, with a spread of 13
  for (const double point : points) {
    const double place = point * static_cast<double>(n);
    ++count[static_cast<std::size_t>(10.0 * (place - std::floor(place)))];
  }
  for (const int c : count) CHECK(std::abs(c - 200) < 65);
}

TEST_CASE("a scan evaluates the model at its points") {
  Line model;
  const std::vector<double> low = {-1.0, 2.0}, high = {1.0, 5.0};
  const auto scan = model.run_lhs_param_scan(low, high, 2, 8, 42);
  REQUIRE(scan.params.shape() == std::array<std::size_t, 2>{8, 2});
  REQUIRE(scan.sumstats.shape() == ag::Array::shape_type{8, 2});
  REQUIRE(scan.aux["twice"].shape() == ag::Array::shape_type{8, 2});
  CHECK(scan.seed == 42);
  for (std::size_t i = 0; i < 8; ++i) {
    const std::vector<double> at = {scan.params(i, 0), scan.params(i, 1)};
    for (std::size_t d = 0; d < 2; ++d) {
      CHECK(at[d] >= low[d]);
      CHECK(at[d] < high[d]);
    }
    const auto loss = model.calc_loss_from_params(at);
    const auto sumstats = model.calc_sumstats_from_params(at);
    CHECK(scan.losses(i) == Approx(loss.value).epsilon(1e-14));
    CHECK(scan.aux["first"](i) == Approx(loss.aux["first"]()).epsilon(1e-14));
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(scan.sumstats(i, k) == Approx(sumstats(k)).epsilon(1e-14));
      CHECK(scan.aux["twice"](i, k) == Approx(2.0 * sumstats(k)).epsilon(1e-14));
    }
  }
}

TEST_CASE("one number may serve all parameters, and a seed gives the same points again") {
  Line model;
  const auto scan = model.run_lhs_param_scan(0.0, {1.0, 2.0}, 2, 6, 9);
  const auto again = model.run_lhs_param_scan({0.0, 0.0}, {1.0, 2.0}, 2, 6, 9);
  CHECK((scan.params == again.params));
}

TEST_CASE("without a seed the points are the same on all ranks, and others each time") {
  Line model;
  const auto scan = model.run_lhs_param_scan(0.0, 1.0, 2, 6);
  CHECK(world().first_difference({&scan.seed, 1}) == 1);
  const auto bits = std::bit_cast<std::uint64_t>(scan.params(3, 1));
  CHECK(world().first_difference({&bits, 1}) == 1);
  const auto other = model.run_lhs_param_scan(0.0, 1.0, 2, 6);
  CHECK_FALSE((scan.params == other.params));
  const auto again = model.run_lhs_param_scan(0.0, 1.0, 2, 6, scan.seed);
  CHECK((scan.params == again.params));
}

TEST_CASE("limits that cannot be used are refused") {
  Line model;
  check_error<ag::ArgumentError>({"run_lhs_param_scan: ", "xmaxs", "or 2, one for each, got 3"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_lhs_param_scan(0.0, {1.0, 2.0, 3.0}, 2, 6);
  });
  check_error<ag::ArgumentError>({"xmins below xmaxs", "got 1 and 0.5 for parameter 1"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_lhs_param_scan({0.0, 1.0}, {1.0, 0.5}, 2, 6);
  });
  constexpr auto none_less_one = static_cast<std::size_t>(-1);
  check_error<ag::ArgumentError>(
      {"points that fit into memory", "num_evaluations = 6 and n_dim = 18446744073709551615"}, [&](unsigned& line) {
        line = __LINE__ + 1;
        model.run_lhs_param_scan(0.0, 1.0, none_less_one, 6);
      });
  check_error<ag::ArgumentError>(
      {"points that fit into memory", "num_evaluations = 18446744073709551615 and n_dim = 2"}, [&](unsigned& line) {
        line = __LINE__ + 1;
        model.run_lhs_param_scan(0.0, 1.0, 2, none_less_one);
      });
  check_error<ag::ArgumentError>({"an array that fits into memory, got [1048576, 17592186044416]"},
                                 [&](unsigned& line) {
                                   line = __LINE__ + 1;
                                   ag::latin_hypercube(std::size_t{1} << 20, std::size_t{1} << 44, 1);
                                 });
  check_error<ag::ArgumentError>({"num_evaluations of at least 1"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_lhs_param_scan(0.0, 1.0, 2, 0);
  });
  if (world().size() == 1) return;
  check_error<ag::DivergenceError>({"same xmins[0] on every rank"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_lhs_param_scan(0.1 * world().rank(), 1.0, 2, 6);
  });
  check_error<ag::DivergenceError>({"same seed on every rank"}, [&](unsigned& line) {
    line = __LINE__ + 1;
    model.run_lhs_param_scan(0.0, 1.0, 2, 6, world().rank());
  });
}

}  // namespace test_param_scan
