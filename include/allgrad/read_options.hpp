#pragma once

#include <string>
#include <vector>

namespace allgrad {

/// What `Table::read` reads of a file.
struct ReadOptions {
  std::vector<std::string> columns = {};          ///< datasets of shape [rows] or [rows, ..], with their groups;
                                                  ///< where empty, all of shape [rows] at the file's root
  std::vector<std::string> may_be_nan = {};       ///< those that may hold NaN
  std::vector<std::string> may_be_infinite = {};  ///< those that may hold inf or -inf
};

}  // namespace allgrad
