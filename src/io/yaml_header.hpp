#pragma once

#include <optional>
#include <string>
#include <vector>

namespace allgrad {

/// What the YAML header of a table says of a column, as astropy writes it into ECSV and HDF5 files.
struct YamlColumn {
  std::string name, unit, datatype, subtype;
};

struct YamlHeader {
  std::string delimiter;  ///< empty where it is not told
  std::vector<YamlColumn> columns;
};

/// Throws std::runtime_error, which says why, where the text is no such header.
YamlHeader parse_yaml_header(const std::string& text);

/// The text of the entry `name` among the metadata, with its groups as in "group/name"; none where there is no such
/// entry. Throws as parse_yaml_header.
std::optional<std::string> find_yaml_meta(const std::string& text, const std::string& name);

}  // namespace allgrad
