// What docs/from-diffopt.md shows: the code between the marks stands there byte for byte, which documentation.py
// checks, and does what the page says.
#include <cmath>
#include <vector>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xview.hpp>

#include "catch.hpp"
#include "evaluation.hpp"
#include "readme_model.hpp"

// [shown]
#include "allgrad/allgrad.hpp"
namespace ag = allgrad;
// [/shown]

namespace test_documentation_from_diffopt {

namespace {

// [shown]
/// Weighted counts of points x [rows, d] around centers [k, d] by Gaussian kernels, as a term of each row [rows, k].
ag::Expr kernel_terms(const ag::Expr& x, const ag::Expr& weight, const ag::Expr& centers, const ag::Array& width) {
  const auto z = (expand_dims(x, 1) - centers) / width;  // [rows, k, d]
  return expand_dims(weight, 1) * exp(-0.5 * sum(square(z), 2));
}

/// The same along waves [k, d]: [rows, 2 k], cosines and sines.
ag::Expr wave_terms(const ag::Expr& x, const ag::Expr& weight, const ag::Expr& waves) {
  const auto phase = matmul(x, transpose(waves));  // [rows, k]
  return expand_dims(weight, 1) * ag::concatenate({cos(phase), sin(phase)}, 1);
}
// [/shown]

// [shown]
/// What the training data count at many centers, of which a step looks at some.
struct Pool {
  ag::Array centers, width;        // [400, d], [d]
  ag::Array counts, count_errors;  // [400]
};

Pool pretrain(const ag::Expr& x, const ag::Expr& weight, const ag::Communicator& comm) {
  const ag::Array spread = ag::evaluate(stddev(x, 0), comm);    // [d], over the rows of all ranks
  const ag::Array width = spread * std::pow(20.0, -1.0 / 6.0);  // Scott's rule for 20 kernels in 2 dimensions
  const ag::Array centers = ag::evaluate(mean(x, 0), comm) + spread * ag::random::normal(ag::Key(7), {400, 2});
  const auto terms = kernel_terms(x, weight, ag::constant(centers), width);
  return {.centers = centers,
          .width = width,
          .counts = ag::evaluate(sum(terms, 0), comm),
          .count_errors = ag::evaluate(sqrt(sum(square(terms), 0)), comm)};
}

class KernelModel final : public ag::OnePointModel {
 public:
  KernelModel(const ag::Table& points, Pool pool)
      : OnePointModel(points.communicator()), points_(points), pool_(std::move(pool)) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto x = ag::stack({params[0] + points_["x"], params[1] * points_["y"]}, 1);  // [rows, 2]
    const auto drawn = floor(400.0 * ag::random::uniform(randkey(), {20}));             // [20], others for another key
    const auto terms = kernel_terms(x, points_["weight"], gather(pool_.centers, drawn), pool_.width);
    return {sum(terms, 0), {{"drawn", drawn}}};
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& counts) const override {
    const auto truth = gather(pool_.counts, counts.aux["drawn"]);
    const auto error = gather(pool_.count_errors, counts.aux["drawn"]);
    return mean(square((counts.value - truth) / error));
  }

 private:
  ag::Table points_;
  Pool pool_;
};
// [/shown]

using allgrad::testing::first_is_empty;
using allgrad::testing::world;

/// This rank's of 900 points about the origin, of which the first rank has none; y is spread by a factor.
ag::Table points_of(std::uint64_t seed, double spread_of_y) {
  const ag::Array normal = ag::random::normal(ag::Key(seed), {900, 2});
  const auto [first, last] = first_is_empty(900, world().rank(), world().size());
  const ag::Array own = xt::view(normal, xt::range(first, last));
  const ag::Array x = xt::view(own, xt::all(), 0), y = spread_of_y * xt::view(own, xt::all(), 1);
  const ag::Array weight = xt::ones<double>({last - first});
  return ag::Table("points", {{"x", x}, {"y", y}, {"weight", weight}}, world());
}

}  // namespace

TEST_CASE("from diffopt: paths, rows of one rank, predictions per row") {
  allgrad::testing::LambdaModel model = allgrad::testing::readme_model(world());
  // [shown]
  std::vector<double> losses;  // of every tenth step, as with thin=10
  const auto keep = [&](const ag::Iterate& at) {
    if (at.step % 10 == 0) losses.push_back(at.loss);
  };
  const auto path = model.run_adam({-1.6, -0.5}, {.nsteps = 100, .learning_rate = 0.05, .callback = keep});
  const auto last = path.last_params();                          // params[-1]
  const double last_loss = model.calc_loss_from_params(last);    // losses[-1]
  const auto slopes = model.calc_dloss_dsumstats({-1.6, -0.5});  // at the statistics of these parameters
  // [/shown]
  CHECK(losses.size() == 10);
  CHECK(losses[3] == path.loss(30));
  CHECK(last_loss < path.loss(0));
  CHECK(slopes.size() == 10);

  ag::Array whole = world().is_root() ? ag::Array(xt::linspace(10.0, 12.0, 50)) : ag::Array::from_shape({0});
  // [shown]
  const ag::Table halos = ag::Table::scatter("halos", {{"log_mass", whole}}, world());  // scatter_nd, rows of rank 0
  const ag::Array predicted = ag::gather_rows(halos["log_mass"] + last(0));             // of all ranks, on rank 0
  // [/shown]
  CHECK(predicted.size() == (world().is_root() ? 50 : 0));
}

TEST_CASE("from diffopt: kernels and waves") {
  const ag::Table observed = points_of(1, 0.8), points = points_of(2, 1.0);
  // [shown]
  const Pool pool = pretrain(ag::stack({observed["x"], observed["y"]}, 1), observed["weight"], world());
  KernelModel model(points, pool);
  const auto path = model.run_adam({0.5, 1.2}, {.nsteps = 300, .learning_rate = 0.02, .randkey = 1});
  // [/shown]
  CHECK(path.last_params()(0) == Approx(0.0).margin(0.15));
  CHECK(path.last_params()(1) == Approx(0.8).margin(0.15));

  // against loops over all points
  const ag::Array normal = ag::random::normal(ag::Key(1), {900, 2});
  double count = 0.0, sum_of_squares = 0.0, cosine = 0.0, sine = 0.0;
  for (std::size_t i = 0; i < 900; ++i) {
    const double x = normal(i, 0), y = 0.8 * normal(i, 1);
    const double zx = (x - pool.centers(5, 0)) / pool.width(0), zy = (y - pool.centers(5, 1)) / pool.width(1);
    count += std::exp(-0.5 * (zx * zx + zy * zy));
    sum_of_squares += std::exp(-(zx * zx + zy * zy));
    cosine += std::cos(0.3 * x + 2.0 * y);
    sine += std::sin(0.3 * x + 2.0 * y);
  }
  CHECK(pool.counts(5) == Approx(count).epsilon(1e-10));
  CHECK(pool.count_errors(5) == Approx(std::sqrt(sum_of_squares)).epsilon(1e-10));
  const ag::Expr waves = ag::constant({{1.0, 0.0}, {0.3, 2.0}});
  const ag::Expr x = ag::stack({observed["x"], observed["y"]}, 1);
  const ag::Array modes = ag::evaluate(sum(wave_terms(x, observed["weight"], waves), 0), world());
  CHECK(modes(1) == Approx(cosine).epsilon(1e-10));
  CHECK(modes(3) == Approx(sine).epsilon(1e-10));
}

TEST_CASE("from diffopt: many starts in place of a swarm") {
  allgrad::testing::LambdaModel model = allgrad::testing::readme_model(world());
  // [shown]
  const ag::Params params = {{.name = "log_f", .guess = -1.6, .bounds = {-4, 0}},
                             {.name = "log_sigma", .guess = -0.5, .bounds = {-2, 1}}};
  const auto found = ag::run_multistart(model, params, {.num_starts = 8, .seed = 0});
  const auto best = found.best.x;  // get_best_loss_and_params
  const double best_loss = found.best.fun;
  // [/shown]
  CHECK(best(0) == Approx(-2.0).epsilon(1e-4));
  CHECK(best_loss < 1e-6);
}

}  // namespace test_documentation_from_diffopt
