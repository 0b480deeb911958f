#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "http/exchange.h"
#include "http/idempotency.h"
#include "service/tasks.h"

// A route in its three steps: parse on the I/O thread, apply in a unit on a storage thread, render
// after commit (before it, in the unit, where an Idempotency-Key stores the response). Nobody waits
// for anybody.
namespace todo::http {

struct Nothing {};

// `Given` is `const Out&`, or `Out&&` where the response takes what was made over.
template <class In, class Out, class Given>
std::function<void(const ExchangePtr&)> read_route(Result<In> (*parse)(Exchange&),
                                                   Result<Out> (*apply)(storage::ReadTx&,
                                                                        const Exchange&, const In&),
                                                   net::Response (*render)(const Exchange&,
                                                                           Given)) {
  struct State {
    In in;
    std::optional<Result<Out>> out;
  };
  return [parse, apply, render](const ExchangePtr& exchange) {
    auto in = parse(*exchange);
    if (!in) return exchange->refuse(in.error());
    auto state = std::make_shared<State>(State{std::move(*in), std::nullopt});
    const bool queued = exchange->app().with.store.read(
        [exchange, state, apply](storage::ReadTx& tx) {
          state->out = apply(tx, *exchange, state->in);
        },
        exchange->executor(),
        [exchange, state, render](storage::Outcome outcome) {
          if (outcome != storage::Outcome::committed || !state->out)
            return exchange->refuse_unavailable(outcome);
          if (!*state->out) return exchange->refuse(state->out->error());
          exchange->respond(render(*exchange, static_cast<Given>(**state->out)));
        });
    if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
  };
}

// As read_route, for paths that name a task: one that is only promised yet is made first.
template <class In, class Out>
std::function<void(const ExchangePtr&)> task_read_route(
    Result<In> (*parse)(Exchange&),
    Result<Out> (*apply)(storage::ReadTx&, const Exchange&, const In&),
    net::Response (*render)(const Exchange&, const Out&)) {
  struct State {
    In in;
    std::optional<Result<Out>> out;
    bool promised = false;
  };
  return [parse, apply, render](const ExchangePtr& exchange) {
    auto in = parse(*exchange);
    if (!in) return exchange->refuse(in.error());
    auto state = std::make_shared<State>(State{std::move(*in), std::nullopt, false});
    const auto answer = [state, render, exchange](storage::Outcome outcome) {
      if (outcome != storage::Outcome::committed || !state->out)
        return exchange->refuse_unavailable(outcome);
      if (!*state->out) return exchange->refuse(state->out->error());
      exchange->respond(render(*exchange, **state->out));
    };
    const bool queued = exchange->app().with.store.read(
        [exchange, state, apply](storage::ReadTx& tx) {
          state->out = apply(tx, *exchange, state->in);
          const auto id = exchange->path_id(0, "Task");
          state->promised = !*state->out && state->out->error().code == ErrorCode::not_found &&
                            id && tx.find_promise(exchange->caller().user_id, *id).has_value();
        },
        exchange->executor(),
        [exchange, state, apply, answer](storage::Outcome outcome) {
          if (!state->promised) return answer(outcome);
          const bool writing = exchange->app().with.store.write(
              [exchange, state, apply](storage::Tx& tx) {
                service::find_or_make_task(tx, exchange->call(), *exchange->path_id(0, "Task"));
                state->out = apply(tx, *exchange, state->in);
                return storage::Verdict::commit;
              },
              exchange->executor(), answer);
          if (!writing) exchange->refuse_unavailable(storage::Outcome::failed);
        });
    if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
  };
}

// `with_key`: the route honours Idempotency-Key.
template <class In, class Out>
std::function<void(const ExchangePtr&)> write_route(
    Result<In> (*parse)(Exchange&), Result<Out> (*apply)(storage::Tx&, const Exchange&, const In&),
    net::Response (*render)(const Exchange&, const Out&), bool with_key = false) {
  struct State {
    In in;
    std::optional<IdempotencyKey> key;
    std::optional<Result<Out>> out;
    std::optional<net::Response> response;  // rendered in the unit, or replayed
    std::optional<Error> error;
  };
  return [parse, apply, render, with_key](const ExchangePtr& exchange) {
    auto key =
        with_key ? idempotency_key(*exchange) : Result<std::optional<IdempotencyKey>>(std::nullopt);
    // Told together with what the query and the body have wrong.
    if (!key) exchange->query().refuse("Idempotency-Key", key.error().fields.front().message);
    auto in = parse(*exchange);
    if (!in) return exchange->refuse(in.error());
    auto state = std::make_shared<State>();
    state->in = std::move(*in);
    if (key) state->key = std::move(*key);
    const bool queued = exchange->app().with.store.write(
        [exchange, state, apply, render](storage::Tx& tx) {
          state->out.reset();
          state->response.reset();
          state->error.reset();
          if (state->key) {
            auto earlier = begin_idempotent(tx, *exchange, *state->key);
            if (!earlier) {
              state->error = earlier.error();
              return storage::Verdict::roll_back;
            }
            if (*earlier) {
              state->response = std::move(**earlier);
              return storage::Verdict::roll_back;
            }
          }
          state->out = apply(tx, *exchange, state->in);
          if (!*state->out) {
            state->error = state->out->error();
            return storage::Verdict::roll_back;
          }
          if (state->key) {
            state->response = render(*exchange, **state->out);
            store_idempotent(tx, *exchange, *state->key, *state->response);
          }
          return storage::Verdict::commit;
        },
        exchange->executor(),
        [exchange, state, render](storage::Outcome outcome) {
          const bool known =
              outcome == storage::Outcome::committed || outcome == storage::Outcome::rolled_back;
          if (!known) return exchange->refuse_unavailable(outcome);
          if (state->error) return exchange->refuse(*state->error);
          exchange->respond(state->response ? std::move(*state->response)
                                            : render(*exchange, **state->out));
        });
    if (!queued) exchange->refuse_unavailable(storage::Outcome::failed);
  };
}

}  // namespace todo::http
