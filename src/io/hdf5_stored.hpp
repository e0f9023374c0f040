#pragma once

#include "io/hdf5_file.hpp"

namespace allgrad::hdf5 {

/// Throws where the values of a dataset [rows, ..] are not all in the file and in those that it refers to: HDF5 reads
/// what was never written as zeros.
void check_stored(const File& file, const Dataset& dataset);

}  // namespace allgrad::hdf5
