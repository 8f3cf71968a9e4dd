#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cairn::audio {

/// One channel of sound, values around [-1, 1].
struct Sound {
  std::vector<float> samples;
  std::int64_t rate = 0;  // samples a second
};

/// Which part of a recording is wanted: at most `seconds`, placed at share `place` of what is left over.
struct Excerpt {
  double seconds = 0;  // 0: all of it
  double place = 0.5;  // 0: from the start, 0.5: the middle, 1: to the end
};

/// Samples without a header: libsndfile's name of the coding, rate and channels. An empty coding: files have headers.
struct RawFormat {
  std::string coding;  // pcm_s8, pcm_u8, pcm_16, pcm_24, pcm_32, float, double, ulaw, alaw
  std::int64_t rate = 16000;
  std::int64_t channels = 1;
};

/// How recordings are read.
struct ReadOptions {
  std::int64_t channel = -1;  // counted from 0; -1: the mean of all
  RawFormat raw;              // of files that end in .raw or .pcm
};

/// Where a recording is read from: a file, or the bytes of one.
struct Recording {
  std::filesystem::path path;                           // or what to call the bytes; its ending tells raw samples
  std::optional<std::vector<std::uint8_t>> bytes = {};  // none: read the file
};

/// Longest recording of which all is read, in seconds. What lies behind it is left out.
inline constexpr double kMostSeconds = 600;

/// Reads a recording through libsndfile, or FFmpeg where that does not know the format (AAC, sound tracks of videos).
/// DataError if it cannot be read, is damaged, holds no samples, or values that are no sound (NaN, infinite).
Sound read_sound(const Recording& recording, const ReadOptions& options, const Excerpt& excerpt);
Sound read_sound(const std::filesystem::path& path, const ReadOptions& options, const Excerpt& excerpt);

/// Writes a WAV file of 16 bits, made quieter where it would overflow. Error if that fails.
void write_sound(const std::filesystem::path& path, const Sound& sound);

/// The sound track as FFmpeg decodes it. DataError if there is none.
Sound decode_with_ffmpeg(const Recording& recording, std::int64_t channel, const Excerpt& excerpt);

/// Appends the wanted channel of `frames` frames, or the mean of all `channels`, to `out`. Integers of 16 bits come to
/// [-1, 1].
void mix_down(const float* interleaved, std::int64_t frames, std::int64_t channels, std::int64_t channel,
              std::vector<float>& out);
void mix_down(const std::int16_t* interleaved, std::int64_t frames, std::int64_t channels, std::int64_t channel,
              std::vector<float>& out);

/// Checks that channel `channel` exists among `channels`. DataError, naming the file, if not.
void require_channel(std::int64_t channel, std::int64_t channels, const std::filesystem::path& path);

}  // namespace cairn::audio
