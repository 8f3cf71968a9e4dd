#pragma once

#include <jpeglib.h>  // uses the types of <cstdio>, which the precompiled header has

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "cairn/rng.h"
#include "media/picture.h"

namespace cairn::testing {

/// How a JPEG is written: how many luminance samples there are for one of colour, and so on.
struct Coding {
  int across = 1, down = 1;
  bool progressive = false;
  int quality = 90;
  bool optimised = false;  // its own Huffman tables
  unsigned restart = 0;    // MCUs
  bool grey = false;
};

/// A ramp with noise on it.
inline media::Picture noise(int width, int height) {
  media::Picture picture(width, height);
  Rng rng(5, Stream::load, 0, 0);
  for (int y = 0; y < height; ++y)
    for (int i = 0; i < 3 * width; ++i)
      picture.row(y)[i] = static_cast<std::uint8_t>((3 * i + 2 * y + rng.integer(0, 60)) & 255);
  return picture;
}

inline std::vector<std::uint8_t> encode(media::Picture picture, const Coding& coding) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_width = static_cast<JDIMENSION>(picture.width);
  info.image_height = static_cast<JDIMENSION>(picture.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  if (coding.grey) jpeg_set_colorspace(&info, JCS_GRAYSCALE);
  jpeg_set_quality(&info, coding.quality, TRUE);
  info.comp_info[0].h_samp_factor = coding.across;
  info.comp_info[0].v_samp_factor = coding.down;
  info.optimize_coding = coding.optimised ? TRUE : FALSE;
  info.restart_interval = coding.restart;
  if (coding.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = picture.row(static_cast<int>(info.next_scanline));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::vector<std::uint8_t> bytes(buffer, buffer + size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return bytes;
}

}  // namespace cairn::testing
