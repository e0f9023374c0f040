#include "io/hdf5_numbers.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "allgrad/exact.hpp"

namespace allgrad::hdf5 {

namespace {

constexpr std::size_t exact_bits = std::numeric_limits<double>::digits;

/// Makes doubles of the integers whose bytes lie in their place.
template <class Integer>
std::optional<InexactInteger> convert(std::span<double> values) {
  static_assert(sizeof(Integer) == sizeof(double));
  std::optional<InexactInteger> inexact;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Integer value;
    std::memcpy(&value, &values[i], sizeof value);
    values[i] = static_cast<double>(value);
    if (!inexact && !detail::is_exact(value)) inexact = {i, fmt::format("{}", value), values[i]};
  }
  return inexact;
}

/// An enumeration of 0 and 1 in a byte, as h5py stores booleans.
bool is_boolean(hid_t type) {
  if (H5Tget_class(type) != H5T_ENUM || H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2) return false;
  std::uint8_t first = 2, second = 2;
  if (H5Tget_member_value(type, 0, &first) < 0 || H5Tget_member_value(type, 1, &second) < 0) return false;
  return first + second == 1;
}

/// Their bytes lie at the beginning of where the doubles go.
bool read_booleans(hid_t type, const std::function<herr_t(hid_t, void*)>& read, std::span<double> values) {
  if (read(type, values.data()) < 0) return false;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
  for (std::size_t i = values.size(); i-- > 0;) values[i] = bytes[i] == 0 ? 0.0 : 1.0;
  return true;
}

}  // namespace

bool is_number(hid_t type) {
  constexpr std::size_t widest_float = 16, widest_integer = sizeof(std::int64_t);
  const H5T_class_t kind = H5Tget_class(type);
  const std::size_t bytes = H5Tget_size(type);
  return (kind == H5T_FLOAT && bytes <= widest_float) || (kind == H5T_INTEGER && bytes <= widest_integer) ||
         is_boolean(type);
}

bool read_numbers(hid_t type, const std::function<herr_t(hid_t memory_type, void* out)>& read, std::span<double> values,
                  std::optional<InexactInteger>& inexact) {
  if (is_boolean(type)) return read_booleans(type, read, values);
  if (H5Tget_class(type) == H5T_FLOAT || H5Tget_precision(type) <= exact_bits) {
    return read(H5T_NATIVE_DOUBLE, values.data()) >= 0;
  }
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  if (read(is_signed ? H5T_NATIVE_INT64 : H5T_NATIVE_UINT64, values.data()) < 0) return false;
  inexact = is_signed ? convert<std::int64_t>(values) : convert<std::uint64_t>(values);
  return true;
}

}  // namespace allgrad::hdf5
