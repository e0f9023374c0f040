#include "example.hpp"

#include <CLI/CLI.hpp>
#include <xtensor/xbuilder.hpp>
#include <xtensor/xmath.hpp>

namespace example {

int run(int argc, char** argv, const std::string& about, Options options,
        const std::function<void(const ag::Communicator&, const Options&)>& body) {
  CLI::App app(about);
  app.add_option("--rows", options.rows, "number of halos")->check(CLI::Range(2, 1'000'000'000))->capture_default_str();
  app.add_option("--output", options.output, "folder for the results")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return ag::run(argc, argv, [&](const ag::Communicator& world) { body(world, options); });
}

ag::Array own_rows(std::size_t rows, const ag::Communicator& comm) {
  const auto [first, last] = ag::share_of_rows(rows, comm);
  return xt::arange<double>(static_cast<double>(first), static_cast<double>(last));
}

ag::Table make_halos(std::size_t rows, const ag::Communicator& comm) {
  const auto last = static_cast<double>(rows - 1);
  return ag::Table("halos", {{"log_mass", 10.0 - xt::log10(1.0 - 0.95 * own_rows(rows, comm) / last)}}, comm);
}

}  // namespace example
