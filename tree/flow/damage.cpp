#include "tree/flow/damage.h"

#include <string_view>

namespace copper {
namespace {

constexpr std::array<std::string_view, damage_kinds> damage_texts{
    "a message that cannot be read",
    "a message on the way of another tree than its key's",
    "a segment of another length than announced",
    "a payload with another checksum than announced",
};

}  // namespace

void DamageReport::operator()(Damage damage, Rank from) {
  counters_.add(Counter::messages_damaged);
  const auto kind = static_cast<std::size_t>(damage);
  if (said_[kind] || !say_) return;
  said_[kind] = true;
  say_(std::string(damage_texts[kind]) + " came from rank " + std::to_string(number(from)) +
       "; further ones are counted only");
}

}  // namespace copper
