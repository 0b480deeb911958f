#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace todo {

// Takes JSON (RFC 8259) apart without reading what is in it: the parts are the text's own bytes,
// and may themselves be no JSON that parse_json takes. So one bad part does not spoil its
// neighbours.

// The members of an object in their order; the names are as they are written, between their quotes.
// nullopt where the text is no object.
using RawMembers = std::vector<std::pair<std::string_view, std::string_view>>;
std::optional<RawMembers> scan_object(std::string_view text);
// The elements of an array. nullopt where the text is none.
std::optional<std::vector<std::string_view>> scan_array(std::string_view text);

// The member's text, empty where there is none.
std::string_view find_raw(const RawMembers& members, std::string_view name);
// What stands between the quotes of a string without escapes; nullopt for anything else.
std::optional<std::string_view> plain_string(std::string_view raw);

}  // namespace todo
