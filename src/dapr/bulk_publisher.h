#pragma once

#include <string>
#include <vector>

#include "dapr/sidecar.h"
#include "net/client.h"
#include "observability/tracing.h"
#include "service/publisher.h"

namespace todo::dapr {

// Publishes by Dapr's bulk API: a few requests at the same time, a topic each. Used by one thread.
class BulkPublisher final : public service::Publisher {
 public:
  BulkPublisher(SidecarAddress sidecar, std::string pubsub, tracing::Tracer* tracer = nullptr);

  service::Published publish(const std::vector<storage::OutboxRow>& rows) override;

 private:
  struct Bulk {
    Topic topic = Topic::audit;
    std::vector<std::size_t> rows;
    std::string body;
  };
  static std::vector<Bulk> bulks_of(const std::vector<storage::OutboxRow>& rows);
  std::vector<net::Client::Answer> send(const std::vector<Bulk>& bulks);
  void trace(const std::vector<storage::OutboxRow>& rows, const std::vector<bool>& acknowledged,
             tracing::Time begin);

  const SidecarAddress sidecar_;
  const std::string pubsub_;
  tracing::Tracer* const tracer_;
  net::Client client_;
  bool is_alpha_ = false;  // the sidecar is older than the API's stable path
};

}  // namespace todo::dapr
