#include "cli/handover_link.h"

#include <utility>

namespace sallyport::cli {

HandoverLink::HandoverLink(net::PacketChannel channel, net::EpollLoop& loop)
    : channel_(std::move(channel)), loop_(loop), watch_(loop.watch(channel_.fd(), *this)) {
  open_ = watch_.generation != 0;
}

HandoverLink::~HandoverLink() {
  if (watch_.generation != 0) loop_.unwatch(channel_.fd(), watch_);
}

bool HandoverLink::say(const handover::Message& message) {
  if (!open_) return false;
  const auto packet = handover::encode_message(message);
  return !packet.empty() && channel_.try_send(packet);
}

void HandoverLink::on_ready(std::uint32_t) {
  while (open_) {
    auto packet = channel_.try_receive();
    if (packet && !*packet) return;
    auto message = packet ? handover::decode_message(as_bytes((*packet)->bytes))
                          : Result<handover::Message>{packet.error()};
    if (message) {
      on_message(std::move(*message));
      continue;
    }
    open_ = false;
    loop_.unwatch(channel_.fd(), watch_);
    watch_ = {};
    on_gone();
  }
}

PredecessorLink::PredecessorLink(net::PacketChannel channel, net::EpollLoop& loop, std::function<void()> gone,
                                 Duration answer_within)
    : HandoverLink(std::move(channel), loop), gone_(std::move(gone)), answer_within_(answer_within) {
  if (is_open()) {
    start();
  } else {
    loop.post(gone_);
  }
}

PredecessorLink::~PredecessorLink() {
  for (const auto& [number, asked] : asked_) loop().cancel(asked.timer);
}

bool PredecessorLink::ask(const broker::CancelClaim& claim, std::function<void(bool found)> done) {
  if (asked_.size() >= cancels_max || !say(handover::Cancel{++last_, claim})) return false;
  const auto timer = loop().after(answer_within_, [this, number = last_] { answer(number, false); });
  asked_.emplace(last_, Asked{std::move(done), timer});
  return true;
}

void PredecessorLink::answer(std::uint64_t number, bool found) {
  const auto at = asked_.find(number);
  if (at == asked_.end()) return;  // too late
  const auto asked = std::move(at->second);
  asked_.erase(at);
  loop().cancel(asked.timer);
  asked.done(found);
}

void PredecessorLink::on_message(handover::Message message) {
  if (const auto* said = std::get_if<handover::CancelDone>(&message)) answer(said->number, said->found);
}

void PredecessorLink::on_gone() {
  for (const auto& [number, asked] : std::exchange(asked_, {})) {
    loop().cancel(asked.timer);
    asked.done(false);
  }
  gone_();
}

SuccessorLink::SuccessorLink(net::PacketChannel channel, net::EpollLoop& loop, broker::Broker& broker,
                             std::function<void()> reloaded)
    : HandoverLink(std::move(channel), loop), broker_(broker), reloaded_(std::move(reloaded)) {
  start();
}

void SuccessorLink::on_message(handover::Message message) {
  if (std::holds_alternative<handover::Reloaded>(message)) return reloaded_();
  auto* cancel = std::get_if<handover::Cancel>(&message);
  if (cancel == nullptr) return;
  broker_.cancel(cancel->claim, [this, alive = alive_, number = cancel->number](bool found) {
    if (*alive) say(handover::CancelDone{number, found});
  });
}

}  // namespace sallyport::cli
