#include "dapr/delivery.h"

#include <sodium.h>

#include <algorithm>

#include "base/json_scanner.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "base/text.h"

namespace todo::dapr {
namespace {

using std::chrono::milliseconds;

// Of what is put aside: the first wait, doubled with each attempt.
constexpr milliseconds aside_delay_min{2'000};

milliseconds aside_delay(int attempts) {
  const auto delay = aside_delay_min * (std::int64_t{1} << std::clamp(attempts - 1, 0, 20));
  return std::min<milliseconds>(delay, limits::event_retry_delay_max);
}

// The same text has the same id, so that what comes twice is one dead letter.
Uuid id_of_text(std::string_view text) {
  Uuid id;
  crypto_generichash(id.bytes.data(), id.bytes.size(),
                     reinterpret_cast<const unsigned char*>(text.data()), text.size(), nullptr, 0);
  return id;
}

// What a database takes for a text.
std::string storable(std::string_view text) {
  std::string stored(text);
  const bool is_text = is_valid_utf8(text);
  std::ranges::replace_if(
      stored, [is_text](char c) { return c == '\0' || (!is_text && (c & 0x80) != 0); }, '?');
  return stored;
}

Entry make_entry(Topic topic, std::string_view entry_id, std::string_view event) {
  Entry entry;
  entry.entry_id = entry_id;
  entry.event.topic = topic;
  entry.event.event = storable(event);
  const auto head = read_head(entry.event.event);
  entry.event.id = head ? head->id : id_of_text(event);
  if (!head) return entry;
  entry.event.user_id = head->user_id;
  entry.trace = head->trace;
  entry.attempts = head->attempts;
  return entry;
}

bool is_too_old(const Entry& entry, Instant now) {
  return entry.event.topic == Topic::audit &&
         service::made_at(entry.event.id) + limits::event_age_max < now;
}

class Application {
 public:
  Application(storage::Tx& tx, const service::Consumers& consumers, IdGenerator& ids, Instant now,
              const Delivery& delivery, const std::vector<bool>& may_wait)
      : tx_(tx),
        consumers_(consumers),
        ids_(ids),
        now_(now),
        delivery_(delivery),
        may_wait_(may_wait),
        judged_(delivery.entries.size()) {}

  std::vector<Judged> run() {
    if (delivery_.topic == Topic::audit) {
      if (apply_audit_together()) return std::move(judged_);
    } else {
      std::vector<Uuid> users;
      users.reserve(delivery_.entries.size());
      for (const Entry& entry : delivery_.entries) users.push_back(entry.event.user_id);
      tx_.expect_users(users);
    }
    for (std::size_t i = 0; i < judged_.size(); ++i) apply(i);
    return std::move(judged_);
  }

 private:
  bool apply_audit_together() {
    std::vector<const OutboxEvent*> events;
    for (const Entry& entry : delivery_.entries) {
      if (is_too_old(entry, now_)) return false;
      events.push_back(&entry.event);
    }
    service::Effect effect;
    if (!tx_.nested([&] { effect = consumers_.consume_audit(tx_, events); })) return false;
    for (Judged& judged : judged_) judged.verdict = Verdict::done;
    if (!judged_.empty()) judged_.front().effect = effect;
    return true;
  }

  void apply(std::size_t i) {
    const Entry& entry = delivery_.entries[i];
    Judged& judged = judged_[i];
    if (is_too_old(entry, now_)) return bury(entry, judged, "older than 30 days");
    bool hopeless = false;
    const auto applied = tx_.nested([&] {
      try {
        judged.effect = consumers_.consume(tx_, entry.event);
      } catch (const service::Undeliverable&) {
        hopeless = true;
        throw;
      }
    });
    if (applied) {
      judged.verdict = Verdict::done;
      return;
    }
    judged.effect = {};
    judged.reason = applied.error();
    if (hopeless || entry.attempts + 1 >= limits::event_attempts_max)
      return bury(entry, judged, applied.error());
    if (!may_wait_[i]) put_aside(entry, judged);
  }

  void bury(const Entry& entry, Judged& judged, const std::string& reason) {
    const int attempts = entry.attempts + 1;
    tx_.bury({entry.event.id, entry.event.topic, entry.event.user_id, entry.event.event, reason,
              attempts, now_});
    tx_.insert_outbox(
        make_event(DeadLetterEvent{ids_.next(), now_, entry.event.id, entry.event.topic,
                                   entry.event.user_id, reason, attempts, entry.event.event}));
    judged.verdict = Verdict::dead;
    judged.reason = reason;
  }

  // It may be in the outbox already: then this delivery was a duplicate, and it waits on.
  void put_aside(const Entry& entry, Judged& judged) {
    const int attempts = entry.attempts + 1;
    const auto aside = tx_.nested([&] {
      tx_.insert_outbox(entry.event);
      tx_.retry_outbox(entry.event.id, attempts, now_ + aside_delay(attempts));
    });
    if (aside) judged.verdict = Verdict::aside;
  }

  storage::Tx& tx_;
  const service::Consumers& consumers_;
  IdGenerator& ids_;
  const Instant now_;
  const Delivery& delivery_;
  const std::vector<bool>& may_wait_;
  std::vector<Judged> judged_;
};

// Dead letters come as the bytes they were: base64 (RFC 4648, section 4) in a JSON string.
std::string bytes_of(const std::string& event) {
  const auto encoded = plain_string(event);
  if (!encoded) return event;
  std::string bytes(encoded->size(), '\0');
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                        encoded->data(), encoded->size(), nullptr, &size, &end,
                        sodium_base64_VARIANT_ORIGINAL) != 0 ||
      end != encoded->data() + encoded->size())
    return event;
  bytes.resize(size);
  return bytes;
}

}  // namespace

std::optional<Delivery> parse_delivery(Topic topic, std::string_view body) {
  const auto members = scan_object(body);
  if (!members) return std::nullopt;
  Delivery delivery;
  delivery.topic = topic;
  const std::string_view listed = find_raw(*members, "entries");
  if (listed.empty()) {
    delivery.is_bulk = false;
    delivery.entries.push_back(make_entry(topic, "\"\"", body));
    return delivery;
  }
  const auto entries = scan_array(listed);
  if (!entries) return std::nullopt;
  for (const std::string_view text : *entries) {
    const auto entry = scan_object(text);
    const std::string_view entry_id = entry ? find_raw(*entry, "entryId") : std::string_view{};
    if (entry_id.empty()) return std::nullopt;  // it could not be answered
    delivery.entries.push_back(make_entry(topic, entry_id, find_raw(*entry, "event")));
  }
  return delivery;
}

std::vector<Judged> apply_delivery(storage::Tx& tx, const service::Consumers& consumers,
                                   IdGenerator& ids, Instant now, const Delivery& delivery,
                                   const std::vector<bool>& may_wait) {
  return Application(tx, consumers, ids, now, delivery, may_wait).run();
}

std::vector<Judged> keep_dead_letters(storage::Tx& tx, Instant now, const Delivery& delivery) {
  const std::string reason = "given up by the sidecar";
  std::vector<Judged> judged;
  for (const Entry& entry : delivery.entries) {
    judged.push_back({Verdict::done, "", {}});
    const std::string bytes = bytes_of(entry.event.event);
    const auto members = scan_object(bytes);
    const auto type = members ? plain_string(find_raw(*members, "type")) : std::nullopt;
    if (type == dead_letter_type) continue;  // by our own hand: it is kept already
    const Entry kept = make_entry(delivery.topic, "", bytes);
    tx.bury({kept.event.id, kept.event.topic, kept.event.user_id, kept.event.event, reason,
             kept.attempts + 1, now});
    judged.back() = {Verdict::dead, reason, {}};
  }
  return judged;
}

std::string statuses_of(const Delivery& delivery, const std::vector<Judged>& judged) {
  std::string body;
  JsonWriter json(body);
  const auto status = [](const Judged& entry) {
    return entry.verdict == Verdict::later ? "RETRY" : "SUCCESS";
  };
  json.begin_object();
  if (!delivery.is_bulk) {
    json.member("status", status(judged.front())).end_object();
    return body;
  }
  json.key("statuses").begin_array();
  for (std::size_t i = 0; i < judged.size(); ++i) {
    json.begin_object().key("entryId").raw(delivery.entries[i].entry_id);
    json.member("status", status(judged[i])).end_object();
  }
  json.end_array().end_object();
  return body;
}

}  // namespace todo::dapr
