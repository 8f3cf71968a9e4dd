#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/export.h"
#include "report/metrics_log.h"

namespace cairn {

/// CRC-32C (Castagnoli) of the bytes.
CAIRN_API std::uint32_t crc32c(std::string_view bytes);

/// A TensorBoard event file with scalars: TFRecord framing, events encoded by hand. Every run and every resume writes a
/// file of its own, named so that TensorBoard reads them in order.
class CAIRN_API TensorBoardLog {
 public:
  /// With `resume_step`, the file opens with a session start after that step: TensorBoard then forgets what older files
  /// say of later steps. Error if the file cannot be written.
  TensorBoardLog(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step);

  /// Appends the finite values and flushes.
  void write(std::int64_t step, const Metrics& metrics);
  const std::filesystem::path& path() const { return path_; }

 private:
  void record(std::string_view event);

  std::filesystem::path path_;
  std::ofstream file_;
};

}  // namespace cairn
