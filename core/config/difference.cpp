#include "config/difference.h"

#include <utility>

namespace cairn {
namespace {

using Entries = std::vector<std::pair<std::string, const ResolvedEntry*>>;

/// Every entry under its dotted key, in order.
Entries entries(const ResolvedDocument& document) {
  Entries out;
  for (const ResolvedTable& table : document.tables())
    for (const ResolvedEntry& entry : table.entries) out.emplace_back(dotted_key(table, entry), &entry);
  return out;
}

const ResolvedEntry* find(const Entries& all, const std::string& key) {
  for (const auto& [name, entry] : all)
    if (name == key) return entry;
  return nullptr;
}

}  // namespace

std::vector<Difference> differences(const ResolvedDocument& before, const ResolvedDocument& after) {
  const Entries first = entries(before), second = entries(after);
  std::vector<Difference> found;
  for (const auto& [key, entry] : first) {
    const ResolvedEntry* other = find(second, key);
    if (other == nullptr || !(other->value == entry->value)) found.push_back({key, entry, other});
  }
  for (const auto& [key, entry] : second)
    if (find(first, key) == nullptr) found.push_back({key, nullptr, entry});
  return found;
}

}  // namespace cairn
