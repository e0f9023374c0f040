// Results that are kept in files.
#include "allgrad/results.hpp"

#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "allgrad/adam.hpp"
#include "allgrad/arrays.hpp"
#include "allgrad/elementwise.hpp"
#include "allgrad/error.hpp"
#include "allgrad/lbfgsb.hpp"
#include "allgrad/trust_region.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"
#include "world.hpp"

namespace ag = allgrad;
using namespace allgrad::testing;
using allgrad::testing::check_error;
using allgrad::testing::Said;

namespace {

// A file that is gone with it.
class File {
 public:
  File() {
    std::string folder = (std::filesystem::temp_directory_path() / "allgrad_results_XXXXXX").string();
    if (world().is_root()) REQUIRE(mkdtemp(folder.data()) != nullptr);
    folder_ = world().broadcast(folder, 0);
  }
  ~File() {
    world().synchronize();
    if (world().is_root()) std::filesystem::remove_all(folder_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string path() const { return folder_ + "/fit.json"; }
  void write(const std::string& content) const {
    if (world().is_root()) std::ofstream(path()) << content;
    world().synchronize();
  }
  nlohmann::json json() const { return nlohmann::json::parse(std::ifstream(path())); }

 private:
  std::string folder_;
};

template <class Values>
std::vector<std::uint64_t> bits_of(const Values& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

// Rosenbrock's function, which has no value behind a wall.
Analytic walled() {
  return Analytic(2, [](auto params, auto gradient, const auto& options) {
    const double loss = rosenbrock(params, gradient);
    if (options.aux != nullptr) *options.aux = {{"x", params[0]}, {"a", ag::Array({2, 1}, loss / 3.0)}};
    return params[0] > -1.15 ? std::nan("") : loss;
  });
}

const ag::Params params = {{.name = "x", .guess = -1.2, .bounds = {-2.0, 0.5}}, {"ÿ \"y\"", 1.0}};

}  // namespace

TEST_CASE("a path comes back from its file") {
  Said said;
  const File file;
  Analytic objective = walled();
  const auto path = ag::Adam{.nsteps = 30, .learning_rate = 0.1}.minimize(objective, params);
  REQUIRE(path.skipped > 0);
  ag::save(path, file.path());
  const auto found = ag::load_trajectory(file.path());
  CHECK(bits_of(found.loss) == bits_of(path.loss));
  CHECK((found.params.shape() == path.params.shape()));
  CHECK(bits_of(found.params) == bits_of(path.params));
  REQUIRE(found.aux.names() == path.aux.names());
  for (const auto& [name, value] : path.aux) {
    CHECK((found.aux[name].shape() == value.shape()));
    CHECK(bits_of(found.aux[name]) == bits_of(value));
  }
  CHECK(found.end_reason == path.end_reason);
  CHECK(found.names == path.names);
  CHECK(found.best.step == path.best.step);
  CHECK(bits_of(found.best.params) == bits_of(path.best.params));
  CHECK(found.str() == path.str());
}

TEST_CASE("a fit comes back from its file") {
  Said said;
  const File file;
  Analytic objective(2, rosenbrock);
  const auto fit = ag::Lbfgsb{}.minimize(objective, params);
  REQUIRE(fit.at_bounds.size() == 1);
  ag::save(fit, file.path());
  const auto found = ag::load_optimize_result(file.path());
  CHECK(found.str() == fit.str());
  CHECK(found.end_reason == fit.end_reason);
  CHECK(found.fun == fit.fun);
  CHECK(bits_of(found.x) == bits_of(fit.x));
  CHECK(bits_of(found.jac) == bits_of(fit.jac));
  CHECK(bits_of(found.hess_inv.dense()) == bits_of(fit.hess_inv.dense()));
  CHECK(found.best.loss == fit.best.loss);

  const auto json = file.json();
  CHECK(json["result"] == "OptimizeResult");
  CHECK(json["allgrad"].get<std::string>().starts_with("0."));
  CHECK(json["names"][0] == "x");
  CHECK(json["end_reason"] == "converged");
  CHECK(json["fun"] == fit.fun);
  CHECK(json["x"][1] == fit.x(1));
}

TEST_CASE("a fit comes back with its covariances, on the communicator that it is read for") {
  const File file;
  LambdaModel model([](const ag::Expr& p) { return p; },
                    [](const ag::Sumstats& s) { return square(s.value[0] - 1.0) + square(s.value[1]) / 0.3; });
  const ag::Params declared = {{.name = "a", .guess = 0.0}, {.name = "b", .guess = 0.0, .frozen = true}};
  ag::OptimizeResult fit = model.run_trust_region(declared, {.progress = false});
  ag::save(fit, file.path());
  CHECK(file.json().at("covariance").is_null());
  CHECK_FALSE(ag::load_optimize_result(file.path()).covariance);
  fit.covariance = model.calc_covariance(fit.x, {.errordef = 1.0, .params = declared});
  CHECK(fit.str().find("a =            1 +- 1") != std::string::npos);
  ag::save(fit, file.path());
  const auto found = ag::load_optimize_result(file.path());
  REQUIRE(found.covariance);
  CHECK(found.covariance->names == fit.covariance->names);
  CHECK(found.covariance->frozen == std::vector<bool>{false, true});
  CHECK(bits_of(found.covariance->matrix) == bits_of(fit.covariance->matrix));
  CHECK(found.covariance->errordef == 1.0);
  CHECK(found.str() == fit.str());
  const auto square_of_a = found.covariance->propagate([](const ag::Expr& p) { return p[0] * p[0]; });
  CHECK(square_of_a.errors() == Approx(2.0));
}

TEST_CASE("a scan and numbers that are not finite come back") {
  const File file;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  ag::ParamScan scan{.params = {{1.0, -0.0}, {5e-324, 1.7976931348623157e308}},
                     .sumstats = ag::Array::from_shape({2, 0}),
                     .losses = {infinity, 0.1},
                     .aux = {},
                     .seed = 18446744073709551615U};
  scan.losses(1) = std::nan("");
  ag::save(scan, file.path());
  const auto found = ag::load_param_scan(file.path());
  CHECK(bits_of(found.params) == bits_of(scan.params));
  CHECK((found.sumstats.shape() == scan.sumstats.shape()));
  CHECK(found.losses(0) == infinity);
  CHECK(std::isnan(found.losses(1)));
  CHECK(found.aux.empty());
  CHECK(found.seed == scan.seed);

  ag::OptimizeResult fit{.fun = -infinity};
  ag::save(fit, file.path());
  CHECK(ag::load_optimize_result(file.path()).fun == -infinity);
  CHECK(std::isnan(ag::load_optimize_result(file.path()).best.loss));
}

TEST_CASE("what is no such result is refused on every rank") {
  const File file;
  const auto check = [&](const std::vector<std::string>& parts) {
    check_error<ag::DataError>(parts, [&](unsigned& line) {
      line = __LINE__ + 1;
      ag::load_optimize_result(file.path());
    });
  };
  const std::string start = "expected a saved OptimizeResult in '" + file.path() + "', got ";
  check({start + "no file; name a file that allgrad::save has written"});
  file.write("{\"result\": 3");
  check({start + "what it cannot be read from: "});
  file.write("[]");
  check({start + "what it cannot be read from: "});
  ag::save(ag::ParamScan{.params = {{1.0}}, .sumstats = {}, .losses = {1.0}, .aux = {}, .seed = 1}, file.path());
  check({start + "a ParamScan;"});
  ag::save(ag::OptimizeResult{}, file.path());
  auto json = file.json();
  world().synchronize();
  json["fun"] = "many";
  file.write(json.dump());
  check({start + "what it cannot be read from: \"many\" is no number"});
  json.erase("fun");
  world().synchronize();
  file.write(json.dump());
  check({start + "what it cannot be read from: ", "fun"});
}

TEST_CASE("a file that cannot be written is an error on every rank") {
  const File file;
  std::string text;
  try {
    ag::save(ag::OptimizeResult{}, file.path() + "/none/fit.json");
  } catch (const ag::Error& error) {
    text = error.what();
  }
  allgrad::testing::check_parts(
      text, {"save: the result cannot be written to '" + file.path() + "/none/fit.json': No such file or directory."});
}
