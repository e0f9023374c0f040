#pragma once

#include <string>

#include "results/data.hpp"

namespace allgrad {

/// The bytes of an HDF5 file with an object: objects are groups, and what else they have is a dataset of that name, in
/// the types that h5py gives Python's: float64, uint64, booleans, and texts as fixed-length UTF-8. Nothing is left out,
/// and lists of objects are groups "0", "1", .... In names, "/" is "%2F", "%" is "%25", "." alone is "%2E", and the
/// empty name is "%".
std::string to_hdf5(const Data& object);

/// What is in such a file. Throws DataError where it cannot be read.
Data from_hdf5(const std::string& path);

}  // namespace allgrad
