#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/error.h"
#include "cairn/export.h"
#include "config/setting.h"

namespace cairn {

/// One line of a resolved experiment; without an origin the value is the default.
struct ResolvedEntry {
  std::string key;
  Value value;
  std::optional<Origin> origin;
};

/// One table of a resolved experiment, complete with defaults.
struct ResolvedTable {
  std::string path;  // "optim", "objective[0]", empty for the top
  std::string type;  // of a component
  std::optional<Origin> origin;
  std::vector<ResolvedEntry> entries;
};

/// "optim.lr": the key of an entry in the whole experiment.
CAIRN_API std::string dotted_key(const ResolvedTable& table, const ResolvedEntry& entry);

/// An experiment as it will run, with the origin of every value. Immutable.
class CAIRN_API ResolvedDocument {
 public:
  ResolvedDocument(std::vector<ResolvedTable> tables, Origin file);

  /// TOML that is loadable alone. With origins every line ends in `# base/optim.toml:6`, `# default` or `# --set #1`.
  std::string toml(bool with_origins) const;
  /// A ConfigError thrown after loading, as a report with file, line and column. `table` ("modality", "objective[0]")
  /// is whose component threw; the error's key is relative to it, or absolute
  /// ("optim.lr"). Without a table a bare key is looked for in every one.
  std::string explain(const ConfigError& error, std::string_view table) const;
  const std::vector<ResolvedTable>& tables() const { return tables_; }

 private:
  /// What a key stands for; both null where there is no such table.
  struct Place {
    const ResolvedTable* table = nullptr;
    const ResolvedEntry* entry = nullptr;
  };
  Place entry_of(const std::string& table, std::string_view key) const;
  Place locate(std::string_view table, const std::string& key) const;

  std::vector<ResolvedTable> tables_;
  Origin file_;
};

}  // namespace cairn
