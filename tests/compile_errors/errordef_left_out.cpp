// expects: (use of deleted function|call to deleted constructor).*Errordef
#include <allgrad/allgrad.hpp>
allgrad::CovarianceOptions options{};
