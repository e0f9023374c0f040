#include "reference_models.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace allgrad::testing {

Json read_json(const std::string& name) {
  const char* folder = std::getenv("ALLGRAD_TEST_DATA");
  std::ifstream file(std::string(folder == nullptr ? "tests/data" : folder) + "/" + name);
  return Json::parse(file);
}

std::pair<std::size_t, std::size_t> all_on_first(std::size_t total, int rank, int) {
  return rank == 0 ? std::pair{std::size_t{0}, total} : std::pair{total, total};
}

std::pair<std::size_t, std::size_t> first_is_empty(std::size_t total, int rank, int size) {
  if (size == 1) return {0, total};
  const auto part = [&](int r) { return total * static_cast<std::size_t>(r - 1) / static_cast<std::size_t>(size - 1); };
  return rank == 0 ? std::pair{std::size_t{0}, std::size_t{0}} : std::pair{part(rank), part(rank + 1)};
}

std::pair<std::size_t, std::size_t> uneven(std::size_t total, int rank, int size) {
  const auto begin = [&](int r) {
    return total * static_cast<std::size_t>(r * (r + 1)) / static_cast<std::size_t>(size * (size + 1));
  };
  return {begin(rank), begin(rank + 1)};
}

std::pair<std::size_t, std::size_t> one_and_eleven(std::size_t total, int rank, int size) {
  const std::size_t starts[] = {0, std::min<std::size_t>(1, total), std::min<std::size_t>(12, total), total};
  const auto start = [&](int r) { return r >= size ? total : starts[std::min(r, 3)]; };
  return {start(rank), start(rank + 1)};
}

Table make_table(const Json& entry, Split split, const Communicator& comm) {
  return Table(
      "catalogue",
      [&] {
        Table::Columns columns;
        for (const auto& [name, values] : entry.at("rows").items()) {
          const auto [first, last] = split(values.size(), comm.rank(), comm.size());
          const auto all = values.get<std::vector<double>>();
          const auto at = [&](std::size_t row) { return all.begin() + static_cast<std::ptrdiff_t>(row); };
          columns.emplace_back(name, std::vector<double>(at(first), at(last)));
        }
        return columns;
      },
      comm);
}

Sumstats Smf::calc_partial_sumstats_from_params(const Expr& params) const {
  const auto mean = params[0] + halos_["log_mass"];
  const auto z = (edges_ - expand_dims(mean, 1)) / (std::sqrt(2.0) * params[1]);
  const auto cdf = 0.5 * (1.0 + erf(z));
  return sum(diff(cdf), 0) / (2000.0 * xt::diff(edges_));
}

Loss Smf::calc_loss_from_sumstats(const Sumstats& smf) const {
  const xt::xarray<double> target = {0.023, 0.017, 0.0116, 0.0071, 0.0037, 0.0017, 0.00063, 0.00019, 4.7e-5, 9.2e-6};
  return mean(square(log10(smf.value + 1e-10) - xt::log10(target)));
}

Sumstats Hod::calc_partial_sumstats_from_params(const Expr& params) const {
  const Expr log_mass = halos_["log_mass"];
  const Expr mass = pow(10.0, log_mass);
  const Expr central = 0.5 * (1.0 + erf((log_mass - params[0]) / params[1]));
  const Expr excess = (mass - pow(10.0, params[2])) / pow(10.0, params[3]);
  const Expr above = excess > 0.0;
  const Expr satellites = central * where(above, pow(where(above, excess, 1.0), params[4]), 0.0);

  const xt::xarray<double> low = {11.0, 12.0, 13.0}, high = {12.0, 13.0, 15.0};
  const Expr column = expand_dims(log_mass, 1);
  const Expr inside = column >= low && column < high;
  const auto per_bin = [&](const Expr& x) { return sum(where(inside, expand_dims(halos_["weight"] * x, 1), 0.0), 0); };
  return concatenate({per_bin(central), per_bin(satellites)});
}

Loss Hod::calc_loss_from_sumstats(const Sumstats& counts) const {
  return sum(square(counts.value - 20.0) / (20.0 + counts.value));
}

Sumstats TwoStage::calc_partial_sumstats_from_params(const Expr& params) const {
  const Expr x = rows_["x"];
  const Expr y = sinh(params[0] * x) + params[1] * square(x);
  const Expr average = mean(y);
  const Expr sigma = sqrt(mean(square(y - average)));
  const Expr tail = sum(sigmoid(4.0 * (abs(y - average) / sigma - 2.0)));
  return stack({average, sigma, tail});
}

Loss TwoStage::calc_loss_from_sumstats(const Sumstats& statistics) const {
  const Expr& s = statistics.value;
  return square(s[0] - 0.1) + square(s[1] - 1.5) + square(s[2] / 10.0 - 0.5);
}

}  // namespace allgrad::testing
