// A job's profile as one HTML page: no script, no other file, nothing from the network; light or dark as the
// reader's system is. Pure.
#pragma once

#include <string>

#include "wrappers/copper/report/profile.h"

namespace copper {

std::string report_page(const Profile& profile);

}  // namespace copper
