// See control_ioctl.h.
#include "fuse_frontend/replies/control_ioctl.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

namespace copper {

Task control_ioctl(Lane& lane, Request request, control::Exchange exchange) {
  auto& replies = lane.shared().control;
  const auto op = static_cast<ControlOp>(exchange.op);
  const std::string_view argument(exchange.text.data(),
                                  std::min<std::size_t>(exchange.bytes, exchange.text.size()));
  const bool clears = op == ControlOp::clear && (exchange.offset > 0 || valid_path(argument));
  if (exchange.magic_in != control::magic || exchange.version_in != control::version ||
      (op != ControlOp::status && op != ControlOp::stats && !clears)) {
    request.error(Errno{EINVAL});
    co_return;
  }
  if (exchange.offset == 0) {
    Asked asked(lane.questions(), request, op, op == ControlOp::clear ? Path(argument) : Path());
    const auto answered = co_await asked;
    if (!answered.value.ok()) {
      request.error(answered.value.error());
      co_return;
    }
    exchange.ticket = replies.keep(std::make_shared<const std::string>(answered.value->text()));
  }
  const auto text = replies.find(exchange.ticket);
  if (!text || exchange.offset > text->size()) {
    request.error(Errno{ESTALE});
    co_return;
  }
  const auto bytes = std::min(text->size() - exchange.offset, exchange.text.size());
  exchange.text.fill(0);
  std::memcpy(exchange.text.data(), text->data() + exchange.offset, bytes);
  exchange.bytes = static_cast<std::uint32_t>(bytes);
  exchange.total = text->size();
  request.control(std::as_bytes(std::span(&exchange, 1)));
}

}  // namespace copper
