#include "allgrad/one_point_group.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/agreement.hpp"
#include "comm/call.hpp"
#include "comm/comm_state.hpp"
#include "compile/check_graph.hpp"
#include "compile/compiled_graph_state.hpp"
#include "compile/gradient_room.hpp"
#include "model/group_layout.hpp"

namespace allgrad {

/// The sum of the models' losses, each evaluated on its own ranks, in one collective of the main communicator.
class OnePointGroup::Sum final : public Objective {
 public:
  Sum(const std::vector<std::reference_wrapper<OnePointModel>>& models, std::size_t num_params,
      const Communicator& comm, SourceLocation where)
      : where_(where),
        comm_(comm),
        models_(models),
        params_(num_params),
        gradient_(num_params),
        gradient_message_(2 + num_params),
        number_(comm.next_number()) {
    const Operation compilation("the compilation of a group", where);
    check_same_num_params(num_params, comm_, compilation, where);
    for (OnePointModel& model : models_) {
      attempt(model.communicator(), [&] { graph_of(model); });
    }
    raise_failure();
    comm_.synchronize(compilation);  // so that no rank goes on alone with a model that failed elsewhere
    comm_.guarded([&] { warn_of_unused(compilation); }, compilation);
  }

  std::size_t num_params() const override { return gradient_.size(); }
  const Communicator& communicator() const override { return comm_; }

  double value(std::span<const double> params, const EvaluationOptions& options) override {
    message_ = &gradient_message_;
    return evaluate(params, options,
                    [&](CompiledGraph& graph, const EvaluationOptions& own) { return graph.value(params_, own); });
  }

  double value_and_gradient(std::span<const double> params, std::span<double> gradient,
                            const EvaluationOptions& options) override {
    try {
      check_room(gradient, num_params(), where_);
    } catch (...) {
      fail(std::current_exception());
    }
    message_ = &gradient_message_;
    const double loss = evaluate(params, options, [&](CompiledGraph& graph, const EvaluationOptions& own) {
      const double value = graph.value_and_gradient(params_, gradient_, own);
      if (graph.communicator().is_root()) add(gradient_, gradients());
      return value;
    });
    std::ranges::copy(gradients(), gradient.begin());
    return loss;
  }

  bool has_hessian(Curvature) const override { return true; }

  double value_gradient_and_hessian(std::span<const double> params, std::span<double> gradient,
                                    std::span<double> hessian, Curvature curvature,
                                    const EvaluationOptions& options) override {
    try {
      check_room(gradient, num_params(), where_);
      check_hessian_room(hessian, num_params(), where_);
      if (!hessian_message_) hessian_message_.emplace(2 + num_params() * (1 + num_params()));
      hessian_.resize(num_params() * num_params());
    } catch (...) {
      fail(std::current_exception());
    }
    message_ = &*hessian_message_;
    const auto evaluate_model = [&](CompiledGraph& graph, const EvaluationOptions& own) {
      const double value = graph.value_gradient_and_hessian(params_, gradient_, hessian_, curvature, own);
      if (graph.communicator().is_root()) {
        add(gradient_, gradients());
        add(hessian_, hessians());
      }
      return value;
    };
    const double loss = evaluate(params, options, evaluate_model);
    std::ranges::copy(gradients(), gradient.begin());
    std::ranges::copy(hessians(), hessian.begin());
    return loss;
  }

  /// Of the models that have such values, the one with the lowest rank.
  std::string what_is_not_finite(std::span<const double> params, const EvaluationOptions& options) override {
    std::string text;
    const Operation gathering("the search for what is not finite in a group", where_);
    for (OnePointModel& model : models_) {
      attempt(model.communicator(), [&] {
        CompiledGraph& graph = graph_of(model);
        const std::string own = graph.what_is_not_finite(params, options_for(graph, options));
        if (text.empty()) text = own;
      });
    }
    raise_failure();
    const std::vector<std::uint64_t> lengths = comm_.allgather(text.size(), gathering);
    const auto first = std::ranges::find_if(lengths, [](std::uint64_t length) { return length > 0; });
    if (first == lengths.end()) return {};
    const auto rank = static_cast<int>(first - lengths.begin());
    return comm_.broadcast(fmt::format("in the model of rank {}: {}", rank, text), rank, gathering);
  }

  /// On the ranks of this rank's models too, which wait for it there.
  [[noreturn]] void fail(std::exception_ptr cause) override {
    for (const OnePointModel& model : models_) {
      try {
        model.communicator().fail(cause);
      } catch (...) {  // on this rank it is `cause`, which is raised below
      }
    }
    comm_.fail(std::move(cause));
  }

 private:
  /// Of parameters that no model uses.
  void warn_of_unused(const Operation& operation) {
    Message uses(num_params());
    std::ranges::fill(uses.payload(), 0.0);
    for (OnePointModel& model : models_) {
      const std::vector<bool>& used = graph_of(model).state().used_params;
      std::ranges::transform(uses.payload(), used, uses.payload().begin(), std::plus<>());
    }
    comm_.allreduce(uses, operation);
    std::vector<bool> used;
    for (double models : uses.payload()) used.push_back(models > 0.0);
    warn_of_unused_params(used, comm_, where_);
  }

  /// What goes wrong in one model, on communicator `model`, must not keep this rank from the others: it is raised on
  /// the ranks of the model, and then where the group meets, by those on which it went wrong.
  template <class Body>
  void attempt(const Communicator& model, Body body) {
    try {
      model.attempt(body);
    } catch (const RankError& error) {
      const bool others_know = !CommAccess::state(model).broken;
      try {
        std::rethrow_if_nested(error);
        if (others_know) return;
        throw;
      } catch (...) {
        keep_failure(std::current_exception());
      }
    } catch (...) {
      keep_failure(std::current_exception());
    }
  }

  void keep_failure(std::exception_ptr cause) {
    if (!failure_) failure_ = std::move(cause);
  }

  void raise_failure() {
    if (failure_) comm_.fail(std::exchange(failure_, nullptr));
  }

  /// Built anew where the model was rebuilt since.
  CompiledGraph& graph_of(OnePointModel& model) { return model.graph_without_warning(num_params(), where_); }

  double& loss() { return message_->payload()[0]; }
  double& drawing() { return message_->payload()[1]; }  // how many ranks' models draw random numbers
  std::span<double> gradients() { return message_->payload().subspan(2, num_params()); }
  std::span<double> hessians() { return message_->payload().subspan(2 + num_params()); }

  static void add(std::span<const double> own, std::span<double> sum) {
    std::ranges::transform(own, sum, sum.begin(), std::plus<>());
  }

  /// A model that draws nothing gets no key.
  const EvaluationOptions& options_for(const CompiledGraph& graph, const EvaluationOptions& options) {
    model_options_.randkey = graph.draws() ? options.randkey : std::nullopt;
    model_options_.frozen = options.frozen;
    return model_options_;
  }

  template <class Evaluate>
  double evaluate(std::span<const double> params, const EvaluationOptions& options, Evaluate evaluate_model) {
    const Call call("OnePointGroup", where_, comm_);
    check_num_params(params.size());
    if (options.aux != nullptr) *options.aux = {};
    std::ranges::copy(params, params_.begin());
    Fingerprint key;
    key.add(options.randkey);
    const Operation evaluation =
        Operation("an evaluation of a group", where_).with("group", number_).with("random key", key.value());
    run_with_same(comm_, evaluation, {"parameters", params_, {}}, [&](const Operation& operation) {
      sum_over_models(options, evaluate_model);
      comm_.allreduce(*message_, operation);
    });
    if (options.randkey && drawing() == 0.0) {
      throw ArgumentError(
          "expected no random key, since no model of the group draws random numbers, got one; leave randkey away",
          where_);
    }
    return loss();
  }

  /// Of this rank's models, into the message.
  template <class Evaluate>
  void sum_over_models(const EvaluationOptions& options, const Evaluate& evaluate_model) {
    std::ranges::fill(message_->payload(), 0.0);
    for (OnePointModel& model : models_) {
      attempt(model.communicator(), [&] {
        CompiledGraph& graph = graph_of(model);
        if (graph.draws()) drawing() += 1.0;
        const double own = evaluate_model(graph, options_for(graph, options));
        if (graph.communicator().is_root()) loss() += own;
      });
    }
    raise_failure();
  }

  void check_num_params(std::size_t given) {
    if (given == num_params()) return;
    fail(std::make_exception_ptr(ArgumentError(
        fmt::format("expected {} parameters, as at the group's first use, got {}; a group keeps its number of "
                    "parameters, make another one to change it",
                    num_params(), given),
        Call::outermost()->where())));
  }

  SourceLocation where_;
  Communicator comm_;
  std::vector<std::reference_wrapper<OnePointModel>> models_;
  std::vector<double> params_;
  std::vector<double> gradient_, hessian_;  // of one model
  Message gradient_message_;                // loss, how many draw, gradient
  std::optional<Message> hessian_message_;  // and Hessian
  Message* message_ = &gradient_message_;   // of this evaluation
  EvaluationOptions model_options_;
  const std::uint64_t number_;
  std::exception_ptr failure_;  // of this rank's models, until the group meets
};

OnePointGroup::OnePointGroup(std::vector<std::reference_wrapper<OnePointModel>> models, Communicator main_comm,
                             SourceLocation where)
    : models_(std::move(models)), comm_(std::move(main_comm)) {
  in_call("OnePointGroup", where, comm_, [&] {
    std::vector<GroupMember> members;
    for (const OnePointModel& model : models_) members.push_back({model.comm_, model.number_});
    check_group_layout(members, comm_, where);
  });
}

OnePointGroup::OnePointGroup(OnePointModel& model, Communicator main_comm, SourceLocation where)
    : OnePointGroup(main_comm.attempt([&] { return std::vector{std::ref(model)}; }), main_comm, where) {}

OnePointGroup::~OnePointGroup() = default;

const Communicator& OnePointGroup::communicator() const { return comm_; }

Objective& OnePointGroup::objective(std::size_t num_params, SourceLocation where) {
  return in_call("OnePointGroup::objective", where, comm_, [&]() -> Objective& {
    // Another number of parameters later is refused where it is used, on all ranks.
    if (!sum_) sum_ = std::make_unique<Sum>(models_, num_params, comm_, where);
    return *sum_;
  });
}

ScanPoint OnePointGroup::evaluate_for_scan(std::span<const double> params, const std::optional<Key>& randkey,
                                           SourceLocation where) {
  const double loss = objective(params.size(), where).value(params, {.randkey = randkey});
  return {.sumstats = Array::from_shape({0}), .loss = {loss}};
}

}  // namespace allgrad
