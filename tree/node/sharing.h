// What a root knows of who asks for the same: by it the root decides what is published, that is, told
// everyone before they ask. Start-up is SPMD, so what two branches ask, all will ask; but what ten thousand
// ranks read each for itself must not be told the others. A branch is a child of the root with its subtree,
// or the root's own node.
//
// automatic: a key is published once two branches have asked for it; and at once when one has, where its
// directory has shown that its keys are shared: most of those asked there were asked by two.
//
// Pure. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tree/key.h"
#include "tree/topology.h"

namespace copper {

enum class PublishPolicy : std::uint8_t {
  all,        // everything that is loaded
  asked,      // nothing: who asks is answered
  automatic,  // what is shared
};

// As options name them: all, asked, auto.
const std::vector<std::pair<std::string, PublishPolicy>>& publish_policies();
const std::string& name_of(PublishPolicy policy);

// Which branches have asked for one key: none, one of them, or several; until everyone is told.
class Askers {
 public:
  // True where this is the second branch.
  bool add(Rank branch) {
    const bool second = state_ < told && state_ != number(branch);
    if (state_ == nobody) state_ = number(branch);
    if (second) state_ = several;
    return second;
  }
  void all_told() { state_ = told; }

  void guess_shared() { state_ = several; }

  std::optional<Rank> only() const {  // the one branch, where it is one
    return state_ < told ? std::optional(Rank{state_}) : std::nullopt;
  }
  bool none() const { return state_ == nobody; }
  bool shared() const { return state_ == several; }
  bool are_told() const { return state_ == told; }

 private:
  static constexpr std::uint32_t nobody = UINT32_MAX;
  static constexpr std::uint32_t several = UINT32_MAX - 1;
  static constexpr std::uint32_t told = UINT32_MAX - 2;
  std::uint32_t state_ = nobody;  // else the one branch
};

class Sharing {
 public:
  explicit Sharing(PublishPolicy policy) : policy_(policy) {}
  PublishPolicy policy() const { return policy_; }

  // `branch` asks for the key. `first`: it was not known before (what is renewed is no matter of guessing).
  void asked(const Key& key, Askers& askers, Rank branch, bool first);
  // Is what is known of the key to be told everyone?
  bool worth_publishing(const Askers& askers) const {
    return policy_ == PublishPolicy::all ? !askers.are_told() : askers.shared();
  }

 private:
  struct Directory {
    std::uint32_t asked = 0;    // keys that waited for a second branch
    std::uint32_t shared = 0;   // of them, those that got one
    std::uint32_t guessed = 0;  // keys published without waiting
    bool guess() const;
  };
  using Name = std::uint64_t;  // xxh3 of the directory's path
  static Name name_of(const Key& key);
  Directory& directory(Name name);

  PublishPolicy policy_;
  std::unordered_map<Name, Directory> directories_;  // at most limits::directories_watched,
  std::deque<Name> order_;                           // those watched longest first
};

}  // namespace copper
