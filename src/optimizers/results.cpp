// Results as JSON files.
#include "allgrad/results.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <exception>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <utility>

#include "allgrad/error.hpp"
#include "comm/call.hpp"
#include "optimizers/file.hpp"
#include "optimizers/result_text.hpp"
#include "optimizers/version.hpp"

namespace allgrad {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::array reasons = {std::pair("running", EndReason::running),
                                std::pair("steps_taken", EndReason::steps_taken),
                                std::pair("converged", EndReason::converged),
                                std::pair("limit_reached", EndReason::limit_reached),
                                std::pair("not_finite", EndReason::not_finite),
                                std::pair("no_progress", EndReason::no_progress),
                                std::pair("stopped", EndReason::stopped),
                                std::pair("interrupted", EndReason::interrupted),
                                std::pair("callback_threw", EndReason::callback_threw),
                                std::pair("failed", EndReason::failed)};

/// A tree that is built in place, and freed from its leaves: the destructor of a value with children asks for memory,
/// and would end a program that has none.
class Tree {
 public:
  Tree() = default;
  ~Tree() { clear(root); }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  Json root;

 private:
  static void clear(Json& json) {
    if (auto* list = json.get_ptr<Json::array_t*>()) {
      std::ranges::for_each(*list, clear);
      list->clear();
    } else if (auto* object = json.get_ptr<Json::object_t*>()) {
      for (auto& [name, value] : *object) clear(value);
      object->clear();
    }
  }
};

/// With room for its members, since an object that grows copies them.
void make_object(Json& to, std::size_t num_members) {
  to = Json::object();
  to.get_ref<Json::object_t&>().reserve(num_members);
}

// The fields of each class, for both directions: `field(name, value)`.
template <class T, class Class>
concept Is = std::same_as<std::remove_const_t<T>, Class>;

void visit(auto field, Is<InverseHessian::Pair> auto& pair) {
  field("step", pair.step);
  field("change", pair.change);
}

void visit(auto field, Is<BestPoint> auto& best) {
  field("loss", best.loss);
  field("params", best.params);
  field("step", best.step);
}

void visit(auto field, Is<Trajectory> auto& path) {
  field("names", path.names);
  field("message", path.message);
  field("end_reason", path.end_reason);
  field("success", path.success);
  field("best", path.best);
  field("skipped", path.skipped);
  field("not_finite", path.not_finite);
  field("loss", path.loss);
  field("params", path.params);
  field("aux", path.aux);
}

void visit(auto field, Is<Covariance> auto& covariance) {
  field("names", covariance.names);
  field("values", covariance.values);
  field("matrix", covariance.matrix);
  field("frozen", covariance.frozen);
  field("at_bounds", covariance.at_bounds);
  field("loss", covariance.loss);
  field("errordef", covariance.errordef);
  field("distance", covariance.distance);
}

void visit(auto field, Is<OptimizeResult> auto& fit) {
  field("names", fit.names);
  field("message", fit.message);
  field("end_reason", fit.end_reason);
  field("success", fit.success);
  field("fun", fit.fun);
  field("x", fit.x);
  field("jac", fit.jac);
  field("at_bounds", fit.at_bounds);
  field("nfev", fit.nfev);
  field("nit", fit.nit);
  field("hess_inv", fit.hess_inv);
  field("best", fit.best);
  field("backed_off", fit.backed_off);
  field("not_finite", fit.not_finite);
  field("covariance", fit.covariance);
}

void visit(auto field, Is<ParamScan> auto& scan) {
  field("seed", scan.seed);
  field("params", scan.params);
  field("losses", scan.losses);
  field("sumstats", scan.sumstats);
  field("aux", scan.aux);
}

template <class T>
concept HasFields = requires(T& value) {
  visit([](const char*, auto&) {}, value);
};

std::size_t num_fields(const HasFields auto& value) {
  std::size_t count = 0;
  visit([&](const char*, const auto&) { ++count; }, value);
  return count;
}

// Values of every kind; ranges and classes with fields below.
template <class T>
concept Plain = std::same_as<T, std::string> || std::same_as<T, bool> || std::unsigned_integral<T>;

template <class T>
void write(Json& to, const T& value);

template <class T>
void read(const Json& from, T& value, const Communicator& comm);

void write(Json& to, double value) {
  if (std::isfinite(value)) {
    to = value;
  } else {
    to = std::isnan(value) ? "nan" : value > 0.0 ? "inf" : "-inf";
  }
}

void read(const Json& from, double& value, const Communicator&) {
  if (from.is_number()) {
    value = from.get<double>();
    return;
  }
  const auto text = from.get<std::string>();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (text != "nan" && text != "inf" && text != "-inf")
    throw std::invalid_argument(fmt::format("\"{}\" is no number", text));
  value = text == "nan" ? std::numeric_limits<double>::quiet_NaN() : text == "inf" ? infinity : -infinity;
}

void write(Json& to, EndReason reason) {
  to = std::ranges::find(reasons, reason, [](const auto& entry) { return entry.second; })->first;
}

void read(const Json& from, EndReason& reason, const Communicator&) {
  const auto text = from.get<std::string>();
  const auto* found = std::ranges::find(reasons, text, [](const auto& entry) { return std::string(entry.first); });
  if (found == reasons.end()) throw std::invalid_argument(fmt::format("\"{}\" is no end_reason", text));
  reason = found->second;
}

void write(Json& to, const xt::xtensor<double, 2>& rows) {
  to = Json::array();
  const std::size_t columns = rows.shape(1);
  for (std::size_t i = 0; i < rows.shape(0); ++i) {
    write(to.emplace_back(), std::span(rows.data() + i * columns, columns));
  }
}

void read(const Json& from, xt::xtensor<double, 2>& rows, const Communicator& comm) {
  const std::size_t columns = from.empty() ? 0 : from.front().size();
  rows.resize({from.size(), columns});
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i].size() != columns) throw std::invalid_argument("rows that are not equally long");
    for (std::size_t k = 0; k < columns; ++k) read(from[i].at(k), rows(i, k), comm);
  }
}

void write(Json& to, const Array& array) {
  make_object(to, 2);
  write(to["shape"], std::span(array.shape()));
  write(to["values"], array.storage());
}

void read(const Json& from, Array& array, const Communicator& comm) {
  array = Array::from_shape(from.at("shape").get<std::vector<std::size_t>>());
  const Json& values = from.at("values");
  if (values.size() != array.size()) throw std::invalid_argument("another number of values than the shape says");
  for (std::size_t i = 0; i < array.size(); ++i) read(values[i], array.storage()[i], comm);
}

void write(Json& to, const AuxValues& values) {
  make_object(to, values.size());
  for (const auto& [name, value] : values) write(to[name], value);
}

void read(const Json& from, AuxValues& values, const Communicator& comm) {
  std::vector<AuxValues::Entry> entries;
  for (const auto& [name, value] : from.items()) read(value, entries.emplace_back(name, Array()).second, comm);
  values = AuxValues(std::move(entries));
}

void write(Json& to, const InverseHessian& inverse) {
  make_object(to, 2);
  write(to["scale"], inverse.scale());
  write(to["pairs"], inverse.pairs());
}

void read(const Json& from, InverseHessian& inverse, const Communicator& comm) {
  std::vector<double> scale;
  std::vector<InverseHessian::Pair> pairs;
  read(from.at("scale"), scale, comm);
  read(from.at("pairs"), pairs, comm);
  inverse = InverseHessian(std::move(scale), std::move(pairs));
}

void read(const Json& from, std::vector<bool>& flags, const Communicator&) { from.get_to(flags); }

void write(Json& to, const std::optional<Covariance>& covariance);

void read(const Json& from, std::optional<Covariance>& covariance, const Communicator& comm);

void write_fields(Json& to, const HasFields auto& value) {
  visit([&](const char* name, const auto& field) { write(to[name], field); }, value);
}

template <class T>
void write(Json& to, const T& value) {
  if constexpr (Plain<T>) {
    to = value;
  } else if constexpr (HasFields<T>) {
    make_object(to, num_fields(value));
    write_fields(to, value);
  } else {
    to = Json::array();
    for (const auto& element : value) write(to.emplace_back(), element);
  }
}

template <class T>
void read(const Json& from, T& value, const Communicator& comm) {
  if constexpr (Plain<T>) {
    from.get_to(value);
  } else if constexpr (HasFields<T>) {
    visit([&](const char* name, auto& field) { read(from.at(name), field, comm); }, value);
  } else {
    value.resize({from.size()});
    for (std::size_t i = 0; i < from.size(); ++i) read(from.at(i), value[i], comm);
  }
}

void write(Json& to, const std::optional<Covariance>& covariance) {
  if (covariance) write(to, *covariance);
}

void read(const Json& from, std::optional<Covariance>& covariance, const Communicator& comm) {
  covariance.reset();
  if (from.is_null()) return;
  read(from,
       covariance.emplace(Covariance{.names = {},
                                     .values = {},
                                     .matrix = {},
                                     .frozen = {},
                                     .at_bounds = {},
                                     .loss = 0.0,
                                     .errordef = 1.0,
                                     .distance = 0.0,
                                     .comm = comm}),
       comm);
}

template <class Result>
std::string text_of(std::string_view kind, const Result& result) {
  Tree tree;
  make_object(tree.root, 2 + num_fields(result));
  tree.root["allgrad"] = ALLGRAD_VERSION;
  tree.root["result"] = kind;
  write_fields(tree.root, result);
  return tree.root.dump(1, ' ', false, Json::error_handler_t::replace);
}

template <class Result>
void save_as(std::string_view kind, const Result& result, const std::string& path, const Communicator& comm,
             SourceLocation where) {
  in_call("save", where, comm, [&] {
    comm.guarded([&] {
      if (!comm.is_root()) return;
      const std::string text = text_of(kind, result);
      try {
        replace_file(path, {text, "\n"});
      } catch (const DataError& error) {
        throw DataError(fmt::format("save: the result cannot be written to '{}': {}. Check that its folder exists, may "
                                    "be written to and has room.",
                                    path, error.what()),
                        where);
      }
    });
  });
}

template <class Result>
Result load_as(std::string_view kind, const std::string& path, const Communicator& comm, SourceLocation where) {
  const auto refuse = [&](const std::string& found) {
    throw DataError(fmt::format("expected a saved {} in '{}', got {}; name a file that allgrad::save has written", kind,
                                path, found),
                    where);
  };
  return in_call("load", where, comm, [&] {
    const FileText file = read_file(path, comm);
    return comm.guarded([&] {
      if (file.status == FileText::Status::absent) refuse("no file");
      if (file.status == FileText::Status::unreadable) refuse(fmt::format("'{}' on reading it", file.text));
      Json json;
      Result result;
      const auto attempt = [&](auto&& body) {
        try {
          body();
        } catch (const std::exception& error) {
          refuse(fmt::format("what it cannot be read from: {}", error.what()));
        }
      };
      std::string found;
      attempt([&] {
        json = Json::parse(file.text);
        read(json.at("result"), found, comm);
      });
      if (found != kind) refuse(fmt::format("a {}", found));
      attempt([&] { read(json, result, comm); });
      return result;
    });
  });
}

}  // namespace

std::string text_of(const OptimizeResult& result) { return text_of("OptimizeResult", result); }

OptimizeResult optimize_result_of(const std::string& text, const Communicator& comm) {
  OptimizeResult result;
  read(Json::parse(text), result, comm);
  return result;
}

void save(const Trajectory& result, const std::string& path, const Communicator& comm, SourceLocation where) {
  save_as("Trajectory", result, path, comm, where);
}
void save(const OptimizeResult& result, const std::string& path, const Communicator& comm, SourceLocation where) {
  save_as("OptimizeResult", result, path, comm, where);
}
void save(const ParamScan& result, const std::string& path, const Communicator& comm, SourceLocation where) {
  save_as("ParamScan", result, path, comm, where);
}

Trajectory load_trajectory(const std::string& path, const Communicator& comm, SourceLocation where) {
  return load_as<Trajectory>("Trajectory", path, comm, where);
}
OptimizeResult load_optimize_result(const std::string& path, const Communicator& comm, SourceLocation where) {
  return load_as<OptimizeResult>("OptimizeResult", path, comm, where);
}
ParamScan load_param_scan(const std::string& path, const Communicator& comm, SourceLocation where) {
  return load_as<ParamScan>("ParamScan", path, comm, where);
}

double OptimizeResult::operator[](const Name& name) const {
  const auto found = std::ranges::find(names, name.text);
  if (found != names.end()) return x(static_cast<std::size_t>(found - names.begin()));
  throw ArgumentError(
      fmt::format("expected the name of a parameter, one of {}, got {}", fmt::join(names, ", "), name.text),
      name.where);
}

}  // namespace allgrad
