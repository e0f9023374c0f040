// Two sets of points compared without bins: by how many lie around some centers, and by their Fourier modes, after one
// of them is moved and weighted; the way of kdescent.

#include <xtensor/xview.hpp>

#include "made_data.hpp"
#include "models/kernels.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {0.1, -0.1, 0.2, 0.9, 1.1, 0.8, 0.4};
const ag::Params params = {{.name = "shift_x", .guess = 0.0},   {.name = "shift_y", .guess = 0.0},
                           {.name = "shift_z", .guess = 0.0},   {.name = "stretch_x", .guess = 1.0},
                           {.name = "stretch_y", .guess = 1.0}, {.name = "stretch_z", .guess = 1.0},
                           {.name = "shear", .guess = 0.2}};

void fit(const ag::Communicator& world, const example::Options& options) {
  const ag::Table points("points",
                         {{"x", example::normal(options.rows, 0, world)},
                          {"y", example::normal(options.rows, 2, world)},
                          {"z", example::normal(options.rows, 4, world)}},
                         world);
  const ag::Array observed = models::Kernels(points).calc_sumstats_from_params(truth);
  const ag::Array near = xt::view(observed, xt::range(0, 4)), waves = xt::view(observed, xt::range(4, 10));
  models::Kernels model(points, {}, near, waves, 0.5 * static_cast<double>(options.rows));
  const auto [best, covariance] = example::fit_made_data(model, params, truth, 1.0, "kernels", options);
  if (!world.is_root()) return;

  // Two pairs of parameters, and by how much each of them is held by the data.
  example::CsvFile csv(options.output + "/kernels.csv", "x,y,stretch_y,shear");
  const auto shifts = covariance.error_ellipse("shift_x", "shift_y").points();
  const auto shapes = covariance.error_ellipse("stretch_y", "shear").points();
  for (std::size_t i = 0; i < shifts.shape(0); ++i) csv.row(shifts(i, 0), shifts(i, 1), shapes(i, 0), shapes(i, 1));
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits the shape of a set of points to another by kernels and Fourier modes.",
                      {.rows = 10000}, fit);
}
