#include "execute/kernel_set.hpp"

namespace allgrad {

extern const KernelSet kernels_baseline;
#ifdef ALLGRAD_X86_64
extern const KernelSet kernels_avx2;
#endif

std::vector<KernelSet> available_kernel_sets() {
  std::vector<KernelSet> sets{kernels_baseline};
#ifdef ALLGRAD_X86_64
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back(kernels_avx2);
#endif
  return sets;
}

}  // namespace allgrad
