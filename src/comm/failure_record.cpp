#include "comm/failure_record.hpp"

#include <algorithm>
#include <string_view>
#include <type_traits>

#include "base/exception_text.hpp"
#include "base/utf8.hpp"
#include "comm/mpi_check.hpp"
#include "comm/stop_request.hpp"

namespace allgrad {

namespace {

static_assert(std::is_trivially_copyable_v<FailureRecord>, "it travels as bytes");

extern "C" void allgrad_merge_failure_records(void* in, void* in_out, int* count, MPI_Datatype*) {
  const auto* theirs = static_cast<const FailureRecord*>(in);
  auto* ours = static_cast<FailureRecord*>(in_out);
  for (int i = 0; i < *count; ++i) {
    const int failed = ours[i].failed + theirs[i].failed;
    const bool as_urgent = theirs[i].urgency == ours[i].urgency;
    if (as_urgent ? theirs[i].rank < ours[i].rank : theirs[i].urgency > ours[i].urgency) ours[i] = theirs[i];
    ours[i].failed = failed;
  }
}

// One element of this type is one whole record, which MPI must not split as it may split an array.
class RecordType {
 public:
  RecordType() {
    check_mpi(MPI_Type_contiguous(sizeof(FailureRecord), MPI_BYTE, &type_), "MPI_Type_contiguous");
    check_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
  }
  ~RecordType() { MPI_Type_free(&type_); }
  RecordType(const RecordType&) = delete;
  RecordType& operator=(const RecordType&) = delete;
  MPI_Datatype get() const { return type_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

class MergeOp {
 public:
  MergeOp() { check_mpi(MPI_Op_create(allgrad_merge_failure_records, 1, &op_), "MPI_Op_create"); }
  ~MergeOp() { MPI_Op_free(&op_); }
  MergeOp(const MergeOp&) = delete;
  MergeOp& operator=(const MergeOp&) = delete;
  MPI_Op get() const { return op_; }

 private:
  MPI_Op op_ = MPI_OP_NULL;
};

Urgency urgency_of(StopReason reason) {
  switch (reason) {
    case StopReason::wish: return Urgency::wish;
    case StopReason::signal: return Urgency::signal;
    case StopReason::exception: return Urgency::exception;
  }
  return Urgency::failure;
}

// A request that was raised on all ranks may be handed on by one that did not make it.
int rank_of(const std::exception_ptr& cause, int own_rank) {
  try {
    std::rethrow_exception(cause);
  } catch (const StopRequest& stop) {
    return stop.rank();
  } catch (...) {
    return own_rank;
  }
}

}  // namespace

Urgency urgency_of(const std::exception_ptr& cause) {
  try {
    std::rethrow_exception(cause);
  } catch (const StopRequest& stop) {
    return urgency_of(stop.reason());
  } catch (...) {
    return Urgency::failure;
  }
}

FailureRecord make_failure_record(int rank, const std::exception_ptr& cause) {
  constexpr std::string_view mark = "...";
  FailureRecord record{.urgency = urgency_of(cause), .rank = rank_of(cause, rank)};
  if (record.urgency == Urgency::failure) record.failed = 1;
  const std::string_view text = exception_text(cause);
  const std::size_t room = record.text.size() - 1;  // the last character stays zero
  if (text.size() <= room) {
    std::ranges::copy(text, record.text.begin());
  } else {
    const auto end = std::ranges::copy(utf8_prefix(text, room - mark.size()), record.text.begin()).out;
    std::ranges::copy(mark, end);
  }
  return record;
}

void merge_failure_records(FailureRecord& record, MPI_Comm comm) {
  const RecordType type;
  const MergeOp op;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &record, 1, type.get(), op.get(), comm), "the exchange of failures");
}

}  // namespace allgrad
