#pragma once

#include <string>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// The number in an attribute of an HDF5 file's root group. Not collective: each rank that calls it reads the file.
/// Throws DataError where file or attribute is missing, or the attribute is not one number that double can hold.
double read_hdf5_attribute(const std::string& file, const std::string& name,
                           SourceLocation where = SourceLocation::current());

}  // namespace allgrad
