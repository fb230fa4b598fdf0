// Handshakes in memory: the client's bytes go on over the same wire in clear, as if they had been decrypted, and the
// test says what the handshake proved.
#pragma once

#include "broker/ports.h"
#include "test/broker/doubles.h"

#include <deque>
#include <optional>
#include <set>

namespace sallyport::test {

class FakeHandshaker final : public broker::Handshaker {
 public:
  explicit FakeHandshaker(VirtualLoop& loop) : loop_(loop) {}

  Id shake_hands(broker::HandshakeRequest request,
                 std::function<void(broker::HandshakeResult)> done) override {
    auto started = std::make_shared<Started>(Started{++last_, std::move(request), std::move(done)});
    first_bytes.emplace_back(as_text(started->request.first_bytes));
    direct.push_back(started->request.direct);
    under_way_.push_back(started);
    if (!hold) loop_.post([this, started] { finish(*started); });
    return last_;
  }
  void cancel(Id id) override {
    cancelled.insert(id);
    loop_.post([this, id] { std::erase_if(under_way_, [&](const auto& one) { return one->id == id; }); });
  }
  void release() {
    for (const auto& one : std::exchange(under_way_, {})) loop_.post([this, one] { finish(*one); });
  }
  [[nodiscard]] std::size_t under_way() const { return under_way_.size(); }

  bool hold = false;
  bool closes = false;  ///< a failure closes the connection, too
  std::optional<Error> failure;
  net::ClientTlsFacts facts{"TLSv1.3", "TLS_AES_128_GCM_SHA256", nullptr, {1, 2, 3}};
  std::vector<std::string> first_bytes;
  std::vector<bool> direct;
  std::set<Id> cancelled;

 private:
  struct Started {
    Id id = 0;
    broker::HandshakeRequest request;
    std::function<void(broker::HandshakeResult)> done;
  };

  void finish(Started& one) {
    if (one.request.client == nullptr) return;
    std::erase_if(under_way_, [&](const auto& other) { return other.get() == &one; });
    if (!failure) return one.done({std::move(one.request.client), facts});
    if (closes) one.request.client.reset();
    one.done({std::move(one.request.client), *failure});
  }

  VirtualLoop& loop_;
  Id last_ = 0;
  std::vector<std::shared_ptr<Started>> under_way_;
};

}  // namespace sallyport::test
