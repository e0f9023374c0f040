// expects: (invalid conversion from .const char\*.|cannot initialize a member subobject of type)
#include <allgrad/allgrad.hpp>
allgrad::Adam a{.nsteps = "100"};
