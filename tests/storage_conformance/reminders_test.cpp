#include <algorithm>

#include "database.h"

namespace todo::storage::conformance {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Reminders : public StoreTest {
 protected:
  ReminderRow new_claim(const Uuid& user_id, const Uuid& task_id, Instant due_date) {
    ReminderRow row;
    row.id = ids_.next();
    row.user_id = user_id;
    row.task_id = task_id;
    row.due_date = due_date;
    row.claim_id = ids_.next();
    row.remind_at = due_date - hours{1};
    return row;
  }
  static ReminderRow settled(ReminderRow row, ReminderState state,
                             std::optional<SkipReason> reason = std::nullopt) {
    row.state = state;
    row.reason = reason;
    return row;
  }
  ReminderRow stored_row(const ReminderRow& row) {
    const auto found =
        read([&](ReadTx& tx) { return tx.find_reminder(row.user_id, row.task_id, row.due_date); });
    EXPECT_TRUE(found);
    return found.value_or(ReminderRow{});
  }
  bool settle(const ReminderRow& row) {
    return write([&](Tx& tx) { return tx.settle_reminder(row); });
  }
  Task add_task_to_remind(const Uuid& user_id, std::optional<Instant> remind_at) {
    Task task = new_task(user_id, "t");
    task.due = test::due_utc(clock_.now() + hours{10});
    task.remind_at = remind_at;
    write([&](Tx& tx) { tx.insert_task(task); });
    return task;
  }
};

TEST_P(Reminders, what_is_due_comes_earliest_first) {
  EXPECT_EQ(read([](ReadTx& tx) { return tx.next_reminder_at(); }), std::nullopt);
  const Task late = add_task_to_remind(ann_, clock_.now());
  const Task early = add_task_to_remind(bob_, clock_.now() - hours{1});
  const Task future = add_task_to_remind(ann_, clock_.now() + std::chrono::milliseconds{1});
  add_task_to_remind(ann_, std::nullopt);
  read([&](ReadTx& tx) {
    EXPECT_EQ(tx.next_reminder_at(), clock_.now() - hours{1});
    const auto due = tx.due_reminders(clock_.now(), 10);
    ASSERT_EQ(due.size(), 2U);
    EXPECT_EQ(due[0].user_id, bob_);
    EXPECT_EQ(due[0].task_id, early.id);
    EXPECT_EQ(due[1].user_id, ann_);
    EXPECT_EQ(due[1].task_id, late.id);
    EXPECT_EQ(tx.due_reminders(clock_.now(), 1).size(), 1U);
    EXPECT_TRUE(tx.due_reminders(clock_.now() - hours{2}, 10).empty());
  });
  write([&](Tx& tx) {
    tx.set_remind_at(ann_, late.id, std::nullopt);
    tx.set_remind_at(bob_, early.id, std::nullopt);
  });
  EXPECT_EQ(read([](ReadTx& tx) { return tx.next_reminder_at(); }), future.remind_at);
}

TEST_P(Reminders, a_claim_is_settled_once_and_under_its_own_id) {
  const ReminderRow claim = new_claim(ann_, ids_.next(), clock_.now());
  write([&](Tx& tx) { tx.claim_reminder(claim); });
  const ReminderRow pending = stored_row(claim);
  EXPECT_EQ(pending.id, claim.id);
  EXPECT_EQ(pending.claim_id, claim.claim_id);
  EXPECT_EQ(pending.state, ReminderState::pending);
  EXPECT_EQ(pending.reason, std::nullopt);
  EXPECT_EQ(pending.remind_at, claim.remind_at);
  EXPECT_EQ(pending.delivered_at, std::nullopt);
  EXPECT_EQ(pending.notification_id, std::nullopt);

  ReminderRow sent = settled(claim, ReminderState::sent);
  sent.delivered_at = clock_.now();
  sent.notification_id = ids_.next();
  std::vector<ReminderRow> others(4, sent);
  others[0].claim_id = ids_.next();
  others[1].user_id = bob_;
  others[2].task_id = ids_.next();
  others[3].due_date += minutes{1};
  for (const ReminderRow& other : others) EXPECT_FALSE(settle(other));
  EXPECT_TRUE(settle(sent));
  EXPECT_FALSE(settle(sent)) << "a duplicate finds nothing to do";
  EXPECT_FALSE(settle(settled(claim, ReminderState::skipped, SkipReason::moved)));
  EXPECT_EQ(stored_row(claim).state, ReminderState::sent);
  EXPECT_EQ(stored_row(claim).delivered_at, sent.delivered_at);
  EXPECT_EQ(stored_row(claim).notification_id, sent.notification_id);
}

TEST_P(Reminders, a_skipped_reminder_can_be_claimed_again_and_keeps_its_id) {
  for (const SkipReason reason : {SkipReason::completed, SkipReason::deleted, SkipReason::moved,
                                  SkipReason::reminders_off, SkipReason::too_late}) {
    const ReminderRow first = new_claim(ann_, ids_.next(), clock_.now());
    write([&](Tx& tx) { tx.claim_reminder(first); });
    EXPECT_TRUE(settle(settled(first, ReminderState::skipped, reason)));
    EXPECT_EQ(stored_row(first).state, ReminderState::skipped);
    EXPECT_EQ(stored_row(first).reason, reason);

    ReminderRow second = new_claim(ann_, first.task_id, first.due_date);
    second.remind_at = first.due_date - minutes{5};
    write([&](Tx& tx) { tx.claim_reminder(second); });
    const ReminderRow pending = stored_row(first);
    EXPECT_EQ(pending.id, first.id);
    EXPECT_EQ(pending.claim_id, second.claim_id);
    EXPECT_EQ(pending.state, ReminderState::pending);
    EXPECT_EQ(pending.reason, std::nullopt);
    EXPECT_EQ(pending.remind_at, second.remind_at);
    EXPECT_FALSE(settle(settled(first, ReminderState::sent))) << "the old claim is void";
    EXPECT_TRUE(settle(settled(second, ReminderState::sent)));
  }
}

TEST_P(Reminders, a_pending_or_sent_reminder_cannot_be_claimed_again) {
  const ReminderRow first = new_claim(ann_, ids_.next(), clock_.now());
  const ReminderRow second = new_claim(ann_, first.task_id, first.due_date);
  write([&](Tx& tx) {
    tx.claim_reminder(first);
    tx.claim_reminder(second);
  });
  EXPECT_EQ(stored_row(first).claim_id, first.claim_id);
  EXPECT_TRUE(settle(settled(first, ReminderState::sent)));
  write([&](Tx& tx) { tx.claim_reminder(second); });
  EXPECT_EQ(stored_row(first).state, ReminderState::sent);
  EXPECT_FALSE(settle(settled(second, ReminderState::sent)));
}

TEST_P(Reminders, the_ledger_of_a_task_is_listed_by_due_date) {
  const Uuid task_id = ids_.next();
  write([&](Tx& tx) {
    for (const int day : {2, 1, 3})
      tx.claim_reminder(new_claim(ann_, task_id, clock_.now() + hours{24 * day}));
    tx.claim_reminder(new_claim(ann_, ids_.next(), clock_.now()));
  });
  read([&](ReadTx& tx) {
    const auto rows = tx.list_reminders(ann_, task_id);
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_TRUE(std::ranges::is_sorted(rows, {}, &ReminderRow::due_date));
    EXPECT_TRUE(tx.list_reminders(bob_, task_id).empty());
    EXPECT_FALSE(tx.find_reminder(bob_, task_id, rows[0].due_date));
    EXPECT_FALSE(tx.find_reminder(ann_, task_id, clock_.now()));
  });
}

TEST_P(Reminders, the_row_of_an_all_day_date_follows_its_instant) {
  const Instant from = clock_.now();
  const Instant to = from + hours{6};
  const auto rows_of = [&](const Uuid& task_id) {
    return read([&](ReadTx& tx) { return tx.list_reminders(ann_, task_id); });
  };
  const ReminderRow sent = new_claim(ann_, ids_.next(), from);
  const ReminderRow pending = new_claim(ann_, ids_.next(), from);
  const ReminderRow blocked = new_claim(ann_, ids_.next(), from);
  const ReminderRow in_the_way = new_claim(ann_, blocked.task_id, to);
  write([&](Tx& tx) {
    for (const ReminderRow& row : {sent, pending, blocked, in_the_way}) tx.claim_reminder(row);
  });
  EXPECT_TRUE(settle(settled(sent, ReminderState::sent)));
  EXPECT_TRUE(settle(settled(blocked, ReminderState::sent)));
  write([&](Tx& tx) {
    tx.move_reminder(bob_, sent.task_id, from, to);
    EXPECT_TRUE(tx.find_reminder(ann_, sent.task_id, from)) << "it is not Bob's";
    for (const ReminderRow& row : {sent, pending, blocked})
      tx.move_reminder(ann_, row.task_id, from, to);
  });
  ASSERT_EQ(rows_of(sent.task_id).size(), 1U);
  EXPECT_EQ(rows_of(sent.task_id)[0].due_date, to);
  EXPECT_EQ(rows_of(sent.task_id)[0].id, sent.id);
  EXPECT_EQ(rows_of(pending.task_id)[0].due_date, from) << "its event names the old instant";
  ASSERT_EQ(rows_of(blocked.task_id).size(), 2U);
  EXPECT_EQ(rows_of(blocked.task_id)[0].state, ReminderState::sent) << "where one stands, it stays";
}

INSTANTIATE_TEST_SUITE_P(All, Reminders, databases(), name_of);

// --- notifications ---

class Notifications : public StoreTest {
 protected:
  Notification add(const Uuid& user_id, Instant created_at) {
    const Notification notification = test::make_notification(ids_, user_id, "title", created_at);
    write([&](Tx& tx) { tx.insert_notification(notification); });
    return notification;
  }
  NotificationQuery of_ann() const {
    NotificationQuery query;
    query.user_id = ann_;
    query.archived_before = clock_.now() - limits::notification_archived_after;
    return query;
  }
  std::vector<Uuid> list(const NotificationQuery& query) {
    return read([&](ReadTx& tx) {
      std::vector<Uuid> ids;
      for (const Notification& each : tx.list_notifications(query)) ids.push_back(each.id);
      return ids;
    });
  }
  std::int64_t unread() {
    return read([&](ReadTx& tx) { return tx.count_unread(ann_, of_ann().archived_before); });
  }
};

TEST_P(Notifications, a_notification_comes_back_as_it_was_written) {
  Notification full = test::make_notification(ids_, ann_, "Überfällig: “Müll”", clock_.now());
  full.type = NotificationType::action;
  full.message = "…";
  full.task_id = ids_.next();
  full.read_at = clock_.now() + minutes{1};
  const Notification bare = test::make_notification(ids_, ann_, "t", clock_.now());
  write([&](Tx& tx) {
    tx.insert_notification(full);
    tx.insert_notification(bare);
  });
  read([&](ReadTx& tx) {
    const auto found = tx.find_notification(ann_, full.id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, full.id);
    EXPECT_EQ(found->user_id, ann_);
    EXPECT_EQ(found->type, full.type);
    EXPECT_EQ(found->title, full.title);
    EXPECT_EQ(found->message, full.message);
    EXPECT_EQ(found->data, full.data);
    EXPECT_EQ(found->task_id, full.task_id);
    EXPECT_EQ(found->read_at, full.read_at);
    EXPECT_EQ(found->created_at, full.created_at);
    EXPECT_EQ(found->archived_at, std::nullopt);
    EXPECT_EQ(tx.find_notification(ann_, bare.id)->task_id, std::nullopt);
    EXPECT_EQ(tx.find_notification(ann_, bare.id)->read_at, std::nullopt);
    EXPECT_FALSE(tx.find_notification(bob_, full.id));
    EXPECT_FALSE(tx.find_notification(ann_, ids_.next()));
  });
}

TEST_P(Notifications, pages_go_newest_first_without_gap_or_repeat) {
  std::vector<Notification> all;
  for (int i = 0; i < 23; ++i) all.push_back(add(ann_, clock_.now() - minutes{i / 4}));
  add(bob_, clock_.now());
  std::ranges::sort(all, [](const Notification& a, const Notification& b) {
    return std::pair(a.created_at, a.id) > std::pair(b.created_at, b.id);
  });
  std::vector<Uuid> expected;
  for (const Notification& each : all) expected.push_back(each.id);
  NotificationQuery query = of_ann();
  query.limit = 100;
  EXPECT_EQ(list(query), expected);
  query.limit = 3;
  query.offset = 5;
  EXPECT_EQ(list(query), (std::vector<Uuid>(expected.begin() + 5, expected.begin() + 8)));
  query.offset = 0;
  std::vector<Uuid> paged;
  for (auto page = list(query); !page.empty(); page = list(query)) {
    paged.insert(paged.end(), page.begin(), page.end());
    const auto last = std::ranges::find(all, page.back(), &Notification::id);
    query.after = std::pair(last->created_at, last->id);
  }
  EXPECT_EQ(paged, expected);
  const Count count = read([&](ReadTx& tx) { return tx.count_notifications(query); });
  EXPECT_EQ(count.value, 23) << "limit and position do not count";
}

TEST_P(Notifications, the_unread_and_the_archived_are_lists_of_their_own) {
  const Notification fresh = add(ann_, clock_.now());
  const Notification edge = add(ann_, of_ann().archived_before);
  const Notification old = add(ann_, of_ann().archived_before - std::chrono::milliseconds{1});
  const Notification bobs = add(bob_, clock_.now());
  EXPECT_EQ(unread(), 2);
  NotificationQuery query = of_ann();
  EXPECT_EQ(list(query), (std::vector{fresh.id, edge.id}));
  query.archived = true;
  EXPECT_EQ(list(query), std::vector{old.id});
  write([&](Tx& tx) { tx.read_notification(ann_, fresh.id, clock_.now()); });
  query = of_ann();
  query.unread_only = true;
  EXPECT_EQ(list(query), std::vector{edge.id});
  EXPECT_EQ(read([&](ReadTx& tx) { return tx.count_notifications(query).value; }), 1);
  query.archived = true;
  EXPECT_EQ(list(query), std::vector{old.id});
  EXPECT_EQ(unread(), 1);
}

TEST_P(Notifications, reading_twice_keeps_the_first_time) {
  const Notification one = add(ann_, clock_.now());
  const Instant first = clock_.now() + minutes{1};
  write([&](Tx& tx) {
    EXPECT_FALSE(tx.read_notification(bob_, one.id, first)) << "it is not Bob's";
    EXPECT_EQ(tx.find_notification(ann_, one.id)->read_at, std::nullopt);
    EXPECT_EQ(tx.read_notification(ann_, one.id, first)->read_at, first);
    EXPECT_EQ(tx.read_notification(ann_, one.id, first + hours{1})->read_at, first);
    EXPECT_FALSE(tx.read_notification(ann_, ids_.next(), first));
  });
}

TEST_P(Notifications, all_are_read_or_cleared_in_units_and_none_that_came_later) {
  for (int i = 0; i < 5; ++i) add(ann_, clock_.now() - minutes{i});
  const Notification later = add(ann_, clock_.now() + std::chrono::milliseconds{1});
  const Notification bobs = add(bob_, clock_.now());
  const Instant now = clock_.now();
  write([&](Tx& tx) {
    EXPECT_EQ(tx.read_notifications(ann_, now, now, 3), 3);
    EXPECT_EQ(tx.read_notifications(ann_, now, now + hours{1}, 3), 2);
    EXPECT_EQ(tx.read_notifications(ann_, now, now, 3), 0);
    EXPECT_EQ(tx.find_notification(ann_, later.id)->read_at, std::nullopt);
    EXPECT_EQ(tx.find_notification(bob_, bobs.id)->read_at, std::nullopt);
    EXPECT_EQ(tx.delete_notifications(ann_, now, 4), 4);
    EXPECT_EQ(tx.delete_notifications(ann_, now, 4), 1);
    EXPECT_EQ(tx.delete_notifications(ann_, now, 4), 0);
    EXPECT_FALSE(tx.delete_notification(bob_, later.id)) << "it is not Bob's";
    EXPECT_TRUE(tx.delete_notification(ann_, later.id));
    EXPECT_FALSE(tx.delete_notification(ann_, later.id));
    EXPECT_TRUE(tx.find_notification(bob_, bobs.id));
  });
}

TEST_P(Notifications, counts_are_capped_at_ten_thousand) {
  for (int done = 0; done < limits::exact_count_max; done += 1'000) {
    write([&](Tx& tx) {
      for (int i = 0; i < 1'000; ++i)
        tx.insert_notification(test::make_notification(ids_, ann_, "t", clock_.now()));
    });
  }
  const auto count = [&] {
    return read([&](ReadTx& tx) { return tx.count_notifications(of_ann()); });
  };
  EXPECT_EQ(count().value, limits::exact_count_max);
  EXPECT_FALSE(count().capped);
  add(ann_, clock_.now());
  EXPECT_EQ(count().value, limits::exact_count_max);
  EXPECT_TRUE(count().capped);
}

INSTANTIATE_TEST_SUITE_P(All, Notifications, databases(), name_of);

}  // namespace
}  // namespace todo::storage::conformance
