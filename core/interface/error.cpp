#include "cairn/error.h"

#include <utility>

namespace cairn {
namespace {

std::string sentence(const std::string& what, const std::string& where, const std::string& advice) {
  std::string text = where.empty() ? what : where + ": " + what;
  if (!advice.empty()) text += "; " + advice;
  return text;
}

}  // namespace

Error::Error(std::string what, std::string where, std::string advice)
    : std::runtime_error(sentence(what, where, advice)),
      message_(std::move(what)),
      where_(std::move(where)),
      advice_(std::move(advice)) {}
Error::~Error() = default;

ConfigError::ConfigError(std::string key, std::string what, std::string advice)
    : Error(std::move(what), key, std::move(advice)), key_(std::move(key)) {}
ConfigError::~ConfigError() = default;

PluginError::~PluginError() = default;
DataError::~DataError() = default;

}  // namespace cairn
