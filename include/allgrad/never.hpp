#pragma once

namespace allgrad::detail {

/// False for every type: what is never to be compiled asserts it, with a message.
template <class...>
inline constexpr bool never = false;

}  // namespace allgrad::detail
