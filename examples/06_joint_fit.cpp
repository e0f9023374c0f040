// A joint fit of two data sets, each with a model on its own ranks, evaluated at the same time: how many galaxies there
// are of a stellar mass, and how massive their halos are. On one rank, both models share it.

#include <algorithm>
#include <array>
#include <cmath>
#include <xtensor/xview.hpp>

#include "example.hpp"

namespace ag = allgrad;

namespace {

constexpr std::size_t num_bins = 7;
const ag::Array edges = xt::linspace(8.4, 9.8, num_bins + 1);  // log10 stellar mass

/// What was measured in each bin, and its error. Each [7].
struct Survey {
  ag::Array value, error;
};

const ag::Array truth = {8.5, 1.2, -0.7};  // from which both were made, with noise
const Survey counts = {{0.0711, 0.0392, 0.0352, 0.0225, 0.012, 0.00548, 0.00133},  // galaxies / Mpc^3 / dex
                       {0.0069, 0.0047, 0.0032, 0.0022, 0.0013, 0.00059, 0.00016}};
const Survey masses = {{10.435, 10.617, 10.741, 10.932, 11.069, 11.145, 11.172},  // log10 halo mass
                       {0.02, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02}};

const ag::Params params = {{.name = "log_mstar", .guess = 8.3, .unit = "dex"},
                           {.name = "slope", .guess = 1.0},
                           {.name = "log_sigma", .guess = -0.5}};

/// Galaxies, one in each halo, with a mean log10 stellar mass of log_mstar + slope * (log10 halo mass - 10.5).
class SurveyModel : public ag::OnePointModel {
 public:
  SurveyModel(const ag::Table& halos, const Survey& survey)
      : OnePointModel(halos.communicator()), halos_(halos), survey_(survey) {}

  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& stats) const override {
    return sum(square((stats.value - survey_.value) / survey_.error));  // chi^2
  }

 protected:
  /// The probability that a halo's galaxy is in each bin [rows, 7].
  ag::Expr in_bins(const ag::Expr& p) const {
    const auto mean = p[0] + p[1] * (halos_["log_mass"] - 10.5);
    return diff(0.5 * (1.0 + erf((edges - expand_dims(mean, 1)) / (std::sqrt(2.0) * pow(10.0, p[2])))));
  }

  ag::Table halos_;
  Survey survey_;
};

/// Galaxies per Mpc^3 and dex [7], where each halo stands for 10 Mpc^3.
class CountModel final : public SurveyModel {
  using SurveyModel::SurveyModel;
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    return sum(in_bins(p), 0) / (10.0 * static_cast<double>(halos_.total_rows()) * xt::diff(edges));
  }
};

/// The mean log10 mass of the halos around the galaxies of each bin [7].
class MassModel final : public SurveyModel {
  using SurveyModel::SurveyModel;
  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    const auto galaxies = in_bins(p);
    return sum(expand_dims(halos_["log_mass"], 1) * galaxies, 0) / sum(galaxies, 0);
  }
};

/// The two models, each on half of the ranks; a single rank has both.
class Models {
 public:
  Models(std::size_t rows, const ag::Communicator& world)
      : world_(world),
        split_(ag::split_subcomms({.num_groups = std::min(2, world.size())}, world)),
        counts_(example::make_halos(rows, split_.subcomm), counts),
        masses_(example::make_halos(rows, split_.subcomm), masses) {}

  ag::OnePointGroup group() {
    std::vector<ag::Term> mine;
    if (is_mine(0)) mine.push_back({.model = counts_, .name = "counts"});
    if (is_mine(1)) mine.push_back({.model = masses_, .name = "masses"});
    return ag::OnePointGroup(mine, world_);
  }

  /// What `compute` gives for each model [2, length], at the same time on the ranks of either; on every rank.
  template <class F>
  ag::Array of_each(std::size_t length, F compute) {
    ag::Array result = xt::zeros<double>({std::size_t{2}, length});
    for (std::size_t i : {0U, 1U}) {
      if (is_mine(i)) xt::view(result, i) = compute(*models_[i]);
    }
    if (!split_.subcomm.is_root()) result.fill(0.0);  // all ranks of a model have the same
    return ag::reduce_sum(result, world_);
  }

 private:
  bool is_mine(std::size_t i) const { return split_.num_groups == 1 || split_.group_rank == static_cast<int>(i); }

  ag::Communicator world_;
  ag::Subcomm split_;
  CountModel counts_;
  MassModel masses_;
  std::array<ag::OnePointModel*, 2> models_ = {&counts_, &masses_};
};

void fit(const ag::Communicator& world, const example::Options& options) {
  Models models(options.rows, world);
  ag::OnePointGroup group = models.group();
  const ag::Lbfgsb bfgs{.progress = false};
  auto joint = group.run_bfgs(params, bfgs);
  const auto alone = models.of_each(3, [&](auto& model) { return model.run_bfgs(params, bfgs).x; });

  if (world.is_root()) {
    fmt::print("{:>24} {:>8} {:>10} {:>14} {:>8}\n", "log_mstar", "slope", "log_sigma", "chi^2: counts", "masses");
  }
  const auto print_row = [&](const char* name, const ag::Array& at) {
    const ag::AuxValues terms = group.calc_loss_from_params(at).terms;
    if (!world.is_root()) return;
    fmt::print("{:<14} {:>9.3f} {:>8.3f} {:>10.3f} {:>14.1f} {:>8.1f}\n", name, at(0), at(1), at(2), terms["counts"](),
               terms["masses"]());
  };
  print_row("guess", {params[0].guess, params[1].guess, params[2].guess});
  print_row("counts alone", xt::view(alone, 0));
  print_row("masses alone", xt::view(alone, 1));
  print_row("joint", joint.x);
  print_row("truth", truth);

  const auto stats = models.of_each(num_bins, [&](auto& model) { return model.calc_sumstats_from_params(joint.x); });
  const ag::Array mass = 0.5 * (xt::view(edges, xt::range(1, num_bins + 1)) + xt::view(edges, xt::range(0, num_bins)));
  joint.covariance = group.calc_covariance(joint.x, {.errordef = 1.0, .params = params});
  const auto compared = [&](std::size_t i, const Survey& survey, const std::string& label) -> ag::Comparison {
    return {.model = xt::view(stats, i),
            .data = survey.value,
            .errors = survey.error,
            .x = mass,
            .x_label = "log_{10} (stellar mass / M_⊙)",
            .label = label};
  };
  joint.statistics = {{"counts", compared(0, counts, "galaxies (Mpc^{-3} dex^{-1})")},
                      {"masses", compared(1, masses, "log_{10} (mean halo mass / M_⊙)")}};
  ag::save(joint, options.output + "/joint_fit.h5", world);  // for tools/plot
  if (!world.is_root()) return;
  example::CsvFile csv(options.output + "/joint_fit.csv",
                       "log_mstar,counts,counts_error,counts_fit,masses,masses_error,masses_fit");
  for (std::size_t i = 0; i < num_bins; ++i) {
    csv.row(mass(i), counts.value(i), counts.error(i), stats(0, i), masses.value(i), masses.error(i), stats(1, i));
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(argc, argv, "Fits two data sets jointly, each on its own ranks.", {.rows = 10000}, fit);
}
