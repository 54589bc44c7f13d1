// See forgetter.h.
#include "fuse_frontend/forgetter.h"

#include <atomic>
#include <memory>
#include <utility>

namespace copper {
namespace {

// A name that no directory has in the kernel's cache: dropping it only waits for the directory's lock.
const std::string nobody = ".";

}  // namespace

Forgetter::Forgetter(View& view, Inodes& inodes, AbsentNames& absent, HeldBlocks& held, Notifier& notifier)
    : view_(view), inodes_(inodes), absent_(absent), held_(held), notifier_(notifier) {}

void Forgetter::add(Inbox& lane) {
  const std::lock_guard lock(adding_);
  lanes_.push_back(&lane);
}

void Forgetter::forget(const std::string& path, std::function<void()> done) {
  view_.clear(path);
  const auto last = [this, path, done = std::move(done)] {
    notifier_.say([this, path, done] {
      held_.clear();
      in_kernel(path);
      done();
    });
  };
  const auto left = std::make_shared<std::atomic<std::size_t>>(lanes_.size());
  for (auto* lane : lanes_) {
    lane->leave([left, last] {
      if (left->fetch_sub(1) == 1) last();
    });
  }
}

void Forgetter::in_kernel(const std::string& path) {
  if (path == "/") return below(*inodes_.inode(root_nodeid));
  const auto parent = inodes_.directory_at(parent_path(path));
  if (!parent) return;
  const auto name = path.substr(path.rfind('/') + 1);
  const auto directory = inodes_.directory(parent->id, name);
  notifier_.drop_entry(parent->id, directory ? nobody : name);
  notifier_.drop_inode(parent->id, Notifier::What::all);
  for (const auto& child : inodes_.children(parent->id)) {
    if (child.name == name && !child.is_directory()) {
      notifier_.drop_inode(child.id, child.racy ? Notifier::What::all : Notifier::What::attributes);
    }
  }
  if (directory) below(*directory);
}

void Forgetter::below(const Inode& top) {
  std::vector<Inode> directories{top};
  while (!directories.empty()) {
    const auto directory = std::move(directories.back());
    directories.pop_back();
    for (auto& child : inodes_.children(directory.id)) {
      if (child.is_directory()) {
        directories.push_back(std::move(child));
        continue;
      }
      notifier_.drop_entry(directory.id, child.name);
      notifier_.drop_inode(child.id, child.racy ? Notifier::What::all : Notifier::What::attributes);
    }
    for (const auto& told : absent_.names(directory.generation)) {
      notifier_.drop_entry(directory.id, told.name);
      absent_.dropped(directory.generation, told);
    }
    notifier_.drop_entry(directory.id, nobody);
    notifier_.drop_inode(directory.id, Notifier::What::all);
  }
}

}  // namespace copper
