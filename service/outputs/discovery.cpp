// See discovery.h.
#include "service/outputs/discovery.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include "service/mpi/machine_order.h"

namespace copper {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view cxi_scheme = "cxi://";

// The file's first word.
std::string word_in(const fs::path& file) {
  std::string word;
  std::ifstream(file) >> word;
  return word;
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  std::error_code missing;
  for (fs::directory_iterator entry(directory, missing), end; !missing && entry != end;
       entry.increment(missing))
    names.push_back(entry->path().filename().string());
  std::ranges::sort(names, natural_less);
  return names;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_cxi(std::string_view name) { return name.starts_with("cxi") && is_digits(name.substr(3)); }

// x4102c5s2b0n0: cabinet, chassis, slot, board, node.
bool is_xname(std::string_view text) {
  for (const char part : std::string_view("xcsbn")) {
    if (!text.starts_with(part)) return false;
    const auto end = std::min(text.find_first_not_of("0123456789", 1), text.size());
    if (end == 1) return false;
    text.remove_prefix(end);
  }
  return text.empty();
}

// Not all machines have the files: on some the host's name is its place.
std::string xname_of(const fs::path& root, const std::string& host) {
  for (const auto* file : {"etc/cray/xname", "proc/cray_xt/cname"})
    if (auto word = word_in(root / file); !word.empty()) return word;
  const auto name = host.substr(0, host.find('.'));
  return is_xname(name) ? name : "";
}

NetworkDevice see_interface(const fs::path& root, const std::string& name,
                            const InterfaceAddresses& addresses) {
  const auto top = root / "sys/class/net" / name;
  NetworkDevice device{.kind = "net",
                       .name = name,
                       .state = word_in(top / "operstate"),
                       .numa_node = word_in(top / "device/numa_node"),
                       .addresses = {},
                       .beside = {}};
  for (auto [address, end] = addresses.equal_range(name); address != end; ++address)
    device.addresses.push_back(address->second);
  return device;
}

NetworkDevice see_cxi(const fs::path& root, const std::string& name) {
  const auto top = root / "sys/class/cxi" / name / "device";
  NetworkDevice device{.kind = "cxi",
                       .name = name,
                       .state = {},
                       .numa_node = word_in(top / "numa_node"),
                       .addresses = {},
                       .beside = {}};
  if (auto nid = word_in(top / "properties/nid"); !nid.empty()) device.addresses.push_back("nid " + nid);
  if (const auto beside = names_in(top / "net"); !beside.empty()) device.beside = beside.front();
  device.state = word_in(root / "sys/class/net" / device.beside / "operstate");
  return device;
}

bool usable(const NetworkDevice& device) { return device.state == "up" || device.state.empty(); }

// Where several are meant, the first that is up, else the first.
template <class Meant>
const NetworkDevice* first(const HostSeen& host, Meant meant) {
  const NetworkDevice* any = nullptr;
  for (const auto& device : host.devices) {
    if (!meant(device)) continue;
    if (usable(device)) return &device;
    if (any == nullptr) any = &device;
  }
  return any;
}

std::string endpoint_of(const NetworkDevice& device) {
  if (device.kind == "cxi") return std::string(cxi_scheme) + device.name;
  return device.addresses.empty() ? device.name : device.addresses.front();
}

}  // namespace

InterfaceAddresses interface_addresses() {
  InterfaceAddresses found;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return found;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> freed(list, ::freeifaddrs);
  for (const int family : {AF_INET, AF_INET6}) {  // the first is the one that is shown
    for (const auto* at = list; at != nullptr; at = at->ifa_next) {
      if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != family) continue;
      std::array<char, NI_MAXHOST> text{};
      const auto size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
      if (::getnameinfo(at->ifa_addr, static_cast<socklen_t>(size), text.data(), text.size(), nullptr, 0,
                        NI_NUMERICHOST) == 0)
        found.emplace(at->ifa_name, text.data());
    }
  }
  return found;
}

HostSeen see_host(const fs::path& root, const std::string& name, const std::string& processor,
                  const InterfaceAddresses& addresses) {
  HostSeen host{.name = name, .processor = processor, .xname = xname_of(root, name), .devices = {}};
  for (const auto& device : names_in(root / "sys/class/cxi"))
    if (is_cxi(device)) host.devices.push_back(see_cxi(root, device));
  const auto cxi_devices = host.devices;
  for (const auto& interface : names_in(root / "sys/class/net")) {
    auto device = see_interface(root, interface, addresses);
    const auto beside = std::ranges::find(cxi_devices, interface, &NetworkDevice::beside);
    if (beside != cxi_devices.end()) device.beside = beside->name;
    host.devices.push_back(std::move(device));
  }
  return host;
}

bool valid_net_type(std::string_view net_type) {
  if (net_type.starts_with(cxi_scheme)) return is_cxi(net_type.substr(cxi_scheme.size()));
  return !net_type.empty() && net_type.size() < IFNAMSIZ && net_type != "." && net_type != ".." &&
         net_type.find_first_of("/: \t\n|") == std::string_view::npos;
}

std::optional<std::string> endpoint(const HostSeen& host, std::string_view net_type) {
  const auto name = net_type.starts_with(cxi_scheme) ? net_type.substr(cxi_scheme.size()) : net_type;
  const NetworkDevice* found = nullptr;
  if (name == "cxi" || name == "auto") {
    found = first(host, [](const auto& device) { return device.kind == "cxi"; });
    if (found == nullptr && name == "auto")
      found = first(
          host, [](const auto& device) { return device.kind == "net" && device.name.starts_with("hsn"); });
    if (found == nullptr && name == "auto")
      found = first(host, [](const auto& device) { return device.kind == "net" && device.name != "lo"; });
  } else {
    found = first(host, [&](const auto& device) { return device.name == name; });
  }
  if (found == nullptr) return std::nullopt;
  return endpoint_of(*found);
}

std::string full_header() {
  return "rank | host | processor | xname | kind | device | state | numa_node | addresses | beside\n";
}

std::string full_rows(const HostSeen& host, std::size_t rank) {
  const auto row = [&](const NetworkDevice& device) {
    return fmt::format("{} | {} | {} | {} | {} | {} | {} | {} | {} | {}\n", rank, host.name, host.processor,
                       host.xname, device.kind, device.name, device.state, device.numa_node,
                       fmt::join(device.addresses, " "), device.beside);
  };
  if (host.devices.empty()) return row({});
  std::string rows;
  for (const auto& device : host.devices) rows += row(device);
  return rows;
}

}  // namespace copper
