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
#include <stdexcept>
#include <utility>

#include "allgrad/error.hpp"
#include "comm/call.hpp"
#include "optimizers/file.hpp"
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

Json json_of(double value) {
  if (std::isfinite(value)) return value;
  if (std::isnan(value)) return "nan";
  return value > 0.0 ? "inf" : "-inf";
}

void set(double& value, const Json& json) {
  if (json.is_number()) {
    value = json.get<double>();
  } else {
    const auto text = json.get<std::string>();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (text != "nan" && text != "inf" && text != "-inf")
      throw std::invalid_argument(fmt::format("\"{}\" is no number", text));
    value = text == "nan" ? std::numeric_limits<double>::quiet_NaN() : text == "inf" ? infinity : -infinity;
  }
}

template <class T>
concept Plain = std::same_as<T, std::string> || std::same_as<T, bool> || std::unsigned_integral<T>;

template <Plain T>
Json json_of(const T& value) {
  return value;
}

template <Plain T>
void set(T& value, const Json& json) {
  json.get_to(value);
}

Json json_of(EndReason reason) {
  return std::ranges::find(reasons, reason, [](const auto& entry) { return entry.second; })->first;
}

void set(EndReason& reason, const Json& json) {
  const auto text = json.get<std::string>();
  const auto* found = std::ranges::find(reasons, text, [](const auto& entry) { return std::string(entry.first); });
  if (found == reasons.end()) throw std::invalid_argument(fmt::format("\"{}\" is no end_reason", text));
  reason = found->second;
}

template <class Range>
Json list_of(const Range& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(json_of(value));
  return list;
}

template <class T>
Json json_of(const std::vector<T>& values) {
  return list_of(values);
}

template <class T>
void set(std::vector<T>& values, const Json& json) {
  values.resize(json.size());
  for (std::size_t i = 0; i < values.size(); ++i) set(values[i], json.at(i));
}

Json json_of(const xt::xtensor<double, 1>& values) { return list_of(values); }

void set(xt::xtensor<double, 1>& values, const Json& json) {
  values.resize({json.size()});
  for (std::size_t i = 0; i < values.size(); ++i) set(values(i), json.at(i));
}

Json json_of(const xt::xtensor<double, 2>& rows) {
  Json list = Json::array();
  for (std::size_t i = 0; i < rows.shape(0); ++i) {
    Json& row = list.emplace_back(Json::array());
    for (std::size_t k = 0; k < rows.shape(1); ++k) row.push_back(json_of(rows(i, k)));
  }
  return list;
}

void set(xt::xtensor<double, 2>& rows, const Json& json) {
  const std::size_t columns = json.empty() ? 0 : json.front().size();
  rows.resize({json.size(), columns});
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i].size() != columns) throw std::invalid_argument("rows that are not equally long");
    for (std::size_t k = 0; k < columns; ++k) set(rows(i, k), json[i].at(k));
  }
}

Json json_of(const Array& values) {
  return {{"shape", std::vector<std::size_t>(values.shape().begin(), values.shape().end())},
          {"values", list_of(values.storage())}};
}

void set(Array& values, const Json& json) {
  values = Array::from_shape(json.at("shape").get<std::vector<std::size_t>>());
  if (json.at("values").size() != values.size())
    throw std::invalid_argument("another number of values than the shape says");
  for (std::size_t i = 0; i < values.size(); ++i) set(values.storage()[i], json["values"][i]);
}

Json json_of(const AuxValues& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object[name] = json_of(value);
  return object;
}

void set(AuxValues& values, const Json& json) {
  std::vector<AuxValues::Entry> entries;
  for (const auto& [name, value] : json.items()) set(entries.emplace_back(name, Array()).second, value);
  values = AuxValues(std::move(entries));
}

Json json_of(const InverseHessian& inverse) {
  Json pairs = Json::array();
  for (const auto& [step, change] : inverse.pairs()) {
    pairs.push_back({{"step", list_of(step)}, {"change", list_of(change)}});
  }
  return {{"scale", list_of(inverse.scale())}, {"pairs", std::move(pairs)}};
}

void set(InverseHessian& inverse, const Json& json) {
  std::vector<double> scale;
  set(scale, json.at("scale"));
  std::vector<InverseHessian::Pair> pairs(json.at("pairs").size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    set(pairs[i].step, json["pairs"][i].at("step"));
    set(pairs[i].change, json["pairs"][i].at("change"));
  }
  inverse = InverseHessian(std::move(scale), std::move(pairs));
}

// The fields of each result, for both directions: `field(name, value)`.
template <class Field, class Best>
requires std::same_as<std::remove_const_t<Best>, BestPoint>
void visit(Field field, Best& best) {
  field("loss", best.loss);
  field("params", best.params);
  field("step", best.step);
}

template <class Field, class Result>
requires std::same_as<std::remove_const_t<Result>, Trajectory>
void visit(Field field, Result& path) {
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

template <class Field, class Result>
requires std::same_as<std::remove_const_t<Result>, OptimizeResult>
void visit(Field field, Result& fit) {
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
}

template <class Field, class Result>
requires std::same_as<std::remove_const_t<Result>, ParamScan>
void visit(Field field, Result& scan) {
  field("seed", scan.seed);
  field("params", scan.params);
  field("losses", scan.losses);
  field("sumstats", scan.sumstats);
  field("aux", scan.aux);
}

Json json_of(const BestPoint& best) {
  Json json;
  visit([&](const char* name, const auto& value) { json[name] = json_of(value); }, best);
  return json;
}

void set(BestPoint& best, const Json& json) {
  visit([&](const char* name, auto& value) { set(value, json.at(name)); }, best);
}

template <class Result>
void save_as(std::string_view kind, const Result& result, const std::string& path, const Communicator& comm,
             SourceLocation where) {
  in_call("save", where, comm, [&] {
    comm.guarded([&] {
      if (!comm.is_root()) return;
      Json json = {{"allgrad", ALLGRAD_VERSION}, {"result", kind}};
      visit([&](const char* name, const auto& value) { json[name] = json_of(value); }, result);
      try {
        replace_file(path, {json.dump(1, ' ', false, Json::error_handler_t::replace), "\n"});
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
        set(found, json.at("result"));
      });
      if (found != kind) refuse(fmt::format("a {}", found));
      attempt([&] { visit([&](const char* name, auto& value) { set(value, json.at(name)); }, result); });
      return result;
    });
  });
}

}  // namespace

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

}  // namespace allgrad
