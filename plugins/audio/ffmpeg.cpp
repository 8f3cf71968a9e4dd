extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/dict.h>
#include <libswresample/swresample.h>
}

#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/error.h"
#include "media/ffmpeg.h"
#include "sound.h"

namespace cairn::audio {
namespace {

namespace fs = std::filesystem;

// Containers of sound. Left out are those that name other files, such as playlists: a data set must not open them.
constexpr const char* kFormats =
    "mov,matroska,webm,aac,mp3,ogg,flac,wav,avi,asf,flv,mpegts,mpeg,ac3,eac3,amr,wv,aiff,caf,w64,au,ape,tta,tak,dsf,rm";

constexpr double kSlackSeconds = 0.5;  // that encoders add at the ends, or a last packet is short of

struct SwrDeleter {
  void operator()(SwrContext* p) const { swr_free(&p); }
};

/// Decodes the best sound track of one file, frame by frame, into one channel.
class Track {
 public:
  Track(const Recording& recording, std::int64_t channel) : path_(recording.path), channel_(channel) {
    const fs::path& path = recording.path;
    media::silence_ffmpeg();
    AVFormatContext* opened = avformat_alloc_context();
    if (recording.bytes) opened->pb = memory_.emplace(*recording.bytes).get();
    AVDictionary* settings = nullptr;
    av_dict_set(&settings, "format_whitelist", kFormats, 0);
    av_dict_set(&settings, "protocol_whitelist", "file", 0);
    const int opening = avformat_open_input(&opened, path.c_str(), nullptr, &settings);
    av_dict_free(&settings);
    if (opening < 0) media::fail_ffmpeg(path.string(), opening);
    format_.reset(opened);
    if (const int code = avformat_find_stream_info(opened, nullptr); code < 0) media::fail_ffmpeg(path.string(), code);
    const AVCodec* codec = nullptr;
    stream_ = av_find_best_stream(opened, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
    if (stream_ < 0 || codec == nullptr) throw DataError("it has no sound track that can be decoded", path.string());
    decoder_.reset(avcodec_alloc_context3(codec));
    const AVStream& stream = *opened->streams[stream_];
    if (const int code = avcodec_parameters_to_context(decoder_.get(), stream.codecpar); code < 0)
      media::fail_ffmpeg(path.string(), code);
    if (opened->duration_estimation_method == AVFMT_DURATION_FROM_STREAM && stream.duration > 0)
      claimed_seconds_ = static_cast<double>(stream.duration) * av_q2d(stream.time_base);
    decoder_->thread_count = 1;
    decoder_->pkt_timebase = stream.time_base;
    if (const int code = avcodec_open2(decoder_.get(), codec, nullptr); code < 0)
      media::fail_ffmpeg(path.string(), code);
  }

  /// At most kMostSeconds of it. DataError where damage leaves less than `wanted` seconds and the file claims more.
  /// What cannot be decoded on the way is left out, as FFmpeg's own programs do.
  Sound decode(double wanted) {
    const media::PacketPtr packet(av_packet_alloc());
    int code = 0;
    while (!full() && (code = av_read_frame(format_.get(), packet.get())) >= 0) {
      if (packet->stream_index == stream_ && avcodec_send_packet(decoder_.get(), packet.get()) >= 0) receive();
      av_packet_unref(packet.get());
    }
    avcodec_send_packet(decoder_.get(), nullptr);
    receive();
    require_whole(wanted, code);
    return std::move(sound_);
  }

 private:
  bool full() const { return seconds() >= kMostSeconds; }

  double seconds() const {
    return sound_.rate > 0 ? static_cast<double>(sound_.samples.size()) / static_cast<double>(sound_.rate) : 0;
  }

  /// `code` is how reading ended.
  void require_whole(double wanted, int code) const {
    const bool is_broken = code < 0 && code != AVERROR_EOF;
    const double missing = claimed_seconds_ - seconds();
    if (full() || seconds() >= wanted || (!is_broken && missing <= kSlackSeconds)) return;
    const auto claimed = std::llround(claimed_seconds_ * static_cast<double>(sound_.rate));
    throw DataError("is damaged after " + std::to_string(sound_.samples.size()) +
                        (missing > kSlackSeconds ? " of " + std::to_string(claimed) : "") + " samples",
                    path_.string(), "replace or remove the file");
  }

  void receive() {
    const media::FramePtr frame(av_frame_alloc());
    while (avcodec_receive_frame(decoder_.get(), frame.get()) >= 0) append(*frame);
  }

  void append(const AVFrame& frame) {
    if (sound_.rate == 0) open_converter(frame);
    if (frame.sample_rate != sound_.rate || frame.ch_layout.nb_channels != channels_)
      throw DataError("rate or channels change on the way", path_.string());
    std::vector<float> values(static_cast<std::size_t>(frame.nb_samples) * static_cast<std::size_t>(channels_));
    auto* out = reinterpret_cast<std::uint8_t*>(values.data());
    const int got = swr_convert(converter_.get(), &out, frame.nb_samples,
                                const_cast<const std::uint8_t**>(frame.extended_data), frame.nb_samples);
    if (got < 0) media::fail_ffmpeg(path_.string(), got);
    mix_down(values.data(), got, channels_, channel_, sound_.samples);
  }

  /// Only the sample format is converted; channels and rate stay.
  void open_converter(const AVFrame& frame) {
    sound_.rate = frame.sample_rate;
    channels_ = frame.ch_layout.nb_channels;
    if (sound_.rate < 1 || channels_ < 1) throw DataError("it has no rate or no channels", path_.string());
    require_channel(channel_, channels_, path_);
    AVChannelLayout layout;
    av_channel_layout_default(&layout, static_cast<int>(channels_));
    SwrContext* made = nullptr;
    int code = swr_alloc_set_opts2(&made, &layout, AV_SAMPLE_FMT_FLT, frame.sample_rate, &layout,
                                   static_cast<AVSampleFormat>(frame.format), frame.sample_rate, 0, nullptr);
    converter_.reset(made);
    av_channel_layout_uninit(&layout);
    if (code >= 0) code = swr_init(converter_.get());
    if (code < 0) media::fail_ffmpeg(path_.string(), code);
  }

  const fs::path& path_;
  std::int64_t channel_;
  int stream_ = -1;
  std::int64_t channels_ = 0;
  double claimed_seconds_ = 0;  // by the track itself; 0: it does not say
  std::optional<media::MemoryInput> memory_;
  media::FormatContextPtr format_;
  media::CodecContextPtr decoder_;
  std::unique_ptr<SwrContext, SwrDeleter> converter_;
  Sound sound_;
};

}  // namespace

Sound decode_with_ffmpeg(const Recording& recording, std::int64_t channel, const Excerpt& excerpt) {
  Sound sound = Track(recording, channel).decode(excerpt.seconds > 0 ? excerpt.seconds : kMostSeconds);
  if (sound.samples.empty()) throw DataError("no sample could be decoded", recording.path.string());
  const auto wanted = static_cast<std::size_t>(std::ceil(excerpt.seconds * static_cast<double>(sound.rate)));
  if (wanted == 0 || sound.samples.size() <= wanted) return sound;
  const auto start = static_cast<std::size_t>(excerpt.place * static_cast<double>(sound.samples.size() - wanted));
  sound.samples = {sound.samples.begin() + static_cast<std::ptrdiff_t>(start),
                   sound.samples.begin() + static_cast<std::ptrdiff_t>(start + wanted)};
  return sound;
}

}  // namespace cairn::audio
