#pragma once

#include <cfenv>

namespace allgrad {

/// While one lives, floating point operations of this thread trap nothing, though the program has traps switched on
/// (feenableexcept, of glibc): at points where a model is not finite, in branches of `where` that are not taken and in
/// lanes beyond the last row, operations are invalid whose results are looked at, or not used. Where no trap is on it
/// costs a look at a register.
class MaskedTraps {
 public:
  MaskedTraps() {
#ifdef __GLIBC__
    if (fegetexcept() != 0) masks_ = std::feholdexcept(&former_) == 0;
#endif
  }
  ~MaskedTraps() {
    if (masks_) std::fesetenv(&former_);
  }
  MaskedTraps(const MaskedTraps&) = delete;
  MaskedTraps& operator=(const MaskedTraps&) = delete;

 private:
  bool masks_ = false;
  std::fenv_t former_{};
};

}  // namespace allgrad
