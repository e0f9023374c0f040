// A model without a fit.
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "memory_models.hpp"

namespace memory {

namespace {

/// Where it goes, stages are written no more.
struct NoDump {
  ~NoDump() { unsetenv("ALLGRAD_DUMP"); }
};

}  // namespace

std::vector<Part> model_parts() {
  return {
      {"first use of a model",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         return [=] {
           const ag::LossValue loss = model->calc_loss_from_params(at);
           return Numbers{loss.value, loss.aux["total"]()};
         };
       }},
      {"reference executor",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm, ag::ExecutorKind::reference);
         return [=] { return all_results(*model); };
       }},
      {"other results",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         model->calc_loss_from_params(at);
         return [=] { return all_results(*model); };
       }},
      {"results again", with_model(all_results, true)},
      {"numbers that differ in the last bit",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         all_results(*model);
         const ag::ParamValues own{comm.is_root() ? 0.5 : std::nextafter(0.5, 1.0), 2.0, 1.0};
         return [=] { return Numbers{model->calc_loss_from_params(own).value}; };
       }},
      {"compile",
       [](const ag::Communicator& comm) -> Action {
         const ag::Table table("halos", columns(), comm);
         const ag::Expr params = ag::parameters(1);
         const ag::Expr statistic = sum(table["x"] * params[0], 0);
         const ag::Loss loss(square(statistic), {{"statistic", statistic}});
         return [=] {
           ag::CompiledGraph graph = ag::compile(loss, params, comm);
           double param = 2.0, gradient = 0.0;
           const double value = graph.value_and_gradient({&param, 1}, {&gradient, 1});
           graph.write_dot("/dev/null");
           return Numbers{value, gradient, graph.value({&param, 1})};
         };
       }},
      {"functions of the user's",
       [](const ag::Communicator& comm) -> Action {
         const ag::Table table("halos", columns(), comm);
         const ag::CustomFunction twice{
             .value = [](const auto& x) { return ag::Array(2.0 * x[0]); },
             .vjp = [](const auto&, const ag::Array&,
                       const ag::Array& cotangent) { return std::vector<ag::Array>{2.0 * cotangent}; }};
         return [=] {
           const ag::Expr params = comm.attempt([] { return ag::parameters(1); });
           const ag::Loss loss = comm.attempt([&] {
             const ag::Expr rows = params[0] * table["x"];
             return ag::Loss(square(sum(ag::custom("twice", {rows}, rows.shape(), twice), 0)));
           });
           ag::CompiledGraph graph = ag::compile(loss, params, comm);
           double param = 2.0, gradient = 0.0;
           const double value = graph.value_and_gradient({&param, 1}, {&gradient, 1});
           return Numbers{value, gradient};
         };
       }},
      {"a page and the stages of a compilation",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const std::string folder = file_of("stages");
         if (comm.is_root()) std::filesystem::remove_all(folder);
         return [=] {
           setenv("ALLGRAD_DUMP", folder.c_str(), 1);
           const NoDump after;
           const std::string page = model->explain(at);
           return Numbers{page.empty() ? 0.0 : 1.0, model->calc_loss_from_params(at).value};
         };
       }},
      {"evaluate",
       [](const ag::Communicator& comm) -> Action {
         const ag::Table table("halos", columns(), comm);
         const ag::Expr total = log(sum(table["x"], 0)), share = sum(table["x"], 0);
         return [=] { return Numbers{ag::evaluate(total, comm)(), ag::evaluate(share, comm, false)()}; };
       }},
      {"find_nonfinite",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         all_results(*model);
         const ag::ParamValues beyond{0.5, -1.0, 1.0};
         return [=] {
           const auto found = model->find_nonfinite(beyond);
           return Numbers{found ? static_cast<double>(found->text.size()) : 0.0};
         };
       }},
      {"derivatives", with_model(all_derivatives)},
      {"derivatives again", with_model(all_derivatives, true)},
      {"errors",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         const auto fit = std::make_shared<const ag::OptimizeResult>(model->run_trust_region(curved_guess));
         const ag::ParamValues values(fit->x);
         const std::function<ag::Expr(const ag::Expr&)> quantity = [](const ag::Expr& p) { return p[0] + exp(p[1]); };
         return [=] {
           const ag::Covariance covariance = model->calc_covariance(values, {.errordef = 1.0});
           const ag::DerivedQuantity derived = covariance.propagate(quantity);
           ag::LogDensity density = ag::log_density(*model, covariance);
           const double origin[] = {0.0, 0.0};
           double gradient[2];
           Numbers numbers{density(origin, gradient)};
           append(numbers, covariance.matrix);
           append(numbers, derived.covariance);
           append(numbers, gradient);
           return numbers;
         };
       }},
  };
}

}  // namespace memory
