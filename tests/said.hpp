#pragma once

#include <string>
#include <vector>

#include "allgrad/sink.hpp"

namespace allgrad::testing {

/// What allgrad says on this rank while it lives.
class Said {
 public:
  Said() {
    former_ = set_sink([this](Severity severity, std::string_view text) {
      (severity == Severity::progress ? progress : warnings).emplace_back(text);
    });
  }
  ~Said() { set_sink(former_); }
  Said(const Said&) = delete;
  Said& operator=(const Said&) = delete;

  std::vector<std::string> progress, warnings;

 private:
  Sink former_;
};

}  // namespace allgrad::testing
