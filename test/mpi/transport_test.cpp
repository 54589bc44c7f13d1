// Every rank sends every other rank a known sequence of messages, all at once: payloads of none to a whole
// block, far more than may be in flight to one peer. Each must arrive once, whole and in order, and the
// counts must agree.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "service/mpi_job.h"
#include "service/mpi_transport.h"
#include "tree/limits.h"

namespace copper {
namespace {

constexpr std::uint32_t messages_per_peer = 120;

[[noreturn]] void fail(const MpiJob& job, const std::string& what) {
  std::fprintf(stderr, "rank %u: %s\n", job.rank(), what.c_str());
  job.abort(1);
}

void expect(const MpiJob& job, bool condition, const std::string& what) {
  if (!condition) fail(job, what);
}

// The n-th message from one rank to another: every third has no payload, the others one of a size that
// wanders.
std::size_t payload_bytes(std::uint32_t from, std::uint32_t to, std::uint32_t n) {
  if (n % 3 == 0) return 0;
  if (n % 7 == 1) return limits::block_bytes;
  return 1 + (n * 7919 + from * 104729 + to * 1299709) % 200'000;
}

Bytes payload(std::uint32_t from, std::uint32_t to, std::uint32_t n) {
  std::string text(payload_bytes(from, to, n), '\0');
  for (std::size_t i = 0; i < text.size(); ++i)
    text[i] = static_cast<char>((i * 31 + from + to * 7 + n * 13) & 0xff);
  return Bytes::copy_of(text);
}

Message message(std::uint32_t from, std::uint32_t to, std::uint32_t n) {
  const auto key =
      Key::entry("/from" + std::to_string(from) + "/to" + std::to_string(to) + "/" + std::to_string(n));
  const auto bytes = payload(from, to, n);
  if (bytes.size() == 0) return Ask{key, n};
  return Answer{
      .key = key, .unchanged = false, .value = bytes, .tag = tag_of(bytes.span()), .fresh_for = Duration{n}};
}

void check(const MpiJob& job, const Received& received, std::uint32_t n) {
  const auto from = number(received.from);
  const auto expected = message(from, job.rank(), n);
  const auto name = "message " + std::to_string(n) + " from " + std::to_string(from);
  expect(job, received.message.index() == expected.index(), name + " is of another kind");
  if (const auto* ask = std::get_if<Ask>(&expected)) {
    const auto& got = std::get<Ask>(received.message);
    expect(job, got.key == ask->key && got.have == ask->have, name + " is another ask");
    return;
  }
  const auto& answer = std::get<Answer>(expected);
  const auto& got = std::get<Answer>(received.message);
  expect(job, got.key == answer.key && got.fresh_for == answer.fresh_for, name + " is another answer");
  expect(job, got.value.ok() && got.value->text() == answer.value->text(), name + " has other bytes");
}

int run(int argc, char** argv) {
  MpiJob job(argc, argv);
  HeapMemory memory;
  Counters counters;
  MpiTransport transport(memory, counters);
  for (std::uint32_t n = 0; n < messages_per_peer; ++n) {
    for (std::uint32_t to = 0; to < job.size(); ++to) {
      if (to != job.rank()) transport.send(Rank{to}, message(job.rank(), to, n));
    }
  }
  const std::uint64_t expected = std::uint64_t{job.size() - 1} * messages_per_peer;
  std::map<std::uint32_t, std::uint32_t> next;  // by sender
  for (std::uint64_t arrived = 0; arrived < expected || transport.sending();) {
    if (const auto received = transport.receive()) {
      check(job, *received, next[number(received->from)]++);
      ++arrived;
    }
  }
  expect(job, counters[Counter::messages_damaged] == 0, "a message was damaged");
  expect(job, !transport.bulk_outstanding(), "payloads are under way after all have arrived");
  expect(job, job.all(true) && !job.all(job.rank() != 0), "ranks do not agree");
  transport.withdraw();
  job.leave(EXIT_SUCCESS, std::chrono::seconds{2});
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  try {
    return copper::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
}
