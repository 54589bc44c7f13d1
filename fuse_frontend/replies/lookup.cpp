// See lookup.h.
#include "fuse_frontend/replies/lookup.h"

#include <sys/stat.h>

#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

fuse_entry_param absent(Instant fresh_until) {
  fuse_entry_param parameter{};
  parameter.entry_timeout = seconds(left(fresh_until, clock_now()));
  return parameter;
}

void tell_absent(Lane& lane, Request& request, const View::Directory& directory, const std::string& name,
                 Instant fresh_until) {
  const auto& shared = lane.shared();
  if (overtaken(lane, request)) fresh_until = Instant{};
  const auto too_many =
      shared.absent.told(directory.id(), directory.generation(), name, fresh_until, clock_now());
  if (too_many) shared.notifier.entry(too_many->directory, too_many->name);
  request.entry(absent(fresh_until));
}

bool is_gone(Errno error) {
  return error == Errno{ENOENT} || error == Errno{ENOTDIR} || error == Errno{ESTALE};
}

// A directory's own attributes, rather than those that its parent's listing carried along: what is held of it
// is renewed, so that whoever walks on inside meets what is there now.
Async<Result<Own>> own_of(Lane& lane, Request& request, Inode inode, Resolved found) {
  auto directory = lane.directory(inode.id);
  if (!directory.ok()) co_return directory.error();
  auto& view = lane.shared().view;
  if (view.held(*directory).own || !view.compared(inode.id, inode.generation)) {
    auto own = co_await freshen(lane, request, *directory);
    co_return own;
  }
  if (!found.rode_along) view.looked_at(*directory, *found.entry, found.entry_until, request.began());
  co_return Own{found.entry->attributes, found.entry_until};
}

}  // namespace

Timeouts timeouts(const Resolved& found, Instant now) {
  const auto fresh = seconds(left(found.fresh_until, now));
  const auto entry_fresh = seconds(left(found.entry_until, now));
  if (S_ISDIR(found.entry->attributes.mode)) return {fresh, entry_fresh};
  if (found.entry->racy) return {std::min(fresh, entry_fresh), entry_fresh};
  if (fresh == 0) return {0, 0};
  return {found.listed ? job_seconds : fresh, job_seconds};
}

fuse_entry_param as_parameter(const Inode& inode, const Attributes& attributes, const Timeouts& timeouts) {
  fuse_entry_param parameter{};
  parameter.ino = inode.id;
  parameter.generation = inode.generation;
  parameter.attr = as_stat(attributes);
  parameter.attr_timeout = timeouts.attributes;
  parameter.entry_timeout = timeouts.name;
  return parameter;
}

Task lookup(Lane& lane, Request request, Nodeid parent, std::string name) {
  auto directory = lane.directory(parent);
  if (!directory.ok()) {
    request.error(directory.error());
    co_return;
  }
  if (name.size() > limits::name_bytes || join_path((*directory)->path(), name).size() > limits::path_bytes) {
    request.error(Errno{ENAMETOOLONG});
    co_return;
  }
  auto answer = co_await find(lane, request, *directory, name);
  if (!answer.ok()) {
    request.error(answer.error());
    co_return;
  }
  auto found = std::move(answer).value();
  if (!found.entry) {
    tell_absent(lane, request, **directory, name, found.fresh_until);
    co_return;
  }
  // The lookup count rises before the reply that tells of it.
  const auto inode = lane.shared().inodes.found(parent, name, *found.entry);
  if (!inode.ok()) {
    request.error(inode.error());
    co_return;
  }
  if (inode->is_directory()) {
    auto own = co_await own_of(lane, request, *inode, found);
    if (!own.ok()) {
      if (own.error() == Errno{ESTALE}) lane.shared().view.expire(*directory);
      lane.forget(inode->id, 1);
      request.error(own.error());
      co_return;
    }
    found.entry->attributes = own->attributes;
    found.entry_until = own->fresh_until;
  }
  if (overtaken(lane, request)) found.fresh_until = found.entry_until = Instant{};
  const auto shown = lane.shared().links.attributes(*found.entry);
  const auto parameter = as_parameter(*inode, shown, timeouts(found, clock_now()));
  if (!request.entry(parameter)) {
    lane.forget(inode->id, 1);
  } else if (found.listed) {
    check_edition(lane, *directory, found.edition, name);
  }
}

Task getattr(Lane& lane, Request request, Nodeid id) {
  const auto inode = lane.shared().inodes.inode(id);
  if (!inode) {
    request.error(Errno{ESTALE});
    co_return;
  }
  if (inode->is_directory()) {
    auto directory = lane.directory(id);
    if (!directory.ok()) {
      request.error(directory.error());
      co_return;
    }
    const auto own = co_await freshen(lane, request, *directory);
    if (own.ok()) {
      const auto fresh = overtaken(lane, request) ? Duration{} : left(own->fresh_until, clock_now());
      request.attributes(as_stat(own->attributes), seconds(fresh));
    } else {
      if (id != root_nodeid && is_gone(own.error())) version_gone(lane, *inode);
      request.error(own.error());
    }
    co_return;
  }
  const auto entry = co_await entry_of(lane, request, *inode);
  if (entry.ok()) {
    request.attributes(as_stat(lane.shared().links.attributes(*entry)),
                       entry->racy || overtaken(lane, request) ? 0 : job_seconds);
  } else if (entry.error() == Errno{ESTALE}) {
    // Who holds it open goes on with the version that it opened, whatever has become of the name.
    request.attributes(as_stat(inode->attributes), job_seconds);
  } else {
    request.error(entry.error());
  }
}

Task readlink(Lane& lane, Request request, Nodeid id) {
  const auto inode = lane.shared().inodes.inode(id);
  if (!inode || inode->type() != S_IFLNK) {
    request.error(Errno{inode ? EINVAL : ESTALE});
    co_return;
  }
  const auto entry = co_await entry_of(lane, request, *inode);
  if (entry.ok()) {
    const auto text = lane.shared().links.text(entry->target);
    if (lane.shared().links.leads_out(text)) lane.count(segment::FuseCounter::fuse_links_out);
    request.link(text);
  } else {
    request.error(entry.error());
  }
}

}  // namespace copper
