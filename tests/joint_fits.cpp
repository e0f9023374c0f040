// Names, weights and aux values of joint fits, along their paths.

#include <cmath>
#include <filesystem>

#include "allgrad/allgrad.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "said.hpp"
#include "shared_folder.hpp"
#include "world.hpp"

namespace test_joint_fits {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// Two models on parts of the ranks, or both on the only rank. Model k has the loss (t p_k - 1)^2, where t is the sum
/// of x = 1, 2, ... by rank of the world over its ranks, and the aux value "sum" = t p_k, or "pair" = (t p_k, 2 t p_k).
class Pair {
 public:
  Pair() {
    for (std::size_t k = 0; k < 2; ++k) {
      if (is_mine(k)) models_.push_back(std::make_unique<LambdaModel>(make(k, "sum", "pair")));
      totals_[k] = ag::reduce_sum(is_mine(k) ? x() : 0.0);
    }
  }

  bool is_mine(std::size_t k) const { return world().size() == 1 || split_.group_rank == static_cast<int>(k); }

  LambdaModel make(std::size_t k, std::string first_aux, std::string second_aux) const {
    const ag::Table table("x", {{"x", {x()}}}, split_.subcomm);
    return LambdaModel([=](const ag::Expr& p) { return sum(p[static_cast<std::ptrdiff_t>(k)] * table["x"]); },
                       [=](const ag::Sumstats& s) -> ag::Loss {
                         const ag::Expr loss = square(s.value - 1.0);
                         if (k == 0) return {loss, {{first_aux, s.value}}};
                         return {loss, {{second_aux, ag::stack({s.value, 2.0 * s.value})}}};
                       },
                       split_.subcomm);
  }

  std::vector<ag::Term> terms(double first = 0.5, double second = 3.0) const {
    std::vector<ag::Term> result;
    for (std::size_t k = 0, i = 0; k < 2; ++k) {
      if (is_mine(k)) result.push_back({*models_[i++], k == 0 ? "counts" : "masses", k == 0 ? first : second});
    }
    return result;
  }

  LambdaModel& model(std::size_t i) { return *models_[i]; }
  double total(std::size_t k) const { return totals_[k]; }
  double term(std::size_t k, double p) const { return std::pow(totals_[k] * p - 1.0, 2); }
  const ag::Communicator& part() const { return split_.subcomm; }

 private:
  static double x() { return 1.0 + world().rank(); }

  ag::Subcomm split_ = ag::split_subcomms({.num_groups = std::min(2, world().size())});
  std::vector<std::unique_ptr<LambdaModel>> models_;
  double totals_[2] = {};
};

void check_names(const ag::AuxValues& terms, const ag::AuxValues& aux, const ag::Named<double>& weights) {
  CHECK(terms.names() == std::vector<std::string>{"counts", "masses"});
  CHECK(weights.names() == terms.names());
  CHECK(aux.names() == std::vector<std::string>{"counts.sum", "masses.pair"});
  CHECK(weights["counts"] == 0.5);
  CHECK(weights["masses"] == 3.0);
}

/// Histories [n, ...] of a path, against closed forms at its parameters.
void check_path(const Pair& pair, const xt::xtensor<double, 1>& loss, const xt::xtensor<double, 2>& params,
                const ag::AuxValues& terms, const ag::AuxValues& aux) {
  const std::size_t n = loss.size();
  REQUIRE((terms["counts"].shape(0) == n && terms["masses"].dimension() == 1));
  REQUIRE((aux["masses.pair"].shape() == ag::Array::shape_type{n, 2}));
  for (std::size_t i = 0; i < n; ++i) {
    const double first = pair.term(0, params(i, 0)), second = pair.term(1, params(i, 1));
    CHECK(terms["counts"](i) == Approx(first).margin(1e-12));
    CHECK(terms["masses"](i) == Approx(second).margin(1e-12));
    CHECK(loss(i) == Approx(0.5 * first + 3.0 * second).margin(1e-12));
    CHECK(aux["counts.sum"](i) == Approx(pair.total(0) * params(i, 0)));
    CHECK(aux["masses.pair"](i, 1) == Approx(2.0 * pair.total(1) * params(i, 1)));
  }
}

const std::vector<double> guess = {0.3, 0.2};

}  // namespace

TEST_CASE("the loss of a group is the weighted sum of its terms, which come with it and with their aux values") {
  const Pair pair;
  ag::OnePointGroup group(pair.terms());
  const auto [loss, gradient] = group.calc_loss_and_grad_from_params(guess);
  CHECK(loss == Approx(0.5 * pair.term(0, 0.3) + 3.0 * pair.term(1, 0.2)));
  CHECK(gradient(0) == Approx(0.5 * 2.0 * pair.total(0) * (pair.total(0) * 0.3 - 1.0)));
  CHECK(gradient(1) == Approx(3.0 * 2.0 * pair.total(1) * (pair.total(1) * 0.2 - 1.0)));
  CHECK(loss.terms["counts"]() == Approx(pair.term(0, 0.3)));
  CHECK(loss.terms["masses"]() == Approx(pair.term(1, 0.2)));
  CHECK(loss.aux["counts.sum"]() == Approx(pair.total(0) * 0.3));
  CHECK(loss.aux["masses.pair"](1) == Approx(pair.total(1) * 0.4));
  const auto covariance = group.calc_covariance(guess, {.errordef = 1.0});
  CHECK(covariance.matrix(1, 1) == Approx(1.0 / (3.0 * std::pow(pair.total(1), 2))));

  const std::size_t before = world().collectives();
  group.calc_loss_and_grad_from_params(guess);
  CHECK(world().collectives() - before == 1);
}

TEST_CASE("results and iterates of a joint fit have its terms and aux values, with their history") {
  const Pair pair;
  ag::OnePointGroup group(pair.terms());
  std::size_t calls = 0;
  const auto look = [&](const ag::Iterate& at) {
    ++calls;
    CHECK(at.loss == Approx(0.5 * at.terms["counts"]() + 3.0 * at.terms["masses"]()).margin(1e-14));
    CHECK(at.aux["counts.sum"]() == Approx(pair.total(0) * at.params[0]));
  };
  for (const auto& fit : {group.run_bfgs(guess, {.callback = look, .progress = false}),
                          group.run_trust_region(guess, {.callback = look, .progress = false})}) {
    CHECK(fit.success);
    check_names(fit.terms, fit.aux, fit.weights);
    check_path(pair, fit.path.loss, fit.path.params, fit.path.terms, fit.path.aux);
    CHECK(fit.path.loss.size() == fit.nit + 1);
    CHECK(fit.path.loss(0) == Approx(0.5 * pair.term(0, 0.3) + 3.0 * pair.term(1, 0.2)));
    CHECK(fit.path.loss(fit.nit) == fit.fun);
    CHECK(fit.path.params(fit.nit, 1) == fit.x(1));
    CHECK(fit.terms["masses"]() == fit.path.terms["masses"](fit.nit));
    check_parts(fit.str(), {"terms: 0.5 * counts = ", ", 3 * masses = "});
  }
  const auto adam = group.run_adam(guess, {.nsteps = 7, .learning_rate = 0.02, .callback = look, .progress = false});
  check_names(adam.terms, adam.aux, adam.weights);
  check_path(pair, adam.loss, adam.params, adam.terms, adam.aux);
  CHECK(calls > 7);
  const auto scan = group.run_lhs_param_scan(0.0, 1.0, 2, 5, 1);
  check_names(scan.terms, scan.aux, scan.weights);
  check_path(pair, scan.losses, scan.params, scan.terms, scan.aux);
}

TEST_CASE("a run that goes on from a checkpoint has the history from the start") {
  const Said said;
  const Pair pair;
  ag::OnePointGroup group(pair.terms());
  const allgrad::testing::SharedFolder folder;
  const std::string file = folder.file("joint");
  const auto check_same = [](const ag::AuxValues& a, const ag::AuxValues& b) {
    REQUIRE(a.names() == b.names());
    for (const std::string& name : a.names()) CHECK((a[name] == b[name]));
  };
  ag::Adam adam{.nsteps = 6, .learning_rate = 0.02};
  ag::Lbfgsb bfgs{.maxsteps = 4, .gtol = 0.0};
  const auto path = group.run_adam(guess, adam);
  const auto fit = group.run_bfgs(guess, bfgs);
  adam.checkpoint = {.file = file, .resume = true};
  adam.nsteps = 2;
  group.run_adam(guess, adam);
  adam.nsteps = 6;
  const auto rest = group.run_adam(guess, adam);
  CHECK((rest.loss == path.loss));
  check_same(rest.terms, path.terms);
  check_same(rest.aux, path.aux);
  world().synchronize();
  if (world().is_root()) std::filesystem::remove(file);
  bfgs.checkpoint = adam.checkpoint;
  bfgs.maxsteps = 1;
  group.run_bfgs(guess, bfgs);
  bfgs.maxsteps = 4;
  const auto on = group.run_bfgs(guess, bfgs);
  CHECK((on.path.params == fit.path.params));
  check_same(on.path.terms, fit.path.terms);
  check_same(on.aux, fit.aux);
  world().synchronize();
  if (world().is_root()) std::filesystem::remove(file);
}

TEST_CASE("a term of weight 0 is computed and not fitted, even where it is not finite") {
  const Pair pair;
  ag::OnePointGroup group(pair.terms(0.0, 2.0));
  const auto [loss, gradient] = group.calc_loss_and_grad_from_params(guess);
  CHECK(loss == Approx(2.0 * pair.term(1, 0.2)));
  CHECK(loss.terms["counts"]() == Approx(pair.term(0, 0.3)));
  CHECK(gradient(0) == 0.0);

  const bool watches = pair.is_mine(0);
  const ag::Table table("x", {{"x", {1.0}}}, pair.part());
  const auto make = [&](bool is_watched) {
    return LambdaModel([=](const ag::Expr& p) { return sum(p[0] * table["x"]) / table.total_rows(); },
                       [=](const ag::Sumstats& s) -> ag::Loss {
                         return is_watched ? log(-1.0 - square(s.value)) : square(s.value - 2.0);
                       },
                       pair.part());
  };
  LambdaModel watched = make(true), fitted = make(false);
  std::vector<ag::Term> terms;
  if (watches) terms.push_back({.model = watched, .name = "watched", .weight = 0.0});
  if (pair.is_mine(1)) terms.push_back({.model = fitted, .name = "fitted"});
  ag::OnePointGroup both(std::move(terms));
  const auto fit = both.run_bfgs({0.5}, {.progress = false});
  CHECK(fit.success);
  CHECK(fit.x(0) == Approx(2.0).epsilon(1e-5));
  CHECK(std::isnan(fit.terms["watched"]()));
  CHECK(fit.terms["fitted"]() == Approx(0.0).margin(1e-8));
}

TEST_CASE("a model that is rebuilt may have other aux values") {
  Pair pair;
  ag::OnePointGroup group(pair.terms());
  group.calc_loss_from_params(guess);
  std::string name = "sum";
  const ag::Table table("x", {{"x", {1.0}}}, pair.part());
  LambdaModel model([&](const ag::Expr& p) { return sum(p[0] * table["x"]); },
                    [&](const ag::Sumstats& s) -> ag::Loss {
                      return {square(s.value), {{name, ag::stack({s.value, s.value})}}};
                    },
                    pair.part());
  std::vector<ag::Term> terms{{.model = model}};
  ag::OnePointGroup other(terms);
  const auto names = [&] { return other.calc_loss_from_params({2.0}).aux.names(); };
  CHECK(names().front() == "models[0].sum");
  CHECK(names().size() == static_cast<std::size_t>(std::min(2, world().size())));
  if (world().size() > 1) CHECK(names().back() == "models[1].sum");
  if (pair.is_mine(0)) {  // which the ranks of the other model do not know
    name = "total";
    model.rebuild();
  }
  CHECK(names().front() == "models[0].total");
  CHECK(other.calc_loss_from_params({2.0}).aux["models[0].total"].size() == 2);
  if (world().size() > 1) CHECK(names().back() == "models[1].sum");
}

TEST_CASE("names and weights that cannot be used are refused on every rank") {
  const Pair pair;
  const auto refused = [&](const std::string& part, auto change) {
    std::vector<ag::Term> terms = pair.terms();
    change(terms);
    check_error<ag::ArgumentError>({"OnePointGroup: expected " + part}, [&](auto& line) {
      line = __LINE__ + 1;
      ag::OnePointGroup group(terms);
    });
  };
  refused("weights that are finite numbers, at least 0, got -1", [](auto& terms) { terms[0].weight = -1.0; });
  refused("weights that are finite numbers, at least 0, got nan", [](auto& terms) { terms[0].weight = std::nan(""); });
  refused("a name of its own for each model, got \"a\" twice", [](auto& terms) {
    for (auto& term : terms) term.name = "a";
  });
  if (world().size() < 3) return;
  std::vector<ag::Term> terms = pair.terms();
  if (world().rank() == 1) terms[0].name = "mine";
  std::string text = "nothing was thrown";
  try {
    ag::OnePointGroup group(terms);
  } catch (const ag::Error& error) {
    text = error.what();
  }
  check_parts(text, {"OnePointGroup: expected one name and weight of a model on all of its ranks", "\"mine\""});
}

}  // namespace test_joint_fits
