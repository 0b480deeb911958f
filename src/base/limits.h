#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

// Every bound of the product in one place; units last in the names.
namespace todo::limits {

// Text, in Unicode code points unless the name says bytes.
inline constexpr std::size_t title_max = 200;
inline constexpr std::size_t description_max = 2'000;
inline constexpr std::size_t category_max = 50;
inline constexpr std::size_t display_name_max = 100;
inline constexpr std::size_t email_max = 255;
inline constexpr std::size_t password_bytes_min = 8;
inline constexpr std::size_t password_bytes_max = 1'024;
inline constexpr std::size_t token_name_max = 100;
inline constexpr std::size_t notification_title_max = 100;
inline constexpr std::size_t notification_message_max = 500;
inline constexpr std::size_t search_text_max = 200;
inline constexpr std::size_t quick_add_text_max = 2'000;
inline constexpr std::size_t idempotency_key_bytes_max = 255;
inline constexpr std::size_t request_id_bytes_max = 128;
inline constexpr std::size_t cursor_bytes_max = 2'048;

// Recurrence and reminders.
inline constexpr int recurrence_interval_max = 400;
inline constexpr int reminder_minutes_min = 5;
inline constexpr int reminder_minutes_max = 1'440;
inline constexpr int reminder_minutes_default = 60;
inline constexpr std::chrono::hours reminder_too_late_after{24};

// Objects a user may have.
inline constexpr std::int64_t tasks_per_user_max = 100'000;
inline constexpr int api_tokens_per_user_max = 50;
inline constexpr int sessions_per_user_max = 500;

// Pages.
inline constexpr int task_page_default = 100;
inline constexpr int task_page_max = 500;
inline constexpr int page_default = 50;
inline constexpr int page_max = 100;
inline constexpr int offset_max = 10'000;
inline constexpr int exact_count_max = 10'000;
inline constexpr int occurrences_default = 5;
inline constexpr int occurrences_max = 100;

// HTTP.
inline constexpr std::size_t header_bytes_max = 16 * 1024;
inline constexpr std::size_t query_bytes_max = 4 * 1024;
inline constexpr std::size_t body_bytes_max = 1024 * 1024;
inline constexpr std::size_t json_depth_max = 32;

// WebSockets. A client says little; one that does not listen is dropped.
inline constexpr std::size_t socket_message_bytes_max = 1'024;
inline constexpr int socket_messages_per_second_max = 16;
inline constexpr std::size_t socket_queue_messages_max = 64;
inline constexpr std::size_t socket_queue_bytes_max = 256 * 1024;

// Queues and units.
inline constexpr std::size_t writer_queue_max = 4'096;
inline constexpr std::size_t reader_queue_max = 4'096;
inline constexpr std::size_t password_queue_max = 64;
inline constexpr int rows_per_unit_max = 1'000;
inline constexpr int units_per_cycle_max = 256;
inline constexpr int events_per_cycle_min = 32;
inline constexpr int events_per_cycle_max = 512;
inline constexpr int events_per_publish_max = 500;

// How long things are kept.
inline constexpr std::chrono::hours session_lifetime{24};
inline constexpr std::chrono::hours idempotency_kept{24};
inline constexpr std::chrono::days deleted_task_kept{30};
inline constexpr std::chrono::days notification_archived_after{30};
inline constexpr std::chrono::days notification_purged_after{90};
inline constexpr std::chrono::days event_age_max{30};

// Events.
inline constexpr int event_attempts_max = 10;
inline constexpr std::chrono::minutes event_retry_delay_max{5};
inline constexpr std::chrono::minutes audit_in_flight_max{10};

}  // namespace todo::limits
