// expects: a callback returns nothing, or Control::stop or Control::proceed, and no bool
#include <allgrad/allgrad.hpp>
allgrad::Adam a{.callback = [](const allgrad::Iterate& at) { return at.loss < 1e-4; }};
