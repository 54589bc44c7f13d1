#include "tree/message.h"

#include <xxhash.h>

#include <concepts>
#include <type_traits>
#include <utility>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t wire_magic = 0x52'50'50'43;  // "CPPR"
constexpr std::size_t checksum_bytes = sizeof(std::uint64_t);
constexpr std::int64_t for_the_job_on_wire = -1;
constexpr int errno_max = 4095;

// The message's kind on the wire is its index in the variant, counted from one.
template <class M, std::size_t I = 0>
constexpr std::uint8_t kind_of() {
  if constexpr (std::is_same_v<M, std::variant_alternative_t<I, Message>>) {
    return I + 1;
  } else {
    return kind_of<M, I + 1>();
  }
}

enum class Answered : std::uint8_t { bytes = 0, unchanged = 1, error = 2 };

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}

  template <std::integral T>
  void put(T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<std::byte>(bits >> 8 * i));
  }
  void put(const Key& key) {
    put(static_cast<std::uint8_t>(key.kind));
    put(key.block);
    put(key.version.inode);
    put(key.version.size);
    put(key.version.mtime_ns);
    put(key.version.ctime_ns);
    put(static_cast<std::uint16_t>(key.path.size()));
    const auto path = std::as_bytes(std::span(key.path));
    out_.insert(out_.end(), path.begin(), path.end());
  }
  void put(const CensusName& name) {
    put(number(name.asker));
    put(name.number);
  }

  void put(const Ask& ask) {
    put(ask.key);
    put(ask.have);
  }
  void put(const Answer& answer) {
    put(answer.key);
    put(static_cast<std::uint8_t>(answer.unchanged    ? Answered::unchanged
                                  : answer.value.ok() ? Answered::bytes
                                                      : Answered::error));
    put(std::int32_t{answer.unchanged || answer.value.ok() ? 0 : number(answer.value.error())});
    put(answer.tag);
    put(std::int64_t{answer.fresh_for == for_the_job ? for_the_job_on_wire : answer.fresh_for.count()});
  }
  void put(const Expire& expire) { put(expire.key); }
  void put(const ReadyRanks& ready) {
    ensure(!ready.ranks.empty() && ready.ranks.size() <= limits::ranks_per_message, "a list of ranks fits");
    put(static_cast<std::uint16_t>(ready.ranks.size()));
    for (const auto rank : ready.ranks) put(number(rank));
  }
  void put(const Count& count) { put(count.census); }
  void put(const Counted& counted) {
    put(counted.census);
    put(counted.ranks);
    put(static_cast<std::uint16_t>(counter_count));
    for (const auto value : counted.counters.values()) put(value);
  }

 private:
  std::vector<std::byte>& out_;
};

// Reads what Writer wrote. Any failure sticks: ok() tells at the end whether everything was there and
// allowed.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  bool ok() const { return good_; }
  bool at_end() const { return good_ && rest_.empty(); }
  void demand(bool condition) { good_ = good_ && condition; }

  template <std::integral T>
  T get() {
    std::make_unsigned_t<T> bits = 0;
    const auto bytes = take(sizeof(T));
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bits = static_cast<std::make_unsigned_t<T>>(bits | std::to_integer<std::make_unsigned_t<T>>(bytes[i])
                                                             << 8 * i);
    return static_cast<T>(bits);
  }
  void get(Key& key) {
    key.kind = static_cast<Kind>(get<std::uint8_t>());
    key.block = get<std::uint32_t>();
    key.version.inode = get<std::uint64_t>();
    key.version.size = get<std::uint64_t>();
    key.version.mtime_ns = get<std::int64_t>();
    key.version.ctime_ns = get<std::int64_t>();
    const auto path = take(get<std::uint16_t>());
    key.path.assign(reinterpret_cast<const char*>(path.data()), path.size());
    demand(valid(key));
  }
  void get(CensusName& name) {
    name.asker = Rank{get<std::uint32_t>()};
    name.number = get<std::uint64_t>();
  }

  void get(Ask& ask) {
    get(ask.key);
    ask.have = get<std::uint64_t>();
  }
  void get(Answer& answer) {
    get(answer.key);
    const auto answered = static_cast<Answered>(get<std::uint8_t>());
    const auto error = get<std::int32_t>();
    answer.tag = get<std::uint64_t>();
    const auto fresh_for = get<std::int64_t>();
    answer.fresh_for = fresh_for == for_the_job_on_wire ? for_the_job : Duration{fresh_for};
    demand(answered <= Answered::error && answer.fresh_for >= Duration::zero());
    demand(fresh_for != for_the_job.count());  // one outcome, one encoding
    answer.unchanged = answered == Answered::unchanged;
    if (answered == Answered::error) {
      demand(error > 0 && error <= errno_max && answer.tag == 0);
      answer.value = Errno{error};
    } else {
      demand(error == 0 && answer.tag != 0);
      if (answered == Answered::bytes) answer.value = Bytes{};
    }
  }
  void get(Expire& expire) { get(expire.key); }
  void get(ReadyRanks& ready) {
    const auto size = get<std::uint16_t>();
    demand(size >= 1 && size <= limits::ranks_per_message && rest_.size() == size * sizeof(std::uint32_t));
    for (std::size_t n = 0; ok() && n < size; ++n) ready.ranks.push_back(Rank{get<std::uint32_t>()});
  }
  void get(Count& count) { get(count.census); }
  void get(Counted& counted) {
    get(counted.census);
    counted.ranks = get<std::uint32_t>();
    demand(get<std::uint16_t>() == counter_count);
    for (auto& value : counted.counters.values()) value = get<std::uint64_t>();
  }

 private:
  std::span<const std::byte> take(std::size_t size) {
    demand(size <= rest_.size());
    if (!good_) return {};
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::span<const std::byte> rest_;
  bool good_ = true;
};

template <std::size_t I = 0>
std::optional<Message> read_message(std::uint8_t kind, Reader& reader) {
  if constexpr (I < std::variant_size_v<Message>) {
    if (kind != I + 1) return read_message<I + 1>(kind, reader);
    std::variant_alternative_t<I, Message> message;
    reader.get(message);
    if (!reader.at_end()) return std::nullopt;
    return Message(std::move(message));
  } else {
    return std::nullopt;
  }
}

}  // namespace

const Bytes* payload_of(const Message& message) {
  const auto* answer = std::get_if<Answer>(&message);
  if (answer == nullptr || answer->unchanged || !answer->value.ok() || answer->value->size() == 0)
    return nullptr;
  return &*answer->value;
}

void encode(const Message& message, std::uint32_t payload_tag, std::vector<std::byte>& out) {
  const auto* payload = payload_of(message);
  const std::uint64_t payload_bytes = payload == nullptr ? 0 : payload->size();
  ensure(payload_bytes <= limits::block_bytes, "a payload is at most a block");
  out.clear();
  out.reserve(256);  // most are shorter
  Writer writer(out);
  writer.put(wire_magic);
  writer.put(wire_version);
  std::visit([&]<class M>(const M&) { writer.put(kind_of<M>()); }, message);
  writer.put(payload_tag);
  writer.put(payload_bytes);
  std::visit([&](const auto& body) { writer.put(body); }, message);
  writer.put(std::uint64_t{XXH3_64bits(out.data(), out.size())});
  ensure(out.size() <= limits::message_bytes, "a message is bounded");
}

std::optional<Header> decode(std::span<const std::byte> bytes) {
  if (bytes.size() < checksum_bytes || bytes.size() > limits::message_bytes) return std::nullopt;
  const auto body = bytes.first(bytes.size() - checksum_bytes);
  Reader reader(body);
  reader.demand(reader.get<std::uint32_t>() == wire_magic && reader.get<std::uint8_t>() == wire_version);
  reader.demand(Reader(bytes.last(checksum_bytes)).get<std::uint64_t>() ==
                XXH3_64bits(body.data(), body.size()));
  const auto kind = reader.get<std::uint8_t>();
  const auto payload_tag = reader.get<std::uint32_t>();
  const auto payload_bytes = reader.get<std::uint64_t>();
  if (!reader.ok()) return std::nullopt;
  auto message = read_message(kind, reader);
  if (!message) return std::nullopt;
  const auto* answer = std::get_if<Answer>(&*message);
  const bool may_carry = answer != nullptr && !answer->unchanged && answer->value.ok();
  if (payload_bytes > (may_carry ? limits::block_bytes : 0)) return std::nullopt;
  return Header{std::move(*message), payload_bytes, payload_tag};
}

}  // namespace copper
