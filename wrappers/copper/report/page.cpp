// See page.h.
#include "wrappers/copper/report/page.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "wrappers/copper/report/charts.h"
#include "wrappers/copper/svg.h"
#include "wrappers/copper/tables.h"

namespace copper {
namespace {

using svg::escaped;

// Two colours that the colour-blind tell apart (Okabe and Ito), lighter in the dark: `a` is Copper, `b` is
// storage.
constexpr std::string_view style = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --muted: #59636e; --grid: #e2e6ea; --axis: #8a949e; --page: #fff;
  --card: #f5f7f9; --a: #0072b2; --b: #d55e00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --muted: #9aa5b1; --grid: #2d333a; --axis: #6b7580; --page: #14171a; --card: #1d2126;
    --a: #56b4e9; --b: #f08a4b; }
}
body { max-width: 960px; margin: 32px auto; padding: 0 24px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 44px 0 4px; }
p { margin: 4px 0 16px; color: var(--muted); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 20px 0; }
.tile { background: var(--card); border-radius: 8px; padding: 10px 14px; }
.tile b { display: block; font-size: 20px; font-weight: 600; white-space: nowrap; } .tile span { color: var(--muted); font-size: 13px; }
svg { display: block; width: 100%; height: auto; font-size: 13px; } text { fill: var(--ink); }
text.muted { fill: var(--muted); } text.bold { font-weight: 600; }
.a { fill: var(--a); } .b { fill: var(--b); } .grid { stroke: var(--grid); } .axis { stroke: var(--axis); }
.limit { stroke: var(--b); stroke-width: 2.5; }
.depth1 { opacity: .7; } .depth2 { opacity: .5; } .depth3 { opacity: .35; } .depth4 { opacity: .25; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 4px 8px; border-bottom: 1px solid var(--grid); vertical-align: top; }
th { color: var(--muted); font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
td.path { font-family: ui-monospace, "Liberation Mono", "DejaVu Sans Mono", monospace; font-size: 12px; overflow-wrap: anywhere; }
td.name { white-space: nowrap; width: 30%; } .wide { overflow-x: auto; }
summary { cursor: pointer; } details p { overflow-wrap: anywhere; }
)";

std::string tile(std::string_view figure, std::string_view words) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>\n", escaped(figure), escaped(words));
}

std::string section(std::string_view title, std::string_view words, std::string_view content) {
  return fmt::format("<h2>{}</h2>\n<p>{}</p>\n{}", escaped(title), escaped(words), content);
}

std::uint64_t front_end_requests(const Profile& profile) {
  std::uint64_t sum = 0;
  for (const auto& one : profile.operations)
    if (one.layer == "front_end") sum += one.count;
  return sum;
}

std::string tiles(const Profile& profile) {
  return "<div class=\"tiles\">\n" + tile(grouped(profile.nodes()), profile.nodes() == 1 ? "node" : "nodes") +
         tile(grouped(front_end_requests(profile)), "requests of the kernels") +
         tile(grouped(profile.counter("client_asks")), "questions to the ranks") +
         tile(grouped(profile.storage_questions()), "questions to storage") +
         tile(bytes_text(profile.counter("bytes_loaded")), "read from storage") +
         tile(bytes_text(profile.counter("bytes_sent")), "sent between nodes") + "</div>\n";
}

std::string paths_table(const Profile& profile) {
  if (profile.paths.empty()) return "<p>Nothing was asked for.</p>\n";
  std::string out = "<div class=\"wide\"><table>\n<tr><th>path</th><th>what</th>";
  for (const auto* column : {"asks", "from cache", "from storage", "bytes", "absent"})
    out += fmt::format("<th class=\"n\">{}</th>", column);
  out += "</tr>\n";
  for (const auto& one : profile.paths) {
    out += fmt::format("<tr><td class=\"path\">{}</td><td>{}</td>", escaped(one.path), escaped(one.kind));
    for (const auto& figure : {grouped(one.asks), grouped(one.hits), grouped(one.loads),
                               bytes_text(one.bytes), grouped(one.absent)})
      out += "<td class=\"n\">" + figure + "</td>";
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

std::string options_table(const Profile& profile) {
  if (profile.options.empty()) return "<p>logs/options.json does not say.</p>\n";
  std::string out = "<table>\n";
  for (const auto& [name, value] : profile.options)
    out += fmt::format("<tr><td class=\"name\">{}</td><td class=\"path\">{}</td></tr>\n", escaped(name),
                       escaped(value));
  return out + "</table>\n";
}

std::string hosts_text(const Profile& profile) {
  const auto& hosts = profile.hosts;
  if (hosts.empty()) return "<p>logs/node_file.txt does not say.</p>\n";
  std::string all;
  for (const auto& host : hosts) all += escaped(host) + ' ';
  const auto range = hosts.size() == 1 ? hosts.front() : hosts.front() + " to " + hosts.back();
  return fmt::format("<details><summary>{} {}: {}</summary><p>{}</p></details>\n", grouped(hosts.size()),
                     hosts.size() == 1 ? "host" : "hosts", escaped(range), all);
}

std::string ranks_words(const Profile& profile) {
  if (profile.ranks.size() >= profile.nodes()) return "Each bar is a rank.";
  return fmt::format("Each bar is a rank: the {} that sent most, of {}.", profile.ranks.size(),
                     grouped(profile.nodes()));
}

}  // namespace

std::string report_page(const Profile& profile) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>Copper: {0}</title>\n<style>{1}</style>\n</head>\n<body>\n"
      "<h1>Copper: {0}</h1>\n<p>What the job asked for, and who answered.</p>\n",
      escaped(profile.job), style);
  out += tiles(profile);
  out += section("Time line", "Since the ranks started; all nodes together.", timeline_chart(profile));
  out += section("Where questions ended",
                 "What a kernel had been told it answers itself, and nobody counts. The orange bars are what "
                 "reached storage.",
                 answers_chart(profile));
  out += section("Latency", "Of each operation, how many took how long; each row has a scale of its own.",
                 latency_chart(profile));
  out += section("Load of the ranks", ranks_words(profile), load_chart(profile));
  out += section("Memory", ranks_words(profile), memory_chart(profile));
  out += section("Hottest paths", "Most asked for of the ranks, on all nodes.", paths_table(profile));
  out += "<h2>Options</h2>\n" + options_table(profile);
  out += "<h2>Hosts</h2>\n" + hosts_text(profile);
  return out + "</body>\n</html>\n";
}

}  // namespace copper
