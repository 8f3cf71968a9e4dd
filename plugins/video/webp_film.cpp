#include "webp_film.h"

#include <webp/demux.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "cairn/error.h"

namespace cairn::video {
namespace {

constexpr int kShortest = 1;  // milliseconds of a frame, so that times ascend

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
struct DeleteDecoder {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};
using DemuxerPtr = std::unique_ptr<WebPDemuxer, DeleteDemuxer>;
using DecoderPtr = std::unique_ptr<WebPAnimDecoder, DeleteDecoder>;

WebPData data_of(const std::vector<std::uint8_t>& bytes) { return {bytes.data(), bytes.size()}; }

/// When each frame begins, by the chunks' headers; nothing is decoded.
std::vector<double> starts_of(const std::vector<std::uint8_t>& bytes, const std::string& name) {
  const WebPData data = data_of(bytes);
  const DemuxerPtr demuxer(WebPDemux(&data));
  if (!demuxer) throw DataError("is no whole animated WebP", name, kBadFileAdvice);
  const std::int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                     height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  if (width * height > kMostPixels)
    throw DataError("claims " + std::to_string(width) + " x " + std::to_string(height) + " pixels", name,
                    kBadFileAdvice);
  std::vector<double> starts;
  std::int64_t milliseconds = 0;
  WebPIterator frame;
  for (int more = WebPDemuxGetFrame(demuxer.get(), 1, &frame); more != 0; more = WebPDemuxNextFrame(&frame)) {
    starts.push_back(static_cast<double>(milliseconds) / 1e3);
    milliseconds += std::max(frame.duration, kShortest);
  }
  WebPDemuxReleaseIterator(&frame);
  if (starts.empty()) throw DataError("holds no frames", name, kBadFileAdvice);
  return starts;
}

media::Picture picture_of(const std::uint8_t* rgba, const WebPAnimInfo& info) {
  media::Picture picture(static_cast<int>(info.canvas_width), static_cast<int>(info.canvas_height));
  for (std::size_t from = 0, to = 0; to < picture.rgb.size(); from += 4, to += 3)
    std::copy_n(rgba + from, 3, picture.rgb.data() + to);
  return picture;
}

}  // namespace

bool is_animated_webp(const VideoInput& input) {
  constexpr std::size_t kFlags = 20;
  constexpr char kAnimation = 2;
  const std::string head = input.read_head(kFlags + 1);
  return head.size() > kFlags && head.starts_with("RIFF") && head.substr(8, 8) == "WEBPVP8X" &&
         (head[kFlags] & kAnimation) != 0;
}

WebpFilm::WebpFilm(const VideoInput& input, const ReadLimits& limits)
    : name_(input.name), deadline_(limits.seconds), bytes_(input.read_all()), starts_(starts_of(bytes_, name_)) {}

void WebpFilm::read(std::span<const std::int64_t> wanted, const Take& take) {
  const WebPData data = data_of(bytes_);
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const DecoderPtr decoder(WebPAnimDecoderNew(&data, &options));
  WebPAnimInfo info;
  if (!decoder || WebPAnimDecoderGetInfo(decoder.get(), &info) == 0)
    throw DataError("is no animated WebP that can be decoded", name_, kBadFileAdvice);
  std::int64_t next = 0;
  for (std::size_t slot = 0; slot < wanted.size(); ++next) {
    deadline_.check(name_);
    std::uint8_t* rgba = nullptr;
    int milliseconds = 0;
    if (WebPAnimDecoderGetNext(decoder.get(), &rgba, &milliseconds) == 0)
      throw DataError("frame " + std::to_string(next) + " cannot be decoded", name_, kBadFileAdvice);
    if (next == wanted[slot]) take(slot++, PictureFrame(picture_of(rgba, info)));
  }
}

}  // namespace cairn::video
