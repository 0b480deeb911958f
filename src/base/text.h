#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace todo {

// True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
bool is_valid_utf8(std::string_view text);

// Unicode code points in valid UTF-8.
std::size_t count_code_points(std::string_view text);

// Without leading and trailing Unicode white space and control characters.
std::string_view trim(std::string_view text);

// Case-folded and NFKC-composed (Unicode 15, by libutf8proc): two texts that people take for the
// same compare equal. Takes valid UTF-8.
std::string fold_case(std::string_view text);

// So many code points from the beginning, or all where there are fewer.
std::string first_code_points(std::string_view text, std::size_t count);

// At most `code_points_max` code points, the last one “…” where something was cut.
std::string shorten(std::string_view text, std::size_t code_points_max);

std::string to_hex(std::string_view bytes);
// So many random bytes in hexadecimal: for names that must differ, not for secrets.
std::string random_hex(std::size_t bytes);
std::string base64url_encode(std::string_view bytes);  // RFC 4648, section 5, without padding
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace todo
