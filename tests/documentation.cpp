// What README.md, docs/tour.md, docs/inspection.md and docs/from-multigrad.md show: the code between the marks stands
// there byte for byte, which documentation.py checks, and does what the pages say.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xview.hpp>

#include "check_error.hpp"

// [shown]
#include "allgrad/allgrad.hpp"
namespace ag = allgrad;
// [/shown]

namespace test_documentation {

namespace {

// [shown]
struct Observation {
  xt::xarray<double> edges;    // [11]
  xt::xarray<double> density;  // [10]
  double volume;
};

class Smf : public ag::OnePointModel {
 public:
  Smf(const ag::Table& halos, Observation observed)
      : OnePointModel(halos.communicator()), halos_(halos), observed_(std::move(observed)) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto mean = params[0] + halos_["log_mass"];                                    // [rows]
    const auto sigma = pow(10.0, params[1]);                                             // []
    const auto z = (observed_.edges - expand_dims(mean, 1)) / (std::sqrt(2.0) * sigma);  // [rows, 11]
    const auto cdf = 0.5 * (1.0 + erf(z));                                               // [rows, 11]
    return sum(diff(cdf), 0) / (observed_.volume * xt::diff(observed_.edges));           // [10]
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override {
    return mean(square(log10(smf.value + 1e-10) - log10(observed_.density + 1e-10)));
  }

 protected:
  ag::Table halos_;
  Observation observed_;
};
// [/shown]

// [shown]
class SmfWithPrior final : public Smf {
 public:
  using Smf::Smf;

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return {Smf::calc_partial_sumstats_from_params(params).value, {{"log_sigma", params[1]}}};
  }

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& smf) const override {
    const auto misfit = Smf::calc_loss_from_sumstats(smf).value;
    const auto prior = square((smf.aux["log_sigma"] + 0.7) / 0.1);
    return {misfit + prior, {{"misfit", misfit}, {"prior", prior}}};
  }
};
// [/shown]

// [shown]
class SmfWithDraws final : public Smf {
 public:
  using Smf::Smf;

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    const auto scatter = pow(10.0, params[1]) * ag::random::normal(randkey(), {halos_.rows()});  // [rows]
    const auto log_mstar = params[0] + halos_["log_mass"] + scatter;                             // [rows]
    const auto cdf = sigmoid((observed_.edges - expand_dims(log_mstar, 1)) / 0.05);              // [rows, 11]
    return sum(diff(cdf), 0) / (observed_.volume * xt::diff(observed_.edges));                   // [10]
  }
};
// [/shown]

constexpr std::size_t num_halos = 10000;

const nlohmann::json& reference() {
  static const auto json =
      nlohmann::json::parse(std::ifstream(std::string(std::getenv("ALLGRAD_TEST_DATA")) + "/optimizers.json"));
  return json;
}

Observation observation(double volume = 1e5) {
  const auto target = reference()["target"].get<std::vector<double>>();
  xt::xarray<double> density = xt::zeros<double>({target.size()});
  std::ranges::copy(target, density.begin());
  return {.edges = xt::linspace(9.0, 10.0, 11), .density = density, .volume = volume};
}

xt::xarray<double> all_masses() {
  return 10.0 - xt::log10(1.0 - 0.95 * xt::arange<double>(num_halos) / (num_halos - 1.0));
}

/// This rank's rows, more of them on ranks that come later.
xt::xarray<double> masses(const ag::Communicator& comm) {
  const auto rank = static_cast<std::size_t>(comm.rank()), size = static_cast<std::size_t>(comm.size());
  return xt::view(all_masses(), xt::range(num_halos * rank * rank / (size * size),
                                          num_halos * (rank + 1) * (rank + 1) / (size * size)));
}

struct World {
  ag::Communicator comm = ag::Communicator::world();
  ag::Table halos{"halos", {{"log_mass", masses(comm)}}, comm};
};

template <class Numbers>
void check_close(const Numbers& found, const std::vector<double>& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("number " << i);
    CHECK(std::abs(*(found.begin() + static_cast<std::ptrdiff_t>(i)) - expected[i]) <=
          tolerance * std::max(1.0, std::abs(expected[i])));
  }
}

/// All numbers of an array of arrays, or of numbers.
template <class Numbers>
std::vector<double> list(const Numbers& numbers) {
  return {numbers.begin(), numbers.end()};
}
std::vector<double> list(const nlohmann::json& json) {
  if (json.is_number()) return {json.get<double>()};
  std::vector<double> result;
  for (const auto& entry : json) {
    const auto numbers = list(entry);
    result.insert(result.end(), numbers.begin(), numbers.end());
  }
  return result;
}

}  // namespace

TEST_CASE("a model gives numbers") {
  const auto world = ag::Communicator::world();
  const auto log_mass = masses(world);
  const auto observed = observation();
  // [shown]
  const ag::Table halos("halos", {{"log_mass", log_mass}}, world);
  Smf model(halos, observed);
  // [/shown]
  SmfWithDraws drawing(halos, observed);
  // [shown]
  const std::vector<double> params = {-1.6, -0.5};  // or an xtensor array, or {-1.6, -0.5} in the call

  const xt::xarray<double> smf = model.calc_sumstats_from_params(params);
  const xt::xarray<double> own = model.calc_sumstats_from_params(params, false);
  const double loss = model.calc_loss_from_params(params);
  const xt::xtensor<double, 1> gradient = model.calc_dloss_dparams(params);
  const auto [same_loss, same_gradient] = model.calc_loss_and_grad_from_params(params);
  const double loss_of_draws = drawing.calc_loss_from_params(params, 42);
  // [/shown]
  CHECK(loss == Approx(reference()["loss"].get<double>()).epsilon(1e-10));
  CHECK(same_loss == Approx(loss).epsilon(1e-14));
  check_close(gradient, list(reference()["dloss_dparams"]), 1e-10);
  check_close(same_gradient, {gradient.begin(), gradient.end()}, 1e-13);
  const auto sum_of_own = ag::reduce_sum(own, world);
  check_close(sum_of_own, {smf.begin(), smf.end()}, 1e-13);
  CHECK((world.size() == 1 || own(9) < smf(9)));

  const auto normal = ag::random::normal(ag::Key(42), {num_halos});
  const xt::xarray<double> log_mstar = -1.6 + all_masses() + std::pow(10.0, -0.5) * normal;
  const xt::xarray<double> z = (observed.edges - xt::expand_dims(log_mstar, 1)) / 0.05;
  const xt::xarray<double> cdf = 1.0 / (1.0 + xt::exp(-z));
  const xt::xarray<double> counts = xt::sum(xt::diff(cdf, 1, 1), {0});
  const xt::xarray<double> drawn = counts / (1e5 * xt::diff(observed.edges));
  check_close(drawing.calc_sumstats_from_params(params, true, 42), {drawn.begin(), drawn.end()}, 1e-12);
  CHECK(loss_of_draws ==
        Approx(xt::mean(xt::square(xt::log10(drawn + 1e-10) - xt::log10(observed.density + 1e-10)))()).epsilon(1e-10));
}

TEST_CASE("the two functions of a model take numbers") {
  const World w;
  Smf model(w.halos, observation());
  const ag::Communicator& world = w.comm;
  // [shown]
  const ag::Sumstats smf = model.calc_partial_sumstats_from_params(ag::constant({-1.6, -0.5}));
  const xt::xarray<double> total = ag::evaluate(smf.value, world);
  const xt::xarray<double> own = ag::evaluate(smf.value, world, false);
  const double loss = ag::evaluate(model.calc_loss_from_sumstats(total).value, world)();
  // [/shown]
  CHECK(loss == Approx(reference()["loss"].get<double>()).epsilon(1e-10));
  check_close(ag::reduce_sum(own, world), {total.begin(), total.end()}, 1e-13);
}

TEST_CASE("aux values come back as numbers, and those of the statistics keep their gradient") {
  const World w;
  SmfWithPrior model(w.halos, observation());
  // [shown]
  const ag::LossValue loss = model.calc_loss_from_params({-1.6, -0.5});
  const double misfit = loss.aux["misfit"]();
  const double prior = loss.aux["prior"]();
  // [/shown]
  CHECK(misfit == Approx(reference()["loss"].get<double>()).epsilon(1e-10));
  CHECK(prior == Approx(4.0));
  CHECK(loss == Approx(misfit + prior));
  const auto gradient = list(reference()["dloss_dparams"]);
  check_close(model.calc_dloss_dparams({-1.6, -0.5}), {gradient[0], gradient[1] + 40.0}, 1e-10);
}

TEST_CASE("optimizers") {
  const World w;
  SmfWithPrior with_prior(w.halos, observation());
  Smf model(w.halos, observation());
  SECTION("gradient descent") {
    // [shown]
    const ag::Trajectory path = model.run_simple_grad_descent({-1.6, -0.5}, {.nsteps = 50, .learning_rate = 0.01});
    const xt::xtensor<double, 1>& losses = path.loss;    // [50]
    const xt::xtensor<double, 2>& params = path.params;  // [51, 2], from the guess to the end
    // [/shown]
    check_close(losses, list(reference()["gradient_descent"]["loss"]), 1e-10);
    check_close(params, list(reference()["gradient_descent"]["params"]), 1e-10);
    const auto path_with_aux = with_prior.run_simple_grad_descent({-1.6, -0.5}, {.nsteps = 3, .learning_rate = 1e-4});
    CHECK(path_with_aux.aux["prior"].size() == 3);
  }
  SECTION("Adam") {
    // [shown]
    const ag::Trajectory path =
        model.run_adam({-1.6, -0.5}, {.nsteps = 100, .param_bounds = {{-4, 0}, {-1.5, 0.5}}, .learning_rate = 0.02});
    const xt::xtensor<double, 2>& params = path.params;                // [101, 2]
    const xt::xtensor<double, 1> last = path.last_params();            // [2]
    const xt::xtensor<double, 1>& best = path.best.params;             // [2], at the lowest loss
    const ag::Bounds bounds = {{-4, 0}, {}, {.low = 0}, {.high = 1}};  // [(-4, 0), None, (0, None), (None, 1)]
    // [/shown]
    check_close(params, list(reference()["adam_bounded"]["params"]), 1e-10);
    CHECK(last(1) == params(100, 1));
    CHECK(model.calc_loss_from_params(best) == Approx(path.best.loss));
    CHECK_FALSE(bounds[3].has_low());
  }
  SECTION("Adam with keys") {
    SmfWithDraws drawing(w.halos, observation());
    // [shown]
    const auto path = drawing.run_adam({-1.6, -0.5}, {.nsteps = 20, .learning_rate = 0.1, .randkey = 1});
    const auto fixed = drawing.run_adam({-1.6, -0.5}, {.nsteps = 20, .randkey = 1, .const_randkey = true});
    // [/shown]
    CHECK(path.loss(0) == Approx(drawing.calc_loss_from_params({-1.6, -0.5}, ag::random::fold_in(1, 0)).value));
    CHECK(fixed.loss(0) == Approx(drawing.calc_loss_from_params({-1.6, -0.5}, 1).value));
  }
  SECTION("L-BFGS-B") {
    // [shown]
    const ag::OptimizeResult fit = model.run_bfgs({-1.6, -0.5}, {.param_bounds = {{-4, 0}, {-0.5, 1}}});
    const std::vector<double> v = {1.0, 0.0};
    const xt::xtensor<double, 1> product = fit.hess_inv.dot(v);
    // [/shown]
    const auto& expected = reference()["lbfgsb_bounded"];
    CHECK(fit.success);
    check_close(fit.x, list(expected["x"]), 1e-6);
    check_close(fit.jac, list(expected["jac"]), 1e-5);
    CHECK(fit.nfev >= fit.nit);
    CHECK(product(0) > 0.0);
  }
  SECTION("Latin hypercube") {
    // [shown]
    const ag::ParamScan scan = model.run_lhs_param_scan({-2.5, -1.0}, {-1.5, -0.2}, 2, 20, 7);
    const xt::xtensor<double, 2>& params = scan.params;  // [20, 2]
    const xt::xarray<double>& sumstats = scan.sumstats;  // [20, 10]
    const xt::xtensor<double, 1>& losses = scan.losses;  // [20]
    // [/shown]
    const std::vector<double> third = {params(3, 0), params(3, 1)};
    CHECK(losses(3) == Approx(model.calc_loss_from_params(third).value));
    CHECK(sumstats(3, 9) == Approx(model.calc_sumstats_from_params(third)(9)));
    CHECK(with_prior.run_lhs_param_scan(-2.0, -1.0, 2, 4).aux["prior"].size() == 4);
  }
}

TEST_CASE("declared parameters, schedules, callbacks and graphs") {
  const World w;
  Smf model(w.halos, observation());
  // [shown]
  const ag::Params params = {{.name = "log_f", .guess = -1.6, .bounds = {-4, 0}},
                             {.name = "log_sigma", .guess = -0.5, .bounds = {.high = 0.5}, .scale = 0.1}};
  const auto fit = model.run_bfgs(params);
  const auto cooling = [](std::size_t step) { return 0.2 * std::pow(0.995, step); };
  const auto good_enough = [](const ag::Iterate& at) {
    return at.loss < 1e-4 ? ag::Control::stop : ag::Control::proceed;
  };
  const auto path = model.run_adam(params, {.nsteps = 500, .learning_rate = cooling, .callback = good_enough});
  const auto scan = model.run_lhs_param_scan({-2.5, -1.0}, {-1.5, -0.2}, 2, 100);  // at 100 points
  // [/shown]
  check_close(fit.x, list(reference()["lbfgsb"]["x"]), 1e-3);
  ag::testing::check_parts(fmt::format("{}", fit), {"x: log_f = -", ", log_sigma = -0."});
  CHECK(path.loss(path.loss.size() - 1) < 1e-4);
  CHECK(path.loss.size() < 500);
  CHECK(scan.losses.size() == 100);

  const ag::Adam adam{.learning_rate = 0.02};
  // [shown]
  auto state = adam.init(model.compiled(2), {-1.6, -0.5});
  while (!state.ended()) adam.step(state);
  // [/shown]
  check_close(state.result().params, list(reference()["adam"]["params"]), 1e-10);
}

TEST_CASE("the graph of a model, to look at") {
  const World w;
  Smf model(w.halos, observation());
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("allgrad_test_{}", getpid());
  std::filesystem::create_directory(folder);
  std::filesystem::current_path(folder);
  // [shown]
  model.compiled(2).write_dot("smf.dot");        // dot -Tsvg smf.dot -o smf.svg
  fmt::print("{}\n", model.compiled(2).text());  // one node per line
  // [/shown]
  CHECK(std::filesystem::exists("smf.dot") == w.comm.is_root());
  ag::testing::check_parts(model.compiled(2).text(ag::Stage::built), {"log_mass", "documentation.cpp:"});
  std::filesystem::current_path("/");
  std::filesystem::remove_all(folder);
}

TEST_CASE("a number of a model is computed on all ranks and printed on one") {
  const World w;
  const ag::Communicator& world = w.comm;
  Smf model(w.halos, observation());
  // [shown]
  const ag::LossValue loss = model.calc_loss_from_params({-2.0, -0.7});  // right: compute on all,
  if (world.is_root()) fmt::print("{}\n", loss);                         // print on one

  // wrong: rank 0 waits in the model for ranks that never come
  // if (world.is_root()) fmt::print("{}\n", model.calc_loss_from_params({-2.0, -0.7}));
  // [/shown]
  CHECK(loss.value < 1e-8);  // where the observation was made
}

TEST_CASE("groups of models on parts of a communicator") {
  const World w;
  const ag::Communicator& world = w.comm;
  Smf near(w.halos, observation()), far(w.halos, observation(2e5));
  // [shown]
  ag::OnePointGroup both({near, far}, world);  // models that share ranks take turns
  // [/shown]
  const double expected = near.calc_loss_from_params({-1.6, -0.5}) + far.calc_loss_from_params({-1.6, -0.5});
  CHECK(both.calc_loss_from_params({-1.6, -0.5}) == Approx(expected));
  {
    // [shown]
    ag::OnePointGroup joint({{.model = near, .name = "near"}, {.model = far, .name = "far", .weight = 0.5}}, world);
    const ag::OptimizeResult fit = joint.run_bfgs({-1.6, -0.5});
    const double near_alone = fit.terms["near"]();
    const xt::xarray<double> history = fit.path.terms["far"];  // at each iterate; of Adam, path.terms["far"]
    // [/shown]
    CHECK(fit.fun == Approx(near_alone + 0.5 * history(fit.nit)));
  }
  if (world.size() == 1) return;

  const auto observation_of = [](int group) { return observation(group == 0 ? 1e5 : 2e5); };
  const auto read_halos = [](int, const ag::Communicator& comm) {
    return ag::Table("halos", {{"log_mass", masses(comm)}}, comm);
  };
  // [shown]
  const auto [subcomm, num_groups, group_rank] = ag::split_subcomms({.num_groups = 2}, world);
  Smf model(read_halos(group_rank, subcomm), observation_of(group_rank));
  ag::OnePointGroup group(model, world);
  const auto [loss, gradient] = group.calc_loss_and_grad_from_params({-1.6, -0.5});
  const ag::OptimizeResult fit = group.run_bfgs({-1.6, -0.5});
  // [/shown]
  CHECK(num_groups == 2);
  CHECK(loss == Approx(expected).epsilon(1e-12));
  check_close(gradient, list(both.calc_dloss_dparams({-1.6, -0.5})), 1e-12);
  CHECK(fit.success);
}

TEST_CASE("parts of a communicator, and sums over ranks") {
  const auto world = ag::Communicator::world();
  const std::vector<int> ranks_per_group(static_cast<std::size_t>(world.size()), 1);
  // [shown]
  const ag::Subcomm part = ag::split_subcomms({.ranks_per_group = ranks_per_group}, world);
  const ag::Subcomm node = ag::split_subcomms_by_node(world);
  // [/shown]
  CHECK(part.num_groups == world.size());
  CHECK(part.group_rank == world.rank());
  CHECK(node.subcomm.size() <= world.size());

  const double value = 1.0 + world.rank();
  const xt::xarray<double> array = {value, 2.0};
  // [shown]
  const double total = ag::reduce_sum(value, world);
  const xt::xarray<double> totals = ag::reduce_sum(array, world);
  const std::optional<double> at_root = ag::reduce_sum(value, 0, world);  // empty on the other ranks
  // [/shown]
  CHECK(total == world.size() * (world.size() + 1) / 2.0);
  CHECK(totals(1) == 2.0 * world.size());
  CHECK(at_root.has_value() == world.is_root());
}

TEST_CASE("JAX's names of random functions") {
  // [shown]
  const ag::Key key = 42;                                       // jax.random.key(42)
  const ag::Key next = ag::random::fold_in(key, 7);             // jax.random.fold_in(key, 7)
  const std::vector<ag::Key> keys = ag::random::split(key, 3);  // jax.random.split(key, 3)
  const auto u = ag::random::uniform(key, {4, 3});              // jax.random.uniform(key, (4, 3))
  const auto v = ag::random::uniform(key, {8}, -1.0, 1.0);      // jax.random.uniform(key, (8,), minval=-1, maxval=1)
  const auto n = ag::random::normal(key, {8});                  // jax.random.normal(key, (8,))
  const auto f = ag::random::normal<float>(key, {8});           // jax.random.normal(key, (8,), dtype="float32")
  const auto b = ag::random::bits(key, {8});                    // jax.random.bits(key, (8,), dtype="uint32")
  // [/shown]
  const auto random =
      nlohmann::json::parse(std::ifstream(std::string(std::getenv("ALLGRAD_TEST_DATA")) + "/random.json"))["keys"];
  const auto entry = std::ranges::find_if(random, [](const auto& e) { return e["seed"] == 42; });
  REQUIRE(entry != random.end());
  check_close(u, list((*entry)["uniform_f64_4x3"]), 0.0);
  check_close(n, list((*entry)["normal_f64_8"]), 1e-13);
  check_close(f, list((*entry)["normal_f32_8"]), 1e-6);
  const auto plain = list((*entry)["uniform_f64_8"]);
  CHECK(v(3) == 2.0 * plain[3] - 1.0);
  CHECK(std::to_string(b(7)) == (*entry)["bits32_8"][7].get<std::string>());
  CHECK(std::to_string(keys[2].words()[1]) == (*entry)["split_3"][5].get<std::string>());
  CHECK(std::to_string(next.words()[0]) == (*entry)["fold_in_7"][0].get<std::string>());
}

TEST_CASE("jax.numpy's names of functions") {
  using ag::constant;
  const xt::xarray<double> a = {{-0.5, 2.0, 0.25}, {1.0, -3.0, 0.5}}, b = {2.0, 0.5, 1.0};
  const ag::Expr x = constant(a), y = constant(b);
  const std::vector<ag::Expr> found{
      // [shown]
      sum(x),                           // jnp.sum(x)
      sum(x, 0),                        // jnp.sum(x, axis=0)
      mean(x, {0, 1}),                  // jnp.mean(x, axis=(0, 1))
      pow(y, 3.0),                      // y ** 3, jnp.power(y, 3)
      square(x),                        // x ** 2, jnp.square(x)
      maximum(x, y),                    // jnp.maximum(x, y)
      minimum(maximum(x, 0.0), 1.0),    // jnp.clip(x, 0, 1)
      where(x > 0.0 && x < y, x, 0.0),  // jnp.where((x > 0) & (x < y), x, 0)
      equal(x, y),                      // x == y
      erf(x),                           // jax.scipy.special.erf(x)
      sigmoid(x),                       // jax.nn.sigmoid(x)
      diff(x),                          // jnp.diff(x)
      diff(x, 1, 0),                    // jnp.diff(x, axis=0)
      expand_dims(y, 1),                // y[:, None], jnp.expand_dims(y, 1)
      x[0],                             // x[0]
      view(x, ag::all(), 1),            // x[:, 1]
      view(x, 0, ag::range(1, 3)),      // x[0, 1:3]
      reshape(x, {3, 2}),               // x.reshape(3, 2)
      broadcast_to(y, {2, 3}),          // jnp.broadcast_to(y, (2, 3))
      ag::concatenate({x[0], y}),       // jnp.concatenate([x[0], y])
      ag::stack({sum(x), y[0], y[1]}),  // jnp.array([jnp.sum(x), y[0], y[1]])
      ag::constant({9.0, 9.5, 10.0}),   // jnp.array([9.0, 9.5, 10.0])

      // [/shown]
  };
  const xt::xarray<double> row = xt::view(a, 0), zeros = xt::zeros<double>({2, 3});
  const std::vector<xt::xarray<double>> expected{
      xt::xarray<double>(0.25),
      {0.5, -1.0, 0.75},
      xt::xarray<double>(0.25 / 6.0),
      {8.0, 0.125, 1.0},
      a * a,
      {{2.0, 2.0, 1.0}, {2.0, 0.5, 1.0}},
      {{0.0, 1.0, 0.25}, {1.0, 0.0, 0.5}},
      {{0.0, 0.0, 0.25}, {1.0, 0.0, 0.5}},
      zeros,
      xt::erf(a),
      1.0 / (1.0 + xt::exp(-a)),
      {{2.5, -1.75}, {-4.0, 3.5}},
      {{1.5, -5.0, 0.25}},
      xt::expand_dims(b, 1),
      row,
      {2.0, -3.0},
      {2.0, 0.25},
      {{-0.5, 2.0}, {0.25, 1.0}, {-3.0, 0.5}},
      zeros + b,
      {-0.5, 2.0, 0.25, 2.0, 0.5, 1.0},
      {0.25, 2.0, 0.5},
      {9.0, 9.5, 10.0},
  };
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    INFO("expression " << i);
    const ag::Array value = ag::evaluate(found[i]);
    CHECK(value.shape() == expected[i].shape());
    check_close(value, {expected[i].begin(), expected[i].end()}, 1e-14);
  }
}

}  // namespace test_documentation
