#include "execute/kernel_set.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "allgrad/error.hpp"
#include "execute/machine_code.hpp"

namespace allgrad {

extern const KernelSet kernels_baseline;
#ifdef ALLGRAD_X86_64
extern const KernelSet kernels_avx2;
extern const KernelSet kernels_avx512;
#endif

std::vector<KernelSet> available_kernel_sets() {
  std::vector<KernelSet> sets{kernels_baseline};
#ifdef ALLGRAD_X86_64
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) sets.push_back(kernels_avx2);
  if (sets.size() == 2 && __builtin_cpu_supports("avx512f")) sets.push_back(kernels_avx512);
#endif
  return sets;
}

namespace {

/// The number of the set that ALLGRAD_KERNELS names, else of the fastest.
std::size_t wanted_set(const std::vector<KernelSet>& sets) {
  const char* name = std::getenv("ALLGRAD_KERNELS");
  if (name == nullptr) return sets.size() - 1;
  const auto found = std::ranges::find(sets, std::string_view(name), &KernelSet::instruction_set);
  if (found != sets.end()) return static_cast<std::size_t>(found - sets.begin());
  std::vector<std::string_view> names;
  for (const KernelSet& set : sets) names.emplace_back(set.instruction_set);
  throw ArgumentError(
      fmt::format("expected ALLGRAD_KERNELS to name kernels that this processor can run, which are {}, got \"{}\"; "
                  "without it the fastest are taken",
                  fmt::join(names, ", "), name));
}

}  // namespace

KernelSet choose_kernel_set(const Communicator& comm) {
  const std::vector<KernelSet> sets = available_kernel_sets();
  const std::size_t wanted = comm.attempt([&] { return 2 * wanted_set(sets) + (MachineCode::is_possible() ? 1 : 0); });
  const std::vector<std::size_t> all = comm.allgather(wanted, Operation("the choice of kernels", {}));
  KernelSet set = sets[std::ranges::min(all) / 2];
  set.writes_code = std::ranges::all_of(all, [](std::size_t choice) { return choice % 2 == 1; }) &&
                    set.doubles_per_register >= MachineCode::least_doubles_per_register;
  return set;
}

}  // namespace allgrad
