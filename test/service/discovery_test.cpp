// What a host shows of itself: planted machines in a scratch directory.
#include "service/outputs/discovery.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "test/service/scratch.h"

namespace copper {
namespace {

class Machine {
 public:
  void file(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((root / name).parent_path());
    root.write(name, text + "\n");
  }
  void interface(const std::string& name, const std::string& state, const std::string& numa) const {
    file("sys/class/net/" + name + "/operstate", state);
    if (!numa.empty()) file("sys/class/net/" + name + "/device/numa_node", numa);
  }
  HostSeen seen(const std::string& name = "node1", const InterfaceAddresses& addresses = {}) const {
    return see_host(root.path(), name, "processor of " + name, addresses);
  }

  Scratch root;
};

// Eight Slingshot devices, hsn0 to hsn7 beside them, four on each NUMA node; no file says the xname.
void plant_aurora(const Machine& machine) {
  for (int n = 0; n < 8; ++n) {
    const auto number = std::to_string(n);
    const auto numa = std::to_string(n / 4);
    machine.interface("hsn" + number, n == 0 ? "down" : "up", numa);
    machine.file("sys/class/cxi/cxi" + number + "/device/numa_node", numa);
    machine.file("sys/class/cxi/cxi" + number + "/device/properties/nid", "0x1a" + number);
    machine.file("sys/class/cxi/cxi" + number + "/device/net/hsn" + number + "/operstate", "up");
  }
  machine.interface("lo", "unknown", "");
  machine.interface("bond0", "up", "");
}

const NetworkDevice* device_of(const HostSeen& host, std::string_view name) {
  const auto found = std::ranges::find(host.devices, name, &NetworkDevice::name);
  return found == host.devices.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("an Aurora node shows eight CXI devices, their interfaces and NUMA nodes, and its place") {
  const Machine machine;
  plant_aurora(machine);
  const auto host = machine.seen("x4102c5s2b0n0", {{"hsn1", "10.1.0.1"}, {"hsn1", "fe80::1"}});
  CHECK(host.xname == "x4102c5s2b0n0");
  CHECK(host.devices.size() == 18);
  REQUIRE(device_of(host, "cxi5") != nullptr);
  CHECK(device_of(host, "cxi5")->numa_node == "1");
  CHECK(device_of(host, "cxi5")->beside == "hsn5");
  CHECK(device_of(host, "cxi5")->addresses == std::vector<std::string>{"nid 0x1a5"});
  CHECK(device_of(host, "hsn5")->beside == "cxi5");
  CHECK(device_of(host, "hsn1")->addresses == std::vector<std::string>{"10.1.0.1", "fe80::1"});

  CHECK(endpoint(host, "cxi") == "cxi://cxi1");  // the first one is down
  CHECK(endpoint(host, "auto") == "cxi://cxi1");
  CHECK(endpoint(host, "cxi0") == "cxi://cxi0");
  CHECK(endpoint(host, "cxi://cxi7") == "cxi://cxi7");
  CHECK(endpoint(host, "hsn1") == "10.1.0.1");
  CHECK(endpoint(host, "hsn2") == "hsn2");
  CHECK_FALSE(endpoint(host, "cxi8"));
  CHECK_FALSE(endpoint(host, "eth0"));
}

TEST_CASE("a machine without Slingshot shows its interfaces, and auto is the first that is up") {
  const Machine machine;
  machine.interface("lo", "unknown", "");
  machine.interface("eth0", "down", "0");
  machine.interface("eth1", "up", "1");
  const auto host = machine.seen("node1.example.org", {{"lo", "127.0.0.1"}, {"eth1", "192.168.0.7"}});
  CHECK(host.xname.empty());
  CHECK(endpoint(host, "auto") == "192.168.0.7");
  CHECK(endpoint(host, "lo") == "127.0.0.1");
  CHECK_FALSE(endpoint(host, "cxi"));
  machine.interface("hsn0", "up", "0");
  CHECK(endpoint(machine.seen(), "auto") == "hsn0");
}

TEST_CASE("a machine's place is what its files say, else what its name is") {
  const Machine machine;
  CHECK(machine.seen("x1c2s3b4n5.example.org").xname == "x1c2s3b4n5");
  for (const auto* name : {"x1c2s3b4", "x1c2s3b4n5x", "xcsbn", "node1", ""})
    CHECK(machine.seen(name).xname.empty());
  machine.file("proc/cray_xt/cname", "c0-0c1s2n3");
  CHECK(machine.seen().xname == "c0-0c1s2n3");
  machine.file("etc/cray/xname", "x9c9s9b9n9");
  CHECK(machine.seen().xname == "x9c9s9b9n9");
}

TEST_CASE("all that was seen is a row for each device under a header of as many columns") {
  const Machine machine;
  plant_aurora(machine);
  const auto rows = full_header() + full_rows(machine.seen(), 7);
  std::size_t lines = 0;
  for (std::size_t from = 0, to; (to = rows.find('\n', from)) != std::string::npos; from = to + 1, ++lines) {
    const auto line = rows.substr(from, to - from);
    std::size_t columns = 1;
    for (std::size_t at = 0; (at = line.find(" | ", at)) != std::string::npos; at += 3) ++columns;
    CHECK(columns == 10);
  }
  CHECK(lines == 19);
  CHECK(rows.find("\n7 | node1 | processor of node1 |  | cxi | cxi0 | down | 0 | nid 0x1a0 | hsn0\n") !=
        std::string::npos);
  const Machine bare;
  CHECK(full_rows(bare.seen(), 0).starts_with("0 | node1 | processor of node1 |"));
}

TEST_CASE("a network type is a word of a device") {
  for (const auto* good : {"auto", "cxi", "cxi0", "cxi://cxi12", "hsn3", "enp0s31f6", "ib0"})
    CHECK(valid_net_type(good));
  for (const auto* bad : {"", "cxi://", "cxi://hsn0", "tcp://eth0", "../x", "a b", "..", "sixteen-letters-"})
    CHECK_FALSE(valid_net_type(bad));
}

TEST_CASE("this machine is seen without any privilege") {
  const auto host = see_host("/", "here", "here", interface_addresses());
  CHECK(full_rows(host, 0).ends_with("\n"));
}

}  // namespace copper
