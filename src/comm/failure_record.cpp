#include "comm/failure_record.hpp"

#include <algorithm>
#include <new>

#include "base/exception_text.hpp"
#include "comm/record_merge.hpp"

namespace allgrad {

FailureRecord failure_record(int rank, const std::exception_ptr& cause) {
  if (!cause) return {};
  FailureRecord record{.count = 1, .urgency = 0, .rank = rank};
  copy_cut(exception_text(cause), record.text);
  return record;
}

FailureRecord stop_record(const std::optional<StopRequest>& wish) {
  if (!wish) return {};
  FailureRecord record{.count = 1, .urgency = static_cast<int>(wish->reason), .rank = wish->rank};
  copy_cut(wish->text, record.text);
  return record;
}

StopRequest stop_request(const FailureRecord& record) {
  StopRequest request{static_cast<StopReason>(record.urgency), record.rank, {}};
  try {
    request.text = record.text.data();
  } catch (const std::bad_alloc&) {  // to stop as the others do counts for more than to say why
  }
  return request;
}

extern "C" void allgrad_merge_failure_records(void* in, void* in_out, int* count, MPI_Datatype*) {
  const auto* theirs = static_cast<const FailureRecord*>(in);
  auto* ours = static_cast<FailureRecord*>(in_out);
  for (int i = 0; i < *count; ++i) {
    const int sum = ours[i].count + theirs[i].count;
    const std::uint64_t highest = std::max(ours[i].next_number, theirs[i].next_number);
    const bool as_urgent = theirs[i].urgency == ours[i].urgency;
    if (as_urgent ? theirs[i].rank < ours[i].rank : theirs[i].urgency > ours[i].urgency) ours[i] = theirs[i];
    ours[i].count = sum;
    ours[i].next_number = highest;
  }
}

}  // namespace allgrad
