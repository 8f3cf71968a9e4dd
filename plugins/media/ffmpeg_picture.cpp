#include "media/ffmpeg_picture.h"

extern "C" {
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
}

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "cairn/error.h"

namespace cairn::media {
namespace {

struct SwsDeleter {
  void operator()(SwsContext* p) const { sws_freeContext(p); }
};

/// Where red, green and blue lie in one pixel of a packed format: `step` bytes a pixel, one byte of each is taken.
struct PackedFormat {
  AVPixelFormat format;
  int step, red, green, blue;
};

constexpr PackedFormat kPackedFormats[] = {
    {AV_PIX_FMT_RGB24, 3, 0, 1, 2},    {AV_PIX_FMT_BGR24, 3, 2, 1, 0},    {AV_PIX_FMT_RGBA, 4, 0, 1, 2},
    {AV_PIX_FMT_BGRA, 4, 2, 1, 0},     {AV_PIX_FMT_ARGB, 4, 1, 2, 3},     {AV_PIX_FMT_ABGR, 4, 3, 2, 1},
    {AV_PIX_FMT_RGB0, 4, 0, 1, 2},     {AV_PIX_FMT_BGR0, 4, 2, 1, 0},     {AV_PIX_FMT_GRAY8, 1, 0, 0, 0},
    {AV_PIX_FMT_YA8, 2, 0, 0, 0},      {AV_PIX_FMT_RGB48BE, 6, 0, 2, 4},  {AV_PIX_FMT_RGB48LE, 6, 1, 3, 5},
    {AV_PIX_FMT_RGBA64BE, 8, 0, 2, 4}, {AV_PIX_FMT_RGBA64LE, 8, 1, 3, 5}, {AV_PIX_FMT_GRAY16BE, 2, 0, 0, 0},
    {AV_PIX_FMT_GRAY16LE, 2, 1, 1, 1}, {AV_PIX_FMT_YA16BE, 4, 0, 0, 0},   {AV_PIX_FMT_YA16LE, 4, 1, 1, 1},
};

void unpack(const AVFrame& frame, const PackedFormat& packed, Picture& out) {
  for (int y = 0; y < out.height; ++y) {
    const std::uint8_t* in = frame.data[0] + static_cast<std::ptrdiff_t>(y) * frame.linesize[0];
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, in += packed.step, to += 3) {
      to[0] = in[packed.red];
      to[1] = in[packed.green];
      to[2] = in[packed.blue];
    }
  }
}

void look_up(const AVFrame& frame, Picture& out) {
  std::array<std::uint32_t, 256> palette;
  std::memcpy(palette.data(), frame.data[1], sizeof palette);
  for (int y = 0; y < out.height; ++y) {
    const std::uint8_t* in = frame.data[0] + static_cast<std::ptrdiff_t>(y) * frame.linesize[0];
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, to += 3) {
      const std::uint32_t colour = palette[in[x]];
      to[0] = static_cast<std::uint8_t>(colour >> 16);
      to[1] = static_cast<std::uint8_t>(colour >> 8);
      to[2] = static_cast<std::uint8_t>(colour);
    }
  }
}

/// Everything that is not packed RGB or grey: matrix and range as the file says, BT.601 limited where it does not.
void convert(const AVFrame& frame, Picture& out, const std::string& name) {
  const std::unique_ptr<SwsContext, SwsDeleter> context(sws_getContext(
      frame.width, frame.height, static_cast<AVPixelFormat>(frame.format), frame.width, frame.height, AV_PIX_FMT_RGB24,
      SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, nullptr, nullptr, nullptr));
  if (!context) throw DataError("has a pixel format that cannot be turned into RGB", name);
  const int matrix = frame.colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_ITU601 : frame.colorspace;
  const int full_range = frame.color_range == AVCOL_RANGE_JPEG;
  sws_setColorspaceDetails(context.get(), sws_getCoefficients(matrix), full_range, sws_getCoefficients(SWS_CS_DEFAULT),
                           1, 0, 1 << 16, 1 << 16);
  // swscale writes whole vectors, so rows get the room of one.
  const int stride = (3 * out.width + 63) / 64 * 64;
  std::vector<std::uint8_t> padded(static_cast<std::size_t>(stride) * static_cast<std::size_t>(out.height) + 64);
  std::uint8_t* planes[4] = {padded.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {stride, 0, 0, 0};
  sws_scale(context.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
  for (int y = 0; y < out.height; ++y)
    std::copy_n(padded.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(stride), 3 * out.width,
                out.row(y));
}

CodecContextPtr open_decoder(AVCodecID id, const AVCodecParameters* parameters, const std::string& name) {
  const AVCodec* codec = avcodec_find_decoder(id);
  if (!codec)
    throw DataError(std::string("needs the decoder \"") + avcodec_get_name(id) + "\", which this FFmpeg lacks", name,
                    "convert the file to JPEG or PNG");
  CodecContextPtr context(avcodec_alloc_context3(codec));
  if (parameters) avcodec_parameters_to_context(context.get(), parameters);
  context->thread_count = 1;
  context->max_pixels = kMaxPixels;
  // Damage is an error; but the TIFF decoder counts every tag it does not know as damage.
  if (id != AV_CODEC_ID_TIFF) context->err_recognition = AV_EF_EXPLODE;
  if (const int code = avcodec_open2(context.get(), codec, nullptr); code < 0) fail_ffmpeg(name, code);
  return context;
}

/// Sends one packet and takes the picture it makes.
Picture decode_packet(AVCodecContext& context, const AVPacket& packet, const std::string& name) {
  int code = avcodec_send_packet(&context, &packet);
  if (code < 0) fail_ffmpeg(name, code);
  const FramePtr frame(av_frame_alloc());
  code = avcodec_receive_frame(&context, frame.get());
  if (code == AVERROR(EAGAIN)) {
    avcodec_send_packet(&context, nullptr);
    code = avcodec_receive_frame(&context, frame.get());
  }
  if (code < 0) fail_ffmpeg(name, code);
  if (frame->decode_error_flags != 0) throw DataError("is damaged or truncated", name, "replace or remove the file");
  return to_picture(*frame, name);
}

}  // namespace

Picture to_picture(const AVFrame& frame, const std::string& name) {
  Picture out(frame.width, frame.height);
  const auto* packed = std::find_if(std::begin(kPackedFormats), std::end(kPackedFormats),
                                    [&](const PackedFormat& p) { return p.format == frame.format; });
  if (packed != std::end(kPackedFormats)) {
    unpack(frame, *packed, out);
  } else if (frame.format == AV_PIX_FMT_PAL8) {
    look_up(frame, out);
  } else {
    convert(frame, out, name);
  }
  return out;
}

Picture decode_still(std::span<const std::uint8_t> bytes, AVCodecID codec, const std::string& name) {
  silence_ffmpeg();
  const CodecContextPtr context = open_decoder(codec, nullptr, name);
  const PacketPtr packet(av_packet_alloc());
  if (const int code = av_new_packet(packet.get(), static_cast<int>(bytes.size())); code < 0) fail_ffmpeg(name, code);
  std::memcpy(packet->data, bytes.data(), bytes.size());
  packet->flags |= AV_PKT_FLAG_KEY;
  return decode_packet(*context, *packet, name);
}

Picture decode_avif(std::span<const std::uint8_t> bytes, const std::string& name) {
  silence_ffmpeg();
  const MemoryInput input(bytes);
  AVFormatContext* opened = avformat_alloc_context();
  opened->pb = input.get();
  // Frees `opened` when it fails.
  if (const int code = avformat_open_input(&opened, nullptr, av_find_input_format("mov"), nullptr); code < 0)
    fail_ffmpeg(name, code);
  const FormatContextPtr format(opened);
  const int stream = av_find_best_stream(format.get(), AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (stream < 0) throw DataError("holds no picture that can be read", name, "convert the file to JPEG or PNG");
  const AVCodecParameters* parameters = format->streams[stream]->codecpar;
  const CodecContextPtr context = open_decoder(parameters->codec_id, parameters, name);
  const PacketPtr packet(av_packet_alloc());
  int code = av_read_frame(format.get(), packet.get());
  while (code >= 0 && packet->stream_index != stream) {
    av_packet_unref(packet.get());
    code = av_read_frame(format.get(), packet.get());
  }
  if (code < 0) fail_ffmpeg(name, code);
  return decode_packet(*context, *packet, name);
}

}  // namespace cairn::media
