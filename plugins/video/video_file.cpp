#include "video_file.h"

extern "C" {
#include <libavutil/display.h>
}

#include <algorithm>
#include <array>
#include <cmath>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cairn/error.h"
#include "media/decode.h"
#include "yuv.h"

namespace cairn::video {
namespace {

using media::Extent;
using media::Picture;
using media::Window;

constexpr const char* kContainers =
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,m4v,flv,asf,ogg,h264,hevc,ivf,mjpeg,gif,png_pipe,jpeg_pipe,bmp_pipe,webp_"
    "pipe";

/// A wanted frame did not come out of the decoder.
class MissingFrame : public DataError {
 public:
  MissingFrame(std::int64_t index, const std::string& name)
      : DataError("frame " + std::to_string(index) + " cannot be decoded", name, kBadFileAdvice) {}
};

/// The orientation that turns frames upright, as EXIF counts, from the display matrix; 1 for odd angles.
int orientation_of(const AVStream& stream) {
  const std::uint8_t* data = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr);
  if (data == nullptr) return 1;
  std::array<std::int32_t, 9> matrix;
  std::copy_n(data, sizeof matrix, reinterpret_cast<std::uint8_t*>(matrix.data()));
  // x' = a x + c y, y' = b x + d y
  const auto sign = [](std::int32_t value) { return (value > 0) - (value < 0); };
  const int a = sign(matrix[0]), b = sign(matrix[1]), c = sign(matrix[3]), d = sign(matrix[4]);
  if (b == 0 && c == 0) return a < 0 ? (d < 0 ? 3 : 2) : (d < 0 ? 4 : 1);
  if (a == 0 && d == 0) return c < 0 ? (b < 0 ? 7 : 6) : (b < 0 ? 8 : 5);
  return 1;
}

/// A reference to the pixels of a decoded frame, which are neither copied nor changed.
media::FramePtr share(const AVFrame& frame) {
  media::FramePtr shared(av_frame_clone(&frame));
  if (!shared) throw std::bad_alloc();
  return shared;
}

/// A decoded frame, turned upright.
class DecodedFrame : public Frame {
 public:
  DecodedFrame(const AVFrame& frame, int orientation, const std::string& name)
      : frame_(share(frame)), orientation_(orientation), name_(name) {}

  Extent extent() const override {
    return orientation_ >= 5 ? Extent{frame_->height, frame_->width} : Extent{frame_->width, frame_->height};
  }
  Picture part(const Window& area) const override {
    if (orientation_ == 1) return to_rgb(*frame_, area, name_);
    const Picture whole = media::turn(to_rgb(*frame_, {0, 0, frame_->width, frame_->height}, name_), orientation_);
    return media::cut(whole, area);
  }
  std::unique_ptr<Frame> keep() const override { return std::make_unique<DecodedFrame>(*frame_, orientation_, name_); }
  std::size_t bytes() const override {
    std::size_t sum = 0;
    for (const AVBufferRef* buffer : frame_->buf) sum += buffer != nullptr ? buffer->size : 0;
    return sum;
  }

 private:
  media::FramePtr frame_;
  int orientation_;
  std::string name_;
};

bool is_one_of(const char* names, std::initializer_list<std::string_view> wanted) {
  return std::find(wanted.begin(), wanted.end(), std::string_view(names)) != wanted.end();
}

/// Containers that state for each packet when its frame is shown.
bool has_dependable_stamps(const AVInputFormat& format) {
  return is_one_of(format.name, {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv"});
}

/// Codecs whose decoders leave out only such frames as no other frame refers to, when asked to.
bool can_skip_exactly(AVCodecID codec) {
  return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_MPEG4 || codec == AV_CODEC_ID_MPEG1VIDEO ||
         codec == AV_CODEC_ID_MPEG2VIDEO;
}

/// Encoders of H.264 4:4:4 that erred say so in the first packet only, and the decoder errs with them once it has seen
/// it.
bool must_see_start(const AVCodecParameters& parameters) {
  constexpr int kHigh444 = 244;
  return parameters.codec_id == AV_CODEC_ID_H264 && parameters.extradata_size > 1 && parameters.extradata[0] == 1 &&
         parameters.extradata[1] == kHigh444;
}

/// A packet as the index sees it.
struct PacketNote {
  std::int64_t pts = AV_NOPTS_VALUE, dts = AV_NOPTS_VALUE;
  bool is_key = false, is_shown = true;
};

/// Frames that a decoder must hold back: most packets that come before one that is shown earlier.
int reorder_delay(const std::vector<PacketNote>& packets) {
  std::vector<std::int64_t> later;  // stamps so far, ascending
  std::ptrdiff_t most = 0;
  for (const PacketNote& packet : packets) {
    const auto at = std::upper_bound(later.begin(), later.end(), packet.pts);
    most = std::max(most, later.end() - at);
    later.insert(at, packet.pts);
    // Only the last few can be shown after packets yet to come.
    if (later.size() > 64) later.erase(later.begin());
  }
  return static_cast<int>(std::min<std::ptrdiff_t>(most, 16));
}

/// The index that the packets give; counted where they do not tell enough.
VideoIndex index_of(const std::vector<PacketNote>& packets, bool dependable) {
  VideoIndex index;
  std::vector<std::int64_t> all;
  for (const PacketNote& packet : packets) {
    all.push_back(packet.pts);
    if (packet.is_shown) index.stamps.push_back(packet.pts);
    if (packet.is_key) index.keys.push_back({packet.pts, packet.dts});
  }
  std::sort(all.begin(), all.end());
  std::sort(index.stamps.begin(), index.stamps.end());
  std::sort(index.keys.begin(), index.keys.end(), [](const KeyFrame& a, const KeyFrame& b) { return a.pts < b.pts; });
  const bool complete = !all.empty() && all.front() != AV_NOPTS_VALUE && packets.front().is_key;
  const bool unique = std::adjacent_find(all.begin(), all.end()) == all.end();
  // Frames shown before the first key frame can perhaps not be decoded.
  const bool begins_well = complete && all.front() == index.keys.front().pts && !index.stamps.empty();
  index.counted = !(dependable && complete && unique && begins_well);
  if (complete) index.delay = reorder_delay(packets);
  return index;
}

/// VP8 stores frames that are never shown as packets of their own.
bool is_hidden(const AVPacket& packet, AVCodecID codec) {
  return codec == AV_CODEC_ID_VP8 && packet.size > 0 && (packet.data[0] & 0x10) == 0;
}

}  // namespace

/// Packets of a file's video stream.
class VideoFile::Demuxer {
 public:
  Demuxer(const VideoInput& input, const Deadline& deadline) : name_(input.name), deadline_(deadline) {
    if (!input.read) media::require_regular(name_);
    media::silence_ffmpeg();
    format_.reset(avformat_alloc_context());
    if (input.read) {
      range_.emplace(input.size, [this, read = input.read](std::uint64_t offset, std::span<std::uint8_t> out) {
        check_time();
        read(offset, out);
      });
      format_->pb = range_->get();
    }
    format_->interrupt_callback = {is_late, this};
    AVFormatContext* opened = format_.release();  // avformat_open_input frees it when it fails
    AVDictionary* options = nullptr;
    // Play lists and the like would reach for other files, or for the network.
    av_dict_set(&options, "format_whitelist", kContainers, 0);
    av_dict_set(&options, "protocol_whitelist", "file", 0);
    const int code = avformat_open_input(&opened, name_.c_str(), nullptr, &options);
    av_dict_free(&options);
    if (code < 0) fail(code);
    format_.reset(opened);
    pick_stream();
  }

  const AVStream& stream() const { return *format_->streams[stream_]; }
  bool is_dependable() const { return has_dependable_stamps(*format_->iformat); }
  bool is_avi() const { return is_one_of(format_->iformat->name, {"avi"}); }

  /// The next packet of the stream; false at the end.
  bool next(AVPacket& packet) {
    for (;;) {
      av_packet_unref(&packet);
      check_time();
      const int code = av_read_frame(format_.get(), &packet);
      // What lies behind damage is out of reach, as behind the end.
      if (code < 0) {
        check();
        return false;
      }
      if (packet.stream_index == stream_) return true;
    }
  }

  /// Goes to the packet of a key frame, or before it.
  bool seek(const KeyFrame& key) {
    const bool by_dts = key.dts != AV_NOPTS_VALUE && !is_one_of(format_->iformat->name, {"matroska,webm"});
    return av_seek_frame(format_.get(), stream_, by_dts ? key.dts : key.pts, AVSEEK_FLAG_BACKWARD) >= 0;
  }

  void check_time() const { deadline_.check(name_); }

 private:
  static int is_late(void* self) { return static_cast<Demuxer*>(self)->deadline_.has_passed() ? 1 : 0; }

  /// Throws what FFmpeg knows as a number only: that time is up, or that bytes which are there cannot be read.
  void check() const {
    check_time();
    if (range_) range_->rethrow();
  }

  [[noreturn]] void fail(int code) const {
    check();
    media::fail_ffmpeg(name_, code);
  }

  void pick_stream() {
    // Containers with a header tell all that is needed; others must be probed.
    if (!is_dependable() || find_stream() < 0) {
      if (const int code = avformat_find_stream_info(format_.get(), nullptr); code < 0) fail(code);
    }
    stream_ = find_stream();
    if (stream_ < 0) throw DataError("holds no video", name_, kBadFileAdvice);
    const AVCodecParameters& parameters = *stream().codecpar;
    if (std::int64_t{parameters.width} * parameters.height > kMostPixels)
      throw DataError("claims frames of " + std::to_string(parameters.width) + " x " +
                          std::to_string(parameters.height) + " pixels",
                      name_, kBadFileAdvice);
    for (unsigned i = 0; i < format_->nb_streams; ++i)
      if (static_cast<int>(i) != stream_) format_->streams[i]->discard = AVDISCARD_ALL;
  }

  int find_stream() const {
    const int best = av_find_best_stream(format_.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    const bool is_cover = best >= 0 && (format_->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0;
    return is_cover ? -1 : best;
  }

  std::string name_;
  Deadline deadline_;
  std::optional<media::RangeInput> range_;  // outlives the format
  media::FormatContextPtr format_;
  int stream_ = -1;
};

/// Frames out of packets.
class VideoFile::Decoder {
 public:
  Decoder(const AVStream& stream, int threads, int delay, const std::string& name) : name_(name) {
    const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
    if (!codec)
      throw DataError(
          std::string("needs the decoder \"") + avcodec_get_name(stream.codecpar->codec_id) + "\", which is not there",
          name, "convert the file to H.264");
    context_.reset(avcodec_alloc_context3(codec));
    if (const int code = avcodec_parameters_to_context(context_.get(), stream.codecpar); code < 0)
      media::fail_ffmpeg(name, code);
    context_->pkt_timebase = stream.time_base;
    context_->thread_count = threads;
    context_->max_pixels = kMostPixels;
    context_->has_b_frames = std::max(context_->has_b_frames, delay);
    if (const int code = avcodec_open2(context_.get(), codec, nullptr); code < 0) media::fail_ffmpeg(name, code);
    orientation_ = orientation_of(stream);
    can_skip_ = can_skip_exactly(codec->id) && threads == 1;
  }

  /// Decodes a packet (nullptr: what is left inside) and hands out the frames that are ready. A `spare` packet is
  /// decoded only if others refer to it. What is damaged is left out. `take` returns false to stop.
  template <class TakeFrame>
  bool decode(const AVPacket* packet, bool spare, const TakeFrame& take) {
    context_->skip_frame = spare && can_skip_ ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    const int sent = avcodec_send_packet(context_.get(), packet);
    if (sent < 0 && sent != AVERROR_EOF) ++damages_;
    for (;;) {
      const int code = avcodec_receive_frame(context_.get(), frame_.get());
      if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return true;
      if (code < 0) {
        // A damaged frame; the decoder goes on behind it.
        if (++damages_ > kMostDamages) throw DataError("is damaged throughout", name_, kBadFileAdvice);
        if (packet == nullptr) continue;
        return true;
      }
      if (!take(*frame_)) return false;
    }
  }

  void reset() { avcodec_flush_buffers(context_.get()); }
  int orientation() const { return orientation_; }
  /// Packets and frames so far that could not be decoded.
  int damages() const { return damages_; }

 private:
  static constexpr int kMostDamages = 100'000;

  const std::string& name_;
  media::CodecContextPtr context_;
  media::FramePtr frame_{av_frame_alloc()};
  int orientation_ = 1;
  bool can_skip_ = false;
  int damages_ = 0;
};

VideoFile::VideoFile(VideoInput input, const ReadLimits& limits, std::shared_ptr<const VideoIndex> known)
    : input_(std::move(input)), limits_(limits), deadline_(limits.seconds), index_(std::move(known)) {
  demuxer_ = open();
  if (index_) return;
  std::vector<PacketNote> packets;
  const media::PacketPtr packet(av_packet_alloc());
  const AVCodecID codec = demuxer_->stream().codecpar->codec_id;
  while (demuxer_->next(*packet)) {
    if (packet->size == 0) continue;  // "as before": no frame
    const bool hidden = (packet->flags & AV_PKT_FLAG_DISCARD) != 0 || is_hidden(*packet, codec);
    packets.push_back({packet->pts, packet->dts, (packet->flags & AV_PKT_FLAG_KEY) != 0, !hidden});
  }
  // AVI counts packets, which are frames in display order where none is held back.
  const bool in_order = demuxer_->is_avi() && demuxer_->stream().codecpar->video_delay == 0 &&
                        std::is_sorted(packets.begin(), packets.end(), [](auto& a, auto& b) { return a.pts < b.pts; });
  auto index = std::make_shared<VideoIndex>(index_of(packets, demuxer_->is_dependable() || in_order));
  index->tick = av_q2d(demuxer_->stream().time_base);
  index_ = index;
  if (index->counted) index_ = count_all();
}

VideoFile::~VideoFile() = default;

std::unique_ptr<VideoFile::Demuxer> VideoFile::open() const { return std::make_unique<Demuxer>(input_, deadline_); }

double VideoFile::time(std::int64_t index) const {
  const auto& stamps = index_->stamps;
  return static_cast<double>(stamps.at(static_cast<std::size_t>(index)) - stamps.front()) * index_->tick;
}

void VideoFile::read(std::span<const std::int64_t> wanted, const Take& take) {
  index_->counted ? read_by_counting(wanted, take) : read_by_stamps(wanted, take);
}

const KeyFrame& VideoFile::key_before(std::int64_t frame) const {
  const std::int64_t pts = index_->stamps.at(static_cast<std::size_t>(frame));
  const auto behind = std::upper_bound(index_->keys.begin(), index_->keys.end(), pts,
                                       [](std::int64_t p, const KeyFrame& key) { return p < key.pts; });
  return *(behind - 1);
}

void VideoFile::read_by_stamps(std::span<const std::int64_t> wanted, const Take& take) {
  Decoder decoder(demuxer_->stream(), limits_.threads, index_->delay, input_.name);
  const media::PacketPtr packet(av_packet_alloc());
  if (must_see_start(*demuxer_->stream().codecpar) && demuxer_->seek(index_->keys.front()) && demuxer_->next(*packet)) {
    decoder.decode(packet.get(), false, [](const AVFrame&) { return true; });
    decoder.reset();
  }
  for (std::size_t slot = 0; slot < wanted.size();) {
    const KeyFrame& key = key_before(wanted[slot]);
    std::size_t end = slot + 1;  // behind the last slot that is reached from this key frame
    while (end < wanted.size() && &key_before(wanted[end]) == &key) ++end;
    read_from(key, wanted.subspan(slot, end - slot), decoder,
              [&](std::size_t i, const Frame& frame) { take(slot + i, frame); });
    decoder.reset();
    slot = end;
  }
}

void VideoFile::read_from(const KeyFrame& key, std::span<const std::int64_t> wanted, Decoder& decoder,
                          const Take& take) {
  std::vector<std::int64_t> stamps;
  for (const std::int64_t frame : wanted) stamps.push_back(index_->stamps.at(static_cast<std::size_t>(frame)));
  std::size_t next = 0;
  const auto take_frame = [&](const AVFrame& frame) {
    if (frame.pts < stamps[next]) return true;
    // What follows damage may depend on where decoding began.
    if (frame.pts > stamps[next] || frame.decode_error_flags != 0 || decoder.damages() > 0)
      throw MissingFrame(wanted[next], input_.name);
    take(next, DecodedFrame(frame, decoder.orientation(), input_.name));
    return ++next < wanted.size();
  };
  if (!demuxer_->seek(key)) throw MissingFrame(wanted[0], input_.name);
  const media::PacketPtr packet(av_packet_alloc());
  bool begun = false, going = true;
  // Once the packets of all wanted frames are in, what is left inside the decoder is all that is needed.
  for (std::size_t sent = 0; going && sent < wanted.size() && demuxer_->next(*packet);) {
    begun = begun || packet->pts == key.pts;
    if (!begun && (packet->flags & AV_PKT_FLAG_KEY) != 0 && packet->pts > key.pts)
      throw MissingFrame(wanted[next], input_.name);
    if (!begun) continue;
    const bool is_wanted = std::binary_search(stamps.begin(), stamps.end(), packet->pts);
    if (is_wanted) ++sent;
    going = decoder.decode(packet.get(), !is_wanted, take_frame);
  }
  if (going) decoder.decode(nullptr, false, take_frame);
  if (next < wanted.size()) throw MissingFrame(wanted[next], input_.name);
}

void VideoFile::read_by_counting(std::span<const std::int64_t> wanted, const Take& take) {
  demuxer_ = open();
  Decoder decoder(demuxer_->stream(), limits_.threads, index_->delay, input_.name);
  const media::PacketPtr packet(av_packet_alloc());
  std::size_t next = 0;
  std::int64_t count = 0;
  const auto take_frame = [&](const AVFrame& frame) {
    demuxer_->check_time();
    if (count++ == wanted[next]) take(next++, DecodedFrame(frame, decoder.orientation(), input_.name));
    return next < wanted.size();
  };
  bool going = true;
  while (going && demuxer_->next(*packet)) going = decoder.decode(packet.get(), false, take_frame);
  if (going) decoder.decode(nullptr, false, take_frame);
  if (next < wanted.size()) throw MissingFrame(wanted[next], input_.name);
}

bool VideoFile::recount() {
  if (index_->counted) return false;
  index_ = count_all();
  return true;
}

std::shared_ptr<const VideoIndex> VideoFile::count_all() {
  demuxer_ = open();
  Decoder decoder(demuxer_->stream(), limits_.threads, index_->delay, input_.name);
  const media::PacketPtr packet(av_packet_alloc());
  auto index = std::make_shared<VideoIndex>();
  index->counted = true;
  index->delay = index_->delay;
  index->tick = av_q2d(demuxer_->stream().time_base);
  const auto take_frame = [&](const AVFrame& frame) {
    demuxer_->check_time();
    // Where stamps are missing or go back, frames stand at equal distances.
    const auto& stamps = index->stamps;
    const std::int64_t before = stamps.empty() ? 0 : stamps.back();
    const std::int64_t step = stamps.size() > 1 ? std::max<std::int64_t>(1, before - stamps[stamps.size() - 2]) : 1;
    const std::int64_t stamp = frame.best_effort_timestamp;
    const bool follows = stamp != AV_NOPTS_VALUE && (stamps.empty() || stamp > before);
    index->stamps.push_back(follows ? stamp : stamps.empty() ? 0 : before + step);
    return true;
  };
  while (demuxer_->next(*packet)) decoder.decode(packet.get(), false, take_frame);
  decoder.decode(nullptr, false, take_frame);
  if (index->stamps.empty()) throw DataError("holds no frame that can be decoded", input_.name, kBadFileAdvice);
  return index;
}

}  // namespace cairn::video
