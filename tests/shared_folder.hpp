#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "world.hpp"

namespace allgrad::testing {

/// A path among temporary files that no other test has, the same on all ranks. Collective.
inline std::string shared_path(std::string_view ending) {
  static int count = 0;
  const auto number = world().allgather(static_cast<std::uint64_t>(getpid()))[0];
  return (std::filesystem::temp_directory_path() / fmt::format("allgrad_shared_{}_{}{}", number, count++, ending))
      .string();
}

/// A folder of the root, whose name all ranks know; gone with this object.
class SharedFolder {
 public:
  SharedFolder() : path_(shared_path("")) {
    if (world().is_root()) std::filesystem::create_directory(path_);
    world().synchronize();
  }
  ~SharedFolder() { remove(); }
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;

  void remove() const {
    world().synchronize();  // when all ranks have looked into it
    if (world().is_root()) std::filesystem::remove_all(path_);
    world().synchronize();
  }

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace allgrad::testing
