#include "observability/metrics.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace todo::metrics {
namespace {

class OurCounter final : public Counter {
 public:
  explicit OurCounter(prometheus::Counter& counter) : counter_(counter) {}
  void add(double amount) override { counter_.Increment(amount); }

 private:
  prometheus::Counter& counter_;
};

class OurGauge final : public Gauge {
 public:
  explicit OurGauge(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void set(double value) override { gauge_.Set(value); }
  void add(double amount) override { gauge_.Increment(amount); }

 private:
  prometheus::Gauge& gauge_;
};

class OurHistogram final : public Histogram {
 public:
  explicit OurHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

std::string key_of(const std::string& name, const Labels& labels) {
  std::string key = name;
  for (const auto& [label, value] : labels) {
    key += '\0';
    key += label;
    key += '\0';
    key += value;
  }
  return key;
}

std::map<std::string, std::string> label_map(const Labels& labels) {
  return {labels.begin(), labels.end()};
}

// Objects by name and labels: looked up often, made once.
template <class Base>
class Table {
 public:
  template <class Make>
  Base& find_or_make(const std::string& key, Make make) {
    {
      const std::shared_lock lock(mutex_);
      if (const auto found = objects_.find(key); found != objects_.end()) return *found->second;
    }
    const std::unique_lock lock(mutex_);
    auto& object = objects_[key];
    if (!object) object = make();
    return *object;
  }

 private:
  std::shared_mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Base>> objects_;
};

}  // namespace

struct Registry::Impl {
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  Table<Counter> counters;
  Table<Gauge> gauges;
  Table<Histogram> histograms;
  std::mutex refresh_mutex;
  std::vector<std::function<void()>> refreshers;
};

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return impl_->counters.find_or_make(key_of(name, labels), [&] {
    auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
    return std::make_unique<OurCounter>(family.Add(label_map(labels)));
  });
}

Gauge& Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return impl_->gauges.find_or_make(key_of(name, labels), [&] {
    auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
    return std::make_unique<OurGauge>(family.Add(label_map(labels)));
  });
}

Histogram& Registry::histogram(const std::string& name, const std::string& help,
                               const std::vector<double>& buckets, const Labels& labels) {
  return impl_->histograms.find_or_make(key_of(name, labels), [&] {
    auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
    return std::make_unique<OurHistogram>(family.Add(label_map(labels), buckets));
  });
}

void Registry::on_scrape(std::function<void()> refresh) {
  const std::lock_guard lock(impl_->refresh_mutex);
  impl_->refreshers.push_back(std::move(refresh));
}

std::string Registry::text() {
  {
    const std::lock_guard lock(impl_->refresh_mutex);
    for (const auto& refresh : impl_->refreshers) refresh();
  }
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

const std::vector<double>& latency_buckets() {
  static const std::vector<double> buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,  0.5,    1,     2.5,  5,     10};
  return buckets;
}

}  // namespace todo::metrics
