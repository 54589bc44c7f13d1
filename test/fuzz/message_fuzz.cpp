// A message as another rank could have sent it. Input: the message without its magic, version and checksum,
// which are put right, so that what lies behind them is reached; and as it is.
#include <xxhash.h>

#include "test/fuzz/fuzz.h"
#include "test/fuzz/sealed_message.h"
#include "tree/limits.h"
#include "tree/message.h"

namespace copper {
namespace {

// What is believed can be said again, and is the same bytes then: each message has one encoding.
void look(std::span<const std::byte> bytes) {
  auto header = decode(bytes);
  if (!header) return;
  const auto payload = header->payload_bytes;
  must(payload <= limits::block_bytes, "a payload is at most a block");
  must(header->inlined.size() == (payload <= limits::inline_bytes ? payload : 0),
       "a short payload came along");
  if (payload > 0) {
    const auto whole =
        header->inlined.empty() ? Bytes::copy_of(std::string(payload, 'x')) : Bytes::copy_of(header->inlined);
    if (auto* answer = std::get_if<Answer>(&header->message)) answer->value = whole;
    if (auto* publish = std::get_if<Publish>(&header->message)) publish->value = whole;
  }
  must(payload_of(header->message).size == payload, "what is announced is carried");
  std::vector<std::byte> again;
  encode(header->message, header->stream, again);
  must(std::ranges::equal(again, bytes), "a message has one encoding");
}

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  copper::look(std::as_bytes(std::span(data, size)));
  copper::look(copper::sealed_message(std::as_bytes(std::span(data, size))));
  return 0;
}
