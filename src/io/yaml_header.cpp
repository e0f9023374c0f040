#include "io/yaml_header.hpp"

#include <yaml-cpp/yaml.h>

#include <stdexcept>

namespace allgrad {

namespace {

std::string yaml_text(const YAML::Node& node) { return node.IsDefined() && node.IsScalar() ? node.Scalar() : ""; }

/// A unit is a text, or an object that has one.
std::string yaml_unit(const YAML::Node& node) {
  return node.IsDefined() && node.IsMap() ? yaml_text(node["unit"]) : yaml_text(node);
}

/// The entry of a map, or of a list of maps, as ordered ones are written.
YAML::Node entry(const YAML::Node& node, const std::string& key) {
  if (node.IsMap()) return node[key];
  if (node.IsSequence()) {
    for (const YAML::Node& element : node) {
      if (element.IsMap() && element[key].IsDefined()) return element[key];
    }
  }
  return YAML::Node(YAML::NodeType::Undefined);
}

YAML::Node load(const std::string& text) {
  try {
    YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) throw std::runtime_error("it is no map of names and values");
    return root;
  } catch (const YAML::Exception& error) {
    throw std::runtime_error(error.what());
  }
}

}  // namespace

YamlHeader parse_yaml_header(const std::string& text) {
  const YAML::Node root = load(text);
  const YAML::Node columns = root["datatype"];
  if (!columns.IsDefined() || !columns.IsSequence()) throw std::runtime_error("it has no list of columns, 'datatype'");
  YamlHeader header{yaml_text(root["delimiter"]), {}};
  for (const YAML::Node& column : columns) {
    if (!column.IsMap()) throw std::runtime_error("a column in 'datatype' is no map of names and values");
    header.columns.push_back({yaml_text(column["name"]), yaml_unit(column["unit"]), yaml_text(column["datatype"]),
                              yaml_text(column["subtype"])});
    if (header.columns.back().name.empty()) throw std::runtime_error("a column in 'datatype' has no name");
  }
  return header;
}

std::optional<std::string> find_yaml_meta(const std::string& text, const std::string& name) {
  YAML::Node node = load(text)["meta"];
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (!node.IsDefined()) return std::nullopt;
    node.reset(entry(node, name.substr(begin, end - begin)));
    begin = end + 1;
  }
  if (!node.IsDefined() || !node.IsScalar()) return std::nullopt;
  return node.Scalar();
}

}  // namespace allgrad
