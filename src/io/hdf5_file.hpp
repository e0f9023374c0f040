#pragma once

#include <hdf5.h>

#include <optional>
#include <string>
#include <vector>

#include "allgrad/source_location.hpp"
#include "io/hdf5_handle.hpp"
#include "io/hdf5_numbers.hpp"

namespace allgrad::hdf5 {

/// Type and extents of a dataset or an attribute.
struct Content {
  Handle type;
  hssize_t num_elements;
  std::vector<hsize_t> shape;

  Content(Handle datatype, const Handle& dataspace);

  bool is_number() const { return hdf5::is_number(type.get()); }

  /// Whether it is a table: records of which each is a row.
  bool is_records() const { return H5Tget_class(type.get()) == H5T_COMPOUND && shape.size() == 1; }

  std::string str() const;
};

struct Dataset {
  std::string name;
  Handle handle;
  Content content;

  Dataset(std::string name_, Handle handle_);
};

/// A file open for reading, and the caller's line for what goes wrong in it: DataError.
class File {
 public:
  /// The file exists and may be read.
  File(std::string path, SourceLocation where);

  const std::string& path() const { return path_; }
  [[noreturn]] void fail(const std::string& message) const;

  /// A group, a dataset, or none where there is no such object or HDF5 cannot open it, which last_error then tells.
  Handle open_object(const std::string& name) const { return open_object(handle_, name); }
  Handle open_object(const Handle& group, const std::string& name) const;
  bool has_object(const Handle& group, const std::string& name) const;
  std::optional<Dataset> open_dataset(const Handle& group, const std::string& name) const;

  /// Names of what is in a group.
  std::vector<std::string> links(const Handle& group) const;

  /// The text of a dataset of strings of fixed length, one a line; empty where there is none.
  std::string text_of_dataset(const std::string& name) const;

 private:
  Handle open() const;
  void check_link(const std::string& name) const;

  std::string path_;
  SourceLocation where_;
  mutable std::string refused_link_;
  Handle link_access_;
  Handle handle_;
};

/// As people say it: "strings of shape [2]".
std::string content_text(const Handle& type, const std::vector<hsize_t>& shape);

/// Throws where there is such an integer in `what` of the file.
void check_exact(const File& file, const std::string& what, const std::optional<InexactInteger>& inexact);

std::vector<std::string> attribute_names(const Handle& object);

/// The text of an attribute, empty where it holds none.
std::string text_of_attribute(const Handle& object, const std::string& name);

}  // namespace allgrad::hdf5
