// What a root has encoded and a front end decodes: listings, entries, statvfs. Input: which, then the bytes;
// or names, which are encoded and must all be found again.
#include "fuse_frontend/view/held_listing.h"
#include "service/storage/listing.h"
#include "test/fuzz/fuzz.h"
#include "tree/limits.h"

namespace copper {
namespace {

void look(const Name& name) {
  must(!name.name.empty() && name.name.size() <= limits::name_bytes, "a name has a length");
  must(name.name.find('/') == std::string_view::npos && name.name.find('\0') == std::string_view::npos,
       "a name is a name");
  if (name.entry) must(name.entry->target.find('\0') == std::string::npos, "a target is a text");
}

void look(std::span<const std::byte> bytes, std::string_view sought) {
  const auto view = ListingView::of(bytes);
  if (!view) return;
  must(view->number() < view->blocks(), "a block is one of those that there are");
  for (std::size_t i = 0; i < view->size(); ++i) {
    if (const auto name = view->at(i)) {
      look(*name);
      if (const auto found = view->find(name->name))
        must(found->name == name->name, "what is found was sought");
    }
  }
  must(!view->at(view->size()), "behind the last name is none");
  (void)view->find(sought);
  for (std::uint64_t cookie = 1; cookie != 0; cookie <<= 7) {
    must(view->lower_bound(cookie) <= view->size(), "a place is in the block");
    must(view->block_of(cookie) < view->blocks(), "a block is one of those that there are");
  }
  if (auto held = HeldListing::of(Bytes::copy_of(bytes), 1, Instant{})) {
    (void)held->find(sought);
    if (const auto more = held->with(held->blocks() - 1, Bytes::copy_of(bytes))) (void)more->find(sought);
  }
}

void encode_names(FuzzInput& input) {
  Sweep sweep;
  std::vector<std::string> names;
  while (!input.empty() && sweep.items.size() < 1000) {
    const auto how = input.byte();
    Sweep::Item item{.name = std::string(input.text(how % 32u)), .type = 0100000, .ino = how, .entry = {}};
    if (how >= 128) item.entry = Entry{{.ino = how}, std::string(input.text(how % 8u)), false};
    sweep.items.push_back(std::move(item));
  }
  for (const auto& block : encode_listing(std::move(sweep))) {
    const auto view = ListingView::of(block);
    must(view.has_value(), "what was encoded can be decoded");
    for (std::size_t i = 0; i < view->size(); ++i) {
      const auto name = view->at(i);
      must(name.has_value(), "and each of its names");
      look(*name);
      if (view->blocks() == 1) must(view->find(name->name).has_value(), "and is found");
    }
  }
}

}  // namespace
}  // namespace copper

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace copper;
  FuzzInput input(data, size);
  switch (input.byte() % 4) {
    case 0:
      look(input.rest(), "lib.so");
      break;
    case 1:
      if (const auto entry = decode_entry(input.rest())) {
        must(entry->target.find('\0') == std::string::npos, "a target is a text");
        must(decode_entry(encode_entry(*entry)).has_value(), "an entry can be said again");
      }
      break;
    case 2:
      if (const auto filesystem = decode_filesystem(input.rest()))
        must(decode_filesystem(encode_filesystem(*filesystem)).has_value(), "so can a file system");
      break;
    case 3:
      encode_names(input);
      break;
  }
  return 0;
}
