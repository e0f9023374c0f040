#pragma once

// Models whose values are in data/models.json, where other software computed them.

#include <nlohmann/json.hpp>

#include <string>

#include "allgrad/allgrad.hpp"

namespace allgrad::testing {

using Json = nlohmann::json;

/// A file of tests/data.
Json read_json(const std::string& name);

/// How rows are dealt out: this rank's share of `total` rows, [first, last).
using Split = std::pair<std::size_t, std::size_t> (*)(std::size_t total, int rank, int size);

std::pair<std::size_t, std::size_t> all_on_first(std::size_t total, int rank, int size);
std::pair<std::size_t, std::size_t> first_is_empty(std::size_t total, int rank, int size);
std::pair<std::size_t, std::size_t> uneven(std::size_t total, int rank, int size);
/// One row on the first rank, as many as smf has lanes on the second.
std::pair<std::size_t, std::size_t> one_and_eleven(std::size_t total, int rank, int size);

/// This rank's rows of the columns in a model's entry of models.json.
Table make_table(const Json& entry, Split split, const Communicator& comm);

/// Stellar mass function: galaxies per volume per dex, 10 bins. params = (log f, sigma).
class Smf final : public OnePointModel {
 public:
  Smf(Table halos, CompileOptions options) : OnePointModel(halos.communicator(), options), halos_(std::move(halos)) {}
  Sumstats calc_partial_sumstats_from_params(const Expr& params) const override;
  Loss calc_loss_from_sumstats(const Sumstats& smf) const override;

 private:
  Table halos_;
  xt::xarray<double> edges_ = xt::linspace(9.0, 10.0, 11);
};

/// Halo occupation: centrals and satellites, none below the cutoff. 6 statistics, 5 parameters.
class Hod final : public OnePointModel {
 public:
  Hod(Table halos, CompileOptions options) : OnePointModel(halos.communicator(), options), halos_(std::move(halos)) {}
  Sumstats calc_partial_sumstats_from_params(const Expr& params) const override;
  Loss calc_loss_from_sumstats(const Sumstats& counts) const override;

 private:
  Table halos_;
};

/// Mean, standard deviation about it, and a tail count beyond two of these: three reductions, one inside the other.
class TwoStage final : public OnePointModel {
 public:
  TwoStage(Table rows, CompileOptions options) : OnePointModel(rows.communicator(), options), rows_(std::move(rows)) {}
  Sumstats calc_partial_sumstats_from_params(const Expr& params) const override;
  Loss calc_loss_from_sumstats(const Sumstats& statistics) const override;

 private:
  Table rows_;
};

}  // namespace allgrad::testing
