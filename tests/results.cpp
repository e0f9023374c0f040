// Results that are kept in files.
#include "allgrad/results.hpp"

#include <hdf5.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cmath>
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
#include "allgrad/profile.hpp"
#include "allgrad/trust_region.hpp"
#include "allgrad/version.hpp"
#include "check_error.hpp"
#include "lambda_model.hpp"
#include "optimizer_objectives.hpp"
#include "said.hpp"
#include "shared_folder.hpp"
#include "world.hpp"

namespace test_results {

namespace ag = allgrad;
using namespace allgrad::testing;
using allgrad::testing::check_error;
using allgrad::testing::Said;

namespace {

// A file that is gone with it.
class File {
 public:
  explicit File(std::string ending = ".json") : ending_(std::move(ending)) {}
  std::string path() const { return folder_.file("fit" + ending_); }
  void write(const std::string& content) const {
    if (world().is_root()) std::ofstream(path()) << content;
    world().synchronize();
  }
  nlohmann::json json() const { return nlohmann::json::parse(std::ifstream(path())); }

 private:
  std::string ending_;
  SharedFolder folder_;
};

const std::vector<std::string> endings = {".json", ".h5"};

template <class Values>
std::vector<std::uint64_t> bits_of(const Values& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

void check_same(const ag::AuxValues& found, const ag::AuxValues& expected) {
  REQUIRE(found.names() == expected.names());
  for (const auto& [name, value] : expected) {
    CHECK((found[name].shape() == value.shape()));
    CHECK(bits_of(found[name]) == bits_of(value));
  }
}

// Rosenbrock's function, which has no value behind a wall.
Analytic walled(double wall = -1.15) {
  return Analytic(2, [=](auto params, auto gradient, const auto& options) {
    const double loss = rosenbrock(params, gradient);
    if (options.aux != nullptr) *options.aux = {{"x", params[0]}, {"a", ag::Array({2, 1}, loss / 3.0)}};
    return params[0] > wall ? std::nan("") : loss;
  });
}

const ag::Params params = {{.name = "x", .guess = -1.2, .bounds = {-2.0, 0.5}, .unit = "Mpc/h"}, {"ÿ \"y\"", 1.0}};

}  // namespace

TEST_CASE("a path comes back from its file") {
  Said said;
  Analytic objective = walled();
  const auto path = ag::Adam{.nsteps = 30, .learning_rate = 0.1, .randkey = 5}.minimize(objective, params);
  REQUIRE(path.skipped > 0);
  for (const std::string& ending : endings) {
    const File file(ending);
    ag::save(path, file.path());
    const auto found = ag::load_trajectory(file.path());
    CHECK(bits_of(found.loss) == bits_of(path.loss));
    CHECK((found.params.shape() == path.params.shape()));
    CHECK(bits_of(found.params) == bits_of(path.params));
    check_same(found.aux, path.aux);
    CHECK(found.end_reason == path.end_reason);
    CHECK(found.names == path.names);
    CHECK(found.units == std::vector<std::string>{"Mpc/h", ""});
    CHECK(found.best.step == path.best.step);
    CHECK(bits_of(found.best.params) == bits_of(path.best.params));
    CHECK(found.randkey == ag::Key(5));
    CHECK(found.origin.version == ALLGRAD_VERSION);
    CHECK(found.origin.time.size() == std::string("2026-11-26T08:15:30Z").size());
    CHECK(found.str() == path.str());
  }
  CHECK(path.str().find("Mpc/h") != std::string::npos);
}

TEST_CASE("a fit comes back from its file") {
  Said said;
  Analytic objective = walled(2.0);
  const auto fit = ag::Lbfgsb{}.minimize(objective, params);
  REQUIRE(fit.at_bounds.size() == 1);
  REQUIRE(fit.path.loss.size() == fit.nit + 1);
  REQUIRE(fit.aux.size() == 2);
  for (const std::string& ending : endings) {
    const File file(ending);
    ag::save(fit, file.path());
    const auto found = ag::load_optimize_result(file.path());
    CHECK(found.str() == fit.str());
    CHECK(found.end_reason == fit.end_reason);
    CHECK(found.fun == fit.fun);
    CHECK(bits_of(found.x) == bits_of(fit.x));
    CHECK(bits_of(found.jac) == bits_of(fit.jac));
    CHECK(bits_of(found.hess_inv.dense()) == bits_of(fit.hess_inv.dense()));
    CHECK(found.best.loss == fit.best.loss);
    CHECK(bits_of(found.path.params) == bits_of(fit.path.params));
    check_same(found.aux, fit.aux);
    check_same(found.path.aux, fit.path.aux);
    CHECK_FALSE(found.randkey);
    CHECK_FALSE(found.covariance);
    if (ending != ".json") continue;
    const auto json = file.json();
    CHECK(json["result"] == "OptimizeResult");
    CHECK(json["allgrad"].get<std::string>().starts_with("0."));
    CHECK(json["names"][0] == "x");
    CHECK(json["units"][0] == "Mpc/h");
    CHECK(json["end_reason"] == "converged");
    CHECK(json["fun"] == fit.fun);
    CHECK(json["x"][1] == fit.x(1));
    CHECK(json["path"]["params"][0][0] == -1.2);
    CHECK(json["covariance"].is_null());
  }
}

TEST_CASE("a fit comes back with what is kept with it, on the communicator that it is read for") {
  LambdaModel model([](const ag::Expr& p) { return p; },
                    [](const ag::Sumstats& s) { return square(s.value[0] - 1.0) + square(s.value[1]) / 0.3; });
  const ag::Params declared = {{.name = "a", .guess = 0.0, .unit = "km/s"},
                               {.name = "b", .guess = 0.0, .frozen = true}};
  ag::OptimizeResult fit = model.run_trust_region(declared, {.progress = false});
  fit.covariance = model.calc_covariance(fit.x, {.errordef = 1.0, .params = declared});
  fit.statistics = {{"both/%", {.model = {{1.0, 2.0}}, .data = {{1.5, std::nan("")}}, .x_label = "r"}}, {"", {}}};
  fit.profiles.push_back(ag::profile(model, fit, "a", {0.5, 1.5, 2.5}, {.params = declared}));
  fit.profiles.push_back(ag::profile(model, fit, "a", {0.75}, {.params = declared}));
  CHECK(fit.str().find("a [km/s] =            1 +- 1") != std::string::npos);
  for (const std::string& ending : endings) {
    const File file(ending);
    ag::save(fit, file.path());
    const auto found = ag::load_optimize_result(file.path());
    REQUIRE(found.covariance);
    CHECK(found.covariance->names == fit.covariance->names);
    CHECK(found.covariance->units == std::vector<std::string>{"km/s", ""});
    CHECK(found.covariance->frozen == std::vector<bool>{false, true});
    CHECK(bits_of(found.covariance->matrix) == bits_of(fit.covariance->matrix));
    CHECK(found.covariance->errordef == 1.0);
    CHECK(found.str() == fit.str());
    CHECK(found.statistics.names() == std::vector<std::string>{"both/%", ""});
    CHECK((found.statistics["both/%"].model == ag::Array{{1.0, 2.0}}));
    CHECK(std::isnan(found.statistics["both/%"].data(0, 1)));
    CHECK(found.statistics["both/%"].errors.size() == 0);
    CHECK(found.statistics["both/%"].x_label == "r");
    REQUIRE(found.profiles.size() == 2);
    CHECK(found.profiles[0].name == "a");
    CHECK(bits_of(found.profiles[0].losses) == bits_of(fit.profiles[0].losses));
    CHECK(found.profiles[0].success == std::vector<bool>(3, true));
    CHECK(found.profiles[0].minimum == fit.x(0));
    CHECK(found.profiles[1].values(0) == 0.75);
    const auto square_of_a = found.covariance->propagate([](const ag::Expr& p) { return p[0] * p[0]; });
    CHECK(square_of_a.errors() == Approx(2.0));
  }
}

TEST_CASE("a scan and numbers that are not finite come back") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  ag::Array cube = ag::Array::from_shape({2, 1, 1});
  cube(0, 0, 0) = 1.0;
  cube(1, 0, 0) = -0.0;
  ag::ParamScan scan{.params = {{1.0, -0.0}, {5e-324, 1.7976931348623157e308}},
                     .sumstats = ag::Array::from_shape({2, 0}),
                     .losses = {infinity, 0.1},
                     .aux = {{"0", ag::Array::from_shape({2, 0, 3})}, {"1", cube}},
                     .seed = 18446744073709551615U,
                     .terms = {{"b", {1.0, 2.0}}, {"a", {9007199254740993.0, 1e16}}},
                     .weights = {{"b", 0.5}, {"a", 1.0}},
                     .names = {"nan", "."},
                     .units = {"", ""}};
  scan.losses(1) = std::nan("");
  for (const std::string& ending : endings) {
    const File file(ending);
    ag::save(scan, file.path());
    const auto found = ag::load_param_scan(file.path());
    CHECK(bits_of(found.params) == bits_of(scan.params));
    CHECK((found.sumstats.shape() == scan.sumstats.shape()));
    CHECK(found.losses(0) == infinity);
    CHECK(std::isnan(found.losses(1)));
    check_same(found.aux, scan.aux);
    check_same(found.terms, scan.terms);
    CHECK(found.weights["b"] == 0.5);
    CHECK(found.names == scan.names);
    CHECK(found.seed == scan.seed);

    ag::OptimizeResult fit{.fun = -infinity};
    ag::save(fit, file.path());
    CHECK(ag::load_optimize_result(file.path()).fun == -infinity);
    CHECK(std::isnan(ag::load_optimize_result(file.path()).best.loss));
  }
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
  check({start + "what it cannot be read from: expected a value \"fun\", got none"});
  json["fun"] = 1.0;
  json["path"]["params"] = {{1.0, 2.0}, {3.0}};
  world().synchronize();
  file.write(json.dump());
  check({start + "what it cannot be read from: expected rows that are equally long"});
  file.write(std::string(200, '['));
  check({start + "what it cannot be read from: expected values in at most 100 others"});
}

TEST_CASE("HDF5 files that are no such result, or damaged, are refused on every rank") {
  const File file(".h5");
  const auto check = [&](const std::vector<std::string>& parts) {
    check_error<ag::DataError>(parts, [&](unsigned& line) {
      line = __LINE__ + 1;
      ag::load_param_scan(file.path());
    });
  };
  const std::string start = "expected a saved ParamScan in '" + file.path() + "', got ";
  check({start + "no file;"});
  file.write("{}");
  check({start + "'HDF5 cannot open it"});
  ag::save(ag::OptimizeResult{}, file.path());
  check({start + "a OptimizeResult;"});
  ag::save(ag::ParamScan{.params = {{1.0}}, .sumstats = {}, .losses = {1.0}, .aux = {}, .seed = 1}, file.path());
  std::ostringstream whole;
  whole << std::ifstream(file.path(), std::ios::binary).rdbuf();
  const std::string bytes = whole.str();
  world().synchronize();
  REQUIRE(bytes.size() > 1000);
  for (std::size_t length = 0; length < bytes.size(); length += bytes.size() / 7) {
    file.write(bytes.substr(0, length));
    check({start});
  }
}

TEST_CASE("HDF5 files that lead out of themselves, or round in them, are refused on every rank") {
  const File file(".h5");
  const auto check = [&](const std::string& reason, const auto& link) {
    ag::save(ag::OptimizeResult{}, file.path());
    if (world().is_root()) {
      const hid_t id = H5Fopen(file.path().c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
      CHECK(link(id) >= 0);
      H5Fclose(id);
    }
    world().synchronize();
    check_error<ag::DataError>({"expected a saved OptimizeResult in '" + file.path() + "', got '", reason},
                               [&](unsigned& line) {
                                 line = __LINE__ + 1;
                                 ag::load_optimize_result(file.path());
                               });
  };
  const std::string pipe = file.path() + ".pipe";  // whoever opens it waits for a writer
  if (world().is_root()) REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  check("read 'soft', which is a link",
        [](hid_t id) { return H5Lcreate_soft("/", id, "soft", H5P_DEFAULT, H5P_DEFAULT); });
  check("read 'out', which is a link",
        [&](hid_t id) { return H5Lcreate_external(pipe.c_str(), "/", id, "out", H5P_DEFAULT, H5P_DEFAULT); });
  check("expected groups in at most 16 others",
        [](hid_t id) { return H5Lcreate_hard(id, "/", id, "round", H5P_DEFAULT, H5P_DEFAULT); });
}

TEST_CASE("a result in no regular file is refused before it is opened") {
  alarm(60);  // ends a reader that waits for a writer
  const auto check = [](const std::string& path, const std::string& reason) {
    check_error<ag::DataError>({"in '" + path + "', got '", reason}, [&](unsigned& line) {
      line = __LINE__ + 1;
      ag::load_optimize_result(path);
    });
  };
  for (const std::string& ending : endings) {
    const File file(ending);
    if (world().is_root()) REQUIRE(mkfifo(file.path().c_str(), 0600) == 0);
    world().synchronize();
    check(file.path(), "Not a regular file");
  }
  check("/dev/zero", "Not a regular file");
  check("/", "Is a directory");
  alarm(0);
}

TEST_CASE("arrays whose sizes no memory has are refused") {
  const File file;
  ag::save(ag::OptimizeResult{}, file.path());
  auto json = file.json();
  world().synchronize();
  const std::size_t huge = std::size_t{1} << 62;
  for (const char* const pairs : {"steps", "changes"}) {
    json["hess_inv"][pairs] = {{"shape", {huge, 0}}, {"values", nlohmann::json::array()}};
  }
  json["hess_inv"]["scale"] = nlohmann::json::array();
  file.write(json.dump());
  check_error<ag::DataError>({"what it cannot be read from: expected a shape of an array that fits into memory"},
                             [&](unsigned& line) {
                               line = __LINE__ + 1;
                               ag::load_optimize_result(file.path());
                             });
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

}  // namespace test_results
