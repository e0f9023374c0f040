#include "results/hdf5_result.hpp"

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <functional>
#include <numeric>
#include <utility>

#include "allgrad/error.hpp"
#include "io/hdf5_driver.hpp"
#include "io/hdf5_handle.hpp"

namespace allgrad {

namespace {

using hdf5::Handle;

[[noreturn]] void fail(std::string_view what) {
  throw DataError(fmt::format("HDF5 cannot {} ({})", what, hdf5::last_error()));
}

void require(bool done, std::string_view what) {
  if (!done) fail(what);
}

Handle checked(hid_t id, Handle::Close closer, std::string_view what) {
  require(id >= 0, what);
  return Handle(id, closer);
}

std::string link_of(const std::string& name) {
  if (name.empty()) return "%";
  if (name == ".") return "%2E";
  std::string link;
  for (const char c : name) link += c == '%' ? "%25" : c == '/' ? "%2F" : std::string(1, c);
  return link;
}

std::string name_of(std::string_view link) {
  if (link == "%") return {};
  std::string name;
  for (std::size_t i = 0; i < link.size(); ++i) {
    const std::string_view code = link.substr(i, 3);
    const char c = code == "%25" ? '%' : code == "%2F" ? '/' : code == "%2E" ? '.' : '\0';
    name += c == '\0' ? link[i] : c;
    if (c != '\0') i += 2;
  }
  return name;
}

/// Of texts of up to `size` bytes.
Handle text_type(std::size_t size) {
  Handle type = checked(H5Tcopy(H5T_C_S1), H5Tclose, "make a type");
  require(H5Tset_size(type.get(), std::max<std::size_t>(size, 1)) >= 0 && H5Tset_cset(type.get(), H5T_CSET_UTF8) >= 0 &&
              H5Tset_strpad(type.get(), H5T_STR_NULLPAD) >= 0,
          "make a type");
  return type;
}

/// As h5py has it.
Handle boolean_type() {
  Handle type = checked(H5Tenum_create(H5T_STD_I8LE), H5Tclose, "make a type");
  const signed char no = 0, yes = 1;
  require(H5Tenum_insert(type.get(), "FALSE", &no) >= 0 && H5Tenum_insert(type.get(), "TRUE", &yes) >= 0,
          "make a type");
  return type;
}

/// Keeps members in their order.
void keep_order(hid_t properties) {
  require(H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) >= 0, "keep an order");
}

class GroupWriter {
 public:
  explicit GroupWriter(hid_t group) : group_(group) {}

  void write(const std::string& name, const Data& data) {
    name_ = link_of(name);
    std::visit(*this, data.value);
  }

  void operator()(Data::Nothing) const {}
  void operator()(bool value) const { write_booleans({}, {static_cast<signed char>(value)}); }
  void operator()(std::uint64_t value) const { dataset({}, H5T_STD_U64LE, H5T_NATIVE_UINT64, &value); }
  void operator()(double value) const { dataset({}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value); }
  void operator()(const std::string& value) const { write_texts({}, {value}); }
  void operator()(const Data::Numbers& numbers) const {
    dataset({numbers.shape.begin(), numbers.shape.end()}, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, numbers.values.data());
  }
  void operator()(const Data::Object& object) const {
    const Handle properties = checked(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "make a group");
    keep_order(properties.get());
    const Handle group =
        checked(H5Gcreate2(group_, name_.c_str(), link_properties().get(), properties.get(), H5P_DEFAULT), H5Gclose,
                "make a group");
    for (const auto& [name, data] : object) GroupWriter(group.get()).write(name, data);
  }
  void operator()(const Data::List& list) const {
    const std::vector<hsize_t> shape{list.size()};
    if (list.empty() || holds<std::string>(list)) return write_texts(shape, elements<std::string>(list));
    if (holds<std::uint64_t>(list)) {
      return dataset(shape, H5T_STD_U64LE, H5T_NATIVE_UINT64, elements<std::uint64_t>(list).data());
    }
    if (holds<bool>(list)) {
      const std::vector<bool> flags = elements<bool>(list);
      return write_booleans(shape, {flags.begin(), flags.end()});
    }
    Data::Object numbered;
    for (const Data& element : list) numbered.push_back({fmt::format("{}", numbered.size()), element});
    (*this)(numbered);
  }

 private:
  template <class T>
  static bool holds(const Data::List& list) {
    return std::holds_alternative<T>(list.front().value);
  }
  template <class T>
  static std::vector<T> elements(const Data::List& list) {
    std::vector<T> values;
    for (const Data& element : list) values.push_back(std::get<T>(element.value));
    return values;
  }

  static Handle link_properties() {
    Handle properties = checked(H5Pcreate(H5P_LINK_CREATE), H5Pclose, "make a link");
    require(H5Pset_char_encoding(properties.get(), H5T_CSET_UTF8) >= 0, "make a link");
    return properties;
  }

  void dataset(const std::vector<hsize_t>& shape, hid_t type, hid_t memory_type, const void* values) const {
    const Handle space = checked(
        shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
        H5Sclose, "make a dataspace");
    const Handle set =
        checked(H5Dcreate2(group_, name_.c_str(), type, space.get(), link_properties().get(), H5P_DEFAULT, H5P_DEFAULT),
                H5Dclose, fmt::format("make the dataset '{}'", name_));
    const bool is_empty = std::ranges::find(shape, hsize_t{0}) != shape.end();
    require(is_empty || H5Dwrite(set.get(), memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0,
            fmt::format("write the dataset '{}'", name_));
  }

  void write_booleans(const std::vector<hsize_t>& shape, const std::vector<signed char>& values) const {
    const Handle type = boolean_type();
    dataset(shape, type.get(), type.get(), values.data());
  }

  void write_texts(const std::vector<hsize_t>& shape, const std::vector<std::string>& texts) const {
    std::size_t size = 1;
    for (const std::string& text : texts) size = std::max(size, text.size());
    std::string bytes;
    for (const std::string& text : texts) bytes += text + std::string(size - text.size(), '\0');
    const Handle type = text_type(size);
    dataset(shape, type.get(), type.get(), bytes.data());
  }

  hid_t group_;
  std::string name_;
};

/// Reads what a GroupWriter has written; `most` is the size of the file, which no dataset exceeds. Nothing is followed
/// out of the file, or for ever in it.
class Reader {
 public:
  explicit Reader(std::size_t most) : most_(most) {}

  Data group(hid_t id, std::size_t depth = 0) const {
    constexpr std::size_t deepest = 16;  // results have groups in four others
    if (depth == deepest) throw DataError(fmt::format("expected groups in at most {} others", deepest));
    Data::Object object;
    for (const std::string& link : links(id)) object.push_back({name_of(link), member(id, link, depth)});
    return {std::move(object)};
  }

 private:
  static std::vector<std::string> links(hid_t id) {
    hdf5::Names names;
    const auto add = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
      return static_cast<hdf5::Names*>(to)->add(name);
    };
    if (H5Literate(id, H5_INDEX_CRT_ORDER, H5_ITER_INC, nullptr, add, &names) < 0) {
      names = {};
      require(H5Literate(id, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names) >= 0, "list a group");
    }
    return names.take();
  }

  Data member(hid_t group_id, const std::string& link, std::size_t depth) const {
    H5L_info_t info;
    require(H5Lget_info(group_id, link.c_str(), &info, H5P_DEFAULT) >= 0 && info.type == H5L_TYPE_HARD,
            fmt::format("read '{}', which is a link that may lead out of the file", link));
    const Handle id = checked(H5Oopen(group_id, link.c_str(), H5P_DEFAULT), H5Oclose, fmt::format("open '{}'", link));
    if (H5Iget_type(id.get()) == H5I_GROUP) return group(id.get(), depth + 1);
    require(H5Iget_type(id.get()) == H5I_DATASET, fmt::format("read '{}', which is no dataset", link));
    return dataset(id.get(), link);
  }

  Data dataset(hid_t id, const std::string& link) const {
    const Handle properties = checked(H5Dget_create_plist(id), H5Pclose, "read properties");
    require(H5Pget_layout(properties.get()) != H5D_VIRTUAL && H5Pget_external_count(properties.get()) == 0,
            fmt::format("read '{}', whose values are in other files", link));
    const Handle space = checked(H5Dget_space(id), H5Sclose, "read a dataspace");
    const Handle type = checked(H5Dget_type(id), H5Tclose, "read a type");
    const int rank = H5Sget_simple_extent_ndims(space.get());
    require(rank >= 0 && H5Sget_simple_extent_type(space.get()) != H5S_NULL, fmt::format("read '{}'", link));
    std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
    H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
    const std::vector<std::size_t> shape(extents.begin(), extents.end());
    const auto count = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space.get()));
    const std::size_t size = H5Tget_size(type.get());
    if (count > 0 && (size == 0 || count > most_ / size)) {
      throw DataError(fmt::format("'{}' says that it is larger than the file", link));
    }
    const auto fetch = [&](hid_t memory_type, void* values) {
      require(count == 0 || H5Dread(id, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0,
              fmt::format("read '{}'", link));
    };
    switch (H5Tget_class(type.get())) {
      case H5T_FLOAT: {
        Data::Numbers numbers{.shape = shape, .values = std::vector<double>(count)};
        fetch(H5T_NATIVE_DOUBLE, numbers.values.data());
        return rank == 0 ? Data{numbers.values.at(0)} : Data{std::move(numbers)};
      }
      case H5T_INTEGER: {
        std::vector<std::uint64_t> values(count);
        fetch(H5T_NATIVE_UINT64, values.data());
        return list_or_one(rank, values);
      }
      case H5T_ENUM: {
        std::vector<signed char> values(count);
        require(size == 1, fmt::format("read '{}', which has no booleans", link));
        fetch(type.get(), values.data());
        return list_or_one(rank, std::vector<bool>(values.begin(), values.end()));
      }
      case H5T_STRING: {
        require(H5Tis_variable_str(type.get()) == 0,
                fmt::format("read '{}', whose texts are of variable length", link));
        std::string bytes(count * size, '\0');
        fetch(type.get(), bytes.data());
        std::vector<std::string> texts;
        for (std::size_t i = 0; i < count; ++i) {
          texts.push_back(bytes.substr(i * size, size));
          texts.back().erase(texts.back().find_last_not_of('\0') + 1);
        }
        return list_or_one(rank, texts);
      }
      default: throw DataError(fmt::format("'{}' has another type of elements", link));
    }
  }

  template <class T>
  static Data list_or_one(int rank, const std::vector<T>& values) {
    if (rank == 0) return Data{T(values.at(0))};
    Data::List list;
    for (const T& value : values) list.emplace_back().value = value;
    return {std::move(list)};
  }

  std::size_t most_;
};

}  // namespace

std::string to_hdf5(const Data& object) {
  const hdf5::Quiet quiet;
  constexpr std::size_t increment = 1 << 16;
  const Handle access = checked(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "make a file");
  const Handle creation = checked(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "make a file");
  require(H5Pset_fapl_core(access.get(), increment, false) >= 0, "make a file in memory");
  keep_order(creation.get());
  static std::atomic<std::uint64_t> count = 0;  // one that HDF5 could not close, for lack of memory, keeps its name
  const std::string file_name = fmt::format("result {} of allgrad", count++);
  const Handle file = checked(H5Fcreate(file_name.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose,
                              "make a file in memory");
  for (const auto& [name, data] : std::get<Data::Object>(object.value)) GroupWriter(file.get()).write(name, data);
  require(H5Fflush(file.get(), H5F_SCOPE_LOCAL) >= 0, "write a file in memory");
  const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
  require(size >= 0, "measure a file in memory");
  std::string bytes(static_cast<std::size_t>(size), '\0');
  require(H5Fget_file_image(file.get(), bytes.data(), bytes.size()) == size, "copy a file in memory");
  return bytes;
}

Data from_hdf5(const std::string& path) {
  const hdf5::Quiet quiet;
  const Handle access = hdf5::careful_file_access();
  const Handle file = checked(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, "open it");
  return Reader(std::filesystem::file_size(path)).group(file.get());
}

}  // namespace allgrad
