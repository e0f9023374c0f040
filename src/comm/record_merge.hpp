#pragma once

#include <mpi.h>

#include <string_view>
#include <type_traits>

#include "base/utf8.hpp"
#include "comm/mpi_check.hpp"

namespace allgrad {

/// What merges records of a fixed size over ranks: a reduction whose elements are whole records, which MPI must not
/// split as it may split an array. `function` merges *in into *in_out, as MPI_User_function says; it commutes.
template <class Record>
class RecordMerge {
 public:
  static_assert(std::is_trivially_copyable_v<Record>, "it travels as bytes");

  explicit RecordMerge(MPI_User_function* function) {
    check_mpi(MPI_Type_contiguous(sizeof(Record), MPI_BYTE, &type_), "MPI_Type_contiguous");
    check_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
    check_mpi(MPI_Op_create(function, 1, &op_), "MPI_Op_create");
  }
  ~RecordMerge() {
    if (op_ != MPI_OP_NULL) MPI_Op_free(&op_);
    if (type_ != MPI_DATATYPE_NULL) MPI_Type_free(&type_);
  }
  RecordMerge(const RecordMerge&) = delete;
  RecordMerge& operator=(const RecordMerge&) = delete;

  MPI_Datatype type() const { return type_; }
  MPI_Op op() const { return op_; }

 private:
  MPI_Datatype type_ = MPI_DATATYPE_NULL;
  MPI_Op op_ = MPI_OP_NULL;
};

/// Copies `text` into an array of characters that ends with a zero, cut with "..." where it is longer.
template <class Chars>
void copy_cut(std::string_view text, Chars& to) {
  constexpr std::string_view mark = "...";
  const std::size_t room = to.size() - 1;
  to.fill('\0');
  if (text.size() <= room) {
    text.copy(to.data(), text.size());
    return;
  }
  const std::string_view start = utf8_prefix(text, room - mark.size());
  start.copy(to.data(), start.size());
  mark.copy(to.data() + start.size(), mark.size());
}

}  // namespace allgrad
