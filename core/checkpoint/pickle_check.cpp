#include "checkpoint/pickle_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/error.h"

namespace cairn {
namespace {

// Deeper than any state of an optimizer; every level costs stack in whoever walks the result.
constexpr std::int64_t kDeepest = 64;
// A list may be named many times over, and each time its elements count.
constexpr std::int64_t kMostValues = 20'000'000;

constexpr const char* kAdvice = "only tensors, numbers, strings, lists and dictionaries are read, and no code is run";

/// What plain PyTorch checkpoints are made of.
constexpr std::string_view kOrderedDict = "collections OrderedDict";
constexpr std::array kKnownNames = {std::string_view("torch._utils _rebuild_tensor_v2"),
                                    std::string_view("torch._utils _rebuild_parameter"),
                                    kOrderedDict,
                                    std::string_view("torch FloatStorage"),
                                    std::string_view("torch HalfStorage"),
                                    std::string_view("torch DoubleStorage"),
                                    std::string_view("torch BFloat16Storage"),
                                    std::string_view("torch LongStorage"),
                                    std::string_view("torch IntStorage"),
                                    std::string_view("torch ShortStorage"),
                                    std::string_view("torch CharStorage"),
                                    std::string_view("torch ByteStorage"),
                                    std::string_view("torch BoolStorage")};

/// A value as far as it must be known: how deep it is nested, and how many values it unfolds to.
struct Item {
  std::int64_t depth = 0;
  std::int64_t values = 1;
  bool is_inside = false;  // of another one, and so complete
  bool is_ordered_dict_class = false, is_empty_tuple = false, is_dictionary = false;
};

class Walk {
 public:
  explicit Walk(std::span<const char> bytes) : bytes_(bytes) {}

  std::string run() {
    for (bool goes_on = true; goes_on;) {
      const std::span<const char> rest = bytes_;
      goes_on = step(static_cast<unsigned char>(take(1).front()));
      if (instead_) {
        plain_ += *instead_;
        instead_.reset();
      } else {
        plain_.append(rest.data(), rest.size() - bytes_.size());
      }
    }
    if (stack_.size() != 1 || !marks_.empty() || top().is_ordered_dict_class)
      refuse("the pickle does not end with one value");
    return std::move(plain_);
  }

 private:
  [[noreturn]] static void refuse(const std::string& what) { throw DataError(what, "", kAdvice); }

  std::span<const char> take(std::size_t count) {
    if (count > bytes_.size()) refuse("the pickle is cut off");
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  template <class T>
  T number() {
    T value{};
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string line() {
    const auto* end = static_cast<const char*>(std::memchr(bytes_.data(), '\n', bytes_.size()));
    if (end == nullptr) refuse("the pickle is cut off");
    const auto text = take(static_cast<std::size_t>(end - bytes_.data()) + 1);
    return {text.data(), text.size() - 1};
  }

  void push() {
    stack_.push_back(items_.size());
    items_.push_back({});
  }
  std::size_t pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("the pickle takes more values than it has");
    const std::size_t item = stack_.back();
    stack_.pop_back();
    return item;
  }
  Item& top() {
    if (stack_.empty()) refuse("the pickle takes more values than it has");
    return items_[stack_.back()];
  }
  std::vector<std::size_t> pop_to_mark() {
    if (marks_.empty()) refuse("the pickle closes what it has not opened");
    const std::vector<std::size_t> taken(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return taken;
  }

  /// Puts values into the container on top. One that is inside another already must not change: it might hold itself.
  void put(const std::vector<std::size_t>& inner) {
    Item& container = top();
    if (container.is_ordered_dict_class) refuse("the pickle fills a class");
    if (container.is_inside) refuse("the pickle changes a list that is part of another one");
    for (const std::size_t i : inner) {
      refuse_class(i);
      if (i == stack_.back()) refuse("the pickle has a list that holds itself");
      items_[i].is_inside = true;
      container.depth = std::max(container.depth, items_[i].depth + 1);
      container.values += items_[i].values;
      if (container.depth > kDeepest) refuse(fmt::format("the pickle is nested deeper than {} levels", kDeepest));
      if (container.values > kMostValues) refuse("the pickle unfolds to more values than a checkpoint can mean");
    }
  }
  void refuse_class(std::size_t item) const {
    if (items_[item].is_ordered_dict_class) refuse("the pickle has a class for a value");
  }
  void push_dictionary() {
    push();
    top().is_dictionary = true;
  }
  /// A call: of the class OrderedDict, without anything, it gives a dictionary.
  void call() {
    const std::size_t arguments = pop(), function = pop();
    if (!items_[function].is_ordered_dict_class) return collect({arguments, function});
    if (!items_[arguments].is_empty_tuple) refuse("the pickle fills an OrderedDict in a way that is not known");
    push_dictionary();
    instead_ = "}";
  }
  /// An OrderedDict has a state beside its values, which modules keep versions in: both become a pair.
  void build() {
    const std::size_t state = pop(), object = pop();
    if (!items_[object].is_dictionary) refuse("the pickle sets the state of something that is no dictionary");
    collect({object, state});
    instead_ = "\x86";
  }
  void collect(const std::vector<std::size_t>& inner) {
    push();
    put(inner);
  }
  void collect_last(std::size_t count) {
    std::vector<std::size_t> inner;
    for (std::size_t i = 0; i < count; ++i) inner.push_back(pop());
    collect(inner);
  }

  void remember(std::size_t place) {
    // Memo places are counted up; one far beyond would make the reader allocate all that lie before.
    if (place > memo_.size()) refuse("the pickle remembers a value at an impossible place");
    if (top().is_ordered_dict_class) instead_ = "";
    memo_[place] = stack_.back();
  }
  void recall(std::size_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) refuse("the pickle recalls a value that it never remembered");
    stack_.push_back(found->second);
    if (top().is_ordered_dict_class) instead_ = "";
  }
  void name() {
    std::string full = line();
    full += " " + line();
    if (std::find(kKnownNames.begin(), kKnownNames.end(), full) == kKnownNames.end()) {
      std::replace(full.begin(), full.end(), ' ', '.');
      refuse("the pickle asks for '" + full.substr(0, 200) + "'");
    }
    push();
    if (full != kOrderedDict) return;
    top().is_ordered_dict_class = true;
    instead_ = "";
  }
  void pairs() {
    const auto inner = pop_to_mark();
    if (inner.size() % 2 != 0) refuse("the pickle has a dictionary with a key and no value");
    put(inner);
  }
  void put_last(std::size_t count) {
    std::vector<std::size_t> inner;
    for (std::size_t i = 0; i < count; ++i) inner.push_back(pop());
    put(inner);
  }

  /// One instruction; false at the end. Names and codes are those of Python's pickletools, protocol 2.
  bool step(unsigned char code) {
    switch (code) {
      case 0x80:  // PROTO
        if (take(1).front() != 2) refuse("the pickle is of a protocol other than 2");
        return true;
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case '}':
        push_dictionary();
        return true;
      case ')':
        if (!stack_.empty() && top().is_ordered_dict_class) instead_ = "";
        push();
        top().is_empty_tuple = true;
        return true;
      case ']':
      case 'N':
      case 0x88:
      case 0x89:
        push();
        return true;
      case 'K':
        take(1);
        push();
        return true;
      case 'M':
        take(2);
        push();
        return true;
      case 'J':
        take(4);
        push();
        return true;
      case 'G':
        take(8);
        push();
        return true;
      case 0x8a: {  // LONG1
        const auto length = static_cast<unsigned char>(take(1).front());
        if (length > sizeof(std::int64_t)) refuse("the pickle has a number of more than 64 bits");
        take(length);
        push();
        return true;
      }
      case 'X':
        take(number<std::uint32_t>());
        push();
        return true;
      case 'c':
        name();
        return true;
      case 'q':
        remember(number<std::uint8_t>());
        return true;
      case 'r':
        remember(number<std::uint32_t>());
        return true;
      case 'h':
        recall(number<std::uint8_t>());
        return true;
      case 'j':
        recall(number<std::uint32_t>());
        return true;
      case 't':
        collect(pop_to_mark());
        return true;
      case 0x85:
        collect_last(1);
        return true;
      case 0x86:
        collect_last(2);
        return true;
      case 'R':
        call();
        return true;
      case 0x87:
        collect_last(3);
        return true;
      case 'Q':
        collect_last(1);
        return true;
      case 'a':
        put_last(1);
        return true;
      case 'b':
        build();
        return true;
      case 's':
        put_last(2);
        return true;
      case 'e':
        put(pop_to_mark());
        return true;
      case 'u':
        pairs();
        return true;
      case '.':
        return false;
      default:
        refuse(fmt::format("the pickle holds the instruction 0x{:02x}", code));
    }
  }

  std::span<const char> bytes_;
  std::vector<Item> items_;
  std::vector<std::size_t> stack_, marks_;
  std::map<std::size_t, std::size_t> memo_;
  std::string plain_;
  std::optional<std::string> instead_;  // of the instruction at hand
};

}  // namespace

std::string plain_pickle(std::span<const char> bytes) { return Walk(bytes).run(); }

}  // namespace cairn
