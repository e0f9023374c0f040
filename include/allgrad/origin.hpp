#pragma once

#include <string>
#include <vector>

namespace allgrad {

/// Where a result comes from.
struct Origin {
  std::string version = {};                    ///< of allgrad, "0.1.0"
  std::vector<std::string> command_line = {};  ///< as given to allgrad::run; empty in a program without it
  std::string time = {};                       ///< when it was made, in UTC: "2026-11-26T08:15:30Z"
};

}  // namespace allgrad
