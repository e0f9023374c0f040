#include "model/group_sum.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"
#include "comm/call.hpp"
#include "comm/comm_state.hpp"
#include "compile/check_graph.hpp"
#include "compile/compiled_graph_state.hpp"
#include "compile/gradient_room.hpp"

namespace allgrad {

namespace {

void add(double weight, std::span<const double> own, std::span<double> sum) {
  std::ranges::transform(own, sum, sum.begin(), [=](double a, double b) { return weight * a + b; });
}

/// Values with their numbers, which lie one after the other. Allocates nothing.
AuxValues filled(std::vector<AuxValues::Entry> room, std::span<const double> numbers) {
  auto from = numbers.begin();
  for (auto& [name, value] : room) {
    std::copy_n(from, value.size(), value.storage().begin());
    from += static_cast<std::ptrdiff_t>(value.size());
  }
  return AuxValues(std::move(room));
}

}  // namespace

OnePointGroup::Sum::Sum(const Members& members, std::size_t num_params, const Communicator& comm, SourceLocation where)
    : where_(where),
      comm_(comm),
      members_(members),
      params_(num_params),
      gradient_(num_params),
      number_(comm.next_number()) {
  for (const Term& term : members_.own) weights_.push_back(term.weight);
  const Operation compilation("the compilation of a group", where);
  check_same_num_params(num_params, comm_, compilation, where);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    attempt(members_.members[i].comm, [&] { graph_of(i); });
  }
  raise_failure();
  comm_.synchronize(compilation);  // so that no rank goes on alone with a model that failed elsewhere
  comm_.guarded(
      [&] {
        warn_of_unused(compilation);
        ask_for_second_derivatives(compilation);
      },
      compilation);
  agree_on_aux(compilation);
}

double OnePointGroup::Sum::value(std::span<const double> params, const EvaluationOptions& options) {
  return evaluate(params, false, options, [&](CompiledGraph& graph, double, const EvaluationOptions& own) {
    return graph.value(params_, own);
  });
}

double OnePointGroup::Sum::value_and_gradient(std::span<const double> params, std::span<double> gradient,
                                              const EvaluationOptions& options) {
  try {
    check_room(gradient, num_params(), where_);
  } catch (...) {
    fail(std::current_exception());
  }
  const auto evaluate_model = [&](CompiledGraph& graph, double weight, const EvaluationOptions& own) {
    if (weight == 0.0) return graph.value(params_, own);
    const double value = graph.value_and_gradient(params_, gradient_, own);
    if (graph.communicator().is_root()) add(weight, gradient_, gradients());
    return value;
  };
  const double loss = evaluate(params, false, options, evaluate_model);
  std::ranges::copy(gradients(), gradient.begin());
  return loss;
}

double OnePointGroup::Sum::value_gradient_and_hessian(std::span<const double> params, std::span<double> gradient,
                                                      std::span<double> hessian, Curvature curvature,
                                                      const EvaluationOptions& options) {
  try {
    check_room(gradient, num_params(), where_);
    check_hessian_room(hessian, num_params(), where_);
    hessian_.resize(num_params() * num_params());
  } catch (...) {
    fail(std::current_exception());
  }
  const auto evaluate_model = [&](CompiledGraph& graph, double weight, const EvaluationOptions& own) {
    if (weight == 0.0) return graph.value(params_, own);
    const double value = graph.value_gradient_and_hessian(params_, gradient_, hessian_, curvature, own);
    if (graph.communicator().is_root()) {
      add(weight, gradient_, gradients());
      add(weight, hessian_, hessians());
    }
    return value;
  };
  const double loss = evaluate(params, true, options, evaluate_model);
  std::ranges::copy(gradients(), gradient.begin());
  std::ranges::copy(hessians(), hessian.begin());
  return loss;
}

void OnePointGroup::Sum::hessian_product(std::span<const double> params, std::span<const double> vector,
                                         std::span<double> product, const EvaluationOptions& options) {
  try {
    check_product_room(vector, product, num_params(), where_);
  } catch (...) {
    fail(std::current_exception());
  }
  EvaluationOptions without_values = options;
  without_values.aux = without_values.terms = nullptr;
  evaluate(params, false, without_values, [&](CompiledGraph& graph, double weight, const EvaluationOptions& own) {
    if (weight == 0.0) return 0.0;
    graph.hessian_product(params_, vector, gradient_, own);
    if (graph.communicator().is_root()) add(weight, gradient_, gradients());
    return 0.0;
  });
  std::ranges::copy(gradients(), product.begin());
}

std::string OnePointGroup::Sum::what_is_not_finite(std::span<const double> params, const EvaluationOptions& options) {
  std::string text;
  const Operation gathering("the search for what is not finite in a group", where_);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0.0) continue;
    attempt(members_.members[i].comm, [&] {
      CompiledGraph& graph = graph_of(i);
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

void OnePointGroup::Sum::fail(std::exception_ptr cause) {
  for (const GroupMember& model : members_.members) {
    try {
      model.comm.fail(cause);
    } catch (...) {  // on this rank it is `cause`, which is raised below
    }
  }
  comm_.fail(std::move(cause));
}

/// Of parameters that no model uses.
void OnePointGroup::Sum::warn_of_unused(const Operation& operation) {
  Message uses(num_params());
  std::ranges::fill(uses.payload(), 0.0);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0.0) continue;
    const std::vector<bool>& used = graph_of(i).state().used_params;
    std::ranges::transform(uses.payload(), used, uses.payload().begin(), std::plus<>());
  }
  comm_.allreduce(uses, operation);
  std::vector<bool> used;
  for (double models : uses.payload()) used.push_back(models > 0.0);
  warn_of_unused_params(used, comm_, where_);
}

/// Of the models of all ranks that have a weight, as they are at the group's first use.
void OnePointGroup::Sum::ask_for_second_derivatives(const Operation& operation) {
  Message lacking(2);
  std::ranges::fill(lacking.payload(), 0.0);
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    if (weights_[i] == 0.0) continue;
    const CompiledGraph::State& state = graph_of(i).state();
    if (!state.has_tangents) lacking.payload()[0] += 1.0;
    if (!state.has_second_derivatives) lacking.payload()[1] += 1.0;
  }
  comm_.allreduce(lacking, operation);
  have_tangents_ = lacking.payload()[0] == 0.0;
  have_second_derivatives_ = lacking.payload()[1] == 0.0;
}

/// Models may have others once they are rebuilt.
void OnePointGroup::Sum::agree_on_aux(const Operation& operation) {
  comm_.guarded(
      [&] {
        std::vector<AuxLayout> own;
        for (std::size_t i = 0; i < weights_.size(); ++i) {
          own.push_back(layout_of(graph_of(i).state().programs.graph().aux));
        }
        aux_ = GroupAux(members_.terms.weights,
                        allgrad::agree_on_aux(members_.terms, members_.members, own, comm_, where_));
        messages_ = {};
      },
      operation);
}

/// What goes wrong in one model, on communicator `model`, must not keep this rank from the others: it is raised on the
/// ranks of the model, and then where the group meets, by those on which it went wrong.
template <class Body>
void OnePointGroup::Sum::attempt(const Communicator& model, Body body) {
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

void OnePointGroup::Sum::keep_failure(std::exception_ptr cause) {
  if (!failure_) failure_ = std::move(cause);
}

void OnePointGroup::Sum::raise_failure() {
  if (failure_) comm_.fail(std::exchange(failure_, nullptr));
}

/// Built anew where the model was rebuilt since.
CompiledGraph& OnePointGroup::Sum::graph_of(std::size_t i) {
  return members_.own[i].model.graph_without_warning(num_params(), where_);
}

/// A model that draws nothing gets no key.
const EvaluationOptions& OnePointGroup::Sum::options_for(const CompiledGraph& graph, const EvaluationOptions& options) {
  model_options_.randkey = graph.draws() ? options.randkey : std::nullopt;
  model_options_.frozen = options.frozen;
  model_options_.aux = options.aux != nullptr ? &model_aux_ : nullptr;
  return model_options_;
}

void OnePointGroup::Sum::check_num_params(std::size_t given) {
  if (given == num_params()) return;
  fail(std::make_exception_ptr(ArgumentError(
      fmt::format("expected {} parameters, as at the group's first use, got {}; a group keeps its number of "
                  "parameters, make another one to change it",
                  num_params(), given),
      Call::outermost()->where())));
}

template <class Evaluate>
double OnePointGroup::Sum::evaluate(std::span<const double> params, bool with_hessian, const EvaluationOptions& options,
                                    Evaluate evaluate_model) {
  const Call call("OnePointGroup", where_, comm_);
  check_num_params(params.size());
  std::ranges::copy(params, params_.begin());
  Fingerprint key;
  key.add(options.randkey);
  const Operation evaluation = Operation("an evaluation of a group", where_)
                                   .with("group", number_)
                                   .with("random key", key.value())
                                   .with("wish for aux values", options.aux != nullptr ? 1U : 0U);
  for (bool is_done = false; !is_done;) {
    try {
      use_message(with_hessian, options.aux != nullptr);
    } catch (...) {
      fail(std::current_exception());
    }
    run_with_same(comm_, evaluation, {"parameters", params_, {}}, [&](const Operation& operation) {
      sum_over_models(options, evaluate_model);
      comm_.attempt([&] { make_room(options); });
      comm_.allreduce(*message_, operation);
    });
    is_done = changed() == 0.0;
    if (!is_done) agree_on_aux(evaluation);
  }
  if (options.randkey && drawing() == 0.0) {
    throw ArgumentError(
        "expected no random key, since no model of the group draws random numbers, got one; leave randkey away",
        where_);
  }
  if (options.aux != nullptr) *options.aux = filled(std::move(aux_room_), aux());
  if (options.terms != nullptr) *options.terms = filled(std::move(terms_room_), terms());
  return loss();
}

/// Results have their memory before the group's last message: what the other ranks do next may begin in a model, where
/// they would not learn of a rank that has none.
void OnePointGroup::Sum::make_room(const EvaluationOptions& options) {
  if (options.aux != nullptr) aux_room_ = aux_.room();
  if (options.terms == nullptr) return;
  terms_room_.clear();
  for (const auto& [name, weight] : members_.terms.weights) terms_room_.emplace_back(name, Array(0.0));
}

void OnePointGroup::Sum::use_message(bool with_hessian, bool with_aux) {
  std::optional<Message>& message = messages_[with_hessian ? 1 : 0][with_aux ? 1 : 0];
  if (!message) {
    const std::size_t n = num_params();
    message.emplace(3 + members_.terms.weights.size() + n + (with_hessian ? n * n : 0) + (with_aux ? aux_.size() : 0));
  }
  message_ = &*message;
}

/// Of this rank's models, into the message.
template <class Evaluate>
void OnePointGroup::Sum::sum_over_models(const EvaluationOptions& options, const Evaluate& evaluate_model) {
  std::ranges::fill(message_->payload(), 0.0);
  const auto add_model = [&](std::size_t i, CompiledGraph& graph) {
    if (graph.draws()) drawing() += 1.0;
    const double own = evaluate_model(graph, weights_[i], options_for(graph, options));
    const std::size_t term = members_.terms.own[i];
    const bool is_known = options.aux == nullptr || aux_.is(term, graph.state().programs.graph().aux);
    if (!is_known) changed() += 1.0;
    if (!graph.communicator().is_root()) return;
    terms()[term] = own;
    if (weights_[i] != 0.0) loss() += weights_[i] * own;
    if (is_known && options.aux != nullptr) aux_.add(term, model_aux_, aux());
  };
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    const Communicator& comm = members_.members[i].comm;
    attempt(comm, [&] {
      CompiledGraph& graph = graph_of(i);
      if (options.aux == nullptr || graph.state().programs.graph().aux.empty()) return add_model(i, graph);
      // Aux values take memory after the model's last message: without another, ranks would not learn there of one that
      // has none.
      comm.guarded([&] { add_model(i, graph); }, Operation("the aux values of a model of a group", where_));
    });
  }
  raise_failure();
}

}  // namespace allgrad
