#include "comm/divergence_record.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "comm/call.hpp"
#include "comm/record_merge.hpp"

namespace allgrad {

namespace {

std::string_view text(const auto& chars) { return chars.data(); }

/// The names of the parts in which two of one kind differ.
std::vector<std::string_view> differing(const DivergenceRecord::Side& a, const DivergenceRecord::Side& b) {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.num_parts); ++i) {
    if (a.values[i] != b.values[i]) names.push_back(text(a.names[i]));
  }
  return names;
}

}  // namespace

DivergenceRecord divergence_record(int rank, const Operation& operation) {
  DivergenceRecord record;
  DivergenceRecord::Side& own = record.first;
  own.rank = rank;
  own.num_parts = static_cast<int>(operation.parts().size());
  own.fingerprint = fingerprint_with_call(operation);
  for (std::size_t i = 0; i < operation.parts().size(); ++i) {
    own.values[i] = operation.parts()[i].value;
    copy_cut(operation.parts()[i].name, own.names[i]);
  }
  copy_cut(operation.what(), own.what);
  try {
    copy_cut(describe_call(operation), own.text);
  } catch (...) {  // out of memory, which the other ranks must not wait for
    copy_cut(operation.what(), own.text);
  }
  return record;
}

extern "C" void allgrad_merge_divergence_records(void* in, void* in_out, int* count, MPI_Datatype*) {
  const auto* theirs = static_cast<const DivergenceRecord*>(in);
  auto* ours = static_cast<DivergenceRecord*>(in_out);
  for (int i = 0; i < *count; ++i) {
    const bool ours_first = ours[i].first.rank < theirs[i].first.rank;
    const DivergenceRecord& low = ours_first ? ours[i] : theirs[i];
    const DivergenceRecord& high = ours_first ? theirs[i] : ours[i];
    DivergenceRecord merged{
        .first = low.first, .second = low.second, .next_number = std::max(low.next_number, high.next_number)};
    for (const DivergenceRecord::Side* other : {&high.first, &high.second}) {
      if (other->fingerprint != low.first.fingerprint && other->rank < merged.second.rank) merged.second = *other;
    }
    ours[i] = merged;
  }
}

std::string describe_divergence(int first, std::string_view first_call, int second, std::string_view second_call,
                                std::string_view more) {
  return fmt::format(
      "the ranks do not do the same: rank {} is in {}, but rank {} in {}{}. Call the same functions of the same "
      "objects on every rank, in the same order and with the same arguments, for example broadcast from one rank "
      "(MPI_Bcast).",
      first, first_call, second, second_call, more);
}

std::string describe(const DivergenceRecord& record) {
  const DivergenceRecord::Side &first = record.first, &second = record.second;
  const bool same_kind = text(first.what) == text(second.what) && first.num_parts == second.num_parts;
  const auto names = same_kind ? differing(first, second) : std::vector<std::string_view>{};
  const std::string more = names.empty() ? "" : fmt::format("; these differ: {}", fmt::join(names, ", "));
  return describe_divergence(first.rank, text(first.text), second.rank, text(second.text), more);
}

}  // namespace allgrad
