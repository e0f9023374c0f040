#pragma once

#include <string>

#include "allgrad/communicator.hpp"
#include "allgrad/optimize_result.hpp"
#include "allgrad/param_scan.hpp"
#include "allgrad/source_location.hpp"
#include "allgrad/trajectory.hpp"

namespace allgrad {

/// Keeps a result in a JSON file, from which the functions below make an equal one: numbers to the bit, those that are
/// not finite as the texts "nan", "inf" and "-inf", and all but `callback_error`. The file says which version of
/// allgrad wrote it. Arrays are lists of lists; those of any shape, as aux values, are {"shape": [...], "values":
/// [...]}.
///
/// Collective over `comm`: rank 0 writes, a new file in place of a former one at once. Throws DataError where it
/// cannot.
void save(const Trajectory& result, const std::string& path, const Communicator& comm = Communicator::world(),
          SourceLocation where = SourceLocation::current());
void save(const OptimizeResult& result, const std::string& path, const Communicator& comm = Communicator::world(),
          SourceLocation where = SourceLocation::current());
void save(const ParamScan& result, const std::string& path, const Communicator& comm = Communicator::world(),
          SourceLocation where = SourceLocation::current());

/// What was saved, on every rank. Collective over `comm`: rank 0 reads. Throws DataError on every rank where the file
/// cannot be read or has another result in it.
Trajectory load_trajectory(const std::string& path, const Communicator& comm = Communicator::world(),
                           SourceLocation where = SourceLocation::current());
OptimizeResult load_optimize_result(const std::string& path, const Communicator& comm = Communicator::world(),
                                    SourceLocation where = SourceLocation::current());
ParamScan load_param_scan(const std::string& path, const Communicator& comm = Communicator::world(),
                          SourceLocation where = SourceLocation::current());

}  // namespace allgrad
