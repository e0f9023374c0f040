#pragma once

#include <cstddef>
#include <string>

namespace allgrad {

/// Keeps the state of a run in a file, to go on from where the program was ended, as in
/// {.checkpoint = {.file = "fit.ckpt", .every = 20, .resume = true}}. Every number of a run that goes on is, to the
/// bit, that of a run that was not ended, on the same machine and number of ranks.
///
/// Rank 0 writes the file after every `every` steps, and when the run ends: by its last step, by the callback, by
/// SIGINT or SIGTERM. It is complete at any moment: a new one is written beside it (`file` + ".tmp"), brought to the
/// disk, and put in its place. Where it cannot be written, a warning says so once, and the run goes on. The path is in
/// it, so it grows with the steps.
///
/// With `resume`, a run starts from the guess where the file does not exist, so that the same program may be started
/// any number of times. It costs one evaluation, at the guess, by which the objective is recognized. nsteps, maxsteps
/// and max_skips_in_a_row may be others than before: a run that has taken all steps takes more. Every other option, the
/// declaration of the parameters, and loss and gradient at the guess are compared with those in the file. Of a learning
/// rate that is a function, the first and the last of its numbers are. Throws DataError on every rank where one of them
/// differs, or the file is damaged, of another version of its format, or cannot be read.
struct Checkpoint {
  std::string file = {};    ///< that of rank 0 counts; without one, nothing is kept
  std::size_t every = 100;  ///< steps from one to the next, from 1 on
  bool resume = false;      ///< whether to go on from the file where there is one; the same on every rank
};

}  // namespace allgrad
