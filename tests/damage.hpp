#pragma once

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "allgrad/error.hpp"

namespace allgrad::testing {

using Bytes = std::vector<char>;
using Random = std::mt19937_64;

inline std::string path_of(const std::string& name) {
  return (std::filesystem::temp_directory_path() / ("allgrad_damage_" + std::to_string(getpid()) + "_" + name))
      .string();
}

/// The bytes of a file, which is gone then.
inline Bytes taken_bytes(const std::string& path) {
  std::ifstream input(path, std::ios::binary);
  Bytes bytes{std::istreambuf_iterator<char>(input), {}};
  std::filesystem::remove(path);
  return bytes;
}

inline void write_bytes(const std::string& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::size_t below(Random& random, std::size_t end) { return random() % end; }

/// Cuts, erases, copies or changes some bytes in one of the regions, which are lengths from the beginning.
inline void damage(Bytes& bytes, Random& random, const std::vector<std::size_t>& regions) {
  const std::size_t end = std::min(regions[below(random, regions.size())], bytes.size());
  const std::size_t place = below(random, end);
  const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(place);
  const std::size_t length = std::min(bytes.size() - place, std::size_t{1} << below(random, 8));
  const auto last = at + static_cast<std::ptrdiff_t>(length);
  switch (below(random, 8)) {
    case 0: bytes.resize(place); break;
    case 1: std::fill(at, bytes.end(), '\0'); break;
    case 2: std::fill(at, last, '\0'); break;
    case 3: std::fill(at, last, '\xff'); break;
    case 4: bytes.erase(at, last); break;
    case 5:
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(below(random, bytes.size() - length + 1)), length, at);
      break;
    case 6:
      for (std::size_t i = 0; i <= below(random, 8); ++i)
        bytes[below(random, end)] ^= static_cast<char>(1 << below(random, 8));
      break;
    default:
      for (std::size_t i = 0; i <= below(random, 8); ++i) bytes[below(random, end)] = static_cast<char>(random());
  }
}

/// Whether `read` is done, and not refused.
template <class F>
bool succeeds(F read) {
  try {
    read();
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace allgrad::testing
