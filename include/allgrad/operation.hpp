#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "allgrad/source_location.hpp"

namespace allgrad {

/// What a rank asks of a collective: ranks that meet in one compare what they ask, and raise a DivergenceError that
/// says both where it is not the same, before any number is used. Allocates nothing; texts are literals that outlive
/// it.
class Operation {
 public:
  /// A value that has to be the same on all ranks, by name: "parameters", with a hash of them.
  struct Part {
    std::string_view name;
    std::uint64_t value;
  };
  static constexpr std::size_t max_parts = 8;

  /// `what` says what is done, as in "a sum over ranks"; the line is the user's.
  explicit Operation(std::string_view what, SourceLocation where = SourceLocation::current());

  /// Adds a value to compare. Throws InternalError where there are max_parts of them.
  Operation& with(std::string_view name, std::uint64_t value);

  /// Adds a hash of numbers that ranks compute each for itself, so that they may differ in their last bits. Where they
  /// differ and all else is the same, the collective throws NumbersDiffer on every rank.
  Operation& nearly(std::uint64_t value);

  /// Lets errors say more: `details` is asked only then, and outlives the operation.
  Operation& described_by(const std::function<std::string()>& details);

  std::string_view what() const { return what_; }
  const SourceLocation& where() const { return where_; }
  std::span<const Part> parts() const { return {parts_.data(), num_parts_}; }

  std::uint64_t numbers() const { return numbers_; }
  std::string details() const { return details_ == nullptr ? std::string{} : (*details_)(); }

  /// A hash of what is done and of the parts.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  std::string_view what_;
  SourceLocation where_;
  std::array<Part, max_parts> parts_{};
  std::size_t num_parts_ = 0;
  std::uint64_t fingerprint_;
  std::uint64_t numbers_ = 0;
  const std::function<std::string()>* details_ = nullptr;
};

}  // namespace allgrad
