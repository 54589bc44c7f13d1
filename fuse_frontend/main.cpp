// copper_fuse: a node's mount. The parent holds it, its child answers it. See fuse_frontend/README.md.
#include <fmt/format.h>

#include <optional>

#include "fuse_frontend/mount/mountpoint.h"
#include "fuse_frontend/mount/parent.h"
#include "fuse_frontend/options.h"
#include "fuse_frontend/recorder.h"
#include "service/process.h"
#include "service/segment/segment.h"

namespace copper {
namespace {

int launch(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  settle_process(options.process);
  const auto log = open_log(options.process, "copper_fuse." + options.log_name);
  std::optional<Recorder> recorder;
  if (!options.record.empty()) recorder.emplace(options.record, log);
  Mountpoint mountpoint(options.mount);
  auto segment =
      Segment::attach(options.run_dir / fmt::format("node{}", options.node), options.ready_patience);
  block_signals();
  mountpoint.mount();
  return keep_mounted(segment, mountpoint,
                      {.mount = mountpoint.path(),
                       .device = mountpoint.device(),
                       .local = options.local,
                       .map_links = options.map_links,
                       .direct_per_second = options.direct_per_second,
                       .recorder = recorder ? &*recorder : nullptr},
                      log);
}

}  // namespace
}  // namespace copper

int main(int argc, char** argv) {
  return copper::run_program("copper_fuse", [&] { return copper::launch(argc, argv); });
}
