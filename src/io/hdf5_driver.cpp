#include "io/hdf5_driver.hpp"

#include <hdf5.h>
#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <memory>
#include <new>

namespace allgrad::hdf5 {

namespace {

struct OpenFile {
  H5FD_t base;  // first, as HDF5 knows of no more
  int descriptor;
  struct stat status;
  haddr_t end_of_addresses;
};

OpenFile& open_file(H5FD_t* file) { return *reinterpret_cast<OpenFile*>(file); }
const OpenFile& open_file(const H5FD_t* file) { return *reinterpret_cast<const OpenFile*>(file); }

H5FD_t* open_to_read(const char* name, unsigned flags, hid_t, haddr_t) {
  if ((flags & H5F_ACC_RDWR) != 0) return nullptr;
  auto file = std::unique_ptr<OpenFile>(new (std::nothrow) OpenFile{});
  if (!file) {
    H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_RESOURCE, H5E_NOSPACE, "out of memory");
    return nullptr;
  }
  file->descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a link may lead to a pipe without a writer
  if (file->descriptor < 0) return nullptr;
  if (fstat(file->descriptor, &file->status) != 0 || !S_ISREG(file->status.st_mode)) {
    close(file->descriptor);
    return nullptr;
  }
  return &file.release()->base;
}

herr_t close_file(H5FD_t* file) {
  const std::unique_ptr<OpenFile> owned(&open_file(file));
  return close(owned->descriptor);
}

int compare(const H5FD_t* a, const H5FD_t* b) {
  const struct stat &x = open_file(a).status, &y = open_file(b).status;
  if (x.st_dev != y.st_dev) return x.st_dev < y.st_dev ? -1 : 1;
  if (x.st_ino != y.st_ino) return x.st_ino < y.st_ino ? -1 : 1;
  return 0;
}

herr_t query(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t end_of_addresses(const H5FD_t* file, H5FD_mem_t) { return open_file(file).end_of_addresses; }

herr_t set_end_of_addresses(H5FD_t* file, H5FD_mem_t, haddr_t end) {
  open_file(file).end_of_addresses = end;
  return 0;
}

haddr_t end_of_file(const H5FD_t* file, H5FD_mem_t) { return static_cast<haddr_t>(open_file(file).status.st_size); }

herr_t read_all(H5FD_t* file, H5FD_mem_t type, hid_t, haddr_t address, std::size_t size, void* buffer) {
  const haddr_t end = end_of_file(file, type);
  if (address > end || size > end - address) return -1;
  for (auto* out = static_cast<char*>(buffer); size > 0;) {
    const std::size_t most = std::numeric_limits<int>::max();
    const ssize_t count = pread(open_file(file).descriptor, out, std::min(size, most), static_cast<off_t>(address));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    out += count;
    address += static_cast<haddr_t>(count);
    size -= static_cast<std::size_t>(count);
  }
  return 0;
}

herr_t refuse_to_write(H5FD_t*, H5FD_mem_t, hid_t, haddr_t, std::size_t, const void*) { return -1; }

herr_t lock_against_writers(H5FD_t* file, hbool_t) {
  const bool done = flock(open_file(file).descriptor, LOCK_SH | LOCK_NB) == 0;
  return done || errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;  // some file systems have no locks
}

herr_t unlock(H5FD_t* file) { return flock(open_file(file).descriptor, LOCK_UN) == 0 || errno == ENOSYS ? 0 : -1; }

H5FD_class_t make_driver() {
  H5FD_class_t driver{};
#if H5_VERSION_GE(1, 13, 0)
  driver.version = H5FD_CLASS_VERSION;
  driver.value = static_cast<H5FD_class_value_t>(300);  // of those that are not registered
#endif
  driver.name = "allgrad_read";
  driver.maxaddr = std::numeric_limits<off_t>::max();
  driver.fc_degree = H5F_CLOSE_WEAK;
  driver.open = open_to_read;
  driver.close = close_file;
  driver.cmp = compare;
  driver.query = query;
  driver.get_eoa = end_of_addresses;
  driver.set_eoa = set_end_of_addresses;
  driver.get_eof = end_of_file;
  driver.read = read_all;
  driver.write = refuse_to_write;
  driver.lock = lock_against_writers;
  driver.unlock = unlock;
  return driver;
}

}  // namespace

Handle careful_file_access() {
  static const H5FD_class_t driver = make_driver();
  // For good: a driver whose last user is an open file would be freed before the file is closed by it.
  static const hid_t registered = H5FDregister(&driver);
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_driver(access.get(), registered, nullptr);
  return access;
}

}  // namespace allgrad::hdf5
