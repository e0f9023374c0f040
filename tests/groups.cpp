// Joint fits: models on parts of a communicator, whose losses and gradients meet in one collective.
#include <fmt/format.h>

#include "allgrad/custom.hpp"
#include "allgrad/one_point_group.hpp"
#include "allgrad/random.hpp"
#include "allgrad/subcomms.hpp"
#include "check_error.hpp"
#include "examples/models/smf.hpp"
#include "examples/models/twostage.hpp"
#include "lambda_model.hpp"
#include "reference_models.hpp"
#include "world.hpp"

namespace test_groups {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// A reference model that takes its parameters from a part of the group's, `first` and those that follow.
template <class Model>
class Part final : public ag::OnePointModel {
 public:
  Part(const std::string& name, std::ptrdiff_t first, const ag::Communicator& comm)
      : OnePointModel(comm), model_(make_table(read_json("models.json").at(name), uneven, comm), {}), first_(first) {}
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& params) const override {
    return model_.calc_partial_sumstats_from_params(view(params, {ag::range(first_, first_ + 2)}));
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& sumstats) const override {
    return model_.calc_loss_from_sumstats(sumstats);
  }

 private:
  Model model_;
  std::ptrdiff_t first_;
};

using SmfPart = Part<models::Smf>;
using TwoStagePart = Part<models::TwoStage>;

/// Loss and gradient of both, from models.json: smf has the first two parameters, twostage the others.
struct Reference {
  Reference() {
    const Json models = read_json("models.json");
    for (const char* name : {"smf", "twostage"}) {
      loss += models.at(name).at("loss").get<double>();
      for (const double p : models.at(name).at("params")) params.push_back(p);
      for (const double g : models.at(name).at("dloss_dparams")) gradient.push_back(g);
    }
  }
  double loss = 0.0;
  std::vector<double> params, gradient;
};

void check_reference(ag::ModelBase& group) {
  const Reference expected;
  const auto [loss, gradient] = group.calc_loss_and_grad_from_params(expected.params);
  CHECK(loss == Approx(expected.loss).epsilon(1e-10));
  REQUIRE(gradient.size() == expected.gradient.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(gradient(i) == Approx(expected.gradient[i]).epsilon(1e-10));
  CHECK(group.calc_loss_from_params(expected.params) == Approx(expected.loss).epsilon(1e-10));
  const auto alone = group.calc_dloss_dparams(expected.params);
  for (std::size_t i = 0; i < gradient.size(); ++i) CHECK(alone(i) == gradient(i));
}

template <class Action>
void check_throws(const std::vector<std::string>& parts, Action action) {
  try {
    action();
    FAIL_CHECK("nothing was thrown");
  } catch (const std::exception& error) {
    check_parts(error.what(), parts);
  }
}

int num_groups() { return std::min(2, world().size()); }

/// The sum of x over this communicator's ranks, x = 1, 2, ... by rank of the world, times params[which], squared,
/// minus 1.
LambdaModel tiny_model(std::ptrdiff_t which, const ag::Communicator& comm) {
  const ag::Table table("tiny", {{"x", {1.0 + world().rank()}}}, comm);
  return LambdaModel([=](const ag::Expr& params) { return sum(params[which] * table["x"]); },
                     [](const ag::Sumstats& sumstats) { return square(sumstats.value - 1.0); }, comm);
}

double tiny_total(const ag::Communicator& comm) { return ag::reduce_sum(1.0 + world().rank(), comm); }

}  // namespace

TEST_CASE("models on parts of the ranks, at the same time") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  if (world().size() == 1) {
    SmfPart smf("smf", 0, world());
    TwoStagePart twostage("twostage", 2, world());
    ag::OnePointGroup group({smf, twostage});
    check_reference(group);
  } else if (split.group_rank == 0) {
    SmfPart smf("smf", 0, split.subcomm);
    ag::OnePointGroup group(smf);
    check_reference(group);
  } else {
    TwoStagePart twostage("twostage", 2, split.subcomm);
    ag::OnePointGroup group(twostage);
    check_reference(group);
  }
}

TEST_CASE("models that share ranks") {
  SmfPart smf("smf", 0, world());
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  if (split.group_rank == 0) {  // twostage has its ranks alone, smf all of them
    TwoStagePart twostage("twostage", 2, split.subcomm);
    ag::OnePointGroup group({smf, twostage});
    check_reference(group);
  } else {
    ag::OnePointGroup group(smf);
    check_reference(group);
  }
}

TEST_CASE("a group needs one collective of the main communicator") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  auto model = tiny_model(split.group_rank, split.subcomm);
  ag::OnePointGroup group(model);
  group.calc_loss_and_grad_from_params({1.0, 2.0});
  const std::size_t before = world().collectives();
  group.calc_loss_and_grad_from_params({1.0, 2.0});
  CHECK(world().collectives() - before == 1);
}

TEST_CASE("a group is fitted in every way that a model is") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  auto model = tiny_model(split.group_rank, split.subcomm);
  ag::OnePointGroup group(model);
  const auto ndim = static_cast<std::size_t>(num_groups());
  const std::vector<double> guess(ndim, 0.5);
  std::vector<double> minimum(ndim);  // 1 / the sum of x over the ranks of each group
  for (std::size_t i = 0; i < ndim; ++i) {
    const bool own = static_cast<std::size_t>(split.group_rank) == i;
    minimum[i] = 1.0 / ag::reduce_sum(own ? 1.0 + world().rank() : 0.0);
  }

  const auto fit = group.run_bfgs(guess, {.gtol = 1e-9, .progress = false});
  CHECK(fit.success);
  for (std::size_t i = 0; i < ndim; ++i) CHECK(fit.x(i) == Approx(minimum[i]).epsilon(1e-6));

  const auto adam = group.run_adam(guess, {.nsteps = 400, .learning_rate = 0.02, .progress = false});
  const auto descent =
      group.run_simple_grad_descent(guess, {.nsteps = 1000, .learning_rate = 0.005, .progress = false});
  for (std::size_t i = 0; i < ndim; ++i) {
    CHECK(adam.best.params(i) == Approx(minimum[i]).epsilon(1e-2));
    CHECK(descent.best.params(i) == Approx(minimum[i]).epsilon(1e-3));
  }

  const auto scan = group.run_lhs_param_scan(0.0, 1.0, ndim, 5, 3);
  for (std::size_t i = 0; i < 5; ++i) {
    const std::vector<double> at(scan.params.data() + i * ndim, scan.params.data() + (i + 1) * ndim);
    CHECK(scan.losses(i) == Approx(group.calc_loss_from_params(at).value));
  }
}

TEST_CASE("models on disjoint communicators run at once, each in its own way") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  auto model = tiny_model(0, split.subcomm);
  const double minimum = 1.0 / tiny_total(split.subcomm);
  if (split.group_rank == 0) {
    CHECK(model.run_bfgs({0.5}, {.gtol = 1e-9}).x(0) == Approx(minimum).epsilon(1e-6));
  } else {
    CHECK(model.run_adam({0.5}, {.nsteps = 300}).best.params(0) == Approx(minimum).epsilon(1e-2));
  }
}

TEST_CASE("a group passes the key to the models that draw") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  const bool draws = split.group_rank == 0;
  const ag::Table table("tiny", {{"x", {1.0 + world().rank()}}}, split.subcomm);
  LambdaModel model(
      [&](const ag::Expr& params) {
        const ag::Expr x = params[0] * table["x"];
        return sum(draws ? x * ag::random::normal(ag::random::key(), {table.rows()}) : x);
      },
      [](const ag::Sumstats& sumstats) { return square(sumstats.value); }, split.subcomm);
  ag::OnePointGroup group(model);

  double own = 0.0;
  if (draws) {
    const auto normal = ag::random::normal(ag::Key(7), {static_cast<std::size_t>(split.subcomm.size())});
    for (int r = 0; r < split.subcomm.size(); ++r) own += (1.0 + r) * normal(static_cast<std::size_t>(r));
  } else {
    own = tiny_total(split.subcomm);
  }
  const double expected = ag::reduce_sum(split.subcomm.is_root() ? 4.0 * own * own : 0.0);
  CHECK(group.calc_loss_from_params({2.0}, 7) == Approx(expected).epsilon(1e-12));
  check_throws({"random key"}, [&] { group.calc_loss_from_params({2.0}); });
  CHECK(group.calc_loss_from_params({2.0}, 7) == Approx(expected).epsilon(1e-12));

  auto without = tiny_model(0, split.subcomm);
  ag::OnePointGroup plain(without);
  check_throws({"no model of the group draws"}, [&] { plain.calc_loss_from_params({2.0}, 7); });
}

TEST_CASE("a group warns of parameters that none of its models uses") {
  std::vector<std::string> warnings;
  const ag::Sink before = ag::set_sink([&](ag::Severity, std::string_view text) { warnings.emplace_back(text); });
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  auto model = tiny_model(split.group_rank, split.subcomm);
  ag::OnePointGroup group(model);
  group.calc_loss_from_params({1.0, 1.0, 1.0});
  ag::set_sink(before);
  REQUIRE(warnings.size() == (world().is_root() ? 1 : 0));
  const std::string unused = num_groups() == 1 ? "[1, 2]" : "[2]";
  if (world().is_root()) check_parts(warnings[0], {"of 3 parameters", "with indices " + unused + " are not used"});
}

TEST_CASE("a group has second derivatives where all of its models have") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  const ag::CustomFunction half{
      .value = [](const auto& x) { return ag::Array(0.5 * x[0]); },
      .vjp = [](const auto&, const ag::Array&,
                const ag::Array& cotangent) { return std::vector<ag::Array>{0.5 * cotangent}; }};
  for (const bool has_custom : {false, true}) {
    const bool is_here = has_custom && split.group_rank == 0;
    LambdaModel model([](const ag::Expr& params) { return params; },
                      [&](const ag::Sumstats& sumstats) {
                        const ag::Expr x = is_here ? ag::custom("half", {sumstats.value}, {2}, half) : sumstats.value;
                        return sum(square(x - 1.0));
                      },
                      split.subcomm);
    ag::OnePointGroup group(model, world());
    const ag::Objective& objective = group.objective(2);
    CHECK(objective.has_hessian(ag::Curvature::exact) == !has_custom);
    CHECK(objective.has_hessian(ag::Curvature::gauss_newton) == !has_custom);
    CHECK(objective.has_hessian_product() == !has_custom);
    if (has_custom) {
      check_throws({"expected an objective with second derivatives"}, [&] { group.run_trust_region({0.3, 0.4}); });
    } else {
      CHECK(group.run_trust_region({0.3, 0.4}).fun == Approx(0.0).margin(1e-12));
    }
  }
}

TEST_CASE("a failure in one model reaches all ranks, and the group works on") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  const bool fails = split.group_rank == num_groups() - 1;
  auto good = tiny_model(0, split.subcomm);
  LambdaModel bad([](const ag::Expr&) -> ag::Expr { throw std::runtime_error("no light cone here"); },
                  [](const ag::Sumstats& sumstats) { return sumstats.value; }, split.subcomm);
  ag::OnePointGroup group(fails ? static_cast<ag::OnePointModel&>(bad) : good);
  check_throws({"no light cone here"}, [&] { group.calc_loss_from_params({1.0}); });
  check_throws({"no light cone here"}, [&] { group.run_bfgs({1.0}); });
  const double total = tiny_total(split.subcomm);
  CHECK(good.calc_loss_from_params({1.0}) == Approx(std::pow(total - 1.0, 2)));
}

TEST_CASE("a run of a group with a model on the main communicator names the rank whose callback threw") {
  auto model = tiny_model(0, world());
  ag::OnePointGroup group(model);
  const int last = world().size() - 1;
  const ag::Sink before = ag::set_sink([](ag::Severity, std::string_view) {});
  const auto fit = group.run_adam({0.5}, {.nsteps = 5, .callback = [&](const ag::Iterate& at) {
                                            if (at.step == 1 && world().rank() == last) throw std::bad_alloc();
                                          }});
  ag::set_sink(before);
  CHECK(fit.loss.size() == 2);
  check_parts(fit.message, {fmt::format("the callback threw on rank {}: ", last)});
}

TEST_CASE("what is not finite in a group is named on every rank") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  const bool bad = split.group_rank == 0;
  const ag::Table table("tiny", {{"x", {1.0 + world().rank()}}}, split.subcomm);
  LambdaModel model(
      [&](const ag::Expr& params) { return sum(bad ? log(-params[0] * table["x"]) : params[0] * table["x"]); },
      [](const ag::Sumstats& sumstats) { return square(sumstats.value); }, split.subcomm);
  ag::OnePointGroup group(model);
  const double at[] = {1.0};
  const std::string text = group.objective(1).what_is_not_finite(at);
  check_parts(text,
              {"in the model of rank 0: log at groups.cpp:", "is nan in row 0 of tiny on rank 0", "operand is -1"});
}

TEST_CASE("a group takes the graph of a model that was rebuilt") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  const bool changes = split.group_rank == 0;
  double power = 1.0, scale = 1.0;
  bool draws = false;
  const ag::Table table("tiny", {{"x", {1.0 + world().rank()}}}, split.subcomm);
  LambdaModel model([&](const ag::Expr& params) { return params[0] * sum(scale * table["x"]); },
                    [&](const ag::Sumstats& sumstats) {
                      const auto noise = draws ? ag::random::normal(ag::random::key(), {}) : ag::constant(0.0);
                      return pow(sumstats.value, power) + noise;
                    },
                    split.subcomm);
  ag::OnePointGroup group(model);
  const double total = tiny_total(split.subcomm);
  const auto of_all_models = [&](double of_model) { return ag::reduce_sum(split.subcomm.is_root() ? of_model : 0.0); };
  const auto expected = [&] { return of_all_models(std::pow(2.0 * scale * total, power)); };
  CHECK(group.calc_loss_from_params({2.0}) == Approx(expected()));

  if (changes) power = 2.0;  // what changed is taken at rebuild() only
  const double before = group.calc_loss_from_params({2.0});
  if (changes) model.rebuild();
  const double after = group.calc_loss_from_params({2.0});
  CHECK(after == Approx(expected()));
  CHECK(before != Approx(after));
  scale = 3.0;
  model.rebuild();
  CHECK(group.calc_dloss_dparams({2.0})(0) ==
        Approx(of_all_models(power * std::pow(2.0, power - 1.0) * std::pow(3.0 * total, power))));

  check_throws({"expected no random key"}, [&] { group.calc_loss_from_params({2.0}, 1); });
  draws = true;  // of one model alone, which its other ranks do not know
  if (changes) model.rebuild();
  CHECK(group.calc_loss_from_params({2.0}, 1) == Approx(expected() + ag::random::normal(ag::Key(1), {})()));
  CHECK(group.calc_loss_from_params({2.0}, 2) != Approx(group.calc_loss_from_params({2.0}, 1)));
}

TEST_CASE("a group refuses a model that was rebuilt for other parameters") {
  const ag::Table table("tiny", {{"x", {1.0 + world().rank()}}}, world());
  LambdaModel model([&](const ag::Expr& params) { return sum(params) * sum(table["x"]); },
                    [](const ag::Sumstats& sumstats) { return square(sumstats.value); });
  ag::OnePointGroup group(model);
  group.calc_loss_from_params({1.0});
  model.rebuild();
  model.calc_loss_from_params({1.0, 2.0});
  check_throws({"expected 2 parameters, as at the model's first use, got 1"},
               [&] { group.calc_loss_from_params({1.0}); });
  model.rebuild();
  CHECK(group.calc_loss_from_params({1.0}) == Approx(std::pow(tiny_total(world()), 2)));
}

TEST_CASE("models of the same ranks in another order are refused, not mixed up") {
  auto first = tiny_model(0, world());
  auto second = tiny_model(0, world());
  ag::OnePointGroup in_order({first, second});
  CHECK(in_order.calc_loss_from_params({1.0}) == Approx(2.0 * std::pow(tiny_total(world()) - 1.0, 2)));
  if (world().size() == 1) return;
  std::vector<std::reference_wrapper<ag::OnePointModel>> order{first, second};
  if (world().rank() == 0) std::swap(order[0], order[1]);
  check_throws({"in one order"}, [&] { ag::OnePointGroup group(order); });

  auto on_copy = tiny_model(0, ag::Communicator(MPI_COMM_WORLD));
  std::vector<std::reference_wrapper<ag::OnePointModel>> with_copy{first, on_copy};
  if (world().rank() == 0) std::swap(with_copy[0], with_copy[1]);
  check_throws({"in one order"}, [&] { ag::OnePointGroup group(with_copy); });
}

TEST_CASE("ranks that ask other things of a group are told so before any number is used, and it works on") {
  if (world().size() == 1) return;
  const auto split = ag::split_subcomms({.num_groups = 2});
  const bool is_first = split.group_rank == 0;
  const ag::Table table("tiny", {{"x", {1.0 + world().rank()}}}, split.subcomm);
  const auto calc_sumstats = [&](const ag::Expr& params) {
    return sum(params[0] * table["x"]) + ag::random::normal(ag::random::key(), {});
  };
  const auto calc_loss = [](const ag::Sumstats& sumstats) { return square(sumstats.value); };
  LambdaModel a(calc_sumstats, calc_loss, split.subcomm), b(calc_sumstats, calc_loss, split.subcomm);
  ag::OnePointGroup first(a), second(b);
  const double expected = first.calc_loss_from_params({2.0}, 7);
  CHECK(second.calc_loss_from_params({2.0}, 7) == expected);
  const auto check = [&](const std::string& part, auto evaluate) {
    std::string text = "nothing was thrown";
    try {
      evaluate();
    } catch (const ag::DivergenceError& error) {
      text = error.what();
    }
    check_parts(text, {"calc_loss_from_params (groups.cpp:", "in an evaluation of a group", part});
    CHECK(first.calc_loss_from_params({2.0}, 7) == expected);
  };
  check("these differ: group", [&] { (is_first ? first : second).calc_loss_from_params({2.0}, 7); });
  check("these differ: random key", [&] { first.calc_loss_from_params({2.0}, is_first ? 7 : 8); });
  check("these differ: parameters", [&] { first.calc_loss_from_params({is_first ? 2.0 : 2.5}, 7); });
}

TEST_CASE("what one rank asks wrongly of a group reaches those that wait for it in a model") {
  auto model = tiny_model(0, ag::Communicator(MPI_COMM_WORLD));
  ag::OnePointGroup group(model);
  const double expected = group.calc_loss_from_params({2.0});
  const std::vector<double> own(world().rank() == world().size() - 1 ? 2 : 1, 2.0);
  check_throws({"expected 1 parameters, as at the group's first use, got 2"},
               [&] { group.calc_loss_from_params(own); });
  CHECK(group.calc_loss_from_params({2.0}) == expected);
}

TEST_CASE("a failure in a group names the rank of the main communicator") {
  const auto split = ag::split_subcomms({.num_groups = num_groups()});
  const int last = world().size() - 1;
  LambdaModel model(
      [&](const ag::Expr& params) -> ag::Expr {
        if (world().rank() == last) throw std::runtime_error("no light cone here");
        return params[0] * 1.0;
      },
      [](const ag::Sumstats& sumstats) { return sumstats.value; }, split.subcomm);
  ag::OnePointGroup group(model);
  const std::string who = last == 0 ? "" : fmt::format("rank {} of {}: ", last, world().size());
  check_throws({who + "no light cone here"}, [&] { group.calc_loss_from_params({1.0}); });
}

TEST_CASE("room for the gradient of a group, and one number of parameters on all ranks") {
  auto model = tiny_model(0, world());
  ag::OnePointGroup group(model);
  const double at[] = {1.0};
  std::vector<double> room(2);
  check_throws({"room for a gradient of 1 numbers", "got 2"}, [&] { group.objective(1).value_and_gradient(at, room); });
  if (world().size() == 1) return;
  auto other = tiny_model(0, world());
  ag::OnePointGroup another(other);
  const std::vector<double> own(world().rank() == 0 ? 1 : 2, 1.0);
  check_throws({"same number of parameters on every rank"}, [&] { another.calc_loss_from_params(own); });
}

TEST_CASE("groups that cannot work are refused on every rank") {
  auto everywhere = tiny_model(0, world());
  check_throws({"at least one model on every rank"},
               [&] { ag::OnePointGroup group(std::vector<std::reference_wrapper<ag::OnePointModel>>{}); });
  ag::OnePointGroup wrong_number(everywhere);
  wrong_number.calc_loss_from_params({1.0});
  check_throws({"expected 1 parameters"}, [&] { wrong_number.calc_loss_from_params({1.0, 2.0}); });
  if (world().size() == 1) return;

  std::vector<std::reference_wrapper<ag::OnePointModel>> not_on_last;
  if (world().rank() < world().size() - 1) not_on_last.emplace_back(everywhere);
  check_throws({"at least one model on every rank", fmt::format("none on rank {}", world().size() - 1)},
               [&] { ag::OnePointGroup group(not_on_last); });

  auto own = tiny_model(0, ag::split_subcomms({.num_groups = world().size()}).subcomm);
  check_throws({fmt::format("named by all {} ranks", world().size())}, [&] {
    ag::OnePointGroup group(world().rank() == 0 ? static_cast<ag::OnePointModel&>(everywhere) : own);
  });

  const auto pair =
      ag::split_subcomms({.ranks_per_group = world().size() == 2 ? std::vector{2} : std::vector{2, world().size() - 2}})
          .subcomm;
  auto in_part = tiny_model(0, world());
  auto other = tiny_model(0, pair);
  std::vector<std::reference_wrapper<ag::OnePointModel>> order{in_part, other};
  if (world().rank() == 0) std::swap(order[0], order[1]);
  if (world().size() > 2) {
    check_throws({"in one order"}, [&] { ag::OnePointGroup group(order); });
  }
  if (world().size() > 2)
    check_throws({"ranks that are not in it"}, [&] { ag::OnePointGroup group(everywhere, pair); });
}

}  // namespace test_groups
