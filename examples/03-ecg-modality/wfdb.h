#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace cairn::ecg {

/// What a WFDB header (.hea) says of its recording: https://physionet.org/physiotools/wag/header-5.htm
struct Recording {
  struct Lead {
    double gain = 200;    // digital units of one physical unit
    double baseline = 0;  // digital value of zero
  };
  std::filesystem::path samples;  // the file with the samples of all leads, interleaved
  int format = 16;                // 16: little-endian words; 212: two values of 12 bits in three bytes
  double rate = 250;              // samples a second
  std::int64_t length = 0;        // samples of each lead
  std::vector<Lead> leads;
};

/// Reads a header. DataError for what is no header, and for forms that are not read: several segments, several sample
/// files, several samples a frame, other formats.
Recording read_header(const std::filesystem::path& header);

/// Samples `begin` .. `begin + length` of every lead in physical units, float [leads,length]; samples marked invalid
/// are zero. DataError if the file ends before.
at::Tensor read_excerpt(const Recording& recording, std::int64_t begin, std::int64_t length);

}  // namespace cairn::ecg
