#pragma once

#include <string>
#include <string_view>

#include "results/data.hpp"

namespace allgrad {

/// As JSON. Arrays are lists of lists, or {"shape": [...], "values": [...]} where such would not tell the shape;
/// numbers have all digits, and are the texts "nan", "inf" and "-inf" where they are not finite.
std::string to_json(const Data& data);

/// What that wrote, or another program. Throws DataError where it is no JSON.
Data from_json(std::string_view text);

}  // namespace allgrad
