#include "tree/counters.h"

#include "tree/assert.h"

namespace copper {
namespace {

struct Text {
  std::string_view name;
  std::string_view meaning;
};

constexpr std::array<Text, counter_count> texts{{
#define COPPER_COUNTER_TEXT(name, text) {#name, text},
    COPPER_COUNTERS(COPPER_COUNTER_TEXT)
#undef COPPER_COUNTER_TEXT
}};

const Text& text(Counter counter) {
  ensure(counter < Counter::count, "a counter has a name");
  return texts[static_cast<std::size_t>(counter)];
}

}  // namespace

std::string_view name(Counter counter) { return text(counter).name; }
std::string_view meaning(Counter counter) { return text(counter).meaning; }

}  // namespace copper
