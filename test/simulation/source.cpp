#include "test/simulation/source.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "tree/limits.h"
#include "tree/simulation/failure.h"

namespace copper::simulation {
namespace {

constexpr std::size_t long_block_bytes = 20'000;
static_assert(long_block_bytes > limits::inline_bytes);

std::string version_text(const Version& version) {
  std::ostringstream text;
  text << version.inode << ' ' << version.mtime_ns;
  return text.str();
}

// Files say that they are long, so that who reads their first blocks is read ahead of; blocks are short.
constexpr std::uint64_t said_bytes = 5 * limits::block_bytes;

Version version_of(std::uint64_t inode, std::uint64_t number) {
  return {inode, said_bytes, static_cast<std::int64_t>(number), static_cast<std::int64_t>(number)};
}

Version read_version(std::istream& text) {
  std::uint64_t inode = 0;
  std::uint64_t number = 0;
  text >> inode >> number;
  return version_of(inode, number);
}

std::string block_text(const Key& key, std::uint64_t content) {
  auto text = describe(key) + " " + version_text(key.version) + " content " + std::to_string(content);
  if (key.kind == Kind::block && key.version.inode % 3 == 0) text.resize(long_block_bytes + key.block, '.');
  return text;
}

std::istringstream reading(const Outcome& outcome, const std::string& expected_start) {
  const std::string text(outcome.value->text());
  expect(text.starts_with(expected_start), "asked for " + expected_start + ", got " + text);
  return std::istringstream(text.substr(expected_start.size()));
}

std::string named(const Key& key, const Outcome& outcome) {
  return describe(key) + ": " +
         (outcome.value.ok() ? std::string(outcome.value->text())
                             : "errno " + std::to_string(number(outcome.value.error())));
}

}  // namespace

// ---- the world changes it ----

void Source::spell(const std::string& path, Instant now, bool names_change, Spell next) {
  auto& directory = directories_[std::string(parent_path(path))];
  next.since = now;
  directory.files[path].push_back(next);
  if (names_change) directory.changes.emplace_back(now, ++last_number_);
}

const std::vector<Source::Spell>* Source::history(const std::string& path) const {
  const auto directory = directories_.find(std::string(parent_path(path)));
  if (directory == directories_.end()) return nullptr;
  const auto file = directory->second.files.find(path);
  return file == directory->second.files.end() ? nullptr : &file->second;
}

const Source::Spell* Source::current(const std::string& path) const {
  const auto* spells = history(path);
  return spells == nullptr || !spells->back().version ? nullptr : &spells->back();
}

bool Source::exists(const std::string& path) const { return current(path) != nullptr; }

std::size_t Source::changes_since(const std::string& directory, Instant from) const {
  std::ptrdiff_t changes = 0;
  for (const auto& [path, spells] : directories_.at(directory).files)
    changes +=
        std::count_if(spells.begin(), spells.end(), [&](const Spell& spell) { return spell.since >= from; });
  return static_cast<std::size_t>(changes);
}

void Source::create(const std::string& path, Instant now) {
  const auto inode = ++last_number_;
  spell(path, now, true, {now, version_of(inode, ++last_number_), ++last_number_});
}

void Source::change(const std::string& path, Instant now) {
  const auto* file = current(path);
  expect(file != nullptr, "only what exists can change");
  spell(path, now, false, {now, version_of(file->version->inode, ++last_number_), ++last_number_});
}

void Source::remove(const std::string& path, Instant now) { spell(path, now, true, {now, std::nullopt, 0}); }

bool Source::change_unseen(const std::string& path, Instant now) {
  const auto* file = current(path);
  if (file == nullptr || now >= file->since + limits::racy_window) return false;
  // The spells of one version must not outlast the window together: only its first may be followed by
  // another.
  const auto& spells = *history(path);
  if (spells.size() > 1 && spells[spells.size() - 2].version == file->version) return false;
  spell(path, now, false, {now, file->version, ++last_number_});
  return true;
}

// ---- it is asked ----

void Source::begin(const Key& key, Instant now) {
  expect(under_way_.insert(key).second, "two loads at once of " + describe(key));
  if (const auto last = fresh_until_.find(key); ranks_remember_ && clears_ == 0 && last != fresh_until_.end())
    expect(last->second <= now, "asked again while it is fresh: " + describe(key));
  ++loads_;
  ++loads_by_key_[key];
}

void Source::end(const Key& key) {
  under_way_.erase(key);
  if (overtaken_.erase(key) != 0) fresh_until_.erase(key);
}

std::string Source::listing_text(const std::string& path) const {
  const auto found = directories_.find(path);
  if (found == directories_.end()) return {};
  std::ostringstream text;
  text << describe(Key::listing(path)) << ' ' << found->second.changes.back().second;
  for (const auto& [file, spells] : found->second.files)
    if (spells.back().version) text << ' ' << file << ' ' << version_text(*spells.back().version);
  return text.str();
}

void Source::fail_one_in(std::uint32_t looks, std::uint64_t seed) {
  fail_one_in_ = looks;
  random_ = Random(seed);
}

void Source::expired(const Key& key) {
  const auto expire = [&](const Key& named) {
    fresh_until_.erase(named);
    if (under_way_.contains(named)) overtaken_.insert(named);
  };
  if (key.kind != Kind::listing) expire(Key::entry(key.path));
  expire(Key::listing(key.kind == Kind::listing ? std::string_view(key.path) : key.directory()));
}

void Source::clear_ends(const Path& path) {
  --clears_;
  std::erase_if(fresh_until_, [&](const auto& fresh) { return tells_of(fresh.first, path); });
  for (const auto& key : under_way_)
    if (tells_of(key, path)) overtaken_.insert(key);
}

Loaded Source::look(const Load& load, Instant now) {
  if (fail_one_in_ != 0 && random_.one_in(fail_one_in_)) {
    static constexpr std::array errors{EIO, EACCES, ENOBUFS};  // the last: the root's cache is full
    const Errno error{errors[random_.below(errors.size())]};
    failures_[load.key].emplace_back(now, error);
    fresh_until_.erase(load.key);
    return {load.key, false, error, 0, {}};
  }
  auto loaded = look_at(load, now);
  fresh_until_[load.key] = after(now, loaded.fresh_for);
  return loaded;
}

bool Source::judge_failure(const Key& key, const Outcome& outcome, Instant from, Instant to) const {
  if (outcome.value.ok()) return false;
  const auto error = outcome.value.error();
  if (error != Errno{EIO} && error != Errno{EACCES} && error != Errno{ENOBUFS}) return false;
  const auto found = failures_.find(key);
  expect(found != failures_.end() && std::any_of(found->second.begin(), found->second.end(),
                                                 [&](const auto& failure) {
                                                   return failure.second == error && failure.first >= from &&
                                                          failure.first <= to;
                                                 }),
         "storage did not say so lately: " + named(key, outcome));
  return true;
}

Loaded Source::look_at(const Load& load, Instant now) const {
  const auto& key = load.key;
  const auto fail = [&](int error, Duration fresh_for) {
    return Loaded{key, false, Errno{error}, 0, fresh_for};
  };
  const auto give = [&](const std::string& text, Duration fresh_for) {
    const auto bytes = Bytes::copy_of(text);
    return Loaded{key, false, bytes, tag_of(bytes.span()), fresh_for};
  };
  const Loaded unchanged{key, true, Errno{EIO}, 0, freshness_};

  switch (key.kind) {
    case Kind::listing: {
      const auto text = listing_text(key.path.str());
      if (text.empty()) return fail(ENOENT, freshness_);
      if (key.block > 0) {
        if (key.version.inode != tag_of(Bytes::copy_of(text).span())) return fail(ESTALE, {});
        return give(block_text(key, 0), for_the_job);
      }
      // Only the directory itself is looked at: that a file in it has changed does not show.
      const auto own =
          describe(key) + " " + std::to_string(directories_.at(key.path.str()).changes.back().second);
      if (load.previous && (std::string(load.previous->text()) + " ").starts_with(own + " "))
        return unchanged;
      return give(text, freshness_);
    }
    case Kind::entry: {
      const auto* file = current(key.path.str());
      if (file == nullptr) return fail(ENOENT, freshness_);
      const auto text = describe(key) + " " + version_text(*file->version);
      if (load.previous && load.previous->text() == text) return unchanged;
      return give(text, freshness_);
    }
    case Kind::block: {
      const auto* file = current(key.path.str());
      if (file == nullptr || file->version != key.version) return fail(ESTALE, {});
      const bool racy = now < file->since + limits::racy_window;
      return give(block_text(key, file->content), racy ? limits::racy_window : for_the_job);
    }
    case Kind::filesystem:
      break;
  }
  return give(describe(key), freshness_);
}

// ---- answers are judged ----

// Did a spell that matches cover some moment of [from, to]?
template <class Matches>
bool Source::was(const std::string& path, Instant from, Instant to, Matches matches) const {
  const auto* spells = history(path);
  if (spells == nullptr) return matches(Spell{});
  if (from < spells->front().since && matches(Spell{})) return true;
  for (std::size_t i = 0; i < spells->size(); ++i) {
    const auto& spell = (*spells)[i];
    const auto until = i + 1 < spells->size() ? (*spells)[i + 1].since : Instant::max();
    if (spell.since <= to && until >= from && matches(spell)) return true;
  }
  return false;
}

std::optional<Version> Source::judge_entry(const Key& key, const Outcome& outcome, Instant from,
                                           Instant to) const {
  std::optional<Version> version;
  if (outcome.value.ok()) {
    auto text = reading(outcome, describe(key));
    version = read_version(text);
  } else {
    expect(outcome.value.error() == Errno{ENOENT}, named(key, outcome));
  }
  expect(was(key.path.str(), from, to, [&](const Spell& spell) { return spell.version == version; }),
         "not true lately: " + named(key, outcome));
  return version;
}

Source::Listed Source::judge_listing(const Key& key, const Outcome& outcome, Instant from, Instant to) const {
  expect(outcome.value.ok(), named(key, outcome));
  auto text = reading(outcome, describe(key));
  std::uint64_t number = 0;
  text >> number;
  const auto& changes = directories_.at(key.path.str()).changes;
  bool was_so = false;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto until = i + 1 < changes.size() ? changes[i + 1].first : Instant::max();
    was_so = was_so || (changes[i].second == number && changes[i].first <= to && until >= from);
  }
  expect(was_so, "not the names lately: " + named(key, outcome));
  Listed listed;
  listed.edition = outcome.tag;
  for (std::string path; text >> path;) listed.files[path] = read_version(text);
  return listed;
}

void Source::judge_riding(const Listed& listed, Instant from, Instant to) const {
  for (const auto& [path, version] : listed.files)
    expect(was(path, from, to, [&](const Spell& spell) { return spell.version == version; }),
           "rides along and is not true lately: " + path);
}

bool Source::judge_block(const Key& key, const Outcome& outcome, Instant from, Instant to) const {
  if (!outcome.value.ok()) {
    const auto error = outcome.value.error();
    expect(error == Errno{ESTALE} || (key.kind == Kind::listing && error == Errno{ENOENT}),
           named(key, outcome));
    const auto* file = current(key.path.str());
    expect(key.kind == Kind::listing || file == nullptr || file->version != key.version,
           "not gone: " + describe(key));
    return error == Errno{ESTALE};
  }
  if (key.kind == Kind::listing) {
    expect(outcome.value->text() == block_text(key, 0), named(key, outcome));
    return false;
  }
  // The content: of that version, and not one that had been overwritten unseen before the window.
  bool found = false;
  bool recent = false;
  const auto* spells = history(key.path.str());
  expect(spells != nullptr, named(key, outcome));
  for (std::size_t i = 0; i < spells->size(); ++i) {
    const auto& spell = (*spells)[i];
    if (spell.version != key.version || outcome.value->text() != block_text(key, spell.content)) continue;
    const bool overwritten = i + 1 < spells->size() && (*spells)[i + 1].version == key.version;
    found = true;
    recent = spell.since <= to && (!overwritten || (*spells)[i + 1].since >= from);
  }
  expect(found, "never so: " + named(key, outcome));
  expect(recent, "overwritten long ago: " + named(key, outcome));
  return false;
}

}  // namespace copper::simulation
