#pragma once

#include <string>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// A number that a file has beside its columns. Of HDF5: an attribute of the root group or, as
/// "header/simulation/box_size", of another group or a dataset. Of FITS: a keyword of the primary header, of the first
/// table's or, as "HALOS/BOXSIZE", of another HDU's. Of ECSV: an entry of the metadata, "box_size" or "group/box_size".
/// Booleans are 0 and 1. Not collective: each rank that calls it reads the file. Throws DataError where file or
/// attribute is missing, or the attribute is not one number that double can hold.
double read_attribute(const std::string& file, const std::string& name,
                      SourceLocation where = SourceLocation::current());

}  // namespace allgrad
