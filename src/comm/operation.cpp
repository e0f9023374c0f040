#include "allgrad/operation.hpp"

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"

namespace allgrad {

Operation::Operation(std::string_view what, SourceLocation where) : what_(what), where_(where) {
  Fingerprint hash;
  hash.add(what);
  fingerprint_ = hash.value();
}

Operation& Operation::with(std::string_view name, std::uint64_t value) {
  if (num_parts_ == max_parts) throw InternalError("an operation with more parts than it has room for");
  parts_[num_parts_++] = {name, value};
  Fingerprint hash;
  hash.add(fingerprint_);
  hash.add(value);
  fingerprint_ = hash.value();
  return *this;
}

Operation& Operation::nearly(std::uint64_t value) {
  numbers_ = value;
  return *this;
}

Operation& Operation::described_by(const std::function<std::string()>& details) {
  details_ = &details;
  return *this;
}

}  // namespace allgrad
