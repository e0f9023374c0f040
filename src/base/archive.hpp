#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <xtensor/xtensor.hpp>

namespace allgrad {

/// Fields as bytes, doubles to the bit. A class lists its fields once, `void fields(Archive& a) { a(loss_, step_); }`,
/// for writing as for reading: numbers, enums, ranges of such, and classes with fields.
class Archive {
 public:
  /// Collects the fields that it is called with.
  Archive() = default;

  /// Sets the fields that it is called with to what was collected. Throws DataError where `bytes` end before that.
  explicit Archive(std::string_view bytes) : reads_(true), rest_(bytes) {}

  template <class... Fields>
  void operator()(Fields&... fields) {
    (visit(fields), ...);
  }

  const std::string& written() const { return written_; }

  /// What has not been read.
  std::string_view rest() const { return rest_; }

 private:
  template <class T>
  void visit(T& value) {
    if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
      copy(&value, sizeof value);
    } else if constexpr (requires { value.fields(*this); }) {
      value.fields(*this);
    } else if constexpr (requires { fields(*this, value); }) {
      fields(*this, value);
    } else if constexpr (requires { value.first, value.second; }) {
      (*this)(value.first, value.second);
    } else {
      visit_range(value);
    }
  }

  template <class T>
  void visit_range(T& values) {
    std::uint64_t size = values.size();
    copy(&size, sizeof size);
    if (reads_) resize(values, size);
    if constexpr (requires { values.data(); } && std::is_arithmetic_v<typename T::value_type>) {
      copy(values.data(), size * sizeof(typename T::value_type));
    } else {
      for (auto& value : values) visit(value);
    }
  }

  template <class T>
  void resize(T& values, std::uint64_t size) {
    if (size > rest_.size() && size != values.size()) refuse();
    if constexpr (xt::is_xexpression<T>::value) {
      values.resize({static_cast<std::size_t>(size)});
    } else {
      values.resize(size);
    }
  }
  template <class T, std::size_t n>
  void resize(std::array<T, n>&, std::uint64_t size) {
    if (size != n) refuse();
  }

  void copy(void* data, std::size_t size);
  [[noreturn]] static void refuse();

  bool reads_ = false;
  std::string written_;
  std::string_view rest_;
};

}  // namespace allgrad
