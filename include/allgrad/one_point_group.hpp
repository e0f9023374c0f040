#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "allgrad/one_point_model.hpp"

namespace allgrad {

/// A model of a joint fit, as in {.model = smf, .name = "sdss", .weight = 0.5}; the same on all ranks of the model.
struct Term {
  OnePointModel& model;
  std::string name = {};  ///< one of its own; "models[i]" where it is empty
  double weight = 1.0;    ///< of its loss, at least 0; where it is 0, the loss is computed, and nothing is fitted to it
};

/// A joint fit: the loss is the weighted sum of the losses of several models, which live on parts of one communicator
/// and are evaluated at the same time. All take the same parameters; each may use others of them.
///
/// Each rank names the models that it takes part in, at least one. Models that share ranks are evaluated in the order
/// of the list, which has to be the same on all ranks that share them. The loss of a model counts once, however many
/// ranks it has. What goes wrong in one model is raised on every rank of the main communicator. All models that draw
/// random numbers get the same key, so that equal draws are equal numbers: use fold_in in each for others. A model that
/// is rebuilt is rebuilt for the group too, at its next use.
///
/// The loss of a group, its iterates and its results have `terms`, the loss of each model before its weight, and the
/// aux values of all models, as aux["sdss.chi2"], both on every rank: in the order of the first ranks of the models,
/// and on one rank in that of its list.
class OnePointGroup final : public ModelBase {
 public:
  /// Collective over `main_comm`; the models must outlive the group. Throws ArgumentError on every rank where a rank
  /// has no model, where the ranks of a model do not all list it, with one name and weight, or are not all in
  /// `main_comm`, where two models have one name or a weight cannot be used, and where lists contradict each other in
  /// their order.
  explicit OnePointGroup(std::vector<Term> terms, Communicator main_comm = Communicator::world(),
                         SourceLocation where = SourceLocation::current());

  /// The same without names, and with weights of 1.
  explicit OnePointGroup(std::vector<std::reference_wrapper<OnePointModel>> models,
                         Communicator main_comm = Communicator::world(),
                         SourceLocation where = SourceLocation::current());
  explicit OnePointGroup(OnePointModel& model, Communicator main_comm = Communicator::world(),
                         SourceLocation where = SourceLocation::current());
  ~OnePointGroup() override;

  const Communicator& communicator() const override;

  /// The weighted sum of the losses. Compiles all models at the first use, which fixes the number of parameters.
  Objective& objective(std::size_t num_params, SourceLocation where = SourceLocation::current()) override;

 private:
  class Sum;
  struct Members;
  ScanPoint evaluate_for_scan(std::span<const double> params, const std::optional<Key>& randkey,
                              SourceLocation where) override;

  Communicator comm_;
  std::unique_ptr<Members> members_;
  std::unique_ptr<Sum> sum_;
};

}  // namespace allgrad
