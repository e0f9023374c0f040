// Fits, and what is made of fits.
#include <memory>

#include "memory_models.hpp"

namespace memory {

namespace {

/// A run that is made anew from a file which a first run of two steps has left.
Action resumed(const ag::Communicator& comm, auto optimizer, auto set_steps) {
  const auto model = std::make_shared<Model>(comm);
  optimizer.checkpoint.file = file_of("checkpoint");
  optimizer.param_bounds = bounds;
  auto first = optimizer, rest = optimizer;
  set_steps(first, 2);
  set_steps(rest, 4);
  rest.checkpoint.resume = true;
  return [=] {
    first.minimize(model->objective(3), guess);
    return numbers_of(rest.minimize(model->objective(3), guess));
  };
}

}  // namespace

std::vector<Part> fit_parts() {
  return {
      {"adam",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::Adam adam{.nsteps = 3, .param_bounds = bounds, .learning_rate = 0.1};
         return [=] { return numbers_of(model->run_adam(guess, adam)); };
       }},
      {"adam that meets a wall",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::Adam adam{.nsteps = 4, .learning_rate = 5.0};
         return [=] { return numbers_of(model->run_adam(guess, adam)); };
       }},
      {"gradient descent",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::GradientDescent descent{.nsteps = 3, .learning_rate = 0.01};
         return [=] { return numbers_of(model->run_simple_grad_descent(guess, descent)); };
       }},
      {"bfgs",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::Lbfgsb bfgs{.maxsteps = 3, .param_bounds = bounds};
         return [=] { return numbers_of(model->run_bfgs(guess, bfgs)); };
       }},
      {"adam from a checkpoint",
       [](const ag::Communicator& comm) {
         return resumed(comm, ag::Adam{}, [](ag::Adam& adam, std::size_t n) { adam.nsteps = n; });
       }},
      {"bfgs from a checkpoint",
       [](const ag::Communicator& comm) {
         return resumed(comm, ag::Lbfgsb{}, [](ag::Lbfgsb& bfgs, std::size_t n) { bfgs.maxsteps = n; });
       }},
      {"trust region",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         return [=] { return numbers_of(model->run_trust_region(curved_guess, {.maxsteps = 3})); };
       }},
      {"trust region by products",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         const ag::TrustRegion optimizer{.maxsteps = 3, .solver = ag::TrustRegionSolver::conjugate_gradients};
         return [=] { return numbers_of(model->run_trust_region(curved_guess, optimizer)); };
       }},
      {"trust region from a checkpoint",
       [](const ag::Communicator& comm) {
         return resumed(comm, ag::TrustRegion{}, [](ag::TrustRegion& fit, std::size_t n) { fit.maxsteps = n; });
       }},
      {"several starts",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         const ag::Params limits = {{.bounds = {-1.0, 1.0}}, {.bounds = {-1.0, 1.0}}};
         const ag::MultistartOptions options{.num_starts = 2,
                                             .optimizer = ag::Lbfgsb{.maxsteps = 2, .progress = false}};
         return [=] { return numbers_of(ag::run_multistart(*model, limits, options).best); };
       }},
      {"several starts at a time",
       [](const ag::Communicator& comm) -> Action {
         const ag::MakeModel make = [](const ag::Communicator& part) { return std::make_unique<Curved>(part); };
         const ag::Params limits = {{.bounds = {-1.0, 1.0}}, {.bounds = {-1.0, 1.0}}};
         const ag::MultistartOptions options{.num_starts = 2,
                                             .optimizer = ag::Lbfgsb{.maxsteps = 2, .progress = false}};
         return [=] { return Numbers{ag::run_multistart(make, limits, options, comm).best.fun}; };
       }},
      {"profile",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         const auto fit = std::make_shared<const ag::OptimizeResult>(model->run_trust_region(curved_guess));
         const ag::ParamValues values{fit->x(0) + 0.1};
         return [=] {
           Numbers numbers;
           append(numbers, ag::profile(*model, *fit, "params[0]", values).losses);
           return numbers;
         };
       }},
      {"results in files",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::Trajectory path = model->run_adam(guess, {.nsteps = 3, .learning_rate = 0.1});
         const ag::OptimizeResult fit = model->run_bfgs(guess, {.maxsteps = 3});
         const std::string file = file_of("results"), hdf5_file = file + ".h5";
         return [=] {
           ag::save(path, file, comm);
           ag::save(fit, file, comm);
           ag::save(fit, hdf5_file, comm);
           Numbers numbers = numbers_of(ag::load_optimize_result(file, comm));
           append(numbers, ag::load_optimize_result(hdf5_file, comm).path.loss);
           return numbers;
         };
       }},
      {"a guess beyond the wall",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::Guess beyond{0.5, -1.0, 1.0};
         const ag::Lbfgsb bfgs{};
         return [=] { return numbers_of(model->run_bfgs(beyond, bfgs)); };
       },
       true},
      {"scan",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::ParamLimits low(0.5), high(1.5);
         return [=] {
           const ag::ParamScan scan = model->run_lhs_param_scan(low, high, 3, 4, 1);
           Numbers numbers;
           append(numbers, scan.losses);
           append(numbers, scan.sumstats);
           append(numbers, scan.aux["total"]);
           return numbers;
         };
       }},
      {"group",
       [](const ag::Communicator& comm) -> Action {
         const ag::Communicator both(comm.handle());
         const auto own = std::make_shared<Model>(ag::split_subcomms({.num_groups = 2}, comm).subcomm);
         const auto shared = std::make_shared<Model>(both);
         const std::vector<std::reference_wrapper<ag::OnePointModel>> models{*own, *shared};
         const ag::Adam adam{.nsteps = 2};
         const ag::ParamLimits low(0.5), high(1.5);
         return [=] {
           (void)own, (void)shared;
           ag::OnePointGroup group(comm.attempt([&] { return models; }), comm);
           const auto [loss, gradient] = group.calc_loss_and_grad_from_params(at);
           Numbers numbers{loss.value, group.calc_loss_from_params(at)};
           append(numbers, gradient);
           append(numbers, group.run_adam(guess, adam).loss);
           append(numbers, group.run_lhs_param_scan(low, high, 3, 2, 1).losses);
           return numbers;
         };
       }},
      {"results of a group again",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(ag::Communicator(comm.handle()));  // where the next result begins
         const auto group = std::make_shared<ag::OnePointGroup>(*model, comm);
         group->calc_loss_from_params(at);
         return [=] {
           (void)model;
           const double first = group->calc_loss_from_params(at);
           return Numbers{first, group->calc_loss_from_params(at)};
         };
       }},
      {"scan of a group again",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(ag::Communicator(comm.handle()));
         const auto group = std::make_shared<ag::OnePointGroup>(*model, comm);
         const ag::ParamLimits low(0.5), high(1.5);
         group->run_lhs_param_scan(low, high, 3, 2, 1);
         return [=] {
           (void)model;
           Numbers numbers;
           append(numbers, group->run_lhs_param_scan(low, high, 3, 2, 1).losses);
           return numbers;
         };
       }},
  };
}

}  // namespace memory
