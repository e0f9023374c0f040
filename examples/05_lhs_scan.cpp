// Where to start: a scan of the parameters at the points of a Latin hypercube, whose best point L-BFGS-B refines.

#include <xtensor/xsort.hpp>

#include "smf_model.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {-2.0, -0.7};

void fit(const ag::Communicator& world, const example::Options& options) {
  example::SmfModel model(example::make_halos(options.rows, world), truth);

  // No point of the 300 has a log_f or a log_sigma in the same 300th of the range as another.
  constexpr std::size_t num_points = 300;
  const auto scan = model.run_lhs_param_scan({-4.0, -1.5}, {0.0, 0.5}, 2, num_points, 1);
  const std::size_t best = xt::argmin(scan.losses)();
  const std::vector<double> start = {scan.params(best, 0), scan.params(best, 1)};

  std::vector<std::vector<double>> path;
  const auto refined = model.run_bfgs(
      start, {.gtol = 1e-8,
              .callback = [&](const ag::Iterate& at) { path.emplace_back(at.params.begin(), at.params.end()); },
              .progress = false});
  if (!world.is_root()) return;

  fmt::print("{:<18} {:>10} {:>10} {:>12}\n", "", "log_f", "log_sigma", "loss");
  fmt::print("{:<18} {:>10.4f} {:>10.4f} {:>12.3e}\n", "best of the scan", start[0], start[1], scan.losses(best));
  fmt::print("{:<18} {:>10.4f} {:>10.4f} {:>12.3e}\n", "refined", refined.x(0), refined.x(1), refined.fun);
  fmt::print("{:<18} {:>10.4f} {:>10.4f} {:>12}\n", "truth", truth(0), truth(1), 0);
  fmt::print("{} evaluations, and {} of loss and gradient\n", num_points, refined.nfev);

  example::CsvFile points(options.output + "/lhs_scan.csv", "log_f,log_sigma,loss");
  for (std::size_t i = 0; i < num_points; ++i) points.row(scan.params(i, 0), scan.params(i, 1), scan.losses(i));
  example::CsvFile steps(options.output + "/lhs_scan_path.csv", "log_f,log_sigma");
  for (const auto& at : path) steps.row(at[0], at[1]);
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Scans the parameters of the stellar mass function, and refines the best point.",
                      {.rows = 10000}, fit);
}
