#pragma once

// The models that are timed, with their data: each as a user writes it for allgrad and as a loop written by hand.

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "allgrad/allgrad.hpp"

namespace benchmarks {

struct Model {
  std::map<std::string, allgrad::Array> columns;  // this rank's rows, which `model` borrows
  std::vector<double> params;
  std::unique_ptr<allgrad::OnePointModel> model;
  std::function<double(std::span<double> gradient)> limit;  // the loss at `params`, on one rank
};

/// The model `name` with `size` rows on all ranks; of `lanes` and `params` with so many of these and 1e5 rows, without
/// a limit. Throws std::runtime_error where there is none of that name. Options are those of smf, hod and twostage.
Model make_model(const std::string& name, std::size_t size, const allgrad::Communicator& comm,
                 const allgrad::CompileOptions& options = {});

}  // namespace benchmarks
