#include "io/hdf5_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "allgrad/error.hpp"
#include "base/ascii.hpp"
#include "io/hdf5_driver.hpp"
#include "io/hdf5_sources.hpp"

namespace allgrad::hdf5 {

namespace {

std::string type_name(hid_t type) {
  switch (H5Tget_class(type)) {
    case H5T_INTEGER: return fmt::format("integers of {} bits", 8 * H5Tget_size(type));
    case H5T_FLOAT: return fmt::format("floating-point numbers of {} bits", 8 * H5Tget_size(type));
    case H5T_STRING: return "strings";
    case H5T_COMPOUND: return "compound records";
    case H5T_ENUM: return "an enumeration";
    case H5T_ARRAY:
    case H5T_VLEN: return "an array in each element";
    default: return "a type that is no number";
  }
}

/// Up to the first 0, without spaces around it.
std::string text_in(std::string_view bytes) { return std::string(trimmed(bytes.substr(0, bytes.find('\0')))); }

}  // namespace

Content::Content(Handle datatype, const Handle& dataspace)
    : type(std::move(datatype)), num_elements(H5Sget_simple_extent_npoints(dataspace.get())) {
  shape.resize(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(dataspace.get()))));
  H5Sget_simple_extent_dims(dataspace.get(), shape.data(), nullptr);
}

std::string Content::str() const { return content_text(type, shape); }

std::string content_text(const Handle& type, const std::vector<hsize_t>& shape) {
  return fmt::format("{} of shape [{}]", type_name(type.get()), fmt::join(shape, ", "));
}

void check_exact(const File& file, const std::string& what, const std::optional<InexactInteger>& inexact) {
  if (!inexact) return;
  file.fail(
      fmt::format("expected integers that a double is equal to in {} of '{}', but element {} is {}, which would become "
                  "{:.0f}; leave it out, or store it as two numbers, as x / 2^32 and x modulo 2^32",
                  what, file.path(), inexact->index, inexact->value, inexact->nearest));
}

Dataset::Dataset(std::string name_, Handle handle_)
    : name(std::move(name_)),
      handle(std::move(handle_)),
      content({H5Dget_type(handle.get()), H5Tclose}, {H5Dget_space(handle.get()), H5Sclose}) {}

File::File(std::string path, SourceLocation where)
    : path_(std::move(path)), where_(where), link_access_(link_access(refused_link_)), handle_(open()) {}

void File::fail(const std::string& message) const { throw DataError(message, where_); }

Handle File::open() const {
  const Quiet quiet;
  const Handle access = careful_file_access();
  Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (file) return file;
  const std::string cause = last_error();
  fail(
      fmt::format("expected an HDF5 file '{}', but HDF5 cannot open it: {}; check that it is a complete HDF5 file that "
                  "this process may read",
                  path_, cause));
}

void File::check_link(const std::string& name) const {
  const std::string refused = std::exchange(refused_link_, "");
  if (refused.empty()) return;
  fail(fmt::format("expected a regular file behind the link '{}' of '{}', but {}; mend the link or name other columns",
                   name, path_, refused));
}

Handle File::open_object(const Handle& group, const std::string& name) const {
  Handle object(H5Oopen(group.get(), name.c_str(), link_access_.get()), H5Oclose);
  check_link(name);
  return object;
}

bool File::has_object(const Handle& group, const std::string& name) const {
  const bool found = H5Oexists_by_name(group.get(), name.c_str(), link_access_.get()) > 0;
  check_link(name);
  return found;
}

std::optional<Dataset> File::open_dataset(const Handle& group, const std::string& name) const {
  Handle handle(H5Dopen2(group.get(), name.c_str(), link_access_.get()), H5Dclose);
  check_link(name);
  if (!handle) return std::nullopt;
  return Dataset(name, std::move(handle));
}

std::vector<std::string> File::links(const Handle& group) const {
  Names names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    return static_cast<Names*>(out)->add(name);
  };
  if (H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names) < 0) {
    const std::string cause = last_error();
    names.take();
    fail(fmt::format("expected to list a group of '{}', but HDF5 cannot: {}; check that the file is complete", path_,
                     cause));
  }
  return names.take();
}

std::string File::text_of_dataset(const std::string& name) const {
  const std::optional<Dataset> dataset = open_dataset(handle_, name);
  if (!dataset || H5Tget_class(dataset->content.type.get()) != H5T_STRING || dataset->content.num_elements <= 0 ||
      H5Tis_variable_str(dataset->content.type.get()) != 0) {
    return "";
  }
  constexpr std::size_t most = std::size_t{1} << 24;
  const std::size_t length = H5Tget_size(dataset->content.type.get());
  const auto lines = static_cast<std::size_t>(dataset->content.num_elements);
  if (length == 0 || lines > most / length) return "";
  std::string bytes(lines * length, '\0');
  if (H5Dread(dataset->handle.get(), dataset->content.type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) {
    return "";
  }
  std::string text;
  for (std::size_t line = 0; line < lines; ++line) {
    const std::string padded = bytes.substr(line * length, length);
    text += padded.substr(0, padded.find('\0')) + '\n';
  }
  return text;
}

std::vector<std::string> attribute_names(const Handle& object) {
  Names names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    return static_cast<Names*>(out)->add(name);
  };
  H5Aiterate2(object.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names);
  return names.take();
}

std::string text_of_attribute(const Handle& object, const std::string& name) {
  constexpr std::size_t longest = 4096;
  const Handle attribute(H5Aopen(object.get(), name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute) return "";
  const Content content({H5Aget_type(attribute.get()), H5Tclose}, {H5Aget_space(attribute.get()), H5Sclose});
  if (H5Tget_class(content.type.get()) != H5T_STRING || content.num_elements != 1) return "";
  if (H5Tis_variable_str(content.type.get()) > 0) {
    char* text = nullptr;
    if (H5Aread(attribute.get(), content.type.get(), &text) < 0 || text == nullptr) return "";
    const std::unique_ptr<char, herr_t (*)(void*)> owned(text, H5free_memory);
    return text_in(text);
  }
  const std::size_t length = H5Tget_size(content.type.get());
  if (length > longest) return "";
  std::string text(length, '\0');
  return H5Aread(attribute.get(), content.type.get(), text.data()) < 0 ? "" : text_in(text);
}

}  // namespace allgrad::hdf5
