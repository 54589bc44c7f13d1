#include "tree/node/liveness.h"

#include <algorithm>

#include "tree/assert.h"
#include "tree/limits.h"

namespace copper {

Liveness::Peer* Liveness::find(Rank rank) {
  const auto found = std::ranges::find(peers_, rank, &std::pair<Rank, Peer>::first);
  return found == peers_.end() ? nullptr : &found->second;
}

Liveness::Peer& Liveness::known(Rank rank) {
  auto* found = find(rank);
  return found != nullptr ? *found : peers_.emplace_back(rank, Peer{}).second;
}

void Liveness::watch(Rank peer, Instant now) {
  auto& state = known(peer);
  state.watched = true;
  state.heard = now;
}

void Liveness::owes(Rank peer, Instant now) {
  auto& state = known(peer);
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
      peers_, [&](const auto& known) { return known.first == peer && known.second.state >= State::dead; });
}

std::vector<Rank> Liveness::dead() const {
  std::vector<Rank> all;
  for (const auto& [rank, peer] : peers_)
    if (peer.state >= State::dead) all.push_back(rank);
  return all;
}

bool Liveness::heard_since(Rank peer, Instant when) const {
  return std::ranges::any_of(
      peers_, [&](const auto& known) { return known.first == peer && known.second.heard > when; });
}

// Is there anything to wait for?
bool Liveness::looked_at(const Peer& peer) {
  if (peer.watched) return peer.state != State::lost;
  return peer.owed > 0 && peer.state < State::dead;
}

Liveness::Look Liveness::look(Instant now) {
  Look result;
  for (auto& [rank, peer] : peers_)
    if (looked_at(peer)) look(rank, peer, now, result);
  return result;
}

void Liveness::look(Rank rank, Peer& peer, Instant now, Look& result) {
  if (peer.state == State::trusted) {
    if (now < peer.heard + (peer.owed > 0 ? limits::peer_patience : limits::watch_pause)) return;
    peer.state = State::asked;
    peer.silence = Duration{};
    peer.looked = now;
    peer.asked = Duration{};
    return result.ask.push_back(rank);
  }
  peer.silence += std::min<Duration>(now - peer.looked, 2 * limits::peer_look);
  peer.looked = now;
  if (peer.state == State::asked && peer.silence >= limits::peer_patience) {
    peer.state = State::dead;
    result.died.push_back(rank);
  } else if (peer.state == State::dead && peer.silence >= limits::peer_lost) {
    peer.state = State::lost;
    result.lost.push_back(rank);
  } else if (peer.silence >= peer.asked + limits::watch_pause) {
    peer.asked = peer.silence;
    result.ask.push_back(rank);
  }
}

std::optional<Instant> Liveness::deadline() const {
  std::optional<Instant> first;
  for (const auto& [rank, peer] : peers_) {
    if (!looked_at(peer)) continue;
    const auto patience = peer.owed > 0 ? limits::peer_patience : limits::watch_pause;
    const auto due = peer.state == State::trusted ? peer.heard + patience : peer.looked + limits::peer_look;
    if (!first || due < *first) first = due;
  }
  return first;
}

}  // namespace copper
