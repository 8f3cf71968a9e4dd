#include "media/jpeg_scan.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace cairn::media {
namespace {

constexpr int kBlock = 64;
constexpr int kRun = 16;               // places that a coefficient leads on at most, zeros before it among them
constexpr int kEnd = 96;               // places that the end of a block leads on: more than two coefficients from 63
constexpr std::size_t kPadding = 272;  // bytes; a block has at most 64 codes of 16 bits, 15 bits after each
constexpr std::size_t kWorthwhile = 16384;  // bytes from which on the tables' making is paid back
constexpr int kFilled = 56;                 // bits that there are at least after filling
constexpr int kMostNumber = 15;             // bits of a number

/// Where in a block the coefficient lies that comes k-th in the file, counted from one; the last place for all beyond.
constexpr auto kOrder = [] {
  std::array<std::uint8_t, kBlock + kRun + kEnd> order{};
  order.fill(kBlock - 1);
  for (int k = 1, row = 0, column = 0; k <= kBlock; ++k) {
    order[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(8 * row + column);
    const bool is_rising = (row + column) % 2 == 0;
    int& ahead = is_rising ? column : row;
    int& behind = is_rising ? row : column;
    if (ahead == 7) {
      ++behind;
    } else {
      ++ahead;
      if (behind > 0) --behind;
    }
  }
  return order;
}();

int size_of(int symbol) { return symbol & 15; }
int run_of(int symbol) { return symbol >> 4; }

/// The number that `size` bits stand for (T.81, F.2.2.1: EXTEND), without a branch on its sign, which none foresees.
std::int16_t extended(std::uint32_t bits, int size) {
  const int value = static_cast<int>(bits), positive = (value << 1) >> size;
  return static_cast<std::int16_t>(value - (((1 << size) - 1) & (positive - 1)));
}

}  // namespace

inline void JpegScan::Bits::fill() {
  std::uint64_t more = 0;
  std::memcpy(&more, at, sizeof more);
  if constexpr (std::endian::native == std::endian::little) more = __builtin_bswap64(more);
  word |= more >> count;
  at += (63 - count) / 8;
  count |= kFilled;
}

inline std::uint32_t JpegScan::Bits::next(int number) const {
  return static_cast<std::uint32_t>(word >> 1 >> (63 - number));
}

inline void JpegScan::Bits::drop(int number) {
  word <<= number;
  count -= number;
}

/// The number of `size` bits that comes next.
inline std::int16_t JpegScan::Bits::take(int size) {
  const std::int16_t number = extended(next(size), size);
  drop(size);
  return number;
}

/// Of bits dropped from the present word.
inline void JpegScan::Bits::put_back(int number) {
  const int behind = count + number;  // from `at`
  at -= (behind + 7) / 8;
  word = 0;
  count = 0;
  fill();
  drop(7 - (behind + 7) % 8);
}

/// libjpeg has refused tables with more codes than their lengths allow.
JpegScan::Table::Table(const JHUFF_TBL& source, bool is_ac) : is_ac_(is_ac) {
  std::memcpy(symbols_.data(), source.huffval, symbols_.size());
  std::array<Entry, kQuick> entries{};
  std::uint32_t code = 0;
  std::size_t place = 0;
  for (std::size_t length = 1; length <= 16; ++length, code <<= 1) {
    offsets_[length] = static_cast<int>(place) - static_cast<int>(code);
    for (int i = 0; i < source.bits[length]; ++i, ++code, ++place) {
      if (length > kQuickBits) continue;
      const int symbol = symbols_[place], size = size_of(symbol), rest = kQuickBits - static_cast<int>(length);
      for (std::uint32_t tail = 0; tail < 1u << rest; ++tail) {
        const std::size_t at = code << rest | tail;
        if (size > rest) {
          pairs_[at] = {0, 0, static_cast<std::uint8_t>(length), advance(symbol), 0, static_cast<std::int16_t>(size)};
        } else {
          entries[at] = {extended(tail >> (rest - size), size), advance(symbol),
                         static_cast<std::uint8_t>(static_cast<int>(length) + size)};
        }
      }
    }
    limits_[length] = code << (16 - length);
  }
  limits_[17] = 1 << 16;
  pair_up(entries);
}

void JpegScan::Table::pair_up(const std::array<Entry, kQuick>& entries) {
  for (std::size_t bits = 0; bits < kQuick; ++bits) {
    const Entry& first = entries[bits];
    if (first.bits == 0) continue;
    pairs_[bits] = {first.bits, first.advance, first.bits, first.advance, first.value, first.value};
    if (!is_ac_ || first.advance == kEnd) continue;
    const Entry& second = entries[bits << first.bits & (kQuick - 1)];
    if (second.bits == 0 || first.bits + second.bits > kQuickBits) continue;
    pairs_[bits].bits = static_cast<std::uint8_t>(first.bits + second.bits);
    pairs_[bits].advance = static_cast<std::uint8_t>(first.advance + second.advance);
    pairs_[bits].second = second.value;
  }
}

JpegScan::Code JpegScan::Table::find_code(std::uint32_t bits) const {
  std::size_t length = kQuickBits + 1;
  while (bits >= limits_[length]) ++length;
  const auto size = static_cast<int>(length);
  if (size > 16) return {0, size};
  return {symbols_[static_cast<std::size_t>(static_cast<int>(bits >> (16 - size)) + offsets_[length])], size};
}

/// Places to go on after a symbol: past zeros and a coefficient, or past the end of the block.
std::uint8_t JpegScan::Table::advance(int symbol) const {
  const bool ends = is_ac_ && size_of(symbol) == 0 && run_of(symbol) < 15;
  return static_cast<std::uint8_t>(ends ? kEnd : run_of(symbol) + 1);
}

bool JpegScan::fits(const jpeg_decompress_struct& record) {
  return record.src->bytes_in_buffer >= kWorthwhile && !record.progressive_mode && !record.arith_code &&
         record.data_precision == 8 && !record.inputctl->has_multiple_scans;
}

JpegScan::JpegScan(const jpeg_decompress_struct& record) : interval_(record.restart_interval) {
  for (int b = 0; b < record.blocks_in_MCU; ++b) {
    const int component = record.MCU_membership[b];
    const jpeg_component_info& info = *record.cur_comp_info[component];
    blocks_.push_back({component, table(record, info.dc_tbl_no, false), table(record, info.ac_tbl_no, true)});
  }
  unstuff({record.src->next_input_byte, record.src->bytes_in_buffer});
  restart();
}

const JpegScan::Table* JpegScan::table(const jpeg_decompress_struct& record, int number, bool is_ac) {
  auto& made = tables_[static_cast<std::size_t>(2 * number + int{is_ac})];
  if (!made)
    made = std::make_unique<Table>(*(is_ac ? record.ac_huff_tbl_ptrs : record.dc_huff_tbl_ptrs)[number], is_ac);
  return made.get();
}

/// Takes out the zero after each byte 0xFF and the restart markers, up to any other marker.
void JpegScan::unstuff(std::span<const std::uint8_t> bytes) {
  data_.reserve(bytes.size() + kPadding);
  std::size_t begin = 0;
  const auto finish = [&] {
    segments_.push_back({begin, data_.size()});
    data_.resize(data_.size() + kPadding);
    begin = data_.size();
  };
  const std::uint8_t* at = bytes.data();
  const std::uint8_t* const end = at + bytes.size();
  while (at < end) {
    const auto* mark = static_cast<const std::uint8_t*>(std::memchr(at, 0xFF, static_cast<std::size_t>(end - at)));
    if (!mark || mark + 1 == end) break;
    data_.insert(data_.end(), at, mark + (mark[1] == 0 ? 1 : 0));
    at = mark + 2;
    if (mark[1] == 0) continue;
    if (interval_ == 0 || mark[1] != JPEG_RST0 + segments_.size() % 8) break;
    finish();
  }
  finish();
}

void JpegScan::restart() {
  is_odd_ = next_segment_ == segments_.size();
  if (is_odd_) return;
  const Segment& segment = segments_[next_segment_++];
  bits_ = {0, 0, data_.data() + segment.begin};
  end_ = data_.data() + segment.end;
  last_dc_.fill(0);
  until_restart_ = interval_;
}

/// Takes a code of more than kQuickBits and its number.
JpegScan::Entry JpegScan::take_rare(const Table& table) {
  bits_.fill();
  const Code code = table.find_code(bits_.next(16));
  bits_.drop(code.length);
  is_odd_ = is_odd_ || code.length > 16;
  return {bits_.take(size_of(code.symbol)), table.advance(code.symbol), 0};
}

/// Takes what a look-up has not given whole.
[[gnu::always_inline]] inline JpegScan::Entry JpegScan::take_long(Bits& bits, const Pair& pair, const Table& table) {
  if (pair.first_bits > 0) {
    bits.drop(pair.first_bits);
    return {bits.take(pair.second), pair.first_advance, 0};
  }
  // By way of the member, so that `bits` may stay in registers.
  bits_ = bits;
  const Entry entry = take_rare(table);
  bits = bits_;
  return entry;
}

// Shifts by a variable number are three operations before x86-64-v3, and one from there on.
#if defined(__x86_64__)
[[gnu::target_clones("arch=x86-64-v3", "default")]]
#endif
void JpegScan::decode_block(const Block& block, std::int16_t* out) {
  Bits bits = bits_;
  bits.fill();
  Pair pair = block.dc->find(bits.next(kQuickBits));
  bits.drop(pair.bits);
  int& last_dc = last_dc_[static_cast<std::size_t>(block.component)];
  last_dc += pair.is_long() ? take_long(bits, pair, *block.dc).value : pair.first;
  out[0] = static_cast<std::int16_t>(last_dc);

  // After the last look-up but one there are bits for a whole code of kQuickBits and its number.
  constexpr int kLooks = (kFilled - kMostNumber) / kQuickBits;
  const Table& ac = *block.ac;
  std::size_t k = 1;
  while (k < kBlock) {
    bits.fill();
    for (int i = 0; i < kLooks && k < kBlock; ++i) {
      pair = ac.find(bits.next(kQuickBits));
      if (pair.is_long()) {
        const Entry entry = take_long(bits, pair, ac);
        k += entry.advance;
        out[kOrder[k]] = entry.value;
        break;
      }
      bits.drop(pair.bits);
      out[kOrder[k + pair.first_advance]] = pair.first;
      k += pair.advance;
      out[kOrder[k]] = pair.second;
    }
  }
  // The first has filled the block: the second is the next block's.
  if (pair.has_second() && k - pair.advance + pair.first_advance == kBlock) {
    bits.put_back(pair.bits - pair.first_bits);
    k = kBlock;
    out[kBlock - 1] = pair.first;
  }
  const bool is_beyond = (k > kBlock && k <= kEnd) || k > kBlock + kEnd;
  is_odd_ = is_odd_ || is_beyond || last_dc != out[0] || bits.at - bits.count / 8 > end_;
  bits_ = bits;
}

void JpegScan::decode(JBLOCKROW* blocks) {
  if (interval_ > 0 && until_restart_ == 0 && !is_odd_) restart();
  --until_restart_;
  for (const Block& block : blocks_) {
    if (is_odd_) return;
    JBLOCK unused;
    decode_block(block, blocks ? **blocks++ : unused);
  }
}

}  // namespace cairn::media
