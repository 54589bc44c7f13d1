#include "tree/simulation/machine/profile.h"

#include <array>
#include <charconv>
#include <cmath>
#include <sstream>

namespace copper::simulation {
namespace {

// "Assumed" is what no source says.
const std::array networks{
    // HPE Slingshot 11: 200 Gbit/s per interface and direction; about 2 us between nodes by MPI (vendor's and
    // sites' published figures). A node of Aurora has eight interfaces, a rank uses one.
    NetworkProfile{"slingshot11", 2, 25},
    // The line rate; the latency of kernel TCP through one switch is assumed.
    NetworkProfile{"ethernet-10g", 30, 1.25},
    // Ranks of one machine, by shared memory: assumed.
    NetworkProfile{"loopback", 1, 5},
};

const std::array storages{
    // Aurora's Lustre: 650 GB/s published. Argonne published `import torch` by 12 processes on a node,
    // reading
    // directly: 1.5 s on 32 nodes, some 5,000 operations one after the other (1,404 files opened and read,
    // 555
    // absent names) and thinking, which makes 200 us each; and 120 s on 2,048 nodes, which makes 340,000
    // opens a
    // second in all. A metadata server gives 400,000 to 540,000 stats a second by Dell's published mdtest
    // figures
    // for Lustre 2.5 to 2.7. But 79 s on 128 and 120 s on 1,024 nodes no constant rate explains
    // (docs/measurements.md). reads_per_s and client_gb_per_s are assumed; client_operations is Lustre's
    // default max_rpcs_in_flight.
    StorageProfile{"lustre-flare", 200, 400e3, 200, 2e6, 650, 5, 8},
    // Frontier's: 10 TB/s and 2 million random reads a second from its flash, published; the rest as above.
    StorageProfile{"lustre-orion", 200, 400e3, 200, 2e6, 10'000, 5, 8},
    // A laptop's solid state disk, its caches cold: assumed.
    StorageProfile{"laptop", 50, 100e3, 80, 100e3, 2, 2, 32},
};

// Measured on the developers' virtual machine, where a wake-up of another core costs ten times what it costs
// on one core; so the front end's times are those of a bad day rather than of a compute node. request_us is
// an isatty through the mount, kernel_hit_us a warm stat (docs/measurements.md), copy_gb_per_s the cold read
// of a pass-through mount. A rank's own part of a message, coded and looked up, takes 0.3 to 1 us
// (test/bench); with a share of MPI_Testsome, 0.15 to 1 us each, and of MPI_Isend the figures below are
// assumed. So are doorbell_us, half a request's wake-ups, and ask_us.
const NodeProfile measured_node{
    .message_us = 3,
    .send_us = 1,
    .question_us = 2,
    .checksum_gb_per_s = 10,
    .loaded_us = 3,
    .doorbell_us = 30,
    .request_us = 70,
    .ask_us = 40,
    .kernel_hit_us = 2.3,
    .copy_gb_per_s = 4.2,
};

template <class Profile>
struct Field {
  const char* name;
  double Profile::*value;
};
constexpr std::array network_fields{
    Field<NetworkProfile>{"latency_us", &NetworkProfile::latency_us},
    Field<NetworkProfile>{"gb_per_s", &NetworkProfile::gb_per_s},
};
constexpr std::array storage_fields{
    Field<StorageProfile>{"metadata_us", &StorageProfile::metadata_us},
    Field<StorageProfile>{"metadata_per_s", &StorageProfile::metadata_per_s},
    Field<StorageProfile>{"data_us", &StorageProfile::data_us},
    Field<StorageProfile>{"reads_per_s", &StorageProfile::reads_per_s},
    Field<StorageProfile>{"gb_per_s", &StorageProfile::gb_per_s},
    Field<StorageProfile>{"client_gb_per_s", &StorageProfile::client_gb_per_s},
    Field<StorageProfile>{"client_operations", &StorageProfile::client_operations},
};

template <class List>
std::vector<std::string> names_of(const List& list) {
  std::vector<std::string> names;
  for (const auto& item : list) names.emplace_back(item.name);
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// The text up to the next comma, which is taken off it.
std::string_view take(std::string_view& text) {
  const auto comma = text.find(',');
  const auto word = text.substr(0, comma);
  text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
  return word;
}

template <class Profile, class Profiles, class Fields>
std::variant<Profile, std::string> parse(std::string_view text, const Profiles& profiles,
                                         const Fields& fields) {
  if (text.ends_with(',')) return "'" + std::string(text) + "' ends with a comma";
  const auto name = take(text);
  const Profile* found = nullptr;
  for (const auto& profile : profiles)
    if (profile.name == name) found = &profile;
  if (found == nullptr)
    return "no profile is called '" + std::string(name) + "'; there are " + joined(names_of(profiles));
  Profile profile = *found;
  while (!text.empty()) {
    const auto setting = take(text);
    const auto equals = setting.find('=');
    const auto key = setting.substr(0, equals);
    const Field<Profile>* field = nullptr;
    for (const auto& known : fields)
      if (known.name == key) field = &known;
    if (field == nullptr || equals == std::string_view::npos)
      return "'" + std::string(setting) + "' is not KEY=VALUE with a KEY of " + joined(names_of(fields));
    const auto number = setting.substr(equals + 1);
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc{} || end != number.data() + number.size() || !std::isfinite(value) || value <= 0)
      return "'" + std::string(setting) + "' is not a positive number";
    profile.*(field->value) = value;
  }
  return profile;
}

template <class Profile, class Fields>
std::string text_of(const Profile& profile, const Fields& fields) {
  std::ostringstream text;
  text << profile.name;
  for (const auto& field : fields) text << ',' << field.name << '=' << profile.*(field.value);
  return text.str();
}

}  // namespace

const NodeProfile& node_profile() { return measured_node; }

std::vector<std::string> network_names() { return names_of(networks); }
std::vector<std::string> storage_names() { return names_of(storages); }

std::variant<NetworkProfile, std::string> network_profile(std::string_view text) {
  return parse<NetworkProfile>(text, networks, network_fields);
}
std::variant<StorageProfile, std::string> storage_profile(std::string_view text) {
  return parse<StorageProfile>(text, storages, storage_fields);
}

std::string describe(const NetworkProfile& profile) { return text_of(profile, network_fields); }
std::string describe(const StorageProfile& profile) { return text_of(profile, storage_fields); }

Duration microseconds(double us) { return Duration{std::llround(us * 1000)}; }

}  // namespace copper::simulation
