// Where only the time is simulated: payloads of the right size whose bytes nobody looks at. All are the same
// memory.
#pragma once

#include <memory>

#include "tree/bytes.h"
#include "tree/limits.h"

namespace copper::simulation {

class NobodysBytes final : public Memory {
 public:
  std::optional<Buffer> allocate(const Key&, std::size_t size) override { return Buffer(memory(), size); }
  Bytes seal(Buffer buffer, Tag) override { return Bytes(buffer.owner(), buffer.size()); }

  static Bytes of(std::size_t size) { return Bytes(memory(), size); }  // at most limits::block_bytes

 private:
  static const std::shared_ptr<std::byte>& memory() {
    static const std::shared_ptr<std::byte> bytes(new std::byte[limits::block_bytes](),
                                                  std::default_delete<std::byte[]>());
    return bytes;
  }
};

}  // namespace copper::simulation
