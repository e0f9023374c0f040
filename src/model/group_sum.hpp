#pragma once

#include <array>
#include <exception>
#include <optional>
#include <vector>

#include "allgrad/one_point_group.hpp"
#include "comm/agreement.hpp"
#include "model/group_aux.hpp"
#include "model/group_layout.hpp"
#include "model/group_terms.hpp"

namespace allgrad {

/// This rank's models, and what all ranks know of all of them.
struct OnePointGroup::Members {
  std::vector<Term> own;
  std::vector<GroupMember> members;
  GroupTerms terms;
};

/// The weighted sum of the models' losses, each evaluated on its own ranks, in one collective of the main communicator.
class OnePointGroup::Sum final : public Objective {
 public:
  /// Compiles all models; collective.
  Sum(const Members& members, std::size_t num_params, const Communicator& comm, SourceLocation where);

  std::size_t num_params() const override { return gradient_.size(); }
  const Communicator& communicator() const override { return comm_; }
  Named<double> weights() const override { return members_.terms.weights; }

  double value(std::span<const double> params, const EvaluationOptions& options) override;
  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const EvaluationOptions& options) override;
  bool has_hessian(Curvature curvature) const override {
    return curvature == Curvature::gauss_newton ? have_tangents_ : have_second_derivatives_;
  }
  double value_gradient_and_hessian(std::span<const double> params, std::span<double> gradient,
                                    std::span<double> hessian, Curvature curvature,
                                    const EvaluationOptions& options) override;
  bool has_hessian_product() const override { return have_second_derivatives_; }
  void hessian_product(std::span<const double> params, std::span<const double> vector, std::span<double> product,
                       const EvaluationOptions& options) override;

  /// Of the models that have such values, the one with the lowest rank.
  std::string what_is_not_finite(std::span<const double> params, const EvaluationOptions& options) override;

  /// On the ranks of this rank's models too, which wait for it there.
  [[noreturn]] void fail(std::exception_ptr cause) override;

 private:
  void warn_of_unused(const Operation& operation);
  void ask_for_second_derivatives(const Operation& operation);
  void agree_on_aux(const Operation& operation);

  template <class Body>
  void attempt(const Communicator& model, Body body);
  void keep_failure(std::exception_ptr cause);
  void raise_failure();

  CompiledGraph& graph_of(std::size_t i);
  const EvaluationOptions& options_for(const CompiledGraph& graph, const EvaluationOptions& options);
  void check_num_params(std::size_t given);

  template <class Evaluate>
  double evaluate(std::span<const double> params, bool with_hessian, const EvaluationOptions& options,
                  Evaluate evaluate_model);
  template <class Evaluate>
  void sum_over_models(const EvaluationOptions& options, const Evaluate& evaluate_model);
  void use_message(bool with_hessian, bool with_aux);
  void make_room(const EvaluationOptions& options);

  // The parts of the message.
  double& loss() { return message_->payload()[0]; }
  double& drawing() { return message_->payload()[1]; }  // how many ranks' models draw random numbers
  double& changed() { return message_->payload()[2]; }  // and have other aux values than when ranks agreed on them
  std::span<double> terms() { return message_->payload().subspan(3, members_.terms.weights.size()); }
  std::span<double> gradients() { return message_->payload().subspan(3 + terms().size(), num_params()); }
  std::span<double> hessians() {
    return message_->payload().subspan(3 + terms().size() + num_params(), num_params() * num_params());
  }
  std::span<double> aux() { return message_->payload().last(aux_.size()); }

  SourceLocation where_;
  Communicator comm_;
  const Members& members_;
  GroupAux aux_;
  std::vector<double> weights_;  // of this rank's models
  std::vector<double> params_;
  std::vector<double> gradient_, hessian_;                         // of one model; or a product with the Hessian
  AuxValues model_aux_;                                            // and its aux values
  std::array<std::array<std::optional<Message>, 2>, 2> messages_;  // with a Hessian or without, with aux or without
  Message* message_ = nullptr;                                     // of this evaluation
  std::vector<AuxValues::Entry> aux_room_, terms_room_;            // of results, until they are given
  EvaluationOptions model_options_;
  bool have_tangents_ = true, have_second_derivatives_ = true;
  const std::uint64_t number_;
  std::exception_ptr failure_;  // of this rank's models, until the group meets
};

}  // namespace allgrad
