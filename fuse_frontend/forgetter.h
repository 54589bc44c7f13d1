// `copper clear` at this node: when it is acknowledged, nobody meets here at or below the path what was known
// before, whoever was reading meanwhile.
//
//   1. What the view holds is fresh no more, and its epoch rises. A request that began before is
//      overtaken: it may still bring an old answer, so the view takes nothing in from it, and the kernel is
//      told to keep nothing of its reply (replies/names.h).
//   2. Each lane passes through its inbox. After that none of them is between choosing the timeouts of a
//      reply and writing it: what was told before, for the kernel to keep, has been written.
//   3. The notifier has the kernel drop every inode and absent name that it was told of. It waits in the
//      kernel for who looks up or lists in a directory, so for those replies to be taken in.
//   4. Then `done` is called.
//
// No lane waits for any of this. Directories keep their names, which lead to the same inode, so that a
// process inside keeps its place; the kernel asks for their attributes before it looks inside, and so finds
// out what has become of them. Pages go with files that were too young for their version to tell their bytes;
// any other version's bytes are its own, and who has it open keeps them.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "fuse_frontend/kernel/notifier.h"
#include "fuse_frontend/rank/inbox.h"
#include "fuse_frontend/view/absent_names.h"
#include "fuse_frontend/view/held_blocks.h"
#include "fuse_frontend/view/inodes.h"
#include "fuse_frontend/view/view.h"

namespace copper {

class Forgetter {
 public:
  // All outlive this.
  Forgetter(View& view, Inodes& inodes, AbsentNames& absent, HeldBlocks& held, Notifier& notifier);

  // A lane's, which outlives this. Before any of them runs.
  void add(Inbox& lane);

  // On a lane's thread. `done` is called on the notifier's.
  void forget(const std::string& path, std::function<void()> done);

 private:
  void in_kernel(const std::string& path);
  void below(const Inode& top);

  View& view_;
  Inodes& inodes_;
  AbsentNames& absent_;
  HeldBlocks& held_;
  Notifier& notifier_;
  std::mutex adding_;
  std::vector<Inbox*> lanes_;  // constant once they run
};

}  // namespace copper
