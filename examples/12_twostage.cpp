// Statistics of statistics: a tail count needs the standard deviation, which needs the mean, each over all rows of all
// ranks. The sums are written as on paper; their derivatives pass through all three.

#include "made_data.hpp"
#include "models/twostage.hpp"

namespace ag = allgrad;

namespace {

const ag::Array truth = {0.8, 0.2};
const ag::Params params = {{.name = "stretch", .guess = 0.6}, {.name = "curvature", .guess = 0.1}};

void fit(const ag::Communicator& world, const example::Options& options) {
  const ag::Table rows("rows", {{"x", 0.3 + 1.2 * example::normal(options.rows, 0, world)}}, world);
  const ag::Array observed = models::TwoStage(rows).calc_sumstats_from_params(truth);
  // The errors that a sample of so many normal deviates would have.
  const double count = static_cast<double>(options.rows);
  const ag::Array errors = {observed(1) / std::sqrt(count), observed(1) / std::sqrt(2.0 * count),
                            std::sqrt(observed(2))};
  models::TwoStage model(rows, {}, observed, errors);
  const auto [best, covariance] = example::fit_made_data(model, params, truth, 1.0, "twostage", options);

  // The distribution of y [60], as it was guessed and as it was fitted with its errors.
  const ag::Array edges = xt::linspace(-4.0, 6.0, 61);
  const auto distribution = [&](const ag::Expr& p) {
    return soft_histogram(model.value(p), edges, 0.05) / (count * 10.0 / 60.0);
  };
  const ag::Array guessed = ag::evaluate(distribution(ag::constant({params[0].guess, params[1].guess})), world);
  const auto fitted = covariance.propagate(distribution);
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/twostage.csv", "y,guess,fit,fit_error,tail");
  for (std::size_t i = 0; i < fitted.values.size(); ++i) {
    const double y = 0.5 * (edges(i) + edges(i + 1));
    const bool in_tail = std::abs(y - observed(0)) > 2.0 * observed(1);
    csv.row(y, guessed(i), fitted.values(i), fitted.errors(i), in_tail ? fitted.values(i) : 0.0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits a model whose statistics need the totals of others.", {.rows = 10000}, fit);
}
