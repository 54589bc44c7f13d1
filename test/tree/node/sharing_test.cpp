// When a root tells everyone.
#include "tree/node/sharing.h"

#include <catch2/catch.hpp>
#include <string>

#include "tree/limits.h"

namespace copper {
namespace {

Key key(int directory, int name) {
  return Key::entry("/d" + std::to_string(directory) + "/n" + std::to_string(name));
}

// One key, asked for by branches in turn; was it worth publishing after the first, after the second?
std::pair<bool, bool> ask(Sharing& sharing, const Key& k, Rank first, Rank second) {
  Askers askers;
  sharing.asked(k, askers, first, true);
  const bool at_once = sharing.worth_publishing(askers);
  sharing.asked(k, askers, second, true);
  return {at_once, sharing.worth_publishing(askers)};
}

}  // namespace

TEST_CASE("what one branch asks is not published, what two ask is") {
  Sharing sharing(PublishPolicy::automatic);
  CHECK(ask(sharing, key(0, 0), Rank{1}, Rank{1}) == std::pair(false, false));
  CHECK(ask(sharing, key(0, 1), Rank{1}, Rank{2}) == std::pair(false, true));
}

TEST_CASE("where most keys of a directory are shared, the next is published at once") {
  Sharing sharing(PublishPolicy::automatic);
  CHECK(ask(sharing, key(0, 0), Rank{1}, Rank{2}) == std::pair(false, true));
  CHECK(ask(sharing, key(0, 1), Rank{1}, Rank{2}) == std::pair(false, true));
  CHECK(ask(sharing, key(0, 2), Rank{1}, Rank{1}) == std::pair(true, true));
  CHECK(ask(sharing, key(1, 0), Rank{1}, Rank{2}) == std::pair(false, true));  // another directory

  // A key that was known before, to be renewed, waits for two.
  Askers askers;
  sharing.asked(key(0, 0), askers, Rank{1}, false);
  CHECK_FALSE(sharing.worth_publishing(askers));
  sharing.asked(key(0, 0), askers, Rank{2}, false);
  CHECK(sharing.worth_publishing(askers));
}

TEST_CASE(
    "ten thousand ranks that each read a file of their own in one directory are told little of each other") {
  Sharing sharing(PublishPolicy::automatic);
  ask(sharing, key(0, -1), Rank{1}, Rank{2});
  ask(sharing, key(0, -2), Rank{1}, Rank{2});
  std::uint32_t published = 0;
  for (int n = 0; n < 10'000; ++n)
    if (ask(sharing, key(0, n), Rank{static_cast<std::uint32_t>(n % 16)},
            Rank{static_cast<std::uint32_t>(n % 16)})
            .first)
      ++published;
  CHECK(published == 2 * limits::guesses_per_shared_key);
}

TEST_CASE("who has been told is not told again, and all and asked know no branches") {
  Askers askers;
  askers.add(Rank{1});
  askers.add(Rank{2});
  askers.all_told();
  Sharing automatic(PublishPolicy::automatic);
  automatic.asked(key(0, 0), askers, Rank{3}, true);
  CHECK_FALSE(automatic.worth_publishing(askers));
  CHECK_FALSE(Sharing(PublishPolicy::all).worth_publishing(askers));
  CHECK(Sharing(PublishPolicy::all).worth_publishing(Askers{}));
  Sharing asked(PublishPolicy::asked);
  CHECK(ask(asked, key(0, 0), Rank{1}, Rank{2}) == std::pair(false, false));
}

TEST_CASE("directories beyond the limit begin anew") {
  Sharing sharing(PublishPolicy::automatic);
  for (int n = 0; n < 2; ++n) ask(sharing, key(0, n), Rank{1}, Rank{2});
  CHECK(ask(sharing, key(0, 2), Rank{1}, Rank{1}).first);
  for (int d = 1; d <= static_cast<int>(limits::directories_watched); ++d)
    ask(sharing, key(d, 0), Rank{1}, Rank{1});
  CHECK_FALSE(ask(sharing, key(0, 3), Rank{1}, Rank{1}).first);
}

}  // namespace copper
