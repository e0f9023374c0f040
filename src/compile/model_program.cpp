#include "compile/model_program.hpp"

#include <algorithm>

#include "dsl/collectives.hpp"
#include "graph/operator.hpp"

namespace allgrad {

namespace {

Expr share_of(const Expr& statistics) {
  return statistics.placement() == Placement::partial ? as_placement(statistics, Placement::per_rank) : statistics;
}

NamedOutputs expressions_of(const ModelGraph& graph, const Wanted& wanted) {
  NamedOutputs outputs;
  if (wanted.loss) outputs.emplace_back("loss", graph.loss);
  if (wanted.sumstats) outputs.emplace_back("sumstats", graph.sumstats);
  if (wanted.share) outputs.emplace_back("sumstats", share_of(graph.sumstats));
  if (wanted.aux) outputs.insert(outputs.end(), graph.aux.begin(), graph.aux.end());
  return outputs;
}

std::string results_of(const Wanted& wanted) {
  std::string results;
  const auto add = [&](bool is_wanted, std::string_view name) {
    if (is_wanted) results += (results.empty() ? "" : ", ") + std::string(name);
  };
  add(wanted.loss, "loss");
  add(wanted.sumstats, "statistics");
  add(wanted.share, "share of the statistics");
  add(wanted.aux, "aux values");
  add(wanted.gradient, "gradient");
  return results;
}

}  // namespace

NamedOutputs ModelGraph::outputs() const {
  return expressions_of(*this, {.loss = true, .sumstats = !sumstats.empty(), .aux = true});
}

ModelProgram::ModelProgram(std::uint64_t number, const ModelGraph& graph, const Wanted& wanted,
                           const std::vector<bool>& frozen, const Communicator& comm, const CompileOptions& options)
    : expressions_(expressions_of(graph, wanted)),
      wanted_(wanted),
      program_({number, results_of(wanted)}, exprs_of(expressions_), graph.params, comm, options,
               wanted.gradient ? std::optional(GradientOf{graph.loss, frozen}) : std::nullopt) {}

Array ModelProgram::array(std::size_t output) const {
  Array result = Array::from_shape(local_shape(expressions_[output].second.shape()));
  std::ranges::copy(program_.output(output), result.storage().begin());
  return result;
}

Array ModelProgram::sumstats() const { return array(wanted_.loss ? 1 : 0); }

void ModelProgram::copy_aux(AuxValues& aux) const {
  const auto first = static_cast<std::size_t>(wanted_.loss) + static_cast<std::size_t>(wanted_.sumstats);
  std::vector<AuxValues::Entry> values;
  for (std::size_t i = first; i < expressions_.size(); ++i) values.emplace_back(expressions_[i].first, array(i));
  aux = AuxValues(std::move(values));
}

ModelProgram& ModelPrograms::get(const Wanted& wanted, const std::vector<bool>& frozen) {
  for (const Entry& entry : entries_) {
    if (entry.wanted == wanted && entry.frozen == frozen) return *entry.program;
  }
  return comm_.attempt([&]() -> ModelProgram& {
    // Once it is compiled on all ranks, none may fail to keep it.
    entries_.reserve(entries_.size() + 1);
    Entry entry{wanted, frozen, {}};
    entry.program = std::make_unique<ModelProgram>(number_, graph_, wanted, frozen, comm_, options_);
    return *entries_.emplace_back(std::move(entry)).program;
  });
}

}  // namespace allgrad
