// One of two ranks runs out of memory, at each allocation of each part of the library in turn, once or for good: the
// other is told, nobody waits for ever, no number is wrong, and both can go on. By default some allocations of each
// part are tried, with ALLGRAD_EVERY_ALLOCATION=1 in the environment all of them, with ALLGRAD_PART=scan those of one
// part. Results as JSON are left out: nlohmann's destructor allocates, so that a lack of memory there ends the program.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../allocations.hpp"
#include "../catch.hpp"
#include "../hdf5_test_file.hpp"
#include "../said.hpp"
#include "../world.hpp"
#include "allgrad/allgrad.hpp"

namespace ag = allgrad;
using namespace allgrad::testing;

namespace {

/// Numbers that take no memory when they are noted.
class Numbers {
 public:
  Numbers(std::initializer_list<double> values = {}) {
    std::ranges::for_each(values, [&](double v) { push_back(v); });
  }
  void push_back(double value) { values_.at(count_++) = value; }
  bool operator==(const Numbers& other) const {  // to the bit, NaN too
    return count_ == other.count_ && std::memcmp(values_.data(), other.values_.data(), sizeof values_) == 0;
  }

 private:
  std::array<double, 400> values_{};
  std::size_t count_ = 0;
};

void append(Numbers& to, const auto& values) {
  for (const auto value : values) to.push_back(static_cast<double>(value));
}

using Action = std::function<Numbers()>;

/// What a rank does while memory runs out. Whatever is not the library's is made before, by `prepare`.
struct Part {
  std::string name;
  std::function<Action(const ag::Communicator&)> prepare;
  bool throws = false;  // on every rank, with memory too
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

std::string file_of(const char* name) {
  static const std::uint64_t number = world().allgather(static_cast<std::uint64_t>(getpid()))[0];
  return (std::filesystem::temp_directory_path() / fmt::format("allgrad_{}_{}", name, number)).string();
}

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
      {"results in files",
       [](const ag::Communicator& comm) -> Action {
         const auto model = std::make_shared<Model>(comm);
         const ag::Trajectory path = model->run_adam(guess, {.nsteps = 3, .learning_rate = 0.1});
         const ag::OptimizeResult fit = model->run_bfgs(guess, {.maxsteps = 3});
         const std::string file = file_of("results");
         return [=] {
           ag::save(path, file, comm);
           ag::save(fit, file, comm);
           struct stat written {};
           stat(file.c_str(), &written);
           return Numbers{static_cast<double>(written.st_size)};
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

/// How an action ended on this rank.
struct End {
  bool threw = false;
  std::string text;
  Numbers numbers;
};

End end_of(const Action& action, std::size_t refused, bool lasting) {
  End end;
  try {
    const OutOfMemory fault(refused, lasting);
    end.numbers = action();
  } catch (const std::exception& error) {
    end.threw = true;
    end.text = error.what();
  }
  return end;
}

bool says_so(const End& end) {
  return end.text.find("bad_alloc") != std::string::npos || end.text.find("out of memory") != std::string::npos;
}

/// Whether something holds on both ranks, by other messages than allgrad's.
bool on_both(bool here) {
  int holds = here ? 1 : 0;
  MPI_Allreduce(MPI_IN_PLACE, &holds, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return holds != 0;
}

/// One part of the library, with faults on one rank.
class Sweep {
 public:
  Sweep(const Part& part, int faulty, bool lasting)
      : part_(part), is_faulty_(world().rank() == faulty), lasting_(lasting) {
    const Action action = prepare();
    const std::size_t before = allocations();
    expected_ = end_of(action, 0, false);
    count_ = allocations() - before;
    MPI_Bcast(&count_, 1, MPI_UINT64_T, faulty, MPI_COMM_WORLD);
    CHECK(expected_.threw == part.throws);
  }

  std::size_t count() const { return count_; }

  /// At allocation `n` of the faulty rank.
  void run(std::size_t n) {
    const Action action = prepare();
    const End end = end_of(action, is_faulty_ ? n : 0, lasting_);
    const End next = end.threw ? End{} : end_of([&] { return sum(); }, 0, false);
    bool good = is_right(end) && is_told(next, end);
    const End again = good ? end_of(action, 0, false) : End{};
    good = good && again.threw == expected_.threw && again.numbers == expected_.numbers;
    if (!good) {
      FAIL_CHECK(fmt::format("{} of {} {}: {}{}; then: {}; and again: {}", n, count_, is_faulty_ ? "here" : "there",
                             end.text, end.threw || end.numbers == expected_.numbers ? "" : "wrong numbers", next.text,
                             again.text));
    }
    ++tried_;
    if (!on_both(good)) comm_.reset();  // what came after would be of no use
  }

  std::size_t tried() const { return tried_; }

 private:
  Action prepare() {
    if (!comm_) comm_.emplace(MPI_COMM_WORLD);
    const Action action = part_.prepare(*comm_);
    std::filesystem::remove(file_of("checkpoint"));
    on_both(true);
    return action;
  }

  bool is_right(const End& end) const {
    if (part_.throws) return end.threw;
    return end.threw ? says_so(end) : end.numbers == expected_.numbers;
  }

  Numbers sum() const { return {static_cast<double>(ag::reduce_sum(1, *comm_))}; }

  /// A rank that fails takes part in what the other does next as failed.
  bool is_told(const End& next, const End& before) const {
    if (before.threw) return true;
    return next.threw ? !is_faulty_ && says_so(next) : next.numbers == Numbers{2.0};
  }

  const Part& part_;
  const bool is_faulty_, lasting_;
  std::optional<ag::Communicator> comm_;
  End expected_;
  std::uint64_t count_ = 0;
  std::size_t tried_ = 0;
};

}  // namespace

TEST_CASE("the other rank learns that one has run out of memory") {
  setenv("ALLGRAD_TIMEOUT", "20", 0);  // instead of a hang
  const bool all = std::getenv("ALLGRAD_EVERY_ALLOCATION") != nullptr;
  const char* only = std::getenv("ALLGRAD_PART");
  constexpr std::size_t some = 12;
  std::size_t tried = 0, total = 0;
  for (const Part& part : parts()) {
    if (only != nullptr && part.name != only) continue;
    for (const int faulty : {0, 1}) {
      for (const bool lasting : {false, true}) {
        INFO(fmt::format("{}, rank {} {}", part.name, faulty, lasting ? "from then on" : "once"));
        const Said said;
        Sweep sweep(part, faulty, lasting);
        const std::size_t stride = all ? 1 : std::max<std::size_t>(sweep.count() / some, 1);
        const std::size_t first = (faulty == 0 ? 0 : stride / 2) + (lasting ? stride / 4 : 0);
        for (std::size_t n = 1 + first; n <= sweep.count(); n += stride) sweep.run(n);
        tried += sweep.tried();
        total += sweep.count();
      }
    }
  }
  for (const char* name : {"checkpoint", "results"}) std::filesystem::remove(file_of(name));
  if (all && world().is_root()) fmt::print("{} of {} allocations were refused\n", tried, total);
}
