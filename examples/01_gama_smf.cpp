// From halos on disk to the stellar-to-halo mass relation: the relation between the mass of a halo and that of its
// galaxy which reproduces the stellar mass function that the GAMA survey observed.

#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gama_model.hpp"

namespace ag = allgrad;

namespace {

using example::GamaModel, example::Observation, example::names, example::published;

/// The memory that the largest rank has used at most, in MB.
double peak_memory_mb(const ag::Communicator& world) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  double megabytes = static_cast<double>(usage.ru_maxrss) / 1024.0;
  MPI_Allreduce(MPI_IN_PLACE, &megabytes, 1, MPI_DOUBLE, MPI_MAX, world.handle());
  return megabytes;
}

/// What the run found, in numbers for people and for programs.
struct Report {
  ag::OptimizeResult fit;
  ag::Covariance covariance;
  double loss_at_guess;
  xt::xtensor<double, 1> gradient_at_guess;
  xt::xarray<double> phi_guess;
  ag::DerivedQuantity phi_fit;
  double seconds, peak_memory_mb;

  void print(const Observation& observed) const {
    fmt::print("\n{:<10} {:>12} {:>12} {:>12}\n", "parameter", "published", "fitted", "+-");
    for (std::size_t i = 0; i < names.size(); ++i) {
      fmt::print("{:<10} {:>12.4f} {:>12.4f} {:>12.4f}\n", names[i], published[i], fit.x(i), covariance.errors()(i));
    }
    const auto chi_squared = [&](const xt::xarray<double>& phi) {
      return xt::sum(xt::square((phi - observed.phi) / observed.error))();
    };
    fmt::print("{:<10} {:>12.2f} {:>12.2f}   in {} bins\n\n", "chi^2", chi_squared(phi_guess),
               chi_squared(phi_fit.values), observed.phi.size());
    fmt::print("{}: {}\n", fit.success ? "converged" : "not converged", fit.message);
    fmt::print("{} iterations, {} evaluations of loss and gradient, {:.2f} s, {:.0f} MB on the largest rank\n", fit.nit,
               fit.nfev, seconds, peak_memory_mb);
  }

  void write(const std::string& folder, const Observation& observed) const {
    const auto list = [](const auto& array) { return std::vector<double>(array.begin(), array.end()); };
    std::ofstream json(folder + "/fit.json");
    json << nlohmann::json{{"params", list(fit.x)},
                           {"standard_errors", list(covariance.errors())},
                           {"loss", fit.fun},
                           {"loss_at_guess", loss_at_guess},
                           {"gradient_at_guess", list(gradient_at_guess)},
                           {"sumstats", list(phi_fit.values)},
                           {"nit", fit.nit},
                           {"nfev", fit.nfev},
                           {"message", fit.message},
                           {"success", fit.success},
                           {"seconds", seconds},
                           {"peak_memory_mb", peak_memory_mb}}
                .dump(1)
         << "\n";
    std::ofstream csv(folder + "/smf.csv");
    csv << "log_mstar,phi,error,phi_guess,phi_fit,phi_fit_error\n";
    for (std::size_t i = 0; i < phi_fit.values.size(); ++i) {
      csv << fmt::format("{},{},{},{},{},{}\n", observed.log_mstar(i), observed.phi(i), observed.error(i), phi_guess(i),
                         phi_fit.values(i), phi_fit.errors(i));
    }
    json.close();
    csv.close();
    if (!json || !csv) throw std::runtime_error("fit.json and smf.csv cannot be written to " + folder);
  }
};

void fit(const ag::Communicator& world, const std::string& file, const std::string& data, const std::string& output,
         bool second_order) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };

  const auto halos = ag::Table::read(file, world);
  const Observation observed(data + "/gama_smf.csv");
  GamaModel model(halos, ag::read_attribute(file, "number_density"), observed);
  if (world.is_root()) fmt::print("{} halos on {} ranks\n", halos.total_rows(), world.size());

  const auto report_step = [&](const ag::Iterate& at) {
    if (world.is_root()) fmt::print("step {:>3}   loss {:>12.6f}   {:>6.2f} s\n", at.step, at.loss, seconds());
  };
  const auto [loss_at_guess, gradient_at_guess] = model.calc_loss_and_grad_from_params(published);
  const auto best = second_order
                        ? model.run_trust_region(published, {.maxsteps = 500, .ftol = 1e-12, .callback = report_step})
                        : model.run_bfgs(published, {.maxsteps = 500, .ftol = 1e-12, .callback = report_step});

  // The loss is half of a chi-squared: half of one is what it rises by at one standard error.
  const auto covariance = model.calc_covariance(best.x, {.errordef = 0.5});
  const auto phi_of = [&](const ag::Expr& params) { return model.calc_partial_sumstats_from_params(params).value; };

  const Report report{best,
                      covariance,
                      loss_at_guess,
                      gradient_at_guess,
                      model.calc_sumstats_from_params(published),
                      covariance.propagate(phi_of),
                      seconds(),
                      peak_memory_mb(world)};
  model.compiled(published.size()).write_dot(output + "/smf.dot");
  if (!world.is_root()) return;
  report.print(observed);
  report.write(output, observed);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Fits the stellar-to-halo mass relation to the stellar mass function that the GAMA survey observed.");
  std::string halos, data = "examples/data", output = ".";
  app.add_option("halos", halos, "HDF5 file with the column log_mass, from make_halos")->required();
  app.add_option("--data", data, "folder with gama_smf.csv");
  app.add_option("--output", output, "folder for fit.json, smf.csv and smf.dot");
  bool second_order = false;
  app.add_flag("--second-order", second_order, "fit by Newton's method in a trust region, not by L-BFGS-B");
  CLI11_PARSE(app, argc, argv);
  return ag::run(argc, argv, [&](const ag::Communicator& world) { fit(world, halos, data, output, second_order); });
}
