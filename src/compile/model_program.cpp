#include "compile/model_program.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "dsl/collectives.hpp"
#include "graph/operator.hpp"
#include "graph/traversal.hpp"

namespace allgrad {

namespace {

Expr share_of(const Expr& statistics) {
  return statistics.placement() == Placement::partial ? as_placement(statistics, Placement::per_rank) : statistics;
}

/// With the statistics as one total, which the loss depends on as a whole: derivatives by them are of what it sees.
ModelGraph with_total_statistics(ModelGraph graph) {
  if (graph.sumstats.empty() || graph.sumstats.placement() != Placement::partial) return graph;
  const Expr total = allreduce(graph.sumstats);
  const auto replace = [&](const Expr& expr) { return expr.node() == graph.sumstats.node() ? total : expr; };
  graph.loss = rewrite({graph.loss}, replace)[0];
  graph.sumstats = total;
  return graph;
}

ModelGraph graph_for(const ModelGraph& graph, const Request& request) {
  return request.gauss_newton || request.sumstats_gradient ? with_total_statistics(graph) : graph;
}

/// The user's names may be any, "loss" too.
std::string output_of_aux(std::string_view name) { return fmt::format("aux {}", name); }

std::vector<std::string> names_of(const Aux& aux) {
  std::vector<std::string> names;
  for (const auto& [name, expr] : aux) names.push_back(name);
  return names;
}

NamedOutputs expressions_of(const ModelGraph& graph, const Request& request) {
  NamedOutputs outputs;
  if (request.loss) outputs.emplace_back("loss", graph.loss);
  if (request.sumstats) outputs.emplace_back("sumstats", graph.sumstats);
  if (request.share) outputs.emplace_back("share", share_of(graph.sumstats));
  if (request.aux) {
    for (const auto& [name, expr] : graph.aux) outputs.emplace_back(output_of_aux(name), expr);
  }
  return outputs;
}

std::vector<Derivative> derivatives_of(const Request& request) {
  std::vector<Derivative> which;
  if (request.gradient) which.push_back(Derivative::gradient);
  if (request.hessian) which.push_back(Derivative::hessian);
  if (request.gauss_newton) which.push_back(Derivative::gauss_newton);
  if (request.hessian_product) which.push_back(Derivative::hessian_product);
  if (request.jacobian) which.push_back(Derivative::jacobian);
  if (request.sumstats_gradient) which.push_back(Derivative::sumstats_gradient);
  return which;
}

std::optional<DerivativesOf> derivatives_of(const ModelGraph& graph, const Request& request,
                                            const std::vector<bool>& frozen) {
  std::vector<Derivative> which = derivatives_of(request);
  if (which.empty()) return std::nullopt;
  return DerivativesOf{.loss = graph.loss, .frozen = frozen, .which = std::move(which), .sumstats = graph.sumstats};
}

std::string results_of(const Request& request) {
  std::string results;
  const auto add = [&](bool is_asked_for, std::string_view name) {
    if (is_asked_for) results += (results.empty() ? "" : ", ") + std::string(name);
  };
  add(request.loss, "loss");
  add(request.sumstats, "statistics");
  add(request.share, "share of the statistics");
  add(request.aux, "aux values");
  for (const Derivative derivative : derivatives_of(request)) add(true, to_string(derivative));
  return results;
}

}  // namespace

NamedOutputs ModelGraph::outputs() const {
  return expressions_of(*this, {.loss = true, .sumstats = !sumstats.empty(), .aux = true});
}

ModelProgram::ModelProgram(std::uint64_t number, const ModelGraph& graph, const Request& request,
                           const std::vector<bool>& frozen, const Communicator& comm, const CompileOptions& options)
    : request_(request),
      aux_names_(names_of(graph.aux)),
      program_({number, results_of(request)}, expressions_of(graph, request), graph.params, comm, options,
               derivatives_of(graph, request, frozen)) {}

Array ModelProgram::array(std::string_view output) const {
  Array result = Array::from_shape(local_shape(program_.shape(output)));
  std::ranges::copy(program_.output(output), result.storage().begin());
  return result;
}

AuxValues ModelProgram::aux() const {
  std::vector<AuxValues::Entry> values;
  for (const std::string& name : aux_names_) values.emplace_back(name, array(output_of_aux(name)));
  return AuxValues(std::move(values));
}

ModelProgram& ModelPrograms::get(const Request& request, const std::vector<bool>& frozen) {
  for (const Entry& entry : entries_) {
    if (entry.request == request && entry.frozen == frozen) return *entry.program;
  }
  return comm_.attempt([&]() -> ModelProgram& {
    // Once it is compiled on all ranks, none may fail to keep it.
    entries_.reserve(entries_.size() + 1);
    Entry entry{request, frozen, {}};
    entry.program =
        std::make_unique<ModelProgram>(number_, graph_for(graph_, request), request, frozen, comm_, options_);
    return *entries_.emplace_back(std::move(entry)).program;
  });
}

}  // namespace allgrad
