#include "test/simulation/scenario.h"

namespace copper::simulation {

std::string command(const std::string& scenario, const Settings& settings) {
  auto text = "copper_simulation " + scenario;
  const auto add = [&](const char* option, const std::string& value) {
    text += std::string(" --") + option + " " + value;
  };
  add("seed", std::to_string(settings.seed));
  add("ranks", std::to_string(settings.ranks));
  add("fanout", std::to_string(settings.fanouts.control));
  add("bulk-fanout", std::to_string(settings.fanouts.bulk));
  add("trees", std::to_string(settings.trees));
  add("publish", name_of(settings.publish));
  add("store-bytes", std::to_string(settings.store_bytes));
  if (scenario == "storm") add("keys", std::to_string(settings.keys));
  return text;
}

}  // namespace copper::simulation
