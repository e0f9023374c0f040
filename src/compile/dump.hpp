#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "allgrad/communicator.hpp"

namespace allgrad {

/// Where the stages of one compilation are written to, to be looked at and compared: a folder in that of the
/// environment variable ALLGRAD_DUMP, made by rank 0 of the communicator; nowhere if the variable is not set, and on
/// other ranks. Files that cannot be written are warned of once, and end no compilation.
class Dump {
 public:
  /// To nowhere.
  Dump() = default;

  /// `number` tells the model from others on the communicator; `results`, as "loss, gradient", are in the folder's
  /// name.
  Dump(const Communicator& comm, std::uint64_t number, std::string_view results);

  bool is_on() const { return !folder_.empty(); }

  /// The next stage: a line in index.txt, with a remark such as how long it took, and where there is something to show,
  /// NN-stage.txt and NN-stage.dot.
  void add(std::string_view stage, std::string_view remark, std::string_view text = {}, std::string_view dot = {});

 private:
  void give_up(std::string_view cause);
  void write_file(const std::string& name, std::string_view text);

  std::filesystem::path folder_;
  std::ofstream index_;
  std::size_t number_ = 0;  // of the next stage
};

}  // namespace allgrad
