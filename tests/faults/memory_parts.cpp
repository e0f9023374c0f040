#include "memory_parts.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>

#include "../fits_test_file.hpp"
#include "../hdf5_test_file.hpp"
#include "../world.hpp"
#include "allgrad/allgrad.hpp"

namespace ag = allgrad;
using namespace allgrad::testing;

namespace memory {

std::string file_of(const char* name) {
  static const std::uint64_t number = world().allgather(static_cast<std::uint64_t>(getpid()))[0];
  return (std::filesystem::temp_directory_path() / fmt::format("allgrad_{}_{}", name, number)).string();
}

namespace {

void append(Numbers& to, const auto& values) {
  for (const auto value : values) to.push_back(static_cast<double>(value));
}

/// A file of this rank's, gone with this object.
struct OwnFile {
  explicit OwnFile(const std::string& name) : path((std::filesystem::temp_directory_path() / name).string()) {}
  ~OwnFile() { std::filesystem::remove(path); }
  std::string path;
};

ag::Table::Columns columns() {
  const auto rank = static_cast<double>(world().rank());
  return {{"x", std::vector<double>(3 - static_cast<std::size_t>(rank), 0.5 + rank)},
          {"y", std::vector(3 - static_cast<std::size_t>(rank), 0.25)}};
}

class Model final : public ag::OnePointModel {
 public:
  explicit Model(const ag::Communicator& comm, ag::ExecutorKind executor = ag::ExecutorKind::tiled)
      : OnePointModel(comm, {.executor = executor}), halos_("halos", columns(), comm), x_(halos_["x"]) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    const ag::Expr powers = pow(expand_dims(x_, 1), ag::constant({1.0, 2.0}));
    return sum(p[0] * powers + log(p[1]), 0);
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& s) const override {
    return {mean(square(s.value - 2.0)), {{"total", sum(s.value)}}};
  }

 private:
  ag::Table halos_;
  ag::Expr x_;
};

const ag::ParamValues at{0.5, 2.0, 1.0};  // the last is not used, of which there is a warning

Numbers numbers_of(const ag::Trajectory& fit) {
  Numbers numbers;
  append(numbers, fit.loss);
  append(numbers, fit.params);
  append(numbers, fit.aux["total"]);
  return numbers;
}

Numbers numbers_of(const ag::OptimizeResult& fit) {
  Numbers numbers{fit.fun};
  append(numbers, fit.x);
  append(numbers, fit.jac);
  return numbers;
}

/// Its loss depends on all of its parameters.
class Curved final : public ag::OnePointModel {
 public:
  explicit Curved(const ag::Communicator& comm) : OnePointModel(comm), halos_("halos", columns(), comm) {}

  ag::Sumstats calc_partial_sumstats_from_params(const ag::Expr& p) const override {
    return ag::stack({sum(p[0] * halos_["x"], 0), sum(exp(p[1]) * halos_["y"], 0)});
  }
  ag::Loss calc_loss_from_sumstats(const ag::Sumstats& s) const override { return sum(square(s.value - 2.0)); }

 private:
  ag::Table halos_;
};

const ag::Guess curved_guess{0.4, 0.1};

const ag::Guess guess{0.5, 2.0, 1.0};
const ag::Bounds bounds{{-3.0, 3.0}, {.low = 0.0}, {}};

Numbers all_results(Model& model) {
  Numbers numbers;
  append(numbers, model.calc_sumstats_from_params(at, true));
  append(numbers, model.calc_sumstats_from_params(at, false));
  const auto [loss, gradient] = model.calc_loss_and_grad_from_params(at);
  numbers.push_back(loss.value);
  append(numbers, gradient);
  append(numbers, loss.aux["total"]);
  append(numbers, model.calc_dloss_dparams(at));
  return numbers;
}

Numbers all_derivatives(Curved& model) {
  static const ag::ParamValues point{0.4, 0.3}, direction{1.0, 2.0};
  static const ag::Array variances = xt::ones<double>({2});
  const auto [sumstats, jacobian] = model.calc_sumstats_and_jacobian(point);
  Numbers numbers;
  append(numbers, sumstats);
  append(numbers, jacobian);
  append(numbers, model.calc_dloss_dsumstats(point));
  append(numbers, model.calc_hessian(point));
  append(numbers, model.calc_hvp(point, direction));
  append(numbers, model.calc_fisher(point, variances));
  return numbers;
}

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

const std::vector<Part>& parts() {
  static const std::vector<Part> all{
      {"reduce_sum",
       [](const ag::Communicator& comm) -> Action {
         const xt::xarray<double> doubles = xt::ones<double>({7, 10});
         const xt::xarray<int> integers = xt::ones<int>({3});
         return [=] {
           Numbers numbers{ag::reduce_sum(0.5, comm), static_cast<double>(ag::reduce_sum(1234567890123456, comm))};
           append(numbers, ag::reduce_sum(doubles, comm));
           append(numbers, ag::reduce_sum(integers, comm));
           if (const auto sum = ag::reduce_sum(doubles, 1, comm)) append(numbers, *sum);
           return numbers;
         };
       }},
      {"messages",
       [](const ag::Communicator& comm) -> Action {
         const std::string text(100, 'a');
         const std::vector<std::uint64_t> same(100, 3);
         return [=] {
           Numbers numbers;
           append(numbers, comm.allgather(static_cast<std::uint64_t>(comm.rank())));
           numbers.push_back(static_cast<double>(comm.broadcast(text, 1).size()));
           numbers.push_back(static_cast<double>(comm.first_difference(same)));
           comm.synchronize();
           numbers.push_back(comm.guarded([] { return std::vector(5, 2.0); })[0]);
           return numbers;
         };
       }},
      {"split",
       [](const ag::Communicator& comm) -> Action {
         const ag::SplitOptions halves{.num_groups = 2};
         return [=] {
           const ag::Subcomm half = ag::split_subcomms(halves, comm);
           const ag::Subcomm node = ag::split_subcomms_by_node(comm);
           const ag::Communicator copy(comm.handle());
           return Numbers{static_cast<double>(half.group_rank), static_cast<double>(half.subcomm.size()),
                          static_cast<double>(node.subcomm.size()), static_cast<double>(copy.rank())};
         };
       }},
      {"table",
       [](const ag::Communicator& comm) -> Action {
         const std::function<ag::Table::Columns()> load = columns;
         return [=] {
           const ag::Table table("halos", load, comm);
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"table from a file",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<TestFile>(static_cast<std::uint64_t>(getpid()));
         static const std::string path = [] {
           file->write("x", std::vector{1.0, 2.0, 3.0});
           file->write("image", std::vector(4, 1.0), {2, 2});
           return world().broadcast(file->path(), 0);
         }();
         return [=] {
           const ag::Table table = ag::Table::read(path, comm);
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"table from text",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<OwnFile>(fmt::format("allgrad_memory_{}.ecsv", getpid()));
         static const std::string path = [] {
           std::ofstream(file->path) << "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: x, unit: Mpc, datatype: float64}\n"
                                        "# - {name: pair, datatype: string, subtype: 'int64[2]'}\n"
                                        "x pair\n1.5 \"[1,2]\"\n2.5 [3,4]\n3.5 [5,6]\n";
           return world().broadcast(file->path, 0);
         }();
         return [=] {
           const auto keep = [](const ag::Row& row) { return row["x"] > 2.0; };
           const ag::Table table = ag::Table::read(path, comm, {.where = keep});
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
      {"table from FITS",
       [](const ag::Communicator& comm) -> Action {
         static const auto file = std::make_shared<OwnFile>(fmt::format("allgrad_memory_{}.fits", getpid()));
         static const std::string path = [] {
           {
             FitsWriter writer(file->path);
             writer.table(BINARY_TBL, "HALOS", {{"x", "1D", "Mpc"}, {"pair", "2K"}, {"name", "4A"}});
             writer.write(TDOUBLE, 1, std::vector{1.0, 2.0, 3.0});
           }
           return world().broadcast(file->path, 0);
         }();
         return [=] {
           const ag::Table table = ag::Table::read(path, comm);
           return Numbers{static_cast<double>(table.total_rows()), static_cast<double>(table.first_row())};
         };
       }},
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
      {"results again",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         all_results(*model);
         return [=] { return all_results(*model); };
       }},
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
      {"derivatives",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         return [=] { return all_derivatives(*model); };
       }},
      {"derivatives again",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Curved>(comm);
         all_derivatives(*model);
         return [=] { return all_derivatives(*model); };
       }},
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
      {"outer product",
       [](const ag::Communicator& comm) -> Action {
         const ag::Table table("halos", columns(), comm);
         const std::function<ag::Expr(const ag::Expr&)> rows = [=](const ag::Expr& p) {
           return p[0] * table["x"] - table["y"];
         };
         const ag::ParamValues params{0.5};
         return [=] {
           const ag::OuterProduct product = ag::calc_outer_product(rows, params, comm);
           return Numbers{product.jtj(0, 0), product.jtr(0), product.rtr};
         };
       }},
      {"rows",
       [](const ag::Communicator& comm) -> Action {
         const auto table = std::make_shared<ag::Table>("halos", columns(), comm);
         const std::function<ag::Table::Columns()> load = columns;
         const ag::Expr twice = 2.0 * ag::store(exp((*table)["x"]));
         const ag::Expr total = sum(twice, 0);
         return [=] {
           const ag::Table more = table->with_column("z", twice);
           const ag::Table few = more.where(comm.attempt([&] { return more["z"] < 4.0; }));
           table->assign(load);
           return Numbers{static_cast<double>(few.total_rows()), ag::evaluate(total, comm)()};
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
      {"ranks that do not do the same",
       [](const ag::Communicator& comm) -> Action {
         return [=] {
           if (comm.is_root()) return Numbers{ag::reduce_sum(1.0, comm)};
           comm.synchronize();
           return Numbers{};
         };
       },
       true},
      {"a failure on the other rank",
       [](const ag::Communicator& comm) -> Action {
         return [=] {
           return Numbers{comm.guarded([&]() -> double { throw ag::DataError(fmt::format("rank {}", comm.rank())); })};
         };
       },
       true},
  };
  return all;
}

}  // namespace memory
