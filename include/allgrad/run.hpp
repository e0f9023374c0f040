#pragma once

#include <functional>

#include "allgrad/communicator.hpp"

namespace allgrad {

/// The whole of a `main`: initializes MPI, for one thread at a time, unless that is done already, runs `body` with
/// Communicator::world(), finalizes MPI where it initialized it, and returns the program's exit code, the same on every
/// rank.
///
/// The code is 0, or 1 where `body` threw on any rank or a collective was given up. What it threw is reported to the
/// sink as an error: once where all ranks threw the same text, otherwise once for each text with the ranks that threw
/// it. The code is 1 too, and `body` does not run, where ALLGRAD_TIMEOUT is no number of seconds on any rank, which
/// each of these reports.
///
/// A rank that leaves `body`, by whatever way, tells all others: those that wait for it in a collective of allgrad
/// throw a RankError. Where the body has thrown on some ranks and the others do not leave theirs within 5 seconds,
/// since they wait elsewhere for a rank that never comes, MPI_Abort ends all of them; so it does where MPI_Finalize
/// waits for a collective that was given up, and where a rank cannot begin since MPI has no communicator left, which is
/// reported too. A rank that has left `body` waits for the others as in any collective: a warning after 60 seconds says
/// who is missing, and where ALLGRAD_TIMEOUT sets a limit, an error does and MPI_Abort ends the program. Throws Error
/// where MPI is finalized already.
int run(int argc, char** argv, const std::function<void(const Communicator& world)>& body);

}  // namespace allgrad
