// Evaluates models of examples/models for the rows and parameters of a file, on any number of ranks.

#include <CLI/CLI.hpp>
#include <cerrno>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "allgrad/allgrad.hpp"
#include "examples/models/growth.hpp"
#include "examples/models/hod.hpp"
#include "examples/models/kernels.hpp"
#include "examples/models/photometry.hpp"
#include "examples/models/poisson.hpp"
#include "examples/models/smf.hpp"
#include "examples/models/twostage.hpp"

namespace ag = allgrad;
using Json = nlohmann::ordered_json;

namespace {

constexpr const char* about = R"(Evaluates models for rows and parameters of a file, on any number of ranks.

IN has an object for each model, by its name: smf, hod, poisson, growth, photometry, kernels or
twostage, with "rows", an object of columns, and "params". OUT gets "sumstats", "loss",
"dloss_dparams", "dsumstats_dparams" and "d2loss_dparams2" of each of them.)";

/// How rows are dealt out: this rank's share of `total` rows.
using Split = ag::RowShare (*)(std::size_t total, const ag::Communicator& comm);

ag::RowShare even(std::size_t total, const ag::Communicator& comm) { return ag::share_of_rows(total, comm); }

/// Each rank has more than the one before, and the first, where there are several, none.
ag::RowShare uneven(std::size_t total, const ag::Communicator& comm) {
  const auto rank = static_cast<std::size_t>(comm.rank()), size = static_cast<std::size_t>(comm.size());
  if (size == 1) return {0, total};
  const auto first = [&](std::size_t r) { return total * r * (r - 1) / (size * (size - 1)); };
  return {rank == 0 ? 0 : first(rank), first(rank + 1)};
}

struct Kind {
  std::size_t num_params;
  std::function<std::unique_ptr<ag::OnePointModel>(const ag::Table&, const ag::CompileOptions&)> make;
};

template <class Model>
Kind kind(std::size_t num_params) {
  return {num_params, [](const ag::Table& rows, const ag::CompileOptions& options) {
            return std::make_unique<Model>(rows, options);
          }};
}

const std::map<std::string, Kind> kinds = {{"smf", kind<models::Smf>(2)},
                                           {"hod", kind<models::Hod>(5)},
                                           {"poisson", kind<models::Poisson>(5)},
                                           {"growth", kind<models::Growth>(12)},
                                           {"photometry", kind<models::Photometry>(6)},
                                           {"kernels", kind<models::Kernels>(7)},
                                           {"twostage", kind<models::TwoStage>(2)}};

Json read_json(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw std::runtime_error(
        fmt::format("'{}' cannot be read: {}; check the path", path, std::generic_category().message(errno)));
  }
  try {
    return Json::parse(file);
  } catch (const Json::exception& error) {
    throw std::runtime_error(fmt::format("expected JSON in '{}': {}", path, error.what()));
  }
}

/// The numbers of an entry; `what` names it in messages.
std::vector<double> numbers(const Json& entry, const std::string& what) {
  if (!entry.is_array() || !std::ranges::all_of(entry, [](const Json& number) { return number.is_number(); })) {
    throw std::runtime_error(fmt::format("expected an array of numbers as {}", what));
  }
  return entry.get<std::vector<double>>();
}

/// The member of an object. Throws std::runtime_error where it is missing.
const Json& member(const Json& object, const std::string& key, const std::string& what) {
  if (object.is_object() && object.contains(key)) return object[key];
  throw std::runtime_error(fmt::format("expected \"{}\" in {}", key, what));
}

ag::Table make_table(const std::string& name, const Json& rows, Split split, const ag::Communicator& world) {
  const auto load = [&] {
    if (!rows.is_object()) throw std::runtime_error(fmt::format("expected an object of columns as rows of {}", name));
    ag::Table::Columns columns;
    for (const auto& [column, values] : rows.items()) {
      const auto all = numbers(values, fmt::format("column {} of {}", column, name));
      const auto [first, last] = split(all.size(), world);
      columns.emplace_back(column, std::vector<double>(all.begin() + static_cast<std::ptrdiff_t>(first),
                                                       all.begin() + static_cast<std::ptrdiff_t>(last)));
    }
    return columns;
  };
  return ag::Table(name, load, world);
}

/// The rows of an array one after the other, as nested lists.
Json nested(std::span<const double> values, std::size_t columns) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < values.size(); i += columns) rows.push_back(Json(values.subspan(i, columns)));
  return rows;
}

Json evaluate(const std::string& name, const Json& entry, Split split, const ag::CompileOptions& options,
              const ag::Communicator& world) {
  const auto found = kinds.find(name);
  if (found == kinds.end()) {
    std::vector<std::string> known;
    for (const auto& [other, kind] : kinds) known.push_back(other);
    throw std::runtime_error(fmt::format("expected a model of {}, got '{}'", fmt::join(known, ", "), name));
  }
  const std::string what = fmt::format("the entry of {}", name);
  const auto params = numbers(member(entry, "params", what), fmt::format("params of {}", name));
  if (params.size() != found->second.num_params) {
    throw std::runtime_error(
        fmt::format("expected {} params of {}, got {}", found->second.num_params, name, params.size()));
  }
  const auto model = found->second.make(make_table(name, member(entry, "rows", what), split, world), options);
  const auto [sumstats, jacobian] = model->calc_sumstats_and_jacobian(params);
  const auto [loss, gradient] = model->calc_loss_and_grad_from_params(params);
  const auto hessian = model->calc_hessian(params);
  return {{"sumstats", std::span(sumstats.data(), sumstats.size())},
          {"loss", loss.value},
          {"dloss_dparams", std::span(gradient.data(), gradient.size())},
          {"dsumstats_dparams", nested({jacobian.data(), jacobian.size()}, params.size())},
          {"d2loss_dparams2", nested({hessian.data(), hessian.size()}, params.size())}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(about);
  std::string in, out;
  app.add_option("IN", in, "JSON file with rows and parameters")->required();
  app.add_option("OUT", out, "JSON file for the values")->required();
  const std::map<std::string, ag::ExecutorKind> executors = {{"tiled", ag::ExecutorKind::tiled},
                                                             {"reference", ag::ExecutorKind::reference}};
  const std::map<std::string, Split> splits = {{"even", even}, {"uneven", uneven}};
  std::string executor_name = "tiled", split_name = "even";
  app.add_option("--executor", executor_name, "tiled, or reference: node by node on whole arrays")
      ->check(CLI::IsMember(executors))
      ->capture_default_str();
  app.add_option("--split", split_name, "even, or uneven: one of several ranks has no rows")
      ->check(CLI::IsMember(splits))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  return ag::run(argc, argv, [&](const ag::Communicator& world) {
    const Split split = splits.at(split_name);
    const ag::CompileOptions options{executors.at(executor_name)};
    const Json entries = read_json(in);
    if (!entries.is_object()) throw std::runtime_error(fmt::format("expected an object of models in '{}'", in));
    Json values = Json::object();
    for (const auto& [name, entry] : entries.items()) values[name] = evaluate(name, entry, split, options, world);
    if (!world.is_root()) return;
    std::ofstream file(out);
    file << values.dump(1) << std::endl;
    if (!file) {
      throw std::runtime_error(fmt::format("'{}' cannot be written; check its folder and the space on the disk", out));
    }
  });
}
