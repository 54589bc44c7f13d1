#include "tree/liveness.h"

#include <algorithm>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {

Liveness::Peer* Liveness::find(Rank rank) {
  const auto found = std::ranges::find(peers_, rank, &std::pair<Rank, Peer>::first);
  return found == peers_.end() ? nullptr : &found->second;
}

void Liveness::owes(Rank peer, Instant now) {
  auto* known = find(peer);
  auto& state = known != nullptr ? *known : peers_.emplace_back(peer, Peer{}).second;
  if (state.owed++ == 0 && state.state == State::trusted) state.heard = now;
}

void Liveness::paid(Rank peer) {
  auto* known = find(peer);
  ensure(known != nullptr && known->owed > 0, "only what is owed is paid");
  --known->owed;
}

void Liveness::heard(Rank peer, Instant now) {
  auto* known = find(peer);
  if (known == nullptr) return;
  known->state = State::trusted;
  known->heard = now;
}

bool Liveness::dead(Rank peer) const {
  return std::ranges::any_of(
      peers_, [&](const auto& known) { return known.first == peer && known.second.state == State::dead; });
}

bool Liveness::heard_since(Rank peer, Instant when) const {
  return std::ranges::any_of(
      peers_, [&](const auto& known) { return known.first == peer && known.second.heard > when; });
}

Liveness::Look Liveness::look(Instant now) {
  Look result;
  for (auto& [rank, peer] : peers_) {
    if (peer.owed == 0) continue;
    if (peer.state == State::trusted && now >= peer.heard + limits::peer_patience) {
      peer.state = State::asked;
      peer.silence = Duration{};
      peer.looked = now;
      result.ask.push_back(rank);
    } else if (peer.state == State::asked) {
      peer.silence += std::min<Duration>(now - peer.looked, 2 * limits::peer_look);
      peer.looked = now;
      if (peer.silence < limits::peer_patience) continue;
      peer.state = State::dead;
      result.died.push_back(rank);
    }
  }
  return result;
}

std::optional<Instant> Liveness::deadline() const {
  std::optional<Instant> first;
  for (const auto& [rank, peer] : peers_) {
    if (peer.owed == 0 || peer.state == State::dead) continue;
    const auto due =
        peer.state == State::trusted ? peer.heard + limits::peer_patience : peer.looked + limits::peer_look;
    if (!first || due < *first) first = due;
  }
  return first;
}

}  // namespace copper
