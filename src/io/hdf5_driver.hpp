#pragma once

#include "io/hdf5_handle.hpp"

namespace allgrad::hdf5 {

/// How to open files for reading so that a damaged one does least: through a driver of our own, which refuses to read
/// beyond the end of the file, where HDF5's reads zeros, and which has HDF5 keep no metadata accumulator, whose
/// arithmetic wild addresses overflow.
Handle careful_file_access();

}  // namespace allgrad::hdf5
