#include "report/metrics_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cairn/error.h"

namespace cairn {
namespace {

/// A POSIX file handle, closed at the end of its scope.
class FileHandle {
 public:
  explicit FileHandle(int handle) : handle_(handle) {}
  ~FileHandle() {
    if (handle_ >= 0) ::close(handle_);
  }
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;
  int get() const { return handle_; }

 private:
  int handle_;
};

bool write_all(int handle, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(handle, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return ::fsync(handle) == 0;
}

std::string non_finite_name(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "infinite" : "minus infinite";
}

std::optional<std::int64_t> step_of(const std::string& line) {
  const auto record = nlohmann::json::parse(line, nullptr, false);
  if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer()) return std::nullopt;
  return record["step"].get<std::int64_t>();
}

}  // namespace

void write_atomically(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::path temporary = path;
  temporary += ".part";
  const auto fail = [&] {
    const std::string cause = std::strerror(errno);
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw Error("the file cannot be written: " + cause, path.string(), "check the folder and the free space");
  };
  {
    const FileHandle file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (file.get() < 0 || !write_all(file.get(), text)) fail();
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail();
}

MetricsLog::MetricsLog(std::filesystem::path path, std::optional<std::int64_t> resume_step) : path_(std::move(path)) {
  if (resume_step && std::filesystem::exists(path_)) rewrite(*resume_step);
  file_.open(path_, resume_step ? std::ios::app : std::ios::trunc);
  if (!file_) throw Error("the metrics cannot be written", path_.string(), "check the folder and its permissions");
}

void MetricsLog::rewrite(std::int64_t resume_step) {
  std::ifstream in(path_);
  std::string kept, line;
  while (std::getline(in, line)) {
    const bool is_torn = in.eof();  // the last line ends without a newline
    const std::optional<std::int64_t> step = is_torn ? std::nullopt : step_of(line);
    if (step && *step <= resume_step) {
      kept += line + "\n";
    } else {
      ++dropped_;
    }
  }
  if (dropped_ > 0) write_atomically(path_, kept);
}

void MetricsLog::write(std::int64_t step, const Metrics& metrics) {
  nlohmann::ordered_json record = {{"step", step}};
  std::string note;
  for (const auto& [name, value] : metrics) {
    record[name] = std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
    if (!std::isfinite(value)) note += (note.empty() ? "" : ", ") + name + " is " + non_finite_name(value);
  }
  if (!note.empty()) record["note"] = note;
  file_ << record.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n" << std::flush;
  if (!file_) throw Error("a record cannot be written", path_.string(), "check the free space on the disk");
}

}  // namespace cairn
