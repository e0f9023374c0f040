// Writes a catalogue of halos whose masses follow a halo mass function.

#include <fmt/format.h>
#include <hdf5.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "examples/csv.hpp"
#include "io/hdf5_handle.hpp"

namespace {

using allgrad::hdf5::Handle;
using allgrad::hdf5::last_error;

constexpr double lowest_log_mass = 10.5;
constexpr double highest_log_mass = 15.5;

/// The number of halos per Mpc^3 below a mass: piecewise linear in log mass between the points of the table, that is,
/// the integral of dn/dlogM by trapezoids.
class CumulativeMassFunction {
 public:
  /// `table` [points, 2]: log mass, rising, and dn/dlogM; `path` is where it came from, for errors.
  CumulativeMassFunction(const xt::xtensor<double, 2>& table, const std::string& path) {
    constexpr double rounding = 1e-9;
    double density_before = 0.0;
    for (std::size_t i = 0; i < table.shape(0); ++i) {
      const double log_mass = table(i, 0);
      const double density = table(i, 1);
      if (log_mass < lowest_log_mass - rounding || log_mass > highest_log_mass + rounding) continue;
      const double step = log_mass_.empty() ? 0.0 : log_mass - log_mass_.back();
      if (!(density > 0.0) || (!log_mass_.empty() && !(step > 0.0))) {
        throw std::runtime_error(fmt::format(
            "expected log_mass to rise and dn_dlogm above 0 in every row of '{}', but row {} has {} and {}; correct "
            "the table",
            path, i + 1, log_mass, density));
      }
      number_.push_back(log_mass_.empty() ? 0.0 : number_.back() + 0.5 * (density + density_before) * step);
      log_mass_.push_back(log_mass);
      density_before = density;
    }
    if (log_mass_.size() < 2) {
      throw std::runtime_error(
          fmt::format("expected at least 2 rows with log_mass from {} to {} in '{}', but there are {}", lowest_log_mass,
                      highest_log_mass, path, log_mass_.size()));
    }
  }

  double number_density() const { return number_.back(); }

  /// The log mass below which there are `number` halos per Mpc^3, from 0 to number_density().
  double log_mass_below_which(double number) const {
    const auto above = std::upper_bound(number_.begin() + 1, number_.end() - 1, number);
    const auto i = static_cast<std::size_t>(above - number_.begin()) - 1;
    const double slope = (log_mass_[i + 1] - log_mass_[i]) / (number_[i + 1] - number_[i]);
    return slope * (number - number_[i]) + log_mass_[i];
  }

 private:
  std::vector<double> log_mass_;
  std::vector<double> number_;
};

/// An HDF5 file that appears under its name only when it is complete.
class CatalogueFile {
 public:
  explicit CatalogueFile(const std::string& path)
      : path_(path),
        temporary_(fmt::format("{}.{}.part", path, getpid())),
        file_(H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose) {
    check(static_cast<bool>(file_));
  }
  ~CatalogueFile() {
    file_.close();
    std::error_code ignored;  // it is gone already where all went well
    std::filesystem::remove(temporary_, ignored);
  }
  CatalogueFile(const CatalogueFile&) = delete;
  CatalogueFile& operator=(const CatalogueFile&) = delete;

  /// Writes the dataset `name` [rows] in chunks; `value(row)` gives its numbers.
  template <class F>
  void write_column(const std::string& name, std::uint64_t rows, F value) {
    const hsize_t total = rows;
    const Handle space(H5Screate_simple(1, &total, nullptr), H5Sclose);
    const Handle dataset(
        H5Dcreate2(file_.get(), name.c_str(), H5T_IEEE_F64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
        H5Dclose);
    check(static_cast<bool>(dataset));
    constexpr hsize_t chunk = 1 << 16;
    std::vector<double> values;
    for (hsize_t first = 0; first < total; first += chunk) {
      const hsize_t count = std::min(chunk, total - first);
      values.resize(count);
      for (hsize_t i = 0; i < count; ++i) values[i] = value(first + i);
      const Handle in_memory(H5Screate_simple(1, &count, nullptr), H5Sclose);
      check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &first, nullptr, &count, nullptr) >= 0);
      check(H5Dwrite(dataset.get(), H5T_NATIVE_DOUBLE, in_memory.get(), space.get(), H5P_DEFAULT, values.data()) >= 0);
    }
  }

  void write_attribute(const std::string& name, double value) {
    const Handle type(H5Tcopy(H5T_NATIVE_DOUBLE), H5Tclose);
    write_attribute(name, type, &value);
  }

  void write_attribute(const std::string& name, const std::string& value) {
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
    check(H5Tset_size(type.get(), value.size() + 1) >= 0 && H5Tset_cset(type.get(), H5T_CSET_UTF8) >= 0);
    write_attribute(name, type, value.c_str());
  }

  /// Gives the complete file its name.
  void commit() {
    check(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) >= 0);
    check(file_.close());
    std::filesystem::rename(temporary_, path_);
  }

 private:
  void write_attribute(const std::string& name, const Handle& type, const void* value) {
    const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
    const Handle attribute(H5Acreate2(file_.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose);
    check(attribute && H5Awrite(attribute.get(), type.get(), value) >= 0);
  }

  void check(bool succeeded) const {
    if (succeeded) return;
    const std::string cause = last_error();
    throw std::runtime_error(fmt::format(
        "cannot write '{}': {}; check its folder, its permissions and the space on the disk", path_, cause));
  }

  allgrad::hdf5::Quiet quiet_;
  std::string path_;
  std::string temporary_;
  Handle file_;
};

void make_halos(std::uint64_t rows, const std::string& data, const std::string& output) {
  const Csv table = read_csv(data, "log_mass,dn_dlogm");
  const CumulativeMassFunction halos(table.values, data);
  const auto quantile = [&](std::uint64_t row) {
    return (static_cast<double>(row) + 0.5) / static_cast<double>(rows) * halos.number_density();
  };

  CatalogueFile file(output);
  file.write_column("log_mass", rows, [&](std::uint64_t row) { return halos.log_mass_below_which(quantile(row)); });
  file.write_attribute("number_density", halos.number_density());
  file.write_attribute("source", table.comments);
  file.commit();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Writes a catalogue of halos: an HDF5 file with their log10 masses in Msun, which are the quantiles of a "
      "halo mass function between 10^10.5 and 10^15.5 Msun, and with their number per Mpc^3.");
  std::int64_t rows = 0;
  std::string data;
  std::string output;
  app.add_option("--rows", rows, "number of halos")
      ->required()
      ->check(CLI::Range(std::int64_t{1}, std::numeric_limits<std::int64_t>::max()));
  app.add_option("--data", data, "halo mass function: CSV file with the columns log_mass,dn_dlogm")->required();
  app.add_option("output", output, "HDF5 file to write")->required();
  CLI11_PARSE(app, argc, argv);

  try {
    make_halos(static_cast<std::uint64_t>(rows), data, output);
  } catch (const std::exception& error) {
    fmt::print(stderr, "make_halos: {}\n", error.what());
    return 1;
  }
}
