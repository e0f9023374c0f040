// Statistics, losses and gradients of the reference models: on both executors, for any number of ranks, and however the
// rows are dealt out.
#include "catch.hpp"
#include "evaluation.hpp"
#include "examples/models/growth.hpp"
#include "examples/models/hod.hpp"
#include "examples/models/kernels.hpp"
#include "examples/models/photometry.hpp"
#include "examples/models/poisson.hpp"
#include "examples/models/smf.hpp"
#include "examples/models/twostage.hpp"
#include "reference_models.hpp"

namespace test_models {

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

void check_close(const std::vector<double>& expected, std::span<const double> actual, double tolerance) {
  REQUIRE(expected.size() == actual.size());
  double scale = 0.0;
  for (double value : expected) scale = std::max(scale, std::abs(value));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i);
    CHECK(actual[i] == Approx(expected[i]).epsilon(tolerance).margin(tolerance * 1e-3 * scale));
  }
}

/// The rows of a matrix, one after the other.
std::vector<double> flat(const Json& matrix) {
  std::vector<double> numbers;
  for (const Json& row : matrix) {
    for (const Json& number : row) numbers.push_back(number.get<double>());
  }
  return numbers;
}

/// Jacobian and Hessian, the product of the Hessian with a vector, and the gradient as the product of the Jacobian with
/// the derivatives by the statistics.
template <class Model>
void check_derivatives(Model& model, const Json& entry, const std::vector<double>& params) {
  const std::size_t n = params.size();
  const auto [sumstats, jacobian] = model.calc_sumstats_and_jacobian(params);
  check_close(entry.at("sumstats").get<std::vector<double>>(), {sumstats.data(), sumstats.size()}, 1e-10);
  check_close(flat(entry.at("dsumstats_dparams")), {jacobian.data(), jacobian.size()}, 1e-9);
  const auto hessian = model.calc_hessian(params);
  check_close(flat(entry.at("d2loss_dparams2")), {hessian.data(), hessian.size()}, 1e-9);

  const std::vector<double> vector = noise_column(n, 5);
  const auto product = model.calc_hvp(params, vector);
  std::vector<double> expected(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) expected[i] += hessian(i, k) * vector[k];
  }
  check_close(expected, {product.data(), n}, 1e-9);

  const auto by_sumstats = model.calc_dloss_dsumstats(params);
  std::vector<double> gradient(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < by_sumstats.size(); ++k) gradient[i] += by_sumstats.flat(k) * jacobian.flat(k * n + i);
  }
  check_close(entry.at("dloss_dparams").get<std::vector<double>>(), gradient, 1e-9);
}

template <class Model>
void check_model(const std::string& name) {
  const Json entry = read_json("models.json").at(name);
  const auto params = entry.at("params").get<std::vector<double>>();
  for (const Split split : {all_on_first, first_is_empty, uneven, one_and_eleven}) {
    for (const auto executor : {ag::ExecutorKind::reference, ag::ExecutorKind::tiled}) {
      INFO(name << (executor == ag::ExecutorKind::tiled ? ", tiled" : ", reference"));
      Model model(make_table(entry, split, ag::Communicator::world()), {executor});
      const auto sumstats = model.calc_sumstats_from_params(params);
      check_close(entry.at("sumstats").get<std::vector<double>>(), {sumstats.data(), sumstats.size()}, 1e-10);
      CHECK(model.calc_loss_from_params(params) == Approx(entry.at("loss").get<double>()).epsilon(1e-10));
      const auto [loss, gradient] = model.calc_loss_and_grad_from_params(params);
      CHECK(loss == Approx(entry.at("loss").get<double>()).epsilon(1e-10));
      check_close(entry.at("dloss_dparams").get<std::vector<double>>(), {gradient.data(), gradient.size()}, 1e-10);
      check_derivatives(model, entry, params);
    }
  }
}

}  // namespace

TEST_CASE("smf equals the reference") { check_model<models::Smf>("smf"); }
TEST_CASE("hod equals the reference") { check_model<models::Hod>("hod"); }
TEST_CASE("poisson equals the reference") { check_model<models::Poisson>("poisson"); }
TEST_CASE("growth equals the reference") { check_model<models::Growth>("growth"); }
TEST_CASE("photometry equals the reference") { check_model<models::Photometry>("photometry"); }
TEST_CASE("kernels equals the reference") { check_model<models::Kernels>("kernels"); }
TEST_CASE("twostage equals the reference") { check_model<models::TwoStage>("twostage"); }

}  // namespace test_models
