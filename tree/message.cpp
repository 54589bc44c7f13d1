#include "tree/message.h"

#include <xxhash.h>

#include <algorithm>
#include <concepts>
#include <type_traits>
#include <utility>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t wire_magic = 0x52'50'50'43;  // "CPPR"
constexpr std::size_t checksum_bytes = sizeof(std::uint64_t);
// Magic, version, kind, stream, length of the payload; then the body, the payload where it is short, the
// checksum.
constexpr std::size_t prefix_bytes = 4 + 1 + 1 + 4 + 8;
constexpr std::int64_t for_the_job_on_wire = -1;

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

Answered answered(const Answer& answer) {
  if (answer.unchanged) return Answered::unchanged;
  return answer.arrival || answer.value.ok() ? Answered::bytes : Answered::error;
}

class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}

  template <std::integral T>
  void put(T value) {
    auto bits = static_cast<std::make_unsigned_t<T>>(value);
    for (std::size_t i = 0; i < sizeof(T); ++i) out_.push_back(static_cast<std::byte>(bits >> 8 * i));
  }
  void put(const Path& path) {
    put(static_cast<std::uint16_t>(path.size()));
    const auto bytes = std::as_bytes(std::span(path.str()));
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void put(const Key& key) {
    put(static_cast<std::uint8_t>(key.kind));
    put(key.block);
    put(key.version.inode);
    put(key.version.size);
    put(key.version.mtime_ns);
    put(key.version.ctime_ns);
    put(key.path);
  }
  void put(const JobRequest& name) {
    put(number(name.asker));
    put(name.number);
  }

  void put(const Ask& ask) {
    put(ask.key);
    put(ask.have);
    put(static_cast<std::uint8_t>(ask.shape));
    put(ask.seen);
  }
  void put(const Answer& answer) {
    const auto how = answered(answer);
    put(answer.key);
    put(static_cast<std::uint8_t>(how));
    put(std::int32_t{how == Answered::error ? number(answer.value.error()) : 0});
    put(answer.tag);
    put_duration(answer.fresh_for);
  }
  void put(const Publish& publish) {
    ensure(publish.published != Published::bytes || publish.key.kind != Kind::block ||
               publish.value->size() <= limits::inline_bytes,
           "a large block of a file is offered");
    put(publish.key);
    put(publish.number);
    put(static_cast<std::uint8_t>(publish.published));
    put(std::int32_t{publish.published == Published::error ? number(publish.value.error()) : 0});
    put(publish.tag);
    put_duration(publish.fresh_for);
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
  void put(const Clear& clear) {
    put(clear.clear);
    put(number(clear.tree));
    put(clear.path);
  }
  void put(const Cleared& cleared) {
    put(cleared.clear);
    put(number(cleared.tree));
    put(cleared.ranks);
    put(static_cast<std::uint8_t>(cleared.missing.has_value()));
    put(number(cleared.missing.value_or(Rank{})));
  }
  void put(const Ping& ping) { put(static_cast<std::uint8_t>(ping.answer)); }
  void put(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }

 private:
  void put_duration(Duration duration) {
    put(std::int64_t{duration == for_the_job ? for_the_job_on_wire : duration.count()});
  }

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
  void get(Path& path) {
    const auto text = take(get<std::uint16_t>());
    path = std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
  }
  void get(Key& key) {
    key.kind = static_cast<Kind>(get<std::uint8_t>());
    key.block = get<std::uint32_t>();
    key.version.inode = get<std::uint64_t>();
    key.version.size = get<std::uint64_t>();
    key.version.mtime_ns = get<std::int64_t>();
    key.version.ctime_ns = get<std::int64_t>();
    get(key.path);
    demand(valid(key));
  }
  void get(JobRequest& name) {
    name.asker = Rank{get<std::uint32_t>()};
    name.number = get<std::uint64_t>();
  }

  void get(Ask& ask) {
    get(ask.key);
    ask.have = get<std::uint64_t>();
    ask.shape = static_cast<Shape>(get<std::uint8_t>());
    ask.seen = get<std::uint64_t>();
    demand(ask.shape == Shape::control || (ask.shape == Shape::bulk && ask.key.kind == Kind::block));
  }
  void get(Answer& answer) {
    get(answer.key);
    const auto how = static_cast<Answered>(get<std::uint8_t>());
    demand(how <= Answered::error);
    answer.unchanged = how == Answered::unchanged;
    get_value(how == Answered::bytes, how == Answered::error, answer);
  }
  void get(Publish& publish) {
    get(publish.key);
    publish.number = get<std::uint64_t>();
    publish.published = static_cast<Published>(get<std::uint8_t>());
    demand(publish.number >= 1 && publish.published <= Published::offered);
    demand(publish.published != Published::offered || publish.key.kind == Kind::block);
    get_value(publish.published == Published::bytes, publish.published == Published::error, publish);
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
  void get(Clear& clear) {
    get(clear.clear);
    clear.tree = Tree{get<std::uint32_t>()};
    get(clear.path);
    demand(valid_path(clear.path));
  }
  void get(Cleared& cleared) {
    get(cleared.clear);
    cleared.tree = Tree{get<std::uint32_t>()};
    cleared.ranks = get<std::uint32_t>();
    const auto some = get<std::uint8_t>();
    const Rank missing{get<std::uint32_t>()};
    demand(some <= 1 && (some == 1 || missing == Rank{}));
    if (some == 1) cleared.missing = missing;
  }
  void get(Ping& ping) {
    const auto answer = get<std::uint8_t>();
    demand(answer <= 1);
    ping.answer = answer == 1;
  }

 private:
  // What an Answer and a Publish tell of an outcome. Each outcome has one encoding.
  template <class M>
  void get_value(bool is_bytes, bool is_error, M& message) {
    const auto error = get<std::int32_t>();
    message.tag = get<std::uint64_t>();
    const auto fresh_for = get<std::int64_t>();
    message.fresh_for = fresh_for == for_the_job_on_wire ? for_the_job : Duration{fresh_for};
    demand(message.fresh_for >= Duration::zero() && fresh_for != for_the_job.count());
    demand(is_error ? error > 0 && error <= limits::errno_max && message.tag == 0
                    : error == 0 && message.tag != 0);
    if (is_error) message.value = Errno{error};
    if (is_bytes) message.value = Bytes{};
  }
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

std::size_t payload_max(const Message& message) {
  if (const auto* answer = std::get_if<Answer>(&message))
    return answered(*answer) == Answered::bytes ? limits::block_bytes : 0;
  const auto* publish = std::get_if<Publish>(&message);
  if (publish == nullptr || publish->published != Published::bytes) return 0;
  return publish->key.kind == Kind::block ? limits::inline_bytes : limits::block_bytes;
}

}  // namespace

Tree tree_of(const Message& message, const Topology& topology) {
  return std::visit(
      [&](const auto& body) {
        if constexpr (requires { body.key; }) {
          return topology.tree_of(body.key);
        } else if constexpr (requires { body.tree; }) {
          return body.tree;
        } else {
          return first_tree;
        }
      },
      message);
}

Payload payload_of(const Message& message) {
  const Bytes* bytes = nullptr;
  if (const auto* answer = std::get_if<Answer>(&message); answer != nullptr && !answer->unchanged) {
    if (answer->arrival) return {answer->arrival->owner(), answer->arrival->size(), answer->arrival};
    if (answer->value.ok()) bytes = &*answer->value;
  }
  if (const auto* publish = std::get_if<Publish>(&message);
      publish != nullptr && publish->published == Published::bytes) {
    bytes = &*publish->value;
  }
  if (bytes == nullptr || bytes->size() == 0) return {};
  return {bytes->owner(), bytes->size(), nullptr};
}

void encode(const Message& message, std::uint32_t stream, std::vector<std::byte>& out) {
  const auto payload = payload_of(message);
  const bool inlined = payload.size <= limits::inline_bytes;
  ensure(payload.size <= limits::block_bytes, "a payload is at most a block");
  ensure(!inlined || payload.there() == payload.size, "what is sent in one piece is there");
  ensure(inlined ? stream == 0 : stream >= 1 && stream <= limits::streams, "segments have a stream");
  out.clear();
  out.reserve(256 + (inlined ? payload.size : 0));  // most are shorter
  Writer writer(out);
  writer.put(wire_magic);
  writer.put(wire_version);
  std::visit([&]<class M>(const M&) { writer.put(kind_of<M>()); }, message);
  writer.put(stream);
  writer.put(std::uint64_t{payload.size});
  std::visit([&](const auto& body) { writer.put(body); }, message);
  ensure(out.size() + checksum_bytes <= limits::header_bytes, "a header is bounded");
  if (inlined) writer.put(std::span(payload.data.get(), payload.size));
  writer.put(std::uint64_t{XXH3_64bits(out.data(), out.size())});
}

std::optional<Header> decode(std::span<const std::byte> bytes) {
  if (bytes.size() < checksum_bytes || bytes.size() > limits::message_bytes) return std::nullopt;
  const auto checked = bytes.first(bytes.size() - checksum_bytes);
  Reader prefix(checked.first(std::min(prefix_bytes, checked.size())));
  prefix.demand(prefix.get<std::uint32_t>() == wire_magic && prefix.get<std::uint8_t>() == wire_version);
  const auto kind = prefix.get<std::uint8_t>();
  const auto stream = prefix.get<std::uint32_t>();
  const auto payload_bytes = prefix.get<std::uint64_t>();
  prefix.demand(Reader(bytes.last(checksum_bytes)).get<std::uint64_t>() ==
                XXH3_64bits(checked.data(), checked.size()));
  if (!prefix.ok()) return std::nullopt;
  const bool is_inlined = payload_bytes <= limits::inline_bytes;
  if (is_inlined ? stream != 0 : stream < 1 || stream > limits::streams) return std::nullopt;
  const std::size_t inlined_bytes = is_inlined ? payload_bytes : 0;
  if (payload_bytes > limits::block_bytes || prefix_bytes + inlined_bytes > checked.size() ||
      bytes.size() - inlined_bytes > limits::header_bytes)
    return std::nullopt;
  Reader body(checked.subspan(prefix_bytes, checked.size() - prefix_bytes - inlined_bytes));
  auto message = read_message(kind, body);
  if (!message || payload_bytes > payload_max(*message)) return std::nullopt;
  return Header{std::move(*message), payload_bytes, stream, checked.last(inlined_bytes)};
}

}  // namespace copper
