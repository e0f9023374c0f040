#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "base/ascii.hpp"
#include "io/hdf5_file.hpp"
#include "io/hdf5_stored.hpp"
#include "io/row_reader.hpp"
#include "io/yaml_header.hpp"

namespace allgrad {
namespace {

using hdf5::Dataset;
using hdf5::Handle;
using hdf5::last_error;

/// Where the numbers of a column lie: in a dataset, or in a member of the records of one.
struct Source {
  const Dataset* dataset;
  std::string member;  // empty where the dataset has no records
  Handle number = {H5I_INVALID_HID, H5Tclose};
  std::vector<hsize_t> inner = {};  // lengths of the axes in each element

  Source(const Dataset& dataset_, std::string member_, Handle type)
      : dataset(&dataset_), member(std::move(member_)), number(std::move(type)) {
    if (H5Tget_class(number.get()) != H5T_ARRAY) return;
    inner.resize(static_cast<std::size_t>(std::max(0, H5Tget_array_ndims(number.get()))));
    H5Tget_array_dims2(number.get(), inner.data());
    number = Handle(H5Tget_super(number.get()), H5Tclose);
  }

  bool has_rows() const { return hdf5::is_number(number.get()) && !dataset->content.shape.empty(); }

  std::vector<std::size_t> lanes() const {
    std::vector<std::size_t> lanes(dataset->content.shape.begin() + 1, dataset->content.shape.end());
    lanes.insert(lanes.end(), inner.begin(), inner.end());
    return lanes;
  }

  std::string str() const {
    return member.empty() ? fmt::format("dataset '{}'", dataset->name)
                          : fmt::format("'{}' of dataset '{}'", member, dataset->name);
  }

  /// What HDF5 is to make of the elements: of each number one of `number_type`.
  Handle memory_type(hid_t number_type) const {
    Handle type(inner.empty() ? H5Tcopy(number_type)
                              : H5Tarray_create2(number_type, static_cast<unsigned>(inner.size()), inner.data()),
                H5Tclose);
    if (member.empty()) return type;
    Handle record(H5Tcreate(H5T_COMPOUND, H5Tget_size(type.get())), H5Tclose);
    H5Tinsert(record.get(), member.c_str(), 0, type.get());
    return record;
  }
};

/// Columns that are datasets of a group, or members of a dataset of records.
class Hdf5Rows final : public RowReader {
 public:
  Hdf5Rows(const std::string& path, const ReadOptions& options, SourceLocation where);

  void read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) override;
  using RowReader::read;

 private:
  void open_group(const ReadOptions& options);
  std::optional<Dataset> only_records() const;
  void read_member_units();
  void name_columns(const std::vector<std::string>& names);
  void find_datasets();
  void find_members();
  void add(const Dataset& dataset, const std::string& name, const std::string& member);
  void add_dataset(const std::string& name);
  void add_member(const std::string& name);
  void check_lengths() const;
  void read_rows(const Source& source, hsize_t first, hsize_t count, std::span<double> out) const;
  std::string datasets_there() const;
  std::vector<std::string> members() const;
  std::string quoted_path() const;

  hdf5::File file_;
  std::string group_name_;
  Handle group_ = {H5I_INVALID_HID, H5Oclose};      // where columns are datasets
  std::unique_ptr<const Dataset> records_;          // where they are members
  std::vector<std::unique_ptr<Dataset>> datasets_;  // that sources point to
  std::vector<Source> sources_;
  std::map<std::string, std::string> member_units_;
};

Hdf5Rows::Hdf5Rows(const std::string& path, const ReadOptions& options, SourceLocation where)
    : RowReader(path, where), file_(path, where), group_name_(options.group) {
  open_group(options);
  if (options.columns.empty()) {
    records_ ? find_members() : find_datasets();
  } else {
    for (const std::string& name : options.columns) records_ ? add_member(name) : add_dataset(name);
  }
  check_lengths();
  if (records_) check_stored(file_, *records_);
  for (const auto& dataset : datasets_) check_stored(file_, *dataset);
  total_rows_ = sources_.front().dataset->content.shape[0];
}

std::string Hdf5Rows::quoted_path() const {
  return group_name_.empty() ? fmt::format("'{}'", path()) : fmt::format("'{}' of '{}'", group_name_, path());
}

void Hdf5Rows::open_group(const ReadOptions& options) {
  group_ = file_.open_object(group_name_.empty() ? "/" : group_name_);
  if (!group_) {
    const std::string cause = last_error();
    fail(
        fmt::format("expected a group '{}' in '{}', but HDF5 cannot open it: {}; name a group or a dataset of records "
                    "that is there",
                    group_name_, path(), cause));
  }
  std::optional<Dataset> records;
  if (H5Iget_type(group_.get()) == H5I_DATASET) {
    records = file_.open_dataset(file_.open_object("/"), group_name_);
    if (!records || !records->content.is_records()) {
      fail(
          fmt::format("expected '{}' in '{}' to be a group or a dataset of records of shape [rows], but it holds {}; "
                      "name the group that it is in, and the dataset among the columns",
                      group_name_, path(), records ? records->content.str() : last_error()));
    }
  } else if (group_name_.empty() && (options.columns.empty() || !file_.has_object(group_, options.columns[0]))) {
    records = only_records();
    if (records) group_name_ = records->name;
  }
  if (!records) return;
  records_ = std::make_unique<const Dataset>(std::move(*records));
  read_member_units();
}

/// astropy writes the units of records as YAML into a dataset beside theirs.
void Hdf5Rows::read_member_units() {
  const std::string yaml = file_.text_of_dataset(group_name_ + ".__table_column_meta__");
  if (yaml.empty()) return;
  try {
    for (const YamlColumn& column : parse_yaml_header(yaml).columns) member_units_[column.name] = column.unit;
  } catch (const std::runtime_error&) {  // another's text by that name
  }
}

/// The one dataset of records in the root group, where that has no other columns.
std::optional<Dataset> Hdf5Rows::only_records() const {
  std::optional<Dataset> found;
  for (const std::string& name : file_.links(group_)) {
    const Handle object = file_.open_object(group_, name);
    if (!object || H5Iget_type(object.get()) != H5I_DATASET) continue;
    std::optional<Dataset> dataset = file_.open_dataset(group_, name);
    if (!dataset) continue;
    if (dataset->content.is_number() && dataset->content.shape.size() == 1) return std::nullopt;
    if (!dataset->content.is_records()) continue;
    if (found) return std::nullopt;
    found = std::move(dataset);
  }
  return found;
}

std::string Hdf5Rows::datasets_there() const {
  std::vector<std::string> found;
  for (const std::string& name : file_.links(group_)) {
    const Handle object = file_.open_object(group_, name);
    if (!object) continue;
    found.push_back(fmt::format("'{}'{}", name, H5Iget_type(object.get()) == H5I_DATASET ? "" : " (a group)"));
  }
  const std::string none =
      group_name_.empty() ? "no dataset in its root group" : fmt::format("no dataset in '{}'", group_name_);
  return found.empty() ? none : fmt::format("{}", fmt::join(found, ", "));
}

std::vector<std::string> Hdf5Rows::members() const {
  std::vector<std::string> names;
  const int count = H5Tget_nmembers(records_->content.type.get());
  for (int i = 0; i < count; ++i) {
    char* name = H5Tget_member_name(records_->content.type.get(), static_cast<unsigned>(i));
    const std::unique_ptr<char, herr_t (*)(void*)> owned(name, H5free_memory);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

void Hdf5Rows::add_dataset(const std::string& name) {
  auto dataset = file_.open_dataset(group_, name);
  if (!dataset) {
    const std::string cause = last_error();
    if (file_.has_object(group_, name)) {
      fail(
          fmt::format("expected a dataset '{}' in {}, but HDF5 cannot open it as one: {}; name a dataset, with its "
                      "groups as in 'group/dataset', or the group in ReadOptions::group",
                      name, quoted_path(), cause));
    }
    fail(fmt::format("expected a dataset '{}' in {}, but the file has {}; name one that is there, with its groups",
                     name, quoted_path(), datasets_there()));
  }
  datasets_.push_back(std::make_unique<Dataset>(std::move(*dataset)));
  add(*datasets_.back(), name, "");
}

void Hdf5Rows::add_member(const std::string& name) {
  const std::vector<std::string> names = members();
  if (std::ranges::find(names, name) == names.end()) {
    fail(fmt::format("expected a member '{}' in the records {}, but they have '{}'; name one that is there", name,
                     quoted_path(), fmt::join(names, "', '")));
  }
  add(*records_, name, name);
}

Handle type_of(const Dataset& dataset, const std::string& member) {
  if (member.empty()) return {H5Tcopy(dataset.content.type.get()), H5Tclose};
  const int index = H5Tget_member_index(dataset.content.type.get(), member.c_str());
  return {H5Tget_member_type(dataset.content.type.get(), static_cast<unsigned>(index)), H5Tclose};
}

/// The text of the attribute "unit" or "units", in capital letters or small ones.
std::string unit_of(const Dataset& dataset) {
  for (const std::string& name : hdf5::attribute_names(dataset.handle)) {
    const std::string lower = lowercase(name);
    if (lower == "unit" || lower == "units") return hdf5::text_of_attribute(dataset.handle, name);
  }
  return "";
}

void Hdf5Rows::add(const Dataset& dataset, const std::string& name, const std::string& member) {
  Source source(dataset, member, type_of(dataset, member));
  if (!source.has_rows()) {
    const std::string what = hdf5::content_text(type_of(dataset, member), dataset.content.shape);
    fail(
        fmt::format("expected {} in '{}' to be a column of integers, floating-point numbers or booleans of shape "
                    "[rows] or [rows, ..], but it holds {}; store each column as a dataset of its own",
                    source.str(), path(), what));
  }
  columns_.push_back({name, source.lanes(), member.empty() ? unit_of(dataset) : member_units_[name]});
  sources_.push_back(std::move(source));
}

void Hdf5Rows::find_datasets() {
  for (const std::string& name : file_.links(group_)) {
    const Handle object = file_.open_object(group_, name);
    if (object && H5Iget_type(object.get()) != H5I_DATASET) continue;
    auto dataset = file_.open_dataset(group_, name);
    if (!dataset) {
      left_out_.push_back(fmt::format("'{}' (HDF5 cannot open it: {})", name, last_error()));
    } else if (!dataset->content.is_number() || dataset->content.shape.size() != 1) {
      left_out_.push_back(fmt::format("'{}' ({})", name, dataset->content.str()));
    } else {
      datasets_.push_back(std::make_unique<Dataset>(std::move(*dataset)));
      add(*datasets_.back(), name, "");
    }
  }
  if (!sources_.empty()) return;
  fail(fmt::format(
      "expected columns in {} '{}', datasets of numbers of shape [rows], but the file has {}; name the "
      "datasets to read, or their group in ReadOptions::group",
      group_name_.empty() ? "the root group of" : fmt::format("'{}' of", group_name_), path(), datasets_there()));
}

void Hdf5Rows::find_members() {
  for (const std::string& name : members()) {
    if (Source(*records_, name, type_of(*records_, name)).has_rows()) {
      add(*records_, name, name);
    } else {
      left_out_.push_back(
          fmt::format("'{}' ({})", name, hdf5::content_text(type_of(*records_, name), records_->content.shape)));
    }
  }
  if (!sources_.empty()) return;
  fail(fmt::format("expected numbers in the records {}, but they have '{}', of which none is one; name another group",
                   quoted_path(), fmt::join(members(), "', '")));
}

void Hdf5Rows::check_lengths() const {
  const Dataset& first = *sources_.front().dataset;
  for (const Source& source : sources_) {
    const Dataset& other = *source.dataset;
    if (other.content.shape[0] == first.content.shape[0]) continue;
    fail(
        fmt::format("expected columns of equal length in '{}', but '{}' has {} rows and '{}' has {}; name the columns "
                    "that belong to one table",
                    path(), first.name, first.content.shape[0], other.name, other.content.shape[0]));
  }
}

void Hdf5Rows::read(std::uint64_t first, std::size_t count, std::span<const std::span<double>> out) {
  const hdf5::Quiet quiet;
  // HDF5 passes over whole records for each member: in blocks they come from memory after the first.
  constexpr std::size_t bytes_of_block = std::size_t{1} << 22;
  const std::size_t block =
      records_ ? std::max<std::size_t>(
                     bytes_of_block / std::max<std::size_t>(1, H5Tget_size(records_->content.type.get())), 1)
               : std::max<std::size_t>(count, 1);
  for (std::size_t begin = 0; begin < count; begin += block) {
    const std::size_t rows = std::min(block, count - begin);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (out[i].empty()) continue;
      const std::size_t per_row = columns_[i].numbers_per_row();
      read_rows(sources_[i], first + begin, rows, out[i].subspan(begin * per_row, rows * per_row));
    }
  }
}

void Hdf5Rows::read_rows(const Source& source, hsize_t first, hsize_t count, std::span<double> out) const {
  if (out.empty()) return;
  const Dataset& dataset = *source.dataset;
  std::vector<hsize_t> start(dataset.content.shape.size(), 0), counts = dataset.content.shape;
  start[0] = first;
  counts[0] = count;
  const hsize_t elements = std::accumulate(counts.begin(), counts.end(), hsize_t{1}, std::multiplies());
  const Handle in_file(H5Dget_space(dataset.handle.get()), H5Sclose);
  const Handle in_memory(H5Screate_simple(1, &elements, nullptr), H5Sclose);
  const auto read = [&](hid_t number_type, void* values) {
    const Handle type = source.memory_type(number_type);
    return H5Dread(dataset.handle.get(), type.get(), in_memory.get(), in_file.get(), H5P_DEFAULT, values);
  };
  std::optional<hdf5::InexactInteger> inexact;
  if (H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, start.data(), nullptr, counts.data(), nullptr) < 0 ||
      !hdf5::read_numbers(source.number.get(), read, out, inexact)) {
    const std::string cause = last_error();
    fail(
        fmt::format("expected to read rows [{}, {}) of {} in '{}', but HDF5 cannot: {}; check that the file is "
                    "complete and that HDF5 has the filters that it was written with",
                    first, first + count, source.str(), path(), cause));
  }
  if (inexact) inexact->index += first * (out.size() / count);
  hdf5::check_exact(file_, source.str(), inexact);
}

}  // namespace

std::unique_ptr<RowReader> open_hdf5_rows(const std::string& file, const ReadOptions& options, SourceLocation where) {
  const hdf5::Quiet quiet;
  return std::make_unique<Hdf5Rows>(file, options, where);
}

}  // namespace allgrad
