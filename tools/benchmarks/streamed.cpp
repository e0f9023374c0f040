// Time and memory of loss and gradient of the stellar mass function, for the halos of a file: in memory, or streamed.

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <vector>

#include "examples/models/smf.hpp"

namespace ag = allgrad;

namespace {

/// The most memory that this process has had.
double peak_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024.0 / 1e6;
}

void measure(const std::string& file, const ag::ReadOptions& options, std::size_t count,
             const ag::Communicator& world) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const auto start = Clock::now();
  const ag::Table halos = ag::Table::read(file, world, options);
  const double seconds_to_read = seconds_since(start);
  models::Smf model(halos);
  std::vector<double> times;
  double loss = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    loss = model.calc_loss_and_grad_from_params({-1.9, 0.3}).first.value;
    times.push_back(seconds_since(begin) / static_cast<double>(halos.local_rows()) * 1e9);
  }
  if (!world.is_root()) return;
  const double first = times.front();
  std::ranges::sort(times);
  fmt::print(
      "{}\nopened in {:.2f} s; ns per row and evaluation: {:.1f} at first, median of {} {:.1f}; peak memory {:.0f} "
      "MB; loss {:.17g}\n",
      halos, seconds_to_read, first, count, times[count / 2], peak_mb(), loss);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures loss and gradient of the stellar mass function, for the halos of a file.");
  std::string file;
  ag::ReadOptions options{.columns = {"log_mass"}};
  std::size_t count = 9;
  app.add_option("file", file, "what make_halos wrote")->required();
  app.add_option("--stream", options.stream, "rows of a block, of which two are in memory; all where not given");
  app.add_option("--evaluations", count, "how many")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  return ag::run(argc, argv, [&](const ag::Communicator& world) { measure(file, options, count, world); });
}
