// Writes results of all kinds to a folder, for tests/plot.py: plot_program FOLDER.
#include <cmath>
#include <string>

#include "allgrad/allgrad.hpp"

namespace ag = allgrad;

namespace {

/// A line through points: chi^2 of a part of the rows, each with an error of 0.2.
class Line final : public ag::OnePointModel {
 public:
  explicit Line(double first, const ag::Communicator& comm) : OnePointModel(comm), first_(first) {}

  static constexpr std::size_t count = 12;
  ag::Array x() const { return xt::linspace(first_, first_ + 2.0, count); }
  ag::Array y() const { return 3.0 * xt::exp(1.7 * x()) * (1.0 + 0.05 * xt::sin(25.0 * x() * x())); }
  ag::Array errors() const { return 0.05 * y(); }

  ag::Params params() const override {
    return {{.name = "ln A", .guess = 0.5, .unit = "mag"},
            {.name = "slope/β", .guess = 1.0, .bounds = {0.0, 5.0}, .unit = "km/s"},
            {.name = "fixed", .guess = 1.0, .frozen = true}};
  }
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    return exp(p[0] + p[1] * x()) * p[2];
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& s) const override {
    const ag::Expr chi2 = sum(square((s.value - y()) / errors()));
    return {chi2, {{"chi2/dof", chi2 / static_cast<double>(count - 2)}}};
  }

 private:
  double first_;
};

void write(const ag::Communicator& world, const std::string& folder) {
  Line near(0.0, world), far(1.0, world);
  ag::OnePointGroup group({{.model = near, .name = "near/field"}, {.model = far, .name = "far", .weight = 0.5}}, world);
  const ag::Params params = near.params();
  ag::OptimizeResult fit = group.run_trust_region(params, {.progress = false});
  fit.covariance = group.calc_covariance(fit.x, {.errordef = 1.0, .params = params});
  fit.statistics = {{"near",
                     {.model = near.calc_sumstats_from_params(fit.x),
                      .data = near.y(),
                      .errors = near.errors(),
                      .x = near.x(),
                      .x_label = "x",
                      .label = "counts [Mpc^{-3}]"}},
                    {"far", {.model = far.calc_sumstats_from_params(fit.x), .data = far.y()}}};
  const double error = fit.covariance->error("slope/β");
  std::vector<double> values;
  for (int i = -6; i <= 6; ++i) values.push_back(fit["slope/β"] + 0.4 * i * error);
  fit.profiles.push_back(ag::profile(group, fit, "slope/β", values, {.params = params}));
  const auto path = group.run_adam(params, {.nsteps = 60, .learning_rate = 0.05, .progress = false});
  const auto scan = near.run_lhs_param_scan({0.0, 0.0, 0.5}, {2.0, 3.0, 1.5}, 3, 40, 1);
  for (const std::string ending : {".h5", ".json"}) {
    ag::save(fit, folder + "/fit" + ending, world);
    ag::save(path, folder + "/path" + ending, world);
    ag::save(scan, folder + "/scan" + ending, world);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return ag::run(argc, argv, [&](const ag::Communicator& world) { write(world, argv[1]); });
}
