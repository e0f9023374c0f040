// From how many of a grid of starts do optimizers find the minimum? See tools/basin.
#include <cmath>
#include <numeric>
#include <vector>

#include "../examples/smf_model.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {-2.0, std::log10(0.2)};
const ag::Bounds bounds = {{-6, 1}, {-2, 1}};

/// 9 values of log f from -4 to 0, with 8 of log sigma from -1.5 to 0.5 each.
std::vector<std::vector<double>> make_grid() {
  std::vector<std::vector<double>> grid;
  for (const double log_f : xt::linspace(-4.0, 0.0, 9)) {
    for (const double log_sigma : xt::linspace(-1.5, 0.5, 8)) grid.push_back({log_f, log_sigma});
  }
  return grid;
}

bool is_found(const xt::xtensor<double, 1>& params) { return xt::amax(xt::abs(params - truth))() <= 2e-2; }

void count(const ag::Communicator& world, const example::Options& options) {
  example::SmfModel model(example::make_halos(options.rows, world), truth);
  const auto grid = make_grid();
  std::vector<std::vector<int>> found;  // [optimizers, starts]
  const auto report = [&](const char* optimizer, const auto& fit) {
    auto& by_start = found.emplace_back();
    for (const auto& start : grid) by_start.push_back(is_found(fit(start)) ? 1 : 0);
    if (!world.is_root()) return;
    fmt::print("{}: {} of {}\n", optimizer, std::accumulate(by_start.begin(), by_start.end(), 0), grid.size());
  };
  using Start = const std::vector<double>&;
  report("lbfgsb", [&](Start start) { return model.run_bfgs(start, {.progress = false}).x; });
  report("lbfgsb with bounds",
         [&](Start start) { return model.run_bfgs(start, {.param_bounds = bounds, .progress = false}).x; });
  report("trust_region", [&](Start start) { return model.run_trust_region(start, {.progress = false}).x; });
  report("trust_region with bounds",
         [&](Start start) { return model.run_trust_region(start, {.param_bounds = bounds, .progress = false}).x; });
  report("adam", [&](Start start) {
    return model.run_adam(start, {.nsteps = 1000, .learning_rate = 0.02, .progress = false}).last_params();
  });
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/basin.csv",
                       "log_f,log_sigma,lbfgsb,lbfgsb_with_bounds,trust_region,trust_region_with_bounds,adam");
  for (std::size_t i = 0; i < grid.size(); ++i) {
    csv.row(grid[i][0], grid[i][1], found[0][i], found[1][i], found[2][i], found[3][i], found[4][i]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Counts from how many of a grid of starts optimizers find the minimum.",
                      {.rows = 10000}, count);
}
