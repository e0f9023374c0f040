#include "comm/failure_record.hpp"

#include <algorithm>
#include <type_traits>

#include "comm/mpi_check.hpp"

namespace allgrad {

namespace {

static_assert(std::is_trivially_copyable_v<FailureRecord>, "it travels as bytes");

extern "C" void allgrad_merge_failure_records(void* in, void* in_out, int* count, MPI_Datatype*) {
  const auto* theirs = static_cast<const FailureRecord*>(in);
  auto* ours = static_cast<FailureRecord*>(in_out);
  for (int i = 0; i < *count; ++i) {
    const int failed = ours[i].failed + theirs[i].failed;
    if (theirs[i].rank < ours[i].rank) ours[i] = theirs[i];
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

}  // namespace

FailureRecord make_failure_record(int rank, std::string_view text) {
  constexpr std::string_view mark = "...";
  FailureRecord record{.failed = 1, .rank = rank};
  const std::size_t room = record.text.size() - 1;  // the last character stays zero
  if (text.size() <= room) {
    std::ranges::copy(text, record.text.begin());
    return record;
  }
  std::size_t kept = room - mark.size();
  while (kept > 0 && (static_cast<unsigned char>(text[kept]) & 0xC0U) == 0x80U) --kept;  // whole UTF-8 characters
  const auto end = std::ranges::copy(text.substr(0, kept), record.text.begin()).out;
  std::ranges::copy(mark, end);
  return record;
}

void merge_failure_records(FailureRecord& record, MPI_Comm comm) {
  const RecordType type;
  const MergeOp op;
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, &record, 1, type.get(), op.get(), comm), "the exchange of failures");
}

}  // namespace allgrad
