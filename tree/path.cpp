#include "tree/path.h"

#include <xxhash.h>

namespace copper {

Path::Path(std::string_view text) {
  if (!text.empty())
    text_ = std::make_shared<const Text>(Text{std::string(text), XXH3_64bits(text.data(), text.size())});
}

}  // namespace copper
