// The bytes of listings, entries and statvfs answers. Pure functions, any thread. Integers are stored
// little-endian and unaligned; whatever is decoded is checked first.
//
// A listing block: Head | block 0 only: each block's first cookie | per name {cookie, offset} | records. A
// record: Fixed, then the attributes where they ride along, then the name, then the link target.
#include "service/storage/listing.h"

#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tree/limits.h"

namespace copper {
namespace {

static_assert(std::endian::native == std::endian::little, "records are stored as they lie in memory");
static_assert(std::has_unique_object_representations_v<Attributes>, "no padding travels");
static_assert(std::has_unique_object_representations_v<ListingView::Head>, "no padding travels");

constexpr std::uint32_t listing_magic = 0x54534c43;     // "CLST"
constexpr std::uint32_t entry_magic = 0x544e4543;       // "CENT"
constexpr std::uint32_t filesystem_magic = 0x53465643;  // "CVFS"
constexpr std::uint32_t format = 1;

struct EntryHead {
  std::uint32_t magic = 0;
  std::uint16_t racy = 0;
  std::uint16_t target_bytes = 0;
  Attributes attributes;
};

struct Index {
  std::uint64_t cookie = 0;
  std::uint64_t offset = 0;  // of the record, from the block's start
};

struct Fixed {
  std::uint64_t ino = 0;
  std::uint32_t type = 0;
  std::uint16_t target_bytes = 0;
  std::uint16_t name_bytes = 0;
  std::uint32_t has_entry = 0;
  std::uint32_t racy = 0;
};

struct FilesystemRecord {
  std::uint64_t magic = 0;
  std::uint64_t bsize = 0, frsize = 0, blocks = 0, bfree = 0, bavail = 0;
  std::uint64_t files = 0, ffree = 0, favail = 0, fsid = 0, flag = 0, namemax = 0;
};

static_assert(std::has_unique_object_representations_v<EntryHead>);
static_assert(std::has_unique_object_representations_v<Fixed>);

constexpr std::size_t target_bytes_max = limits::path_bytes;

template <class T>
void append(std::vector<std::byte>& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto* raw = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), raw, raw + sizeof value);
}

void append_text(std::vector<std::byte>& out, std::string_view text) {
  const auto* raw = reinterpret_cast<const std::byte*>(text.data());
  out.insert(out.end(), raw, raw + text.size());
}

template <class T>
std::optional<T> read(std::span<const std::byte> bytes, std::size_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::optional<std::string_view> read_text(std::span<const std::byte> bytes, std::size_t offset,
                                          std::size_t size) {
  if (offset > bytes.size() || bytes.size() - offset < size) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(bytes.data()) + offset, size);
}

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > limits::name_bytes || name == "." || name == "..") return false;
  return name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_target(std::string_view target) {
  return target.size() <= target_bytes_max && target.find('\0') == std::string_view::npos;
}

// Where the names' index begins.
std::size_t index_offset(const ListingView::Head& head) {
  const std::size_t table = head.number == 0 ? head.blocks * sizeof(std::uint64_t) : 0;
  return sizeof(ListingView::Head) + table;
}

std::size_t record_bytes(const Sweep::Item& item) {
  const std::size_t entry = item.entry ? sizeof(Attributes) + item.entry->target.size() : 0;
  return sizeof(Index) + sizeof(Fixed) + entry + item.name.size();
}

void append_record(std::vector<std::byte>& out, const Sweep::Item& item) {
  Fixed fixed{.ino = item.ino, .type = item.type, .name_bytes = static_cast<std::uint16_t>(item.name.size())};
  if (item.entry) {
    fixed.has_entry = 1;
    fixed.racy = item.entry->racy ? 1 : 0;
    fixed.target_bytes = static_cast<std::uint16_t>(item.entry->target.size());
  }
  append(out, fixed);
  if (item.entry) append(out, item.entry->attributes);
  append_text(out, item.name);
  if (item.entry) append_text(out, item.entry->target);
}

struct Placed {
  std::uint64_t cookie = 0;
  const Sweep::Item* item = nullptr;
  bool displaced = false;  // its hash was taken: it lies right after the one that took it
};

std::vector<Placed> place(const std::vector<Sweep::Item>& items) {
  std::vector<Placed> placed;
  placed.reserve(items.size());
  for (const auto& item : items) placed.push_back({cookie_hash(item.name), &item, false});
  std::ranges::sort(placed, [](const Placed& a, const Placed& b) {
    return std::tie(a.cookie, a.item->name) < std::tie(b.cookie, b.item->name);
  });
  for (std::size_t i = 1; i < placed.size(); ++i) {
    if (placed[i].cookie > placed[i - 1].cookie) continue;
    placed[i].cookie = placed[i - 1].cookie + 1;
    placed[i].displaced = true;
  }
  return placed;
}

// The first index of each block, when block 0 leaves room for a table of `table` blocks. A name stays in the
// block of the name whose hash it shares, so that a search looks in one block.
std::vector<std::size_t> cut(const std::vector<Placed>& placed, std::size_t table) {
  std::vector<std::size_t> begins{0};
  std::size_t used = sizeof(ListingView::Head) + table * sizeof(std::uint64_t);
  for (std::size_t i = 0; i < placed.size();) {
    std::size_t end = i;
    std::size_t bytes = 0;
    do bytes += record_bytes(*placed[end].item);
    while (++end < placed.size() && placed[end].displaced);
    if (used + bytes > limits::block_bytes && i > begins.back()) {
      begins.push_back(i);
      used = sizeof(ListingView::Head);
    }
    used += bytes;
    i = end;
  }
  return begins;
}

}  // namespace

std::uint64_t cookie_hash(std::string_view name) {
  constexpr std::uint64_t first = 3;                      // after the start, "." and ".."
  constexpr std::uint64_t room = std::uint64_t{1} << 32;  // to count up in, below 2^63
  constexpr std::uint64_t end = (std::uint64_t{1} << 63) - room;
  return first + XXH3_64bits(name.data(), name.size()) % (end - first);
}

std::vector<std::byte> encode_entry(const Entry& entry) {
  EntryHead head{.magic = entry_magic, .racy = entry.racy, .attributes = entry.attributes};
  const std::string_view target = std::string_view(entry.target).substr(0, target_bytes_max);
  head.target_bytes = static_cast<std::uint16_t>(target.size());
  std::vector<std::byte> out;
  out.reserve(sizeof head + target.size());
  append(out, head);
  append_text(out, target);
  return out;
}

std::optional<Entry> decode_entry(std::span<const std::byte> bytes) {
  const auto head = read<EntryHead>(bytes, 0);
  if (!head || head->magic != entry_magic) return std::nullopt;
  if (bytes.size() != sizeof(EntryHead) + head->target_bytes) return std::nullopt;
  const auto target = read_text(bytes, sizeof(EntryHead), head->target_bytes);
  if (!target || !is_target(*target)) return std::nullopt;
  return Entry{head->attributes, std::string(*target), head->racy != 0};
}

std::vector<std::byte> encode_filesystem(const struct statvfs& st) {
  std::vector<std::byte> out;
  append(out, FilesystemRecord{.magic = filesystem_magic,
                               .bsize = st.f_bsize,
                               .frsize = st.f_frsize,
                               .blocks = st.f_blocks,
                               .bfree = st.f_bfree,
                               .bavail = st.f_bavail,
                               .files = st.f_files,
                               .ffree = st.f_ffree,
                               .favail = st.f_favail,
                               .fsid = st.f_fsid,
                               .flag = st.f_flag,
                               .namemax = st.f_namemax});
  return out;
}

std::optional<struct statvfs> decode_filesystem(std::span<const std::byte> bytes) {
  const auto record = read<FilesystemRecord>(bytes, 0);
  if (!record || bytes.size() != sizeof *record || record->magic != filesystem_magic) return std::nullopt;
  struct statvfs st {};
  st.f_bsize = record->bsize;
  st.f_frsize = record->frsize;
  st.f_blocks = record->blocks;
  st.f_bfree = record->bfree;
  st.f_bavail = record->bavail;
  st.f_files = record->files;
  st.f_ffree = record->ffree;
  st.f_favail = record->favail;
  st.f_fsid = record->fsid;
  st.f_flag = record->flag;
  st.f_namemax = record->namemax;
  return st;
}

std::vector<std::vector<std::byte>> encode_listing(Sweep sweep) {
  std::erase_if(sweep.items, [](const Sweep::Item& item) {
    return !is_name(item.name) || (item.entry && !is_target(item.entry->target));
  });
  const auto placed = place(sweep.items);
  auto begins = cut(placed, 1);
  for (std::size_t table = 1; begins.size() > table; begins = cut(placed, table)) table = begins.size();

  ListingView::Head head{.magic = listing_magic,
                         .format = format,
                         .names_total = placed.size(),
                         .blocks = static_cast<std::uint32_t>(begins.size()),
                         .racy = sweep.racy,
                         .directory = sweep.directory};
  std::vector<std::vector<std::byte>> blocks;
  blocks.reserve(begins.size());
  for (std::size_t n = 0; n < begins.size(); ++n) {
    const std::size_t end = n + 1 < begins.size() ? begins[n + 1] : placed.size();
    const std::span names(placed.begin() + static_cast<std::ptrdiff_t>(begins[n]), end - begins[n]);
    head.number = static_cast<std::uint32_t>(n);
    head.names = static_cast<std::uint32_t>(names.size());

    std::size_t size = index_offset(head);
    for (const auto& name : names) size += record_bytes(*name.item);
    auto& block = blocks.emplace_back();
    block.reserve(size);
    append(block, head);
    if (n == 0) {
      append(block, std::uint64_t{0});
      for (std::size_t b = 1; b < begins.size(); ++b) append(block, placed[begins[b]].cookie);
    }
    std::size_t offset = block.size() + names.size() * sizeof(Index);
    for (const auto& name : names) {
      append(block, Index{name.cookie, offset});
      offset += record_bytes(*name.item) - sizeof(Index);
    }
    for (const auto& name : names) append_record(block, *name.item);
  }

  // Each block's hash is the next one's seed.
  std::uint64_t edition = 0;
  for (const auto& block : blocks) edition = XXH3_64bits_withSeed(block.data(), block.size(), edition);
  for (auto& block : blocks) {
    std::memcpy(block.data() + offsetof(ListingView::Head, edition), &edition, sizeof edition);
  }
  return blocks;
}

std::optional<ListingView> ListingView::of(std::span<const std::byte> bytes) {
  const auto head = read<Head>(bytes, 0);
  if (!head || bytes.size() > limits::block_bytes) return std::nullopt;
  if (head->magic != listing_magic || head->format != format) return std::nullopt;
  if (head->number >= head->blocks || head->names > head->names_total) return std::nullopt;
  if (head->number == 0 && head->blocks > limits::block_bytes / sizeof(std::uint64_t)) return std::nullopt;
  const std::size_t index = index_offset(*head);
  if (index > bytes.size() || (bytes.size() - index) / sizeof(Index) < head->names) return std::nullopt;
  return ListingView(bytes, *head);
}

std::uint64_t ListingView::cookie_at(std::size_t i) const {
  return read<Index>(bytes_, index_offset(head_) + i * sizeof(Index))->cookie;
}

std::optional<Name> ListingView::at(std::size_t i) const {
  if (i >= size()) return std::nullopt;
  const auto index = *read<Index>(bytes_, index_offset(head_) + i * sizeof(Index));
  const auto fixed = read<Fixed>(bytes_, index.offset);
  if (!fixed || (fixed->type & ~std::uint32_t{S_IFMT}) != 0) return std::nullopt;
  std::size_t offset = index.offset + sizeof(Fixed);
  Name name{.name = {}, .cookie = index.cookie, .type = fixed->type, .ino = fixed->ino, .entry = {}};
  if (fixed->has_entry != 0) {
    const auto attributes = read<Attributes>(bytes_, offset);
    if (!attributes) return std::nullopt;
    name.entry = Entry{*attributes, {}, fixed->racy != 0};
    offset += sizeof(Attributes);
  }
  const auto text = read_text(bytes_, offset, fixed->name_bytes);
  if (!text || !is_name(*text)) return std::nullopt;
  name.name = *text;
  const auto target = read_text(bytes_, offset + fixed->name_bytes, fixed->target_bytes);
  if (!target || !is_target(*target)) return std::nullopt;
  if (name.entry) name.entry->target = *target;
  return name;
}

std::size_t ListingView::lower_bound(std::uint64_t cookie) const {
  std::size_t low = 0;
  for (std::size_t count = size(); count > 0;) {
    const std::size_t half = count / 2;
    if (cookie_at(low + half) < cookie) {
      low += half + 1;
      count -= half + 1;
    } else {
      count = half;
    }
  }
  return low;
}

std::optional<Name> ListingView::find(std::string_view name) const {
  std::uint64_t cookie = cookie_hash(name);
  for (std::size_t i = lower_bound(cookie); i < size() && cookie_at(i) == cookie; ++i, ++cookie) {
    if (auto found = at(i); found && found->name == name) return found;
  }
  return std::nullopt;
}

std::uint32_t ListingView::block_of(std::uint64_t cookie) const {
  if (number() != 0) return number();
  std::uint32_t low = 0;  // the first block begins at cookie 0
  for (std::uint32_t count = blocks(); count > 1;) {
    const std::uint32_t half = count / 2;
    const auto begin =
        *read<std::uint64_t>(bytes_, sizeof(Head) + std::size_t{low + half} * sizeof(std::uint64_t));
    if (begin <= cookie) {
      low += half;
      count -= half;
    } else {
      count = half;
    }
  }
  return low;
}

}  // namespace copper
