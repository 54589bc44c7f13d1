// See outputs.h.
#include "service/outputs/outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "service/outputs/cache_tables.h"
#include "service/outputs/profile_files.h"
#include "service/outputs/timing_lines.h"
#include "tree/limits.h"

namespace copper {
namespace {

using namespace std::chrono_literals;

constexpr auto census_moment = 500ms;  // for the last one's way to a rank and back
constexpr auto writing_patience = 2s;  // for the last files

std::vector<std::uint32_t> depths(const Topology& topology) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t rank = 0; rank < topology.ranks(); ++rank)
    all.push_back(topology.depth(Rank{rank}, first_tree));
  return all;
}

}  // namespace

std::size_t paths_counted(const OutputOptions& options) {
  if (options.full_paths) return Profile::paths_max;
  return std::min(std::max<std::size_t>(paths_counted_min, std::size_t{4} * options.top_n),
                  Profile::paths_max);
}

Outputs::Outputs(const OutputOptions& options, Job job, const RankProfile::Sources& sources, Instant started,
                 Instant registered, std::shared_ptr<spdlog::logger> log, Counters& counters)
    : options_(options),
      job_(std::move(job)),
      own_(sources, started, registered, paths_counted(options)),
      started_(started),
      log_(std::move(log)),
      counters_(counters),
      warnings_(std::make_shared<WarningCount>()),
      writer_([log = log_](const std::string& failed) { log->error("{}", failed); }),
      next_second_(registered),
      said_{std::vector<bool>(job_.names.size()), std::vector<bool>(job_.names.size())} {
  log_->sinks().push_back(warnings_);
  log_->info("{}", registration_line(static_cast<std::uint64_t>((registered - started) / 1us)));
  said_[0][number(job_.self)] = true;
}

Profile Outputs::profile(Scope scope, const Engine& engine, Instant now) {
  counters_.add(Counter::warnings, warnings_->take());
  auto profile = own_.profile(scope, engine.node(), now);
  if (scope == Scope::last) {
    last_said_ = true;
    write("final", profile, engine, now);
  }
  return profile;
}

void Outputs::look(Engine& engine, Instant now) {
  while (const auto taken = engine.census_taken()) {
    const auto scope = censuses_.at(taken->number);
    censuses_.erase(taken->number);
    const auto ranks = job_.names.size();
    if (taken->census.ranks < ranks)
      log_->warn("{} of {} ranks have said what they counted", taken->census.ranks, ranks);
    say_others(taken->census.profile.timings, false);
    if (scope == Scope::last || ranks <= writing_ranks_max) say_others(taken->census.profile.timings, true);
    if (scope == Scope::last) say_warnings(taken->census.profile);
    if (scope != Scope::timings) write_job(*taken, engine.node().topology());
    last_taken_ = last_taken_ || scope == Scope::last;
  }
  if (!said_own_answer_) say_own(engine.node());
  if (of_rank_0() && !asked_timings_ && engine.all_ready()) {
    asked_timings_ = true;
    if (log_->should_log(spdlog::level::info) && job_.names.size() > 1)
      censuses_.emplace(engine.begin_census(Scope::timings, now), Scope::timings);
  }
  if (now < next_second_) return;
  next_second_ = now + 1s;
  counters_.add(Counter::warnings, warnings_->take());
  own_.look(engine.node(), now);
  if (options_.snapshot > 0s && !leaving_ && now >= started_ + (snapshots_ + 1) * options_.snapshot)
    snapshot(engine, now);
}

void Outputs::snapshot(Engine& engine, Instant now) {
  snapshots_ = static_cast<std::uint32_t>((now - started_) / options_.snapshot);
  write(fmt::format("snapshot-{:04}", snapshots_), own_.profile(Scope::profile, engine.node(), now), engine,
        now);
  if (of_rank_0() && options_.aggregate)
    censuses_.emplace(engine.begin_census(Scope::profile, now), Scope::profile);
}

void Outputs::told_to_leave(Engine& engine, Instant now) {
  leaving_ = now;
  write("pre-destroy", own_.profile(Scope::profile, engine.node(), now), engine, now);
  if (of_rank_0()) censuses_.emplace(engine.begin_census(Scope::last, now), Scope::last);
}

bool Outputs::may_leave(const Engine& engine, Instant now) {
  if (!last_said_ && now >= *leaving_ + limits::census_patience + census_moment) {
    log_->warn("nobody has asked for this rank's last figures");
    (void)profile(Scope::last, engine, now);
  }
  if (now >= *leaving_ + limits::census_patience + census_moment + writing_patience) {
    log_->warn("there is no time left to write all files");
    return true;
  }
  return last_said_ && (!of_rank_0() || last_taken_) && writer_.idle();
}

void Outputs::say_own(const Node& node) {
  const auto timing = own_.timing(node);
  if (!timing.first_answer_us) return;
  said_own_answer_ = said_[1][number(job_.self)] = true;
  log_->info("{}", first_answer_line(timing.first_answer, *timing.first_answer_us));
}

// What has not been said of them before.
void Outputs::say_others(const std::vector<Timing>& timings, bool first) {
  const bool reduced = job_.names.size() > writing_ranks_max;
  auto& said = said_[first ? 1 : 0];
  std::vector<Timing> news;
  bool any = false;
  for (const auto& timing : timings) {
    if (first && !timing.first_answer_us) continue;
    any = any || !said[number(timing.rank)];
    if (reduced || !said[number(timing.rank)]) news.push_back(timing);
  }
  // The sums are of all ranks, and said once: as soon as somebody else than this rank is in them.
  if (!any) return;
  for (const auto& timing : news) said[number(timing.rank)] = true;
  for (const auto& line : timing_lines(news, job_.names, first, reduced)) log_->info("{}", line);
}

// The logs of many ranks stay on their nodes.
void Outputs::say_warnings(const Profile& profile) {
  const auto& all =
      profile.counters.at(segment::fuse_counter_count + static_cast<std::size_t>(Counter::warnings));
  if (all.sum == 0 || all.sum == counters_[Counter::warnings]) return;
  log_->warn("the logs of all ranks have {} warnings; that of {} has most, {}", all.sum,
             job_.names.at(number(all.max_rank)), all.max);
}

void Outputs::write(const std::string& tag, Profile profile, const Engine& engine, Instant now) {
  if (!job_.writes || options_.job_dir.empty()) return;
  const auto self = number(job_.self);
  const auto rank_directory = fmt::format("{}.{}", job_.hosts.at(self), self);
  writer_.write([directory = options_.job_dir, tag, rank_directory, rows = cached_rows(engine.node(), now),
                 sheet = ProfileSheet{.title = fmt::format("rank {} on {}", self, job_.names.at(self)),
                                      .profile = std::move(profile),
                                      .names = job_.names,
                                      .depths = depths(engine.node().topology()),
                                      .top_n = this->rows()}] {
    auto files = cache_tables(rows, directory / "tables" / tag / rank_directory);
    std::ranges::move(profile_files(sheet, directory / "profiling" / tag / rank_directory),
                      std::back_inserter(files));
    return files;
  });
}

void Outputs::write_job(const CensusTaker::Taken& taken, const Topology& topology) {
  if (!options_.aggregate || options_.job_dir.empty()) return;
  writer_.write([directory = options_.job_dir, sheet = ProfileSheet{.title = "the job",
                                                                    .profile = taken.census.profile,
                                                                    .ranks_counted = taken.census.ranks,
                                                                    .ranks = topology.ranks(),
                                                                    .names = job_.names,
                                                                    .depths = depths(topology),
                                                                    .top_n = rows()}] {
    return profile_files(sheet, directory / "profiling" / "cluster");
  });
}

}  // namespace copper
