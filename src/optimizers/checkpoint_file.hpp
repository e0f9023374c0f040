#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// What a run is, as names and values: all that has to be the same for it to go on from a checkpoint.
using Identity = std::vector<std::pair<std::string, std::string>>;

/// A checkpoint as errors speak of it.
struct CheckpointName {
  /// Throws DataError: in place of a checkpoint of this run, `found` is in the file.
  [[noreturn]] void refuse(std::string_view found) const;

  std::string_view optimizer;
  std::string_view file;
  SourceLocation where;
};

/// Puts a checkpoint in place of `file`. Throws DataError where that fails: the former one stays.
void write_checkpoint(const std::string& file, Identity identity, std::string state);

/// The state in `text`. Throws DataError where it is no checkpoint, is damaged, or is not of `identity`.
std::string checked_state(std::string_view text, const CheckpointName& name, const Identity& identity);

}  // namespace allgrad
