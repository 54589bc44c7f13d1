// The outside world of a rank, each half with a real and a simulated one. None of these calls blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "tree/message.h"
#include "tree/node/node.h"

namespace copper {

struct Received {
  Rank from{};
  Message message;  // an Answer carries its bytes
};

// The other ranks. Between two ranks messages arrive in the order in which they were sent.
class Transport {
 public:
  virtual ~Transport() = default;
  // Keeps a reference to the payload until it is sent. False, and nothing is sent: a publication for a rank
  // that takes nothing (tree/flow/outbox.h).
  virtual bool send(Rank to, Message message) = 0;
  virtual std::optional<Received> receive() = 0;
};

// The file system of truth. Only a root has a use for it.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual void load(Load load) = 0;            // exactly one loaded() follows
  virtual std::optional<Loaded> loaded() = 0;  // in any order
};

// What the node's front end wants.
struct Question {
  Client client{};
  Key key;  // valid(key) holds: a port that takes it from another process has checked
  Tag have = 0;
};
struct FoundReady {  // in the index of what is ready (tree/node/store.h): nobody waits for an answer
  Key key;           // valid
};
struct Cancel {
  Client client{};
};
// The user's command asks about the rank or the job; answered by a Report through reply_control.
enum class ControlOp : std::uint32_t { status = 1, stats = 2, clear = 3 };
struct Control {
  Client client{};
  ControlOp op{};
  Path path{};  // clear: valid, like a key's
};
struct FrontEndCleared {  // it and its kernel, or there is none: see Clients::clear
  std::uint64_t number = 0;
};
struct Mounted {};   // the node's mount answers
struct WorkerGone {  // clients whose number has `generation`, or less, in its upper 32 bits are no more
  std::uint32_t generation = 0;
};
using Event = std::variant<Question, FoundReady, Cancel, Control, FrontEndCleared, Mounted, WorkerGone>;

class Clients {
 public:
  virtual ~Clients() = default;
  virtual std::optional<Event> event() = 0;
  virtual void reply(const Reply& reply, Instant now) = 0;
  virtual void reply_control(Client client, const std::string& text) = 0;
  virtual void notice(const Key& key) = 0;
  // Nothing that was replied before is to be met any more at or below the path; FrontEndCleared{number}
  // follows when that is so.
  virtual void clear(const Path& path, std::uint64_t number) = 0;
};

}  // namespace copper
