#include "tree/simulation/replay/workload.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "tree/assert.h"
#include "tree/limits.h"
#include "tree/simulation/failure.h"
#include "tree/simulation/machine/machine_world.h"
#include "tree/simulation/nobodys_bytes.h"

namespace copper::simulation {
namespace {

bool at_or_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (directory == "/" || path.size() == directory.size() || path[directory.size()] == '/');
}

std::string short_number(std::uint32_t n) {
  std::array<char, 8> text{};
  const auto end = std::to_chars(text.begin(), text.end(), n, 36).ptr;
  return {text.begin(), end};
}

}  // namespace

Workload::Workload(const Trace& trace) : sizes_(trace.paths.size()) {
  const auto is_distinct = [&](std::uint32_t path) {
    return std::any_of(trace.distinct.begin(), trace.distinct.end(),
                       [&](const auto& directory) { return at_or_below(trace.paths[path], directory); });
  };
  const auto know = [&](std::string_view directory) {
    directories_.emplace(directory, static_cast<std::uint32_t>(directories_.size()));
  };
  for (const auto& path : trace.paths) {
    know(path);
    know(parent_path(path));
  }
  for (const auto& request : trace.requests)
    for (const auto& question : request.questions)
      if (question.kind == Kind::block)
        sizes_[question.path] = std::max(
            sizes_[question.path], question.block * std::uint64_t{limits::block_bytes} + question.bytes);

  std::set<std::uint32_t> opened;
  for (const auto& asked : trace.requests) {
    Request request{.think = asked.think, .op = asked.op, .path = asked.path, .block = asked.block};
    request.own = asked.op == TraceOp::ioctl || asked.op == TraceOp::statfs || is_distinct(asked.path);
    request.opens = asked.op == TraceOp::read && opened.insert(asked.path).second;
    request.first_question = static_cast<std::uint32_t>(questions_.size());
    request.questions = static_cast<std::uint32_t>(asked.questions.size());
    thinking_ += asked.think;
    for (const auto& question : asked.questions) {
      const auto key = make_key(trace, question);
      ensure(valid(key), "a renamed key is valid");
      if (question.kind == Kind::block) request.bytes += question.bytes;
      const auto& path = trace.paths[question.path];
      const bool name =
          question.kind != Kind::listing && std::ranges::find(trace.distinct, path) != trace.distinct.end();
      questions_.push_back({key, is_distinct(question.path), name, question.bytes, question.error});
      // The same key may be asked twice, the second time "unchanged" and thus without bytes.
      const auto [known, first] = answers_.emplace(key, Answer{question.bytes, question.error});
      if (!first) {
        known->second.bytes = std::max(known->second.bytes, question.bytes);
        continue;
      }
      ++objects_.questions;
      objects_.bytes += question.bytes;
      objects_.metadata_operations += metadata_operations(key, question.bytes, question.error == 0);
      if (question.kind == Kind::block && question.error == 0) ++objects_.reads;
    }
    requests_.push_back(request);
  }
}

Key Workload::make_key(const Trace& trace, const TraceQuestion& question) const {
  const auto& path = trace.paths[question.path];
  const auto number_of = [&](std::string_view directory) {
    return "/" + short_number(directories_.at(std::string(directory)));
  };
  const auto name = number_of(parent_path(path)) + "/" + short_number(question.path);
  switch (question.kind) {
    case Kind::listing:
      if (question.block == 0) return Key::listing(number_of(path));
      return Key::listing_block(number_of(path), question.block, question.path + std::uint64_t{1});
    case Kind::block:
      return Key::file_block(name, question.block,
                             {.inode = question.path + std::uint64_t{1}, .size = sizes_[question.path]});
    case Kind::filesystem:
      return Key::filesystem(name);
    case Kind::entry:
      break;
  }
  return Key::entry(name);
}

Key Workload::key(const Question& question, std::uint32_t node, std::uint32_t process) const {
  if (!question.distinct) return question.key;
  auto key = question.key;
  const auto suffix = "." + std::to_string(node) + "." + std::to_string(process);
  auto path = key.path.str();
  const auto slash = question.distinct_name ? std::string::npos : path.find('/', 1);
  key.path = path.insert(slash == std::string::npos ? path.size() : slash, suffix);
  return key;
}

Workload::Answer Workload::answer(const Key& key) const {
  auto known = answers_.find(key);
  if (known == answers_.end()) {
    auto shared = key;
    auto path = key.path.str();
    const auto dot = path.find('.');
    if (dot != std::string::npos) shared.path = path.erase(dot, path.find('/', dot) - dot);
    known = answers_.find(shared);
  }
  const auto begin = key.block * std::uint64_t{limits::block_bytes};
  if (known == answers_.end() && key.kind == Kind::block && begin < key.version.size)  // read ahead
    return {
        static_cast<std::uint32_t>(std::min<std::uint64_t>(limits::block_bytes, key.version.size - begin)),
        0};
  expect(known != answers_.end(), "the trace has an answer to " + describe(key));
  return known->second;
}

Loaded TraceStorage::look(const Load& load, Instant) {
  const auto answer = workload_.answer(load.key);
  if (answer.error != 0) return {load.key, false, Errno{answer.error}, 0, for_the_job};
  return {load.key, false, NobodysBytes::of(answer.bytes), 1, for_the_job};
}

}  // namespace copper::simulation
