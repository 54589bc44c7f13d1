#include "tree/job/clearing.h"

#include <algorithm>
#include <utility>

#include "tree/limits.h"

namespace copper {

Clearing::Clearing(Node& node) : node_(node) {}

std::optional<std::uint64_t> Clearing::begin(const Path& path, Instant now, Actions& out) {
  if (under_way_.size() >= limits::clears) return std::nullopt;
  const auto clear = make({node_.self(), ++last_number_}, path, now);
  clear->second.is_reported = false;
  for (std::size_t t = 0; t < clear->second.trees.size(); ++t) want(clear, tree_at(t), std::nullopt, out);
  return clear->first.number;
}

Clearing::All::iterator Clearing::make(const JobRequest& name, const Path& path, Instant now) {
  UnderWay clear;
  clear.path = path;
  clear.trees.resize(node_.topology().trees());
  clear.look = now + limits::clear_look;
  clear.reported_by = now + limits::clear_patience;
  clear.forgotten_by = now + limits::clear_memory;
  return under_way_.emplace(name, std::move(clear)).first;
}

bool Clearing::on_clear(Rank from, const Clear& message, Instant now, Actions& out) {
  const auto& topology = node_.topology();
  const auto& [name, tree, path] = message;
  if (!topology.contains(from) || !topology.contains(name.asker) || number(tree) >= topology.trees())
    return false;
  const bool down = topology.parent(node_.self(), tree) == from;
  if (!down && topology.parent(from, tree) != node_.self()) return false;
  auto clear = under_way_.find(name);
  if (clear == under_way_.end()) {
    if (under_way_.size() >= limits::clears) return true;
    clear = make(name, path, now);
  }
  const auto& here = clear->second.trees[number(tree)];
  if (clear->second.path != path || here.came_down || (!down && here.wanted)) return false;
  if (down) {
    come_down(clear, tree, out);
  } else {
    want(clear, tree, from, out);
  }
  return true;
}

// On its way up.
void Clearing::want(All::iterator clear, Tree tree, std::optional<Rank> by, Actions& out) {
  auto& here = clear->second.trees[number(tree)];
  here.wanted = true;
  here.wanted_by = by;
  const auto parent = node_.topology().parent(node_.self(), tree);
  if (!parent) return come_down(clear, tree, out);
  out.push_back(Send{*parent, Clear{clear->first, tree, clear->second.path}});
}

void Clearing::come_down(All::iterator clear, Tree tree, Actions& out) {
  auto& [name, under_way] = *clear;
  auto& here = under_way.trees[number(tree)];
  here.came_down = true;
  node_.clear(tree, under_way.path);
  for (const auto child : node_.topology().children(node_.self(), tree)) {
    here.branches.push_back({child, {0, child}});
    out.push_back(Send{child, Clear{name, tree, under_way.path}});
  }
  // A tree in which it comes late has not kept the others: the front end has been told of those.
  if (++under_way.came_down == under_way.trees.size() || under_way.looked) tell_front_end(under_way, out);
}

void Clearing::tell_front_end(UnderWay& clear, Actions& out) {
  clear.number = ++last_told_;
  out.push_back(ClearFrontEnd{clear.path, clear.number});
}

void Clearing::on_front_end_cleared(std::uint64_t number, Actions& out) {
  const auto clear =
      std::ranges::find_if(under_way_, [&](const auto& each) { return each.second.number == number; });
  if (number == 0 || clear == under_way_.end()) return;
  auto& under_way = clear->second;
  if (under_way.came_down < under_way.trees.size()) return;
  under_way.front_end_cleared = true;
  for (std::size_t t = 0; t < under_way.trees.size(); ++t) say(clear, tree_at(t), out);
  forget_if_over(clear);
}

bool Clearing::on_cleared(Rank from, const Cleared& message, Actions& out) {
  const auto& topology = node_.topology();
  const auto& [name, tree, ranks, missing] = message;
  if (!topology.contains(from) || number(tree) >= topology.trees()) return false;
  const bool down = topology.parent(node_.self(), tree) == from;
  if ((!down && topology.parent(from, tree) != node_.self()) || (missing && !topology.contains(*missing)))
    return false;
  const auto clear = under_way_.find(name);
  if (clear == under_way_.end()) return true;
  auto& here = clear->second.trees[number(tree)];
  if (down) {
    if (!here.wanted || (here.heard && !here.heard->missing)) return false;
    hear(clear, tree, {ranks, missing}, out);
  } else {
    const auto branch = std::ranges::find(here.branches, from, &Branch::child);
    if (branch == here.branches.end() || !branch->said.missing) return false;
    branch->said = {ranks, missing};
    say(clear, tree, out);
  }
  forget_if_over(clear);
  return true;
}

// What this rank and those below it have done.
Clearance Clearing::subtree(const UnderWay& clear, Tree tree) const {
  Clearance sum;
  if (clear.front_end_cleared) {
    sum.ranks = 1;
  } else {
    sum.missing = node_.self();
  }
  for (const auto& branch : clear.trees[number(tree)].branches) {
    sum.ranks += branch.said.ranks;
    if (branch.said.missing) sum.missing = branch.said.missing;
  }
  return sum;
}

// Tells the parent, or, at the root, who asked: when it is all, and from the look on whatever it is.
void Clearing::say(All::iterator clear, Tree tree, Actions& out) {
  auto& [name, under_way] = *clear;
  auto& here = under_way.trees[number(tree)];
  const auto sum = subtree(under_way, tree);
  if (!here.came_down || here.told_all || (sum.missing && !under_way.looked)) return;
  here.told_all = !sum.missing;
  const auto parent = node_.topology().parent(node_.self(), tree);
  if (!parent) return hear(clear, tree, sum, out);
  out.push_back(Send{*parent, Cleared{name, tree, sum.ranks, sum.missing}});
}

// The root's word, for who asked.
void Clearing::hear(All::iterator clear, Tree tree, const Clearance& word, Actions& out) {
  auto& here = clear->second.trees[number(tree)];
  here.heard = word;
  if (here.wanted_by)
    out.push_back(Send{*here.wanted_by, Cleared{clear->first, tree, word.ranks, word.missing}});
}

void Clearing::forget_if_over(All::iterator clear) {
  const auto over = [](const InTree& here) {
    return here.told_all && (!here.wanted || (here.heard && !here.heard->missing));
  };
  const auto& under_way = clear->second;
  if (under_way.is_reported && std::ranges::all_of(under_way.trees, over)) under_way_.erase(clear);
}

// As far as this rank has heard: a rank counts when it has cleared in every tree.
Clearance Clearing::job(const UnderWay& clear) const {
  Clearance least{node_.topology().ranks(), std::nullopt};
  for (std::size_t t = 0; t < clear.trees.size(); ++t) {
    const auto& here = clear.trees[t];
    auto said = here.heard.value_or(Clearance{});
    if (!here.heard) {
      if (here.came_down) said = subtree(clear, tree_at(t));
      if (!said.missing) said.missing = node_.topology().parent(node_.self(), tree_at(t));
    }
    least.ranks = std::min(least.ranks, said.ranks);
    if (!least.missing) least.missing = said.missing;
  }
  return least;
}

std::optional<Clearing::Taken> Clearing::taken(Instant now) {
  for (auto clear = under_way_.begin(); clear != under_way_.end(); ++clear) {
    auto& under_way = clear->second;
    if (under_way.is_reported) continue;
    const auto clearance = job(under_way);
    if (clearance.missing && now < under_way.reported_by) continue;
    under_way.is_reported = true;
    const Taken taken{clear->first.number, clearance};
    forget_if_over(clear);
    return taken;
  }
  return std::nullopt;
}

void Clearing::on_time(Instant now, Actions& out) {
  for (auto next = under_way_.begin(); next != under_way_.end();) {
    const auto clear = next++;
    auto& under_way = clear->second;
    if (!under_way.looked && under_way.look <= now) {
      under_way.looked = true;
      if (under_way.number == 0 && under_way.came_down > 0) tell_front_end(under_way, out);
      for (std::size_t t = 0; t < under_way.trees.size(); ++t) say(clear, tree_at(t), out);
    }
    if (under_way.forgotten_by <= now) under_way_.erase(clear);
  }
}

std::optional<Instant> Clearing::deadline() const {
  std::optional<Instant> first;
  for (const auto& [name, clear] : under_way_) {
    auto due = clear.looked ? clear.forgotten_by : clear.look;
    if (!clear.is_reported) due = std::min(due, clear.reported_by);
    if (!first || due < *first) first = due;
  }
  return first;
}

}  // namespace copper
