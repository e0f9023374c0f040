// Runs a test binary's cases on every rank: the same cases in the same order, so that collectives in them meet.
#if !__has_include(<catch2/catch_all.hpp>)
#define CATCH_CONFIG_RUNNER
#endif
#include <mpi.h>

#include "catch.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>

// What MPI keeps from here until the process ends is no leak of ours.
void init_mpi(int* argc, char*** argv) {
  const __lsan::ScopedDisabler disabler;
  MPI_Init(argc, argv);
}
void check_leaks() { __lsan_do_leak_check(); }
#else
void init_mpi(int* argc, char*** argv) { MPI_Init(argc, argv); }
void check_leaks() {}
#endif

int main(int argc, char** argv) {
  init_mpi(&argc, &argv);
  Catch::Session session;
#ifdef CATCH_CONFIG_RUNNER
  // An error where no case has the name, which Catch2 3 makes of it anyway.
  session.configData().warnings = Catch::WarnAbout::NoTests;
#endif
  int failed = session.run(argc, argv);
  check_leaks();  // while MPI's own memory is in use
  int any_failed = 0;
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return any_failed == 0 ? 0 : 1;
}
