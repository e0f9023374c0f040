#pragma once

#include <hdf5.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace allgrad::hdf5 {

/// Whether elements of this type are numbers that `read_numbers` reads: floats of up to 128 bits, integers of up to 64,
/// booleans as h5py stores them.
bool is_number(hid_t type);

/// An integer that no double is equal to.
struct InexactInteger {
  std::size_t index;
  std::string value;
  double nearest;
};

/// Reads elements of a numeric type into `values` by `read`, which HDF5 tells the type in memory and where it lies.
/// False where that fails. Floats wider than double are rounded; integers are exact, or the first that is not is told.
bool read_numbers(hid_t type, const std::function<herr_t(hid_t memory_type, void* out)>& read, std::span<double> values,
                  std::optional<InexactInteger>& inexact);

}  // namespace allgrad::hdf5
