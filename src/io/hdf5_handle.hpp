#pragma once

#include <hdf5.h>

#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "io/library_lock.hpp"

// The little of HDF5's C API that is awkward by hand: ownership, and errors. HighFive would serve, but Debian has it in
// neither 12 nor 13.
namespace allgrad::hdf5 {

/// Owns an HDF5 identifier, or none where HDF5 returned a failure.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle(hid_t id, Close closer) : id_(id), close_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() { close(); }

  explicit operator bool() const { return id_ >= 0; }
  hid_t get() const { return id_; }

  /// Closes now, for those who need to know whether it worked (a file is written to its end only then).
  bool close() {
    const hid_t id = std::exchange(id_, H5I_INVALID_HID);
    if (id < 0) return true;
    const std::lock_guard lock(library_mutex());
    return close_(id) >= 0;
  }

 private:
  hid_t id_;
  Close close_;
};

/// While one lives, HDF5 is its thread's, of those of the library, and prints no errors; the user's own setting is back
/// afterwards.
class Quiet {
 public:
  Quiet() {
    H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  std::lock_guard<std::recursive_mutex> lock_{library_mutex()};
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

/// Names that a callback of HDF5's lists. Nothing is thrown through HDF5, which has to come to its end.
class Names {
 public:
  /// What the callback returns.
  herr_t add(const char* name) {
    try {
      names_.emplace_back(name);
      return 0;
    } catch (...) {
      failure_ = std::current_exception();
      return -1;
    }
  }

  /// The names; throws what a callback met.
  std::vector<std::string> take() {
    if (failure_) std::rethrow_exception(failure_);
    return std::move(names_);
  }

 private:
  std::vector<std::string> names_;
  std::exception_ptr failure_;
};

/// What HDF5 says about the call that failed last, in its innermost and thus most telling words. To be asked right
/// after that call: the next one clears it.
inline std::string last_error() {
  std::string text;
  const auto take_first = [](unsigned depth, const H5E_error2_t* error, void* out) -> herr_t {
    try {
      if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
    } catch (const std::bad_alloc&) {  // must not pass through C
    }
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, take_first, &text);
  std::erase(text, '\n');  // HDF5 puts the time of day in, with its end of line
  return text.empty() ? "no cause given" : text;
}

}  // namespace allgrad::hdf5
