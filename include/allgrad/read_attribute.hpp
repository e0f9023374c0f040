#pragma once

#include <string>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// A number that a file has beside its columns: an attribute of an HDF5 file, of its root group or, as
/// "header/simulation/box_size", of another group or a dataset. Not collective: each rank that calls it reads the
/// file. Throws DataError where file or attribute is missing, or the attribute is not one number that double can hold.
double read_attribute(const std::string& file, const std::string& name,
                      SourceLocation where = SourceLocation::current());

}  // namespace allgrad
