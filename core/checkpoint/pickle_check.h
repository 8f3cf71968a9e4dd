#pragma once

#include <span>
#include <string>

#include "cairn/export.h"

namespace cairn {

/// Walks a pickle without building anything. DataError, in one sentence, for one that asks for anything but tensors,
/// numbers, strings, lists, tuples and dictionaries, that is cut off or damaged, or that would unfold to more than such
/// a file can mean: LibTorch's own reader trusts sizes, numbers of its memo and nesting. Returns the pickle as that
/// reader understands it: what modules save are OrderedDicts, which it takes for nothing; they become dictionaries, and
/// one with a state a pair of both.
CAIRN_API std::string plain_pickle(std::span<const char> bytes);

}  // namespace cairn
