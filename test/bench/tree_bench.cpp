// What a question costs in the tree, without network and storage: the codec, the store, and a whole turn of a
// node.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tree/message.h"
#include "tree/node/node.h"
#include "tree/node/store.h"

namespace {

using namespace copper;

Key key_number(std::int64_t n) {
  return Key::entry("/lus/project/environment/lib/python3.11/site-packages/module" + std::to_string(n));
}

Outcome small_outcome() {
  return {.value = Bytes::copy_of("a hundred bytes or so"), .tag = 1, .fresh_until = Instant::max()};
}

void encode_an_ask(benchmark::State& state) {
  const Message ask = Ask{key_number(1), 7};
  std::vector<std::byte> bytes;
  for (auto _ : state) {
    encode(ask, 0, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
}
BENCHMARK(encode_an_ask);

void decode_an_ask(benchmark::State& state) {
  std::vector<std::byte> bytes;
  encode(Ask{key_number(1), 7}, 0, bytes);
  for (auto _ : state) benchmark::DoNotOptimize(decode(bytes));
}
BENCHMARK(decode_an_ask);

// How a look in the store depends on how much is in it.
void find_in_the_store(benchmark::State& state) {
  Store store(std::size_t{1} << 30);
  for (std::int64_t n = 0; n < state.range(0); ++n)
    store.keep(key_number(n), Ready{small_outcome(), false, {}, 0});
  const auto key = key_number(state.range(0) / 2);
  for (auto _ : state) {
    benchmark::DoNotOptimize(store.ready(key));
    store.touch(key);
  }
}
BENCHMARK(find_in_the_store)->Range(64, 1 << 16);

// The front end asks for what the rank has.
void answer_from_the_cache(benchmark::State& state) {
  Node node(Rank{0}, Topology(1, {}, 1), {});
  const auto key = key_number(1);
  node.adopt(key, small_outcome(), Instant{});
  Actions actions;
  for (auto _ : state) {
    actions.clear();
    node.on_ask(Client{1}, key, 0, Instant{}, actions);
    benchmark::DoNotOptimize(actions.data());
  }
}
BENCHMARK(answer_from_the_cache);

}  // namespace

BENCHMARK_MAIN();
