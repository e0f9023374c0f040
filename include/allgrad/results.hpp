#pragma once

#include <string>

#include "allgrad/communicator.hpp"
#include "allgrad/optimize_result.hpp"
#include "allgrad/param_scan.hpp"
#include "allgrad/source_location.hpp"
#include "allgrad/trajectory.hpp"

namespace allgrad {

/// Keeps a result in a file, from which the functions below make an equal one: numbers to the bit, and all but
/// `callback_error`. It is an HDF5 file where the name ends in ".h5" or ".hdf5", else a JSON file. Both have the fields
/// by their names, and say which version of allgrad wrote them ("allgrad") and what is in it ("result").
///
/// In HDF5, what has fields of its own is a group, and everything else a dataset, as h5py writes them: f["x"][:],
/// f["path/params"], f["covariance/matrix"], f["names"].asstr()[:]; what is not there is left out. Lists of such groups
/// are groups "0", "1", ...; in names of values, "/" is "%2F" and "%" is "%25";
/// a name of "." is "%2E", an empty one "%".
///
/// In JSON, arrays are lists of lists, but {"shape": [...], "values": []} where several axes have no numbers; numbers
/// that are not finite are the texts "nan", "inf" and "-inf".
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
