#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// The process's metrics, in Prometheus' text format. A module keeps a `probe` of references that it
// took once at its start; counting is then one atomic operation. Safe from any thread.
namespace todo::metrics {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double amount) = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

class Registry {
 public:
  Registry();
  ~Registry();
  // The same name and labels give the same object; it lives as long as the registry. Names:
  // snake_case with a unit suffix, counters end in _total.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       const std::vector<double>& buckets, const Labels& labels = {});
  // Called before each scrape, to set gauges that are cheaper to ask than to keep.
  void on_scrape(std::function<void()> refresh);
  std::string text();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Seconds: 0.5 ms … 10 s.
const std::vector<double>& latency_buckets();

}  // namespace todo::metrics
