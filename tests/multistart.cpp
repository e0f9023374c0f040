// Fits from several starts.
#include "allgrad/multistart.hpp"

#include <cmath>
#include <xtensor/xbuilder.hpp>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "world.hpp"

namespace test_multistart {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// (u^2 - 4)^2 / 16 + 0.1 u + (v - 1/2)^2, with minima at u near 2 and, lower, near -2, where u is the mean over rows
/// 0 ... 11 of u + v (row - 5.5).
std::unique_ptr<LambdaModel> make_model(const ag::Communicator& comm) {
  const auto size = static_cast<double>(comm.size()), rank = static_cast<double>(comm.rank());
  const double first = std::floor(12.0 * rank / size), last = std::floor(12.0 * (rank + 1.0) / size);
  const xt::xarray<double> numbers = xt::arange(first, last);
  const ag::Table rows("rows", {{"number", numbers}}, comm);
  return std::make_unique<LambdaModel>([rows](const ag::Expr& p) { return mean(p[0] + (rows["number"] - 5.5) * p[1]); },
                                       [](const ag::Sumstats& s) {
                                         const ag::Expr u = s.value, v = s.params[1];
                                         return square(square(u) - 4.0) / 16.0 + 0.1 * u + square(v - 0.5);
                                       },
                                       comm);
}

const ag::Params params = {{.name = "u", .bounds = {-4.0, 4.0}}, {.name = "v", .bounds = {-1.0, 1.0}}};

}  // namespace

TEST_CASE("fits from a Latin hypercube find the lowest minimum, and say how many came to it") {
  const auto model = make_model(world());
  const ag::Multistart found = ag::run_multistart(*model, params, {.num_starts = 8, .seed = 3});
  INFO(found.str());
  CHECK(found.fits.size() == 8);
  CHECK(found.best.success);
  CHECK(found.best.x(0) == Approx(-2.0482403).epsilon(1e-6));  // a root of u^3 / 4 - u + 0.1
  CHECK(found.best.x(1) == Approx(0.5).epsilon(1e-5));
  std::size_t lower = 0;
  for (std::size_t n = 0; n < 8; ++n) {
    CHECK(found.fits[n].success);
    lower += found.fits[n].x(0) < 0.0 ? 1 : 0;
    CHECK((found.starts(n, 0) >= -4.0 && found.starts(n, 0) <= 4.0));
    CHECK((found.starts(n, 1) >= -1.0 && found.starts(n, 1) <= 1.0));
  }
  CHECK(found.num_at_best == lower);
  CHECK((lower > 0 && lower < 8));
  CHECK(found.str().find(fmt::format("starts: 8, of which 8 converged, {} of these", lower)) != std::string::npos);
}

TEST_CASE("fits on parts of a communicator are those of one model after the other") {
  const auto model = make_model(world());
  const ag::MultistartOptions options{.num_starts = 5, .seed = 1, .optimizer = ag::Lbfgsb{.progress = false}};
  const ag::Multistart expected = ag::run_multistart(*model, params, options);
  for (const int ranks_per_fit : {1, 2}) {
    auto with_ranks = options;
    with_ranks.ranks_per_fit = ranks_per_fit;
    std::vector<int> sizes;
    const ag::Multistart found = ag::run_multistart(
        [&](const ag::Communicator& part) {
          sizes.push_back(part.size());
          return make_model(part);
        },
        params, with_ranks);
    CHECK(sizes.size() == 1);
    CHECK(sizes[0] >= std::min(ranks_per_fit, world().size()));
    CHECK(sizes[0] <= 2 * ranks_per_fit);
    CHECK((found.starts == expected.starts));
    CHECK(found.num_at_best == expected.num_at_best);
    for (std::size_t n = 0; n < 5; ++n) {
      CHECK(found.fits[n].nfev == expected.fits[n].nfev);
      CHECK(found.fits[n].names == expected.fits[n].names);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(found.fits[n].x(i) == Approx(expected.fits[n].x(i)).epsilon(1e-9).margin(1e-9));
      }
    }
  }
}

TEST_CASE("starts may be given, and one where the loss is not finite is a fit without success") {
  LambdaModel model([](const ag::Expr& p) { return p; },
                    [](const ag::Sumstats& s) { return s.value[0] - log(s.value[0]); });
  const ag::Multistart found = ag::run_multistart(model, {{.name = "x"}}, {.starts = {{2.0}, {-1.0}, {0.1}}});
  CHECK(found.best.x(0) == Approx(1.0).epsilon(1e-4));
  CHECK(found.num_at_best == 2);
  CHECK_FALSE(found.fits[1].success);
  CHECK(found.fits[1].message.find("expected a guess at which loss and gradient are finite") != std::string::npos);
  check_error<ag::ArgumentError>({"expected a guess at which loss and gradient are finite"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::run_multistart(model, {{.name = "x"}}, {.starts = {{-2.0}}});
  });
  check_error<ag::ArgumentError>({"run_multistart: expected bounds on both sides of x"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::run_multistart(model, {{.name = "x", .bounds = {.low = 0.0}}});
  });
  check_error<ag::ArgumentError>({"run_multistart: expected starts of 1 numbers"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::run_multistart(model, {{.name = "x"}}, {.starts = {{2.0, 1.0}}});
  });
  for (const ag::Lbfgsb& own :
       {ag::Lbfgsb{.param_bounds = {{0.0, 3.0}}}, ag::Lbfgsb{.checkpoint = {.file = "fit.ckpt"}}}) {
    check_error<ag::ArgumentError>({"run_multistart: expected an optimizer without param_bounds and checkpoint"},
                                   [&](auto& line) {
                                     line = __LINE__ + 1;
                                     ag::run_multistart(model, {{.name = "x"}}, {.starts = {{2.0}}, .optimizer = own});
                                   });
  }
}

TEST_CASE("fits on parts of a communicator have the same arguments on all of it") {
  if (world().size() == 1) return;
  const bool is_other = world().rank() == world().size() - 1;
  check_error<ag::DivergenceError>({"run_multistart: expected the same tolerance on every rank"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::run_multistart(make_model, params, {.tolerance = is_other ? 0.1 : 0.01}, world());
  });
  // of which each part alone would see no difference
  const double gtol = is_other ? 1e-4 : 1e-5;
  check_error<ag::DivergenceError>({"run_multistart: expected the same gtol of the optimizer on every rank"},
                                   [&](auto& line) {
                                     line = __LINE__ + 1;
                                     ag::run_multistart(make_model, params, {.optimizer = ag::Lbfgsb{.gtol = gtol}});
                                   });
  ag::Params other = params;
  if (is_other) other[0].bounds.low -= 1.0;
  const xt::xtensor<double, 2> starts = {{params[0].guess, params[1].guess}};
  check_error<ag::DivergenceError>({"run_multistart: expected the same low bound of u on every rank"}, [&](auto& line) {
    line = __LINE__ + 1;
    ag::run_multistart(make_model, other, {.starts = starts}, world());
  });
}

TEST_CASE("a number of starts that cannot be used is refused") {
  const auto model = make_model(world());
  const auto check = [&](std::size_t num_starts, const std::string& part) {
    check_error<ag::ArgumentError>({part}, [&](unsigned& line) {
      line = __LINE__ + 1;
      ag::run_multistart(*model, params, {.num_starts = num_starts});
    });
  };
  check(0, "num_starts of at least 1, got 0");
  check(static_cast<std::size_t>(-1), "starts that fit into memory, got num_starts = 18446744073709551615");
}

TEST_CASE("frozen parameters keep their guess in all starts") {
  const auto model = make_model(world());
  ag::Params some = params;
  some[1] = {.name = "v", .guess = 0.25, .frozen = true};
  const ag::Multistart found = ag::run_multistart(*model, some, {.num_starts = 3});
  for (std::size_t n = 0; n < 3; ++n) {
    CHECK(found.starts(n, 1) == 0.25);
    CHECK(found.fits[n].x(1) == 0.25);
  }
}

}  // namespace test_multistart
