// The file system of truth in simulation: directories of files that come, go and change. It remembers its
// whole past, so that an answer can be judged: was this ever true, and when last?
//
// A file has a version, which its times show, and a content, which may change for limits::racy_window after
// the version did without showing (storage's clock is coarse). A listing carries the versions of its files
// along, but its own "unchanged?" looks only at the directory, as the real one's does. Blocks of every third
// file are long enough to travel as segments.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tree/node/node.h"
#include "tree/simulation/random.h"
#include "tree/simulation/simulated_storage.h"

namespace copper::simulation {

class Source final : public SimulatedStorage {
 public:
  explicit Source(Duration freshness) : freshness_(freshness) {}

  // ---- the world changes it
  void create(const std::string& path, Instant now);  // it, or a new one in its place by rename
  void change(const std::string& path, Instant now);  // in place: a new version
  void remove(const std::string& path, Instant now);
  // A new content without a new version: false, and nothing happens, where the version is too old for that.
  bool change_unseen(const std::string& path, Instant now);
  bool exists(const std::string& path) const;
  // From now on one look in so many fails, with EIO, EACCES or ENOBUFS; 0: none.
  void fail_one_in(std::uint32_t looks, std::uint64_t seed);
  std::size_t changes_since(const std::string& directory, Instant from) const;  // of any file in it

  // ---- it is asked
  // Throws Failure where a load is under way already; and, where `ranks_remember`, where the last look is
  // still fresh and nothing has expired it.
  void begin(const Key& key, Instant now) override;
  void ranks_remember() { ranks_remember_ = true; }
  // Ranks forget all but that.
  template <class Kept>
  void ranks_restart(Kept kept) {
    std::erase_if(fresh_until_, [&](const auto& looked) { return !kept(looked.first); });
  }
  void expired(
      const Key& key);  // what named its version: its entry and its directory's listing, or its listing
  // Ranks may forget from the beginning of a clear to its end what tells of the path. One that does not end
  // allows it for good.
  void clear_begins() { ++clears_; }
  void clear_ends(const Path& path);
  Loaded look(const Load& load, Instant now) override;
  void end(const Key& key) override;
  std::uint64_t loads() const override { return loads_; }
  const std::unordered_map<Key, std::uint64_t, KeyHash>& loads_by_key() const { return loads_by_key_; }

  // ---- answers are judged. Each throws Failure unless the answer was true at some moment of [from, to].
  // An entry: its version, or nothing where the name is absent. Returns the version.
  std::optional<Version> judge_entry(const Key& key, const Outcome& outcome, Instant from, Instant to) const;
  // A listing: the names; the versions that ride along may be older.
  struct Listed {
    std::map<std::string, Version> files;  // by path
    std::uint64_t edition = 0;
  };
  Listed judge_listing(const Key& key, const Outcome& outcome, Instant from, Instant to) const;
  void judge_riding(const Listed& listed, Instant from, Instant to) const;  // the versions too
  // A block, of a file or a listing: true where it is ESTALE and that version was gone by `to`.
  bool judge_block(const Key& key, const Outcome& outcome, Instant from, Instant to) const;
  // True where it is an error that a look at the key in [from, to] failed with; throws Failure where it is
  // one that no look failed with.
  bool judge_failure(const Key& key, const Outcome& outcome, Instant from, Instant to) const;

  Duration freshness() const { return freshness_; }

 private:
  struct Spell {  // from `since` until the next spell
    Instant since;
    std::optional<Version> version;  // nothing: absent
    std::uint64_t content = 0;
  };
  struct Directory {
    std::map<std::string, std::vector<Spell>> files;         // by path
    std::vector<std::pair<Instant, std::uint64_t>> changes;  // of its names
  };
  void spell(const std::string& path, Instant now, bool names_change, Spell next);
  const std::vector<Spell>* history(const std::string& path) const;
  const Spell* current(const std::string& path) const;
  std::string listing_text(const std::string& path) const;
  Loaded look_at(const Load& load, Instant now) const;
  template <class Matches>
  bool was(const std::string& path, Instant from, Instant to, Matches matches) const;

  Duration freshness_;
  std::map<std::string, Directory> directories_;
  std::uint64_t last_number_ = 0;  // of inodes, versions and contents: none ever comes twice
  std::uint64_t loads_ = 0;
  std::unordered_map<Key, std::uint64_t, KeyHash> loads_by_key_;
  std::unordered_set<Key, KeyHash> under_way_;
  std::unordered_set<Key, KeyHash> overtaken_;  // by an expiry while they were
  std::uint32_t fail_one_in_ = 0;
  Random random_{0};
  std::unordered_map<Key, std::vector<std::pair<Instant, Errno>>, KeyHash> failures_;
  bool ranks_remember_ = false;
  std::size_t clears_ = 0;                                 // under way
  std::unordered_map<Key, Instant, KeyHash> fresh_until_;  // of the last look at it
};

}  // namespace copper::simulation
