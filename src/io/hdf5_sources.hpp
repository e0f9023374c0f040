#pragma once

#include <hdf5.h>

#include <string>

#include "io/hdf5_handle.hpp"

// Files that a file refers to: HDF5 would wait for a pipe among them, and reads fill values in place of one that is
// missing.
namespace allgrad::hdf5 {

/// How to follow links in a file, for opening objects: a link to what is no regular file is not followed, and
/// `refused`, which must outlive the handle, then says so.
Handle link_access(std::string& refused);

/// Why the values of a dataset cannot all be read from the other files that they lie in; empty where they can be, or
/// where all lie in its own file.
std::string missing_source(hid_t dataset);

}  // namespace allgrad::hdf5
