#pragma once

#include <array>
#include <cstdint>
#include <cstdio>  // before jpeglib.h, which uses its types
#include <memory>
#include <span>
#include <vector>

#define JPEG_INTERNALS  // the place of the decoder is part of libjpeg's inner interface
#include <jpeglib.h>

namespace cairn::media {

/// The Huffman codes of a sequential JPEG of one scan (ITU-T T.81, F.2.2), decoded in place of libjpeg and faster: one
/// look-up gives up to two short codes with the numbers after them. It knows sound files only. Of others it says that
/// they are odd, and libjpeg is to judge them, from the beginning.
class JpegScan {
 public:
  /// Whether the scan that `record` is about to decode is of this kind, and long enough to gain by it.
  static bool fits(const jpeg_decompress_struct& record);

  /// The scan that `record` is about to decode, whose source holds all the rest of the file.
  explicit JpegScan(const jpeg_decompress_struct& record);

  /// The next blocks in the file's order, coefficients [64] each, zero before; null: passes over them.
  void decode(JBLOCKROW* blocks);

  /// Whether something was met that libjpeg should judge; what was decoded is of no use then.
  bool is_odd() const { return is_odd_; }

 private:
  static constexpr int kQuickBits = 10;
  static constexpr std::size_t kQuick = std::size_t{1} << kQuickBits;

  /// A coefficient, `advance` places on.
  struct Entry {
    std::int16_t value = 0;
    std::uint8_t advance = 0;
    std::uint8_t bits = 0;  // of its code and number; 0 where those are more than kQuickBits
  };

  /// What the next bits mean: one coefficient or two. Where it is one, `second` repeats it, at its place. With `bits` 0
  /// it is a code of `first_bits`, which a number of `second` bits follows; with both 0, a longer code.
  struct Pair {
    std::uint8_t bits = 0;     // of both
    std::uint8_t advance = 0;  // of both
    std::uint8_t first_bits = 0;
    std::uint8_t first_advance = 0;
    std::int16_t first = 0;
    std::int16_t second = 0;

    bool is_long() const { return bits == 0; }
    bool has_second() const { return bits > first_bits; }
  };

  struct Code {
    int symbol = 0;
    int length = 0;  // above 16 if there is none
  };

  class Table {
   public:
    Table(const JHUFF_TBL& source, bool is_ac);
    const Pair& find(std::uint32_t bits) const { return pairs_[bits]; }
    /// The code of more than kQuickBits that `bits`, sixteen of them, begin with.
    Code find_code(std::uint32_t bits) const;
    std::uint8_t advance(int symbol) const;

   private:
    void pair_up(const std::array<Entry, kQuick>& entries);

    bool is_ac_;
    std::array<Pair, kQuick> pairs_{};
    std::array<std::uint8_t, 256> symbols_{};
    std::array<std::uint32_t, 18> limits_{};  // below which codes of a length are, as sixteen bits
    std::array<int, 17> offsets_{};           // from such a code to the place of its symbol
  };

  struct Bits {
    std::uint64_t word = 0;            // the next ones, from the highest on
    int count = 0;                     // of them
    const std::uint8_t* at = nullptr;  // the bytes after

    void fill();
    std::uint32_t next(int number) const;
    void drop(int number);
    std::int16_t take(int size);
    void put_back(int number);
  };

  /// A block of each MCU.
  struct Block {
    int component = 0;
    const Table* dc = nullptr;
    const Table* ac = nullptr;
  };

  /// The data between two restart markers, as a part of data_.
  struct Segment {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  const Table* table(const jpeg_decompress_struct& record, int number, bool is_ac);
  void unstuff(std::span<const std::uint8_t> bytes);
  void restart();
  Entry take_rare(const Table& table);
  Entry take_long(Bits& bits, const Pair& pair, const Table& table);
  void decode_block(const Block& block, std::int16_t* out);

  std::array<std::unique_ptr<Table>, 2 * NUM_HUFF_TBLS> tables_;
  std::vector<Block> blocks_;
  std::vector<std::uint8_t> data_;  // of all segments, zeros after each
  std::vector<Segment> segments_;
  std::size_t next_segment_ = 0;
  unsigned interval_ = 0, until_restart_ = 0;  // MCUs
  Bits bits_;
  const std::uint8_t* end_ = nullptr;
  std::array<int, MAX_COMPS_IN_SCAN> last_dc_{};
  bool is_odd_ = false;
};

}  // namespace cairn::media
