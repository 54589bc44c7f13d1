// What a host shows of itself: its network interfaces, its CXI devices (Slingshot), where on the machine it
// stands. Start-up only. The file system that is looked at is a parameter, so that any machine can be played.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace copper {

struct NetworkDevice {
  std::string kind;  // "cxi", or "net": an interface
  std::string name;
  std::string
      state;  // of an interface, as the kernel says it: up, down, unknown; of a CXI device, that of its
  std::string numa_node;               // interface. "-1" or "": the kernel does not know
  std::vector<std::string> addresses;  // of an interface; a CXI device's node id
  std::string beside;                  // the interface of a CXI device, and the other way round
};

struct HostSeen {
  std::string name;
  std::string processor;               // as MPI names it
  std::string xname;                   // its place in a Cray; "" elsewhere
  std::vector<NetworkDevice> devices;  // CXI devices, then interfaces, each in the natural order of names
};

// Addresses of this host's interfaces, by name; asked of the kernel.
using InterfaceAddresses = std::multimap<std::string, std::string>;
InterfaceAddresses interface_addresses();

// What cannot be read is not there.
HostSeen see_host(const std::filesystem::path& root, const std::string& name, const std::string& processor,
                  const InterfaceAddresses& addresses);

// Is it a -n: auto, cxi, cxi0, cxi://cxi0, or an interface's name (hsn0)?
bool valid_net_type(std::string_view net_type);

// Of that type on this host: "cxi://cxi0", or the address of an interface (its name where it has none).
// `auto` and `cxi` take the first that is up. Nothing where the host has no such device.
std::optional<std::string> endpoint(const HostSeen& host, std::string_view net_type);

// One line for each device, columns by " | "; and what the columns are.
std::string full_rows(const HostSeen& host, std::size_t rank);
std::string full_header();

}  // namespace copper
