#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allgrad/communicator.hpp"
#include "execute/executor.hpp"
#include "graph/text.hpp"

namespace allgrad {

/// Where the stages of one compilation are written to, to be looked at and compared: a folder in that of the
/// environment variable ALLGRAD_DUMP, made by rank 0 of the communicator; nowhere if the variable is not set there, and
/// on other ranks. Files that cannot be written are warned of once, and end no compilation.
class Dump {
 public:
  /// To nowhere.
  Dump() = default;

  /// `number` tells the model from others on the communicator; `results`, as "loss, gradient", are in the folder's
  /// name. Collective.
  Dump(const Communicator& comm, std::uint64_t number, std::string_view results);

  /// True where files are written.
  bool is_on() const { return !folder_.empty(); }

  /// True on all ranks where it is on on rank 0 in the beginning.
  bool is_wanted() const { return is_wanted_; }

  /// The next stage: a line in index.txt, with a remark such as how long it took, and where there is something to show,
  /// NN-stage.txt.
  void add(std::string_view stage, std::string_view remark, std::string_view text = {});

  /// The next stage, where it is a graph: NN-stage.txt and NN-stage.dot. Where the dump is wanted, all ranks keep it.
  void add(std::string_view stage, std::string_view remark, const NamedOutputs& graph);

  /// NN-stage.values of the first graph and of the one that is `run`: what range the values of their nodes have in an
  /// evaluation with these inputs. Of the stages between there is none, since they are many. Collective, in a Call.
  void add_values(const NamedOutputs& run, std::span<const InputValue> inputs, const Communicator& comm,
                  ExecutorKind kind, const Operation& operation);

 private:
  std::string name_of(std::string_view stage) const;
  void give_up(std::string_view cause);
  void write_file(const std::string& name, std::string_view text);

  std::filesystem::path folder_;
  std::ofstream index_;
  std::size_t number_ = 0;  // of the next stage
  bool is_wanted_ = false;
  std::vector<std::pair<std::string, NamedOutputs>> graphs_;  // of stages that are wanted, by the names of their files
};

}  // namespace allgrad
