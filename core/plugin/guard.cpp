#include "plugin/guard.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <new>
#include <regex>

namespace cairn {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// "memory ran out", with how much was asked for where the text says so.
std::string out_of_memory(const std::string& text) {
  static const std::regex asked("tried to allocate ([0-9]+) bytes");
  std::smatch found;
  const std::string more =
      std::regex_search(text, found, asked) ? fmt::format(": {:.3g} GiB in one piece", std::stod(found[1]) / kGiB) : "";
  return "memory ran out" + more +
         "; lower train.batch_size, or what makes network, views or data large (cairn config shows all settings)";
}

}  // namespace

std::string exception_text(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return out_of_memory("");
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  if (torch == nullptr) return error.what();
  const std::string text = torch->what_without_backtrace();
  return text.find("can't allocate memory") == std::string::npos ? text : out_of_memory(text);
}

}  // namespace cairn
