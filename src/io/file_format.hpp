#pragma once

#include <string>

#include "allgrad/source_location.hpp"

namespace allgrad {

enum class FileFormat { hdf5, fits, text };

/// The format of a readable file by its first bytes; where these tell none, by the ending of its name. Throws DataError
/// where it is none of these formats, or compressed as a whole and not named as FITS.
FileFormat format_of(const std::string& file, SourceLocation where);

/// Whether a file is compressed as a whole, by gzip.
bool is_compressed(const std::string& file);

}  // namespace allgrad
