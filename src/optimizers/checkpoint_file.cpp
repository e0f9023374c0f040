#include "optimizers/checkpoint_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "allgrad/error.hpp"
#include "base/archive.hpp"
#include "base/fingerprint.hpp"
#include "comm/file.hpp"

namespace allgrad {

namespace {

constexpr std::string_view magic = "allgrad checkpoint\n";
constexpr std::uint64_t format_version = 2;  // of what is in the file: another one is refused

std::uint64_t checksum_of(std::string_view text) {
  Fingerprint hash;
  hash.add(text);
  return hash.value();
}

void check_identity(const Identity& found, const Identity& expected, const CheckpointName& name) {
  for (std::size_t i = 0; i < std::max(found.size(), expected.size()); ++i) {
    if (i < found.size() && i < expected.size() && found[i] == expected[i]) continue;
    const auto text = [&](const Identity& of) {
      return i < of.size() ? fmt::format("{} = {}", of[i].first, of[i].second) : std::string("nothing more");
    };
    name.refuse(fmt::format("one of another run: expected {}, got {}", text(expected), text(found)));
  }
}

}  // namespace

void CheckpointName::refuse(std::string_view found) const {
  throw DataError(fmt::format("{}: expected a checkpoint of this run in '{}', got {}. Give the run what it was started "
                              "with, or remove the file to start from the guess.",
                              optimizer, file, found),
                  where);
}

void write_checkpoint(const std::string& file, Identity identity, std::string state) {
  Archive body;
  body(identity, state);
  Archive head;
  std::uint64_t version = format_version, checksum = checksum_of(body.written());
  head(version, checksum);

  replace_file(file, {magic, head.written(), body.written()});
}

std::string checked_state(std::string_view text, const CheckpointName& name, const Identity& identity) {
  if (!text.starts_with(magic)) name.refuse("something else");
  text.remove_prefix(magic.size());
  std::uint64_t version = 0, checksum = 0;
  Identity found;
  std::string state;
  try {
    Archive head(text);
    head(version, checksum);
    text = head.rest();
  } catch (const DataError&) {
    name.refuse("one that is cut off");
  }
  if (version != format_version) {
    name.refuse(
        fmt::format("one in version {} of its format, where this allgrad reads version {}", version, format_version));
  }
  if (checksum != checksum_of(text)) name.refuse("one that is damaged or cut off: its checksum is wrong");
  Archive body(text);
  body(found, state);
  check_identity(found, identity, name);
  return state;
}

}  // namespace allgrad
