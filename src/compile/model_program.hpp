#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "allgrad/aux_values.hpp"
#include "compile/program.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// The expressions that a model consists of, as functions of `params`.
struct ModelGraph {
  Expr params;
  Expr loss;
  Aux aux = {};        ///< of the loss
  Expr sumstats = {};  ///< empty where nothing is known of any

  /// All but the parameters, with names.
  NamedOutputs outputs() const;
};

/// What is asked of a program: which results it computes together.
struct Request {
  bool loss = false;
  bool sumstats = false;
  bool share = false;  ///< this rank's share of the statistics, where they are partial
  bool aux = false;
  bool gradient = false;
  bool hessian = false;
  bool gauss_newton = false;       ///< of the loss; with sumstats, where there are any
  bool hessian_product = false;    ///< with the direction of a run
  bool jacobian = false;           ///< of the statistics
  bool sumstats_gradient = false;  ///< of the loss; with sumstats alone

  bool is_derivative() const {
    return gradient || hessian || gauss_newton || hessian_product || jacobian || sumstats_gradient;
  }
  bool operator==(const Request&) const = default;
};

/// Some of the results of a model, ready to run.
class ModelProgram {
 public:
  /// Collective. `frozen` [num_params] or empty: parameters by which the loss is not differentiated.
  ModelProgram(std::uint64_t number, const ModelGraph& graph, const Request& request, const std::vector<bool>& frozen,
               const Communicator& comm, const CompileOptions& options);

  /// As Program::run.
  void run(std::span<const double> params, const std::optional<Key>& randkey, std::span<const double> direction = {}) {
    program_.run(params, randkey, direction);
  }

  /// As Program::explain.
  std::string explain(std::span<const double> params, const std::optional<Key>& randkey) {
    return program_.explain(params, randkey);
  }

  // Of the last run, where they are asked for.
  double loss() const { return program_.output("loss")[0]; }
  Array sumstats() const { return array(request_.share ? "share" : "sumstats"); }
  AuxValues aux() const;
  std::span<const double> gradient() const { return program_.output("gradient"); }
  std::span<const double> hessian() const {  // exact, or Gauss-Newton
    return program_.output(to_string(request_.hessian ? Derivative::hessian : Derivative::gauss_newton));
  }
  std::span<const double> hessian_product() const { return program_.output(to_string(Derivative::hessian_product)); }
  Array derivative(Derivative which) const { return array(to_string(which)); }

  const NamedOutputs& graph() const { return program_.graph(); }

 private:
  Array array(std::string_view output) const;

  Request request_;
  std::vector<std::string> aux_names_;
  Program program_;  // last: once it is compiled on all ranks, nothing may fail
};

/// The programs of one model, each compiled when it is first asked for.
class ModelPrograms {
 public:
  /// `number` tells the model from others on its communicator.
  ModelPrograms(std::uint64_t number, ModelGraph graph, Communicator comm, CompileOptions options)
      : number_(number), graph_(std::move(graph)), comm_(std::move(comm)), options_(options) {}

  const ModelGraph& graph() const { return graph_; }
  const Communicator& communicator() const { return comm_; }
  const CompileOptions& options() const { return options_; }

  /// Collective. Allocates nothing where the program is there already.
  ModelProgram& get(const Request& request, const std::vector<bool>& frozen = {});

 private:
  struct Entry {
    Request request;
    std::vector<bool> frozen;
    std::unique_ptr<ModelProgram> program;
  };

  std::uint64_t number_;
  ModelGraph graph_;
  Communicator comm_;
  CompileOptions options_;
  std::vector<Entry> entries_;
};

}  // namespace allgrad
