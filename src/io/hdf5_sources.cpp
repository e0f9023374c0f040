#include "io/hdf5_sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "io/hdf5_driver.hpp"

namespace allgrad::hdf5 {

namespace {

namespace fs = std::filesystem;

/// What is found of a file by the name that `parent` has for it: beside it or from where the process runs.
struct Found {
  std::vector<fs::path> files;
  std::string other;  // what is no regular file
};

Found find(const std::string& name, const fs::path& parent) {
  Found found;
  for (const fs::path& path :
       {parent.parent_path() / name, fs::path(name), parent.parent_path() / fs::path(name).filename()}) {
    std::error_code none;
    const fs::file_status status = fs::status(path, none);
    if (!fs::exists(status)) continue;
    if (fs::is_regular_file(status)) {
      found.files.push_back(path);
    } else if (found.other.empty()) {
      found.other = fmt::format("'{}' is no regular file", path.string());
    }
  }
  return found;
}

herr_t refuse_others(const char* parent, const char*, const char* name, const char*, unsigned*, hid_t, void* refused) {
  try {
    auto& text = *static_cast<std::string*>(refused);
    text = find(name, parent).other;
    return text.empty() ? 0 : -1;
  } catch (const std::exception&) {  // must not pass through C
    return -1;
  }
}

/// The text that `get(text, size)` writes, after it has told its length.
template <class Get>
std::string source_text(Get get) {
  const ssize_t length = get(nullptr, 0);
  std::string text(static_cast<std::size_t>(std::max<ssize_t>(length, 0)), '\0');
  get(text.data(), text.size() + 1);
  return text;
}

bool has_dataset(const fs::path& file, const std::string& name) {
  const Handle access = careful_file_access();
  const Handle opened(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  return Handle(H5Dopen2(opened.get(), name.c_str(), H5P_DEFAULT), H5Dclose) ? true : false;
}

std::string missing_virtual_source(hid_t creation, const std::string& file) {
  std::size_t count = 0;
  H5Pget_virtual_count(creation, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name =
        source_text([&](char* out, std::size_t size) { return H5Pget_virtual_filename(creation, i, out, size); });
    const std::string dataset =
        source_text([&](char* out, std::size_t size) { return H5Pget_virtual_dsetname(creation, i, out, size); });
    if (name.find('%') != std::string::npos || dataset.find('%') != std::string::npos) continue;  // any number of them
    const Found found = name == "." ? Found{{file}, ""} : find(name, file);
    if (!found.other.empty()) return found.other;
    if (found.files.empty() && std::getenv("HDF5_VDS_PREFIX") != nullptr) continue;  // it may be there
    if (found.files.empty()) return fmt::format("there is no file '{}'", name);
    if (!has_dataset(found.files.front(), dataset)) {
      return fmt::format("there is no dataset '{}' in '{}'", dataset, found.files.front().string());
    }
  }
  return "";
}

std::string missing_raw_file(hid_t creation, const std::string& file, hsize_t bytes) {
  constexpr std::size_t longest = 4096;
  const int count = H5Pget_external_count(creation);
  for (int i = 0; i < count; ++i) {
    std::string name(longest, '\0');
    off_t offset = 0;
    hsize_t size = 0;
    H5Pget_external(creation, static_cast<unsigned>(i), longest - 1, name.data(), &offset, &size);
    name.resize(name.find('\0'));
    const Found found = find(name, file);
    if (!found.other.empty()) return found.other;
    const hsize_t part = std::min(size, bytes);
    bytes -= part;
    for (const fs::path& path : found.files) {
      const hsize_t there = fs::file_size(path);
      const auto before = static_cast<hsize_t>(offset);
      if (there < before || there - before < part) return fmt::format("'{}' has {} bytes only", path.string(), there);
    }
  }
  return "";
}

}  // namespace

Handle link_access(std::string& refused) {
  Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_elink_cb(access.get(), refuse_others, &refused);
  return access;
}

std::string missing_source(hid_t dataset) {
  const Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  const std::string file = source_text([&](char* out, std::size_t size) { return H5Fget_name(dataset, out, size); });
  if (H5Pget_layout(creation.get()) == H5D_VIRTUAL) return missing_virtual_source(creation.get(), file);
  return missing_raw_file(creation.get(), file, H5Dget_storage_size(dataset));
}

}  // namespace allgrad::hdf5
