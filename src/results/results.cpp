// Results in files.
#include "allgrad/results.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "allgrad/error.hpp"
#include "allgrad/version.hpp"
#include "base/exception_text.hpp"
#include "comm/call.hpp"
#include "comm/file.hpp"
#include "results/data_values.hpp"
#include "results/hdf5_result.hpp"
#include "results/json.hpp"
#include "results/result_text.hpp"

namespace allgrad {

namespace {

/// What a file says beside the result.
Data about(std::string_view kind) {
  return {Data::Object{{"allgrad", {std::string(ALLGRAD_VERSION)}}, {"result", {std::string(kind)}}}};
}

template <class Result>
Data tree_of(std::string_view kind, const Result& result) {
  Data tree = about(kind), fields = data_of(result);
  std::ranges::move(std::get<Data::Object>(fields.value), std::back_inserter(std::get<Data::Object>(tree.value)));
  return tree;
}

bool is_hdf5(const std::string& path) { return path.ends_with(".h5") || path.ends_with(".hdf5"); }

template <class Result>
void save_as(std::string_view kind, const Result& result, const std::string& path, const Communicator& comm,
             SourceLocation where) {
  in_call("save", where, comm, [&] {
    comm.guarded([&] {
      if (!comm.is_root()) return;
      const Data tree = tree_of(kind, result);
      try {
        replace_file(path, {is_hdf5(path) ? to_hdf5(tree) : to_json(tree) + "\n"});
      } catch (const DataError& error) {
        throw DataError(fmt::format("save: the result cannot be written to '{}': {}. Check that its folder exists, may "
                                    "be written to and has room.",
                                    path, error.what()),
                        where);
      }
    });
  });
}

/// The file of rank 0 as JSON, on every rank; collective.
FileText read_result(const std::string& path, const Communicator& comm) {
  if (!is_hdf5(path)) return read_file(path, comm);
  return read_by(
      path, [](const std::string& file) { return to_json(from_hdf5(file)); }, comm);
}

/// With what a file does not say.
template <class Result>
Result blank(const Communicator&) {
  return {};
}
template <>
OptimizeResult blank(const Communicator& comm) {
  return {.covariance = Covariance{.names = {},
                                   .values = {},
                                   .matrix = {},
                                   .frozen = {},
                                   .at_bounds = {},
                                   .loss = 0.0,
                                   .errordef = 1.0,
                                   .distance = 0.0,
                                   .comm = comm}};
}

template <class Result>
Result load_as(std::string_view kind, const std::string& path, const Communicator& comm, SourceLocation where) {
  const auto refuse = [&](const std::string& found) {
    throw DataError(fmt::format("expected a saved {} in '{}', got {}; name a file that allgrad::save has written", kind,
                                path, found),
                    where);
  };
  return in_call("load", where, comm, [&] {
    const FileText file = read_result(path, comm);
    return comm.guarded([&] {
      if (file.status == FileText::Status::absent) refuse("no file");
      if (file.status == FileText::Status::unreadable) refuse(fmt::format("'{}' on reading it", file.text));
      const auto unreadable = [&](const Error& error) {
        refuse(fmt::format("what it cannot be read from: {}", error.what()));
      };
      Data tree;
      std::string found;
      try {
        tree = from_json(file.text);
        read(tree.at("result"), found);
      } catch (const DataError& error) {
        unreadable(error);
      }
      if (found != kind) refuse(fmt::format("a {}", found));
      Result result = blank<Result>(comm);
      try {
        read(tree, result);
      } catch (const Error& error) {
        unreadable(error);
      }
      return result;
    });
  });
}

}  // namespace

std::string text_of(const OptimizeResult& result) { return to_json(data_of(result)); }

OptimizeResult optimize_result_of(const std::string& text, const Communicator& comm) {
  auto result = blank<OptimizeResult>(comm);
  read(from_json(text), result);
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

}  // namespace allgrad
