// A facility's address book: which endpoint each of its hosts has, and which group (a rack, a dragonfly
// group) it belongs to. Pure: text in, answers out; no file is read here.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace copper {

// The first 20, by commas, and "..." where there are more: for a line that names hosts.
std::string hosts_text(const std::vector<std::string>& hosts);

class FacilityBook {
 public:
  struct Entry {
    std::string endpoint;
    std::string group;  // "": none
  };

  // Lines `host endpoint [group]`; empty ones and what follows a '#' say nothing. Throws Refusal for any
  // other line, and for a host that a later line gives another endpoint or group, with the line's number;
  // `name` is the book's in that sentence.
  FacilityBook(std::string_view text, const std::string& name);

  // A host is found by its full name, else by its name up to the first dot, whichever the book has. Null
  // where the book does not name it.
  const Entry* find(const std::string& host) const;

  // By host. Throws Refusal, which names the hosts that the book has not.
  std::vector<Entry> of(const std::vector<std::string>& hosts) const;

 private:
  std::string name_;
  std::map<std::string, Entry> entries_;
};

}  // namespace copper
