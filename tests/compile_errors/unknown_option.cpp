// expects: (has no non-static data member named .nstep.|field designator .nstep. does not refer)
#include <allgrad/allgrad.hpp>
allgrad::Adam a{.nstep = 100};
