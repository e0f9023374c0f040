#include "allgrad/read_attribute.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "allgrad/error.hpp"
#include "io/file_format.hpp"
#include "io/file_stamp.hpp"
#include "io/fits_file.hpp"
#include "io/hdf5_file.hpp"
#include "io/text_fields.hpp"
#include "io/text_header.hpp"
#include "io/yaml_header.hpp"

namespace allgrad {

namespace {

double read_hdf5_attribute(const std::string& path, const std::string& name, SourceLocation where) {
  const hdf5::Quiet quiet;
  const hdf5::File file(path, where);
  const std::size_t slash = name.find_last_of('/');
  const std::string object_name = slash == std::string::npos || slash == 0 ? "/" : name.substr(0, slash);
  const std::string own_name = slash == std::string::npos ? name : name.substr(slash + 1);
  const hdf5::Handle object = file.open_object(object_name);
  if (!object) {
    const std::string cause = hdf5::last_error();
    file.fail(
        fmt::format("expected an attribute '{}' of the group or dataset '{}' in '{}', but HDF5 cannot open that: "
                    "{}; name one that is there",
                    own_name, object_name, path, cause));
  }
  const hdf5::Handle attribute(H5Aopen(object.get(), own_name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!attribute) {
    const std::vector<std::string> there = hdf5::attribute_names(object);
    const std::string what = object_name == "/" ? "the root group" : fmt::format("'{}'", object_name);
    file.fail(fmt::format(
        "expected an attribute '{}' of {} in '{}', but it has {}; name one that is there, with its group as in "
        "'group/attribute'",
        own_name, what, path, there.empty() ? "no attributes" : fmt::format("'{}'", fmt::join(there, "', '"))));
  }
  const hdf5::Content content({H5Aget_type(attribute.get()), H5Tclose}, {H5Aget_space(attribute.get()), H5Sclose});
  if (!content.is_number() || content.num_elements != 1) {
    file.fail(
        fmt::format("expected attribute '{}' of '{}' to be one number, but it holds {}; name an attribute that is one",
                    name, path, content.str()));
  }
  double value = 0.0;
  std::optional<hdf5::InexactInteger> inexact;
  const auto read = [&](hid_t memory_type, void* out) { return H5Aread(attribute.get(), memory_type, out); };
  if (!hdf5::read_numbers(content.type.get(), read, {&value, 1}, inexact)) {
    const std::string cause = hdf5::last_error();
    file.fail(
        fmt::format("expected to read attribute '{}' of '{}', but HDF5 cannot: {}; check that the file is complete",
                    name, path, cause));
  }
  hdf5::check_exact(file, fmt::format("attribute '{}'", name), inexact);
  return value;
}

double number_of_attribute(const std::string& path, const std::string& name, const std::string& text,
                           SourceLocation where) {
  if (text == "T" || text == "F") return text == "T" ? 1.0 : 0.0;
  try {
    return number_of(text);
  } catch (const TextError& error) {
    throw DataError(
        fmt::format("attribute '{}' of '{}': {}; name an attribute that is one number", name, path, error.what()),
        where);
  }
}

double read_fits_attribute(const std::string& path, const std::string& name, SourceLocation where) {
  FitsFile file(path, where);
  const std::size_t slash = name.find_last_of('/');
  std::optional<std::string> value;
  if (slash != std::string::npos) {
    if (file.go_to(name.substr(0, slash))) value = file.keyword(name.substr(slash + 1));
  } else {
    value = file.keyword(name);
    if (!value && file.go_to_first_table()) value = file.keyword(name);
  }
  if (value) return number_of_attribute(path, name, *value, where);
  file.fail(
      fmt::format("expected a keyword '{}' in '{}', but there is none; name one of the primary header or the first "
                  "table, or of another HDU as in 'HALOS/BOXSIZE'; the file has the HDUs {}",
                  name, path, file.hdus_there()));
}

double read_text_attribute(const std::string& path, const std::string& name, SourceLocation where) {
  TextLines lines(path, where);
  std::optional<std::string> value;
  std::string why = "the text has no header of ECSV";
  if (const std::string yaml = read_ecsv_yaml(lines); !yaml.empty()) {
    try {
      value = find_yaml_meta(yaml, name);
      why = "there is none of one value";
    } catch (const std::runtime_error& error) {
      why = error.what();
    }
  }
  if (value) return number_of_attribute(path, name, *value, where);
  throw DataError(
      fmt::format("expected an entry '{}' in the metadata of '{}', but {}; name one that is there, with its "
                  "groups as in 'group/name'",
                  name, path, why),
      where);
}

}  // namespace

double read_attribute(const std::string& file, const std::string& name, SourceLocation where) {
  stamp_readable_file(file, where);
  switch (format_of(file, where)) {
    case FileFormat::hdf5: return read_hdf5_attribute(file, name, where);
    case FileFormat::fits: return read_fits_attribute(file, name, where);
    default: return read_text_attribute(file, name, where);
  }
}

}  // namespace allgrad
