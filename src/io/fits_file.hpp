#pragma once

#include <fitsio.h>

#include <cstdint>
#include <optional>
#include <string>

#include "allgrad/source_location.hpp"
#include "io/library_lock.hpp"

namespace allgrad {

/// A FITS file open for reading at one of its HDUs, and the caller's line for what goes wrong in it: DataError.
class FitsFile {
 public:
  FitsFile(std::string path, SourceLocation where);
  ~FitsFile();
  FitsFile(const FitsFile&) = delete;
  FitsFile& operator=(const FitsFile&) = delete;

  fitsfile* get() const { return file_; }
  [[noreturn]] void fail(const std::string& message) const;

  /// How many bytes it has, unpacked where it is compressed as a whole.
  std::uint64_t bytes() const { return static_cast<std::uint64_t>(file_->Fptr->filesize); }

  /// Goes to the table that `hdu` names, by its EXTNAME or its number, of which the primary HDU has 0; where it is
  /// empty, to the first table.
  void go_to_table(const std::string& hdu);

  /// Goes to the first table; false where there is none.
  bool go_to_first_table();

  /// Goes to an HDU, a table or not; false where there is none.
  bool go_to(const std::string& hdu);

  /// What HDUs there are, with number, name and kind; goes to the last of them.
  std::string hdus_there();

  /// 0 where HDU is no table, or ASCII_TBL, BINARY_TBL.
  int table_kind() const;

  /// The value of a keyword of this HDU as it is written; none where it is not there.
  std::optional<std::string> keyword(const std::string& name) const;

  /// The text of a keyword, empty where it has none.
  std::string text(const std::string& name) const;

  /// Calls a function of CFITSIO's with its last argument; false where that fails, and last_error tells why.
  template <class Function, class... Arguments>
  bool call(Function function, Arguments... arguments) const {
    const std::lock_guard lock(library_mutex());
    int status = 0;
    function(file_, arguments..., &status);
    return note(status);
  }

  const std::string& last_error() const { return last_error_; }

 private:
  bool note(int status) const;

  std::string path_;
  SourceLocation where_;
  fitsfile* file_ = nullptr;
  mutable std::string last_error_;
  mutable int last_status_ = 0;
};

}  // namespace allgrad
