#pragma once

#include <fitsio.h>

#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"

namespace allgrad::testing {

/// Writes a FITS file by CFITSIO; finished with this object.
class FitsWriter {
 public:
  explicit FitsWriter(const std::string& path) {
    fits_create_file(&file_, (path.starts_with("mem:") ? path : "!" + path).c_str(), &status_);
    fits_create_img(file_, BYTE_IMG, 0, nullptr, &status_);
  }
  ~FitsWriter() {
    fits_close_file(file_, &status_);
    CHECK(status_ == 0);
  }
  FitsWriter(const FitsWriter&) = delete;
  FitsWriter& operator=(const FitsWriter&) = delete;

  struct Column {
    std::string name, form, unit = "";
  };

  /// Begins a table of BINARY_TBL or ASCII_TBL.
  void table(int kind, const std::string& name, std::vector<Column> columns) {
    std::vector<char*> names, forms, units;
    for (Column& column : columns) {
      names.push_back(column.name.data());
      forms.push_back(column.form.data());
      units.push_back(column.unit.data());
    }
    fits_create_tbl(file_, kind, 0, static_cast<int>(columns.size()), names.data(), forms.data(), units.data(),
                    name.c_str(), &status_);
  }

  template <class T>
  void key(int type, const std::string& name, T value) {
    fits_update_key(file_, type, name.c_str(), &value, nullptr, &status_);
    fits_set_hdustruc(file_, &status_);  // scales and nulls count for what is written next
  }

  template <class T>
  void write(int type, int column, std::vector<T> values) {
    fits_write_col(file_, type, column, 1, 1, static_cast<LONGLONG>(values.size()), values.data(), &status_);
  }

  fitsfile* get() { return file_; }
  int& status() { return status_; }

 private:
  fitsfile* file_ = nullptr;
  int status_ = 0;
};

}  // namespace allgrad::testing
