// Rings of eight numbers, and one shared by two threads.
#include "service/segment/ring.h"

#include <catch2/catch.hpp>
#include <memory>
#include <thread>

namespace copper {
namespace {

using Area = segment::RingArea<std::uint64_t, 8>;
using Producer = RingProducer<std::uint64_t, 8>;
using Consumer = RingConsumer<std::uint64_t, 8>;

}  // namespace

TEST_CASE("a ring gives back what it was given, in order, across every wrap") {
  Area area{};
  // Begin shortly before the indices themselves wrap around.
  area.head = area.tail = ~std::uint64_t{0} - 20;
  Producer producer(area);
  Consumer consumer(area);
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  for (std::uint64_t round = 0; round < 100; ++round) {
    for (std::uint64_t i = 0; i <= round % 8; ++i) {
      auto* record = producer.reserve();
      REQUIRE(record != nullptr);
      *record = in++;
      CHECK(!producer.publish());
    }
    while (const auto* record = consumer.front()) {
      CHECK(*record == out++);
      consumer.pop();
    }
  }
  CHECK(in == out);
}

TEST_CASE("a full ring takes no further record until one is consumed") {
  Area area{};
  Producer producer(area);
  Consumer consumer(area);
  for (std::uint64_t i = 0; i < 8; ++i) {
    *producer.reserve() = i;
    producer.publish();
  }
  CHECK(producer.reserve() == nullptr);
  CHECK(*consumer.front() == 0);
  consumer.pop();
  CHECK(producer.reserve() != nullptr);
}

TEST_CASE("implausible indices of the other side read as nothing there and no room") {
  Area area{};
  Producer producer(area);
  Consumer consumer(area);
  area.tail = 9;  // more than the ring holds
  CHECK(consumer.front() == nullptr);
  area.tail = 3;
  area.head = 5;  // consumed before it was produced
  CHECK(consumer.front() == nullptr);
  CHECK(producer.reserve() == nullptr);
}

TEST_CASE("the next consumer begins with what comes next where the indices of the former cannot be") {
  Area area{};
  Producer producer(area);
  *producer.reserve() = 1;
  producer.publish();
  CHECK(plausible(area));
  CHECK(*Consumer(area).front() == 1);
  area.head = 5;
  CHECK(!plausible(area));
  Consumer next(area);
  CHECK(plausible(area));
  CHECK(next.front() == nullptr);
  *producer.reserve() = 2;
  producer.publish();
  CHECK(*next.front() == 2);
}

TEST_CASE("a consumer that says asleep is rung, and one that finds a record does not sleep") {
  Area area{};
  Producer producer(area);
  Consumer consumer(area);
  REQUIRE(consumer.may_sleep());
  *producer.reserve() = 1;
  CHECK(producer.publish());
  consumer.awake();
  CHECK(!consumer.may_sleep());
  consumer.pop();
  *producer.reserve() = 2;
  CHECK(!producer.publish());
}

TEST_CASE("two threads hand over every record once") {
  const auto area = std::make_unique<Area>();
  constexpr std::uint64_t records = 200'000;
  std::thread producing([&] {
    Producer producer(*area);
    for (std::uint64_t i = 0; i < records;) {
      if (auto* record = producer.reserve()) {
        *record = i++;
        producer.publish();
      } else {
        std::this_thread::yield();
      }
    }
  });
  Consumer consumer(*area);
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < records;) {
    if (const auto* record = consumer.front()) {
      wrong += *record != i++;
      consumer.pop();
    } else {
      std::this_thread::yield();
    }
  }
  producing.join();
  CHECK(wrong == 0);
  CHECK(consumer.front() == nullptr);
}

}  // namespace copper
