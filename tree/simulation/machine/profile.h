// What a machine is made of, as numbers: its network, its storage, and what this project's programs cost on
// its nodes. Named profiles, each number with its source in profile.cpp; a number may be replaced by
// `NAME,key=value,...`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tree/outcome.h"

namespace copper::simulation {

struct NetworkProfile {
  std::string name;
  double latency_us = 0;  // one way, from interface to interface, all hops
  double gb_per_s = 0;    // of a node's interface that MPI uses, in each direction; 1e9 bytes
};

// Two queues, each shared by all clients; and what one client can have at a time.
struct StorageProfile {
  std::string name;
  double metadata_us = 0;        // of one operation on an idle file system: lookup, open, getattr, readdir
  double metadata_per_s = 0;     // that it serves in all
  double data_us = 0;            // of one read, without its bytes
  double reads_per_s = 0;        // that it serves in all
  double gb_per_s = 0;           // likewise
  double client_gb_per_s = 0;    // to one node
  double client_operations = 0;  // of a node under way at a time, of either kind
};

// What the programs of one node cost. All in microseconds of one core.
struct NodeProfile {
  double message_us = 0;         // the rank: to take a message and do what follows
  double send_us = 0;            // the rank: to send one
  double question_us = 0;        // the rank: to take its front end's question and answer it if it can
  double checksum_gb_per_s = 0;  // the rank: of what it receives
  double loaded_us = 0;          // the rank: to take what a storage reader brings
  double doorbell_us = 0;        // until a sleeping rank that is rung runs
  double request_us = 0;         // the front end: a request and its reply, answered from what it holds
  double ask_us = 0;             // the front end: more, for each question that it asks of the rank, both ways
  double kernel_hit_us = 0;      // a request that the kernel answers from its own caches
  double copy_gb_per_s = 0;      // of file bytes, from the page cache to the program or into the page cache
};

// This project's own programs: as measured where they are developed.
const NodeProfile& node_profile();

std::vector<std::string> network_names();
std::vector<std::string> storage_names();

// `NAME` or `NAME,key=value,...`, the keys being the names above; each value > 0 and finite. Else one line
// that says what is wrong.
std::variant<NetworkProfile, std::string> network_profile(std::string_view text);
std::variant<StorageProfile, std::string> storage_profile(std::string_view text);

// The same as text that names every number.
std::string describe(const NetworkProfile& profile);
std::string describe(const StorageProfile& profile);

Duration microseconds(double us);  // rounded to nanoseconds

}  // namespace copper::simulation
