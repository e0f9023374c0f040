#include "allgrad/operation.hpp"

#include "allgrad/error.hpp"
#include "base/fingerprint.hpp"

namespace allgrad {

Operation& Operation::with(std::string_view name, std::uint64_t value) {
  if (num_parts_ == max_parts) throw InternalError("an operation with more parts than it has room for");
  parts_[num_parts_++] = {name, value};
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

std::uint64_t Operation::fingerprint() const {
  Fingerprint hash;
  hash.add(what_);
  for (const Part& part : parts()) hash.add(part.value);
  return hash.value();
}

}  // namespace allgrad
