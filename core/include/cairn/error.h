#pragma once

#include <stdexcept>
#include <string>

#include "cairn/export.h"

namespace cairn {

/// A failure a person can mend: what went wrong, where, and what to do about it.
class CAIRN_API Error : public std::runtime_error {
 public:
  explicit Error(std::string what, std::string where = {}, std::string advice = {});
  Error(const Error&) = default;
  ~Error() override;

  const std::string& message() const { return message_; }
  const std::string& where() const { return where_; }
  const std::string& advice() const { return advice_; }

 private:
  std::string message_;
  std::string where_;
  std::string advice_;
};

/// An experiment that cannot be run as written. `key` is the option that is wrong, relative to the
/// component that throws ("size"); the engine turns it into file, line and column.
class CAIRN_API ConfigError : public Error {
 public:
  ConfigError(std::string key, std::string what, std::string advice = {});
  ConfigError(const ConfigError&) = default;
  ~ConfigError() override;

  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

/// A plugin that cannot be loaded, or that threw: carries the plugin's or component's name.
class CAIRN_API PluginError : public Error {
 public:
  using Error::Error;
  PluginError(const PluginError&) = default;
  ~PluginError() override;
};

/// Data that cannot be read: a missing path, a broken file. Thrown by SampleSource::load for one bad sample.
class CAIRN_API DataError : public Error {
 public:
  using Error::Error;
  DataError(const DataError&) = default;
  ~DataError() override;
};

}  // namespace cairn
