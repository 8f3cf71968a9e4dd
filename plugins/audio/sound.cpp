#include "sound.h"

#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <span>
#include <utility>

#include "cairn/error.h"

namespace cairn::audio {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kChunk = 16384;            // values read at a time
constexpr std::int64_t kHighestRate = 4'000'000;  // samples a second
constexpr std::int64_t kReserve = 1 << 22;        // values that a header alone may claim
constexpr float kLoudest = 1e6F;                  // beyond it squares overflow, and nothing is sound

struct SndfileCloser {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SndfilePtr = std::unique_ptr<SNDFILE, SndfileCloser>;

/// A file in memory, as libsndfile reads it. Borrows the bytes.
class Memory {
 public:
  explicit Memory(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  SndfilePtr open(SF_INFO& info) {
    SF_VIRTUAL_IO calls = {size, seek, read, [](const void*, sf_count_t, void*) -> sf_count_t { return 0; }, tell};
    return SndfilePtr(sf_open_virtual(&calls, SFM_READ, &info, this));
  }

 private:
  static sf_count_t size(void* self) { return static_cast<sf_count_t>(static_cast<Memory*>(self)->bytes_.size()); }
  static sf_count_t tell(void* self) { return static_cast<Memory*>(self)->at_; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    auto& at = static_cast<Memory*>(self)->at_;
    const sf_count_t end = size(self), base = whence == SEEK_CUR ? at : whence == SEEK_END ? end : 0;
    return at = base + std::clamp<sf_count_t>(offset, -base, end - base);
  }
  static sf_count_t read(void* to, sf_count_t count, void* self) {
    auto& memory = *static_cast<Memory*>(self);
    count = std::clamp<sf_count_t>(count, 0, size(self) - memory.at_);
    std::copy_n(memory.bytes_.begin() + memory.at_, count, static_cast<std::uint8_t*>(to));
    memory.at_ += count;
    return count;
  }

  std::span<const std::uint8_t> bytes_;
  sf_count_t at_ = 0;
};

constexpr std::pair<const char*, int> kCodings[] = {
    {"pcm_s8", SF_FORMAT_PCM_S8}, {"pcm_u8", SF_FORMAT_PCM_U8}, {"pcm_16", SF_FORMAT_PCM_16},
    {"pcm_24", SF_FORMAT_PCM_24}, {"pcm_32", SF_FORMAT_PCM_32}, {"float", SF_FORMAT_FLOAT},
    {"double", SF_FORMAT_DOUBLE}, {"ulaw", SF_FORMAT_ULAW},     {"alaw", SF_FORMAT_ALAW}};

bool is_raw(const fs::path& path, const RawFormat& raw) {
  const std::string extension = path.extension().string();
  return !raw.coding.empty() && (extension == ".raw" || extension == ".pcm");
}

SF_INFO info_of(const fs::path& path, const RawFormat& raw) {
  SF_INFO info = {};
  if (!is_raw(path, raw)) return info;
  const auto* coding = std::find_if(std::begin(kCodings), std::end(kCodings),
                                    [&](const auto& known) { return raw.coding == known.first; });
  info.format = SF_FORMAT_RAW | (coding == std::end(kCodings) ? SF_FORMAT_PCM_16 : coding->second);
  info.samplerate = static_cast<int>(raw.rate);
  info.channels = static_cast<int>(raw.channels);
  return info;
}

/// Appends what is left of at most `most` frames; `read` is sf_readf_float or its like.
template <class T>
void append_frames(SNDFILE* file, sf_count_t (*read)(SNDFILE*, T*, sf_count_t), std::int64_t channels,
                   std::int64_t most, std::int64_t channel, std::vector<float>& mono) {
  std::vector<T> values(static_cast<std::size_t>(std::max<std::int64_t>(kChunk, channels)));
  const std::int64_t fit = static_cast<std::int64_t>(values.size()) / channels;
  for (std::int64_t left = most; left > 0;) {
    const std::int64_t got = read(file, values.data(), std::min(left, fit));
    if (got <= 0) return;
    mix_down(values.data(), got, channels, channel, mono);
    left -= got;
  }
}

/// Reads at most `most` frames from where the file stands. Damage that libsndfile finds on the way is an error.
std::vector<float> read_frames(SNDFILE* file, const SF_INFO& info, std::int64_t most, std::int64_t channel,
                               const fs::path& path) {
  std::vector<float> mono;
  mono.reserve(static_cast<std::size_t>(std::clamp<std::int64_t>(std::min(most, info.frames), 0, kReserve)));
  if ((info.format & SF_FORMAT_SUBMASK) == SF_FORMAT_PCM_16) {
    append_frames<std::int16_t>(file, sf_readf_short, info.channels, most, channel, mono);  // half the way to float
  } else {
    append_frames<float>(file, sf_readf_float, info.channels, most, channel, mono);
  }
  if (sf_error(file) != SF_ERR_NO_ERROR)
    throw DataError("is damaged after " + std::to_string(mono.size()) + " samples (" + sf_strerror(file) + ")",
                    path.string(), "replace or remove the file");
  return mono;
}

Sound read_with_sndfile(SNDFILE* file, const SF_INFO& info, std::int64_t channel, const Excerpt& excerpt,
                        const fs::path& path) {
  if (info.channels < 1 || info.samplerate < 1 || info.samplerate > kHighestRate)
    throw DataError(
        "claims " + std::to_string(info.channels) + " channels at " + std::to_string(info.samplerate) + " Hz",
        path.string(), "replace or remove the file");
  require_channel(channel, info.channels, path);
  Sound sound{{}, info.samplerate};
  const double seconds = excerpt.seconds > 0 ? excerpt.seconds : kMostSeconds;
  const auto wanted = static_cast<std::int64_t>(std::ceil(seconds * info.samplerate));
  const std::int64_t slack = excerpt.seconds > 0 && info.seekable ? info.frames - wanted : 0;
  if (slack > 0) {
    const auto start = static_cast<sf_count_t>(excerpt.place * static_cast<double>(slack));
    if (sf_seek(file, start, SEEK_SET) == start) sound.samples = read_frames(file, info, wanted, channel, path);
    if (sound.samples.empty()) sf_seek(file, 0, SEEK_SET);  // the header said more than there is
  }
  if (sound.samples.empty()) sound.samples = read_frames(file, info, wanted, channel, path);
  return sound;
}

void require_content(const Recording& recording) {
  std::error_code error;
  if (!recording.bytes && !fs::is_regular_file(recording.path, error))
    throw DataError("is no file that can be read", recording.path.string(), "check the path");
  if (recording.bytes ? recording.bytes->empty() : fs::file_size(recording.path, error) == 0)
    throw DataError("is empty", recording.path.string(), "replace or remove the file");
}

void require_sound(const Sound& sound, const fs::path& path) {
  if (sound.samples.empty()) throw DataError("holds no samples", path.string(), "replace or remove the file");
  std::uint32_t wrong = 0;
  for (const float value : sound.samples) wrong += std::abs(value) < kLoudest ? 0 : 1;
  if (wrong > 0)
    throw DataError("has " + std::to_string(wrong) + " samples that are no sound (NaN, infinite or beyond 1e6)",
                    path.string(), "replace or remove the file");
}

template <class T>
void mix(const T* interleaved, std::int64_t frames, std::int64_t channels, std::int64_t channel, float scale,
         std::vector<float>& out) {
  const std::size_t before = out.size();
  out.resize(before + static_cast<std::size_t>(frames));
  float* to = out.data() + before;
  if (channels == 1 || channel >= 0) {
    const std::int64_t wanted = std::max<std::int64_t>(channel, 0);
    for (std::int64_t i = 0; i < frames; ++i) to[i] = scale * static_cast<float>(interleaved[i * channels + wanted]);
    return;
  }
  scale /= static_cast<float>(channels);
  for (std::int64_t i = 0; i < frames; ++i, interleaved += channels) {
    float sum = 0;
    for (std::int64_t c = 0; c < channels; ++c) sum += static_cast<float>(interleaved[c]);
    to[i] = sum * scale;
  }
}

}  // namespace

void mix_down(const float* interleaved, std::int64_t frames, std::int64_t channels, std::int64_t channel,
              std::vector<float>& out) {
  mix(interleaved, frames, channels, channel, 1.0F, out);
}

void mix_down(const std::int16_t* interleaved, std::int64_t frames, std::int64_t channels, std::int64_t channel,
              std::vector<float>& out) {
  constexpr float kScale = 1.0F / 32768;
  mix(interleaved, frames, channels, channel, kScale, out);
}

void require_channel(std::int64_t channel, std::int64_t channels, const fs::path& path) {
  if (channel < channels) return;
  throw DataError(
      "has " + std::to_string(channels) + " channels, and channel " + std::to_string(channel) + " is asked for",
      path.string(), "channels count from 0; channel = -1 takes the mean of all");
}

Sound read_sound(const Recording& recording, const ReadOptions& options, const Excerpt& excerpt) {
  require_content(recording);
  const fs::path& path = recording.path;
  SF_INFO info = info_of(path, options.raw);
  Memory memory(recording.bytes ? std::span(*recording.bytes) : std::span<const std::uint8_t>());
  const SndfilePtr file = recording.bytes ? memory.open(info) : SndfilePtr(sf_open(path.c_str(), SFM_READ, &info));
  const std::string reason = file ? "" : sf_strerror(nullptr);
  Sound sound;
  if (file) {
    sound = read_with_sndfile(file.get(), info, options.channel, excerpt, path);
  } else {
    try {
      sound = decode_with_ffmpeg(recording, options.channel, excerpt);
    } catch (const DataError& other) {
      throw DataError("cannot be decoded (libsndfile: " + reason + " FFmpeg: " + other.message() + ")", path.string(),
                      "replace or remove the file");
    }
  }
  require_sound(sound, path);
  return sound;
}

Sound read_sound(const fs::path& path, const ReadOptions& options, const Excerpt& excerpt) {
  return read_sound(Recording{path}, options, excerpt);
}

void write_sound(const fs::path& path, const Sound& sound) {
  SF_INFO info = {};
  info.samplerate = static_cast<int>(sound.rate);
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  const SndfilePtr file(sf_open(path.c_str(), SFM_WRITE, &info));
  if (!file) throw Error(std::string("cannot be written: ") + sf_strerror(nullptr), path.string());
  float peak = 1;
  for (const float value : sound.samples) peak = std::max(peak, std::abs(value));
  std::vector<float> scaled = sound.samples;
  for (float& value : scaled) value /= peak;
  const auto size = static_cast<sf_count_t>(scaled.size());
  if (sf_write_float(file.get(), scaled.data(), size) != size)
    throw Error("cannot be written to the end", path.string(), "make room on the disk");
}

}  // namespace cairn::audio
