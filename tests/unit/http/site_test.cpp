// What the web interface's files are answered as, and which paths are its own.

#include "http/site.h"

#include <array>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace todo::http {
namespace {

using net::Method;
using testing::HasSubstr;
using testing::Not;

constexpr std::array<SiteFile, 3> files{{
    {.path = "/index.html",
     .type = "text/html; charset=utf-8",
     .hash = "aa",
     .plain = "<!doctype html>",
     .gzip = "page in gzip",
     .brotli = "page in Brotli"},
    {.path = "/assets/index-B4xY.js",
     .type = "text/javascript; charset=utf-8",
     .hash = "bb",
     .plain = "run()",
     .gzip = "script in gzip",
     .brotli = "script in Brotli"},
    {.path = "/icon.svg",
     .type = "image/svg+xml",
     .hash = "cc",
     .plain = "<svg/>",
     .gzip = {},
     .brotli = {}},
}};

constexpr std::string_view browser_accepts =
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

std::optional<net::Response> ask(std::string_view path, std::vector<net::Field> fields = {},
                                 Method method = Method::get) {
  static const Site site{files};
  net::Request request;
  request.method = method;
  request.target = request.path = path;
  request.fields = std::move(fields);
  return site.answer(request);
}

std::string header(const net::Response& response, std::string_view name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "none";
}

std::string body_for(std::string_view accept_encoding) {
  return ask("/assets/index-B4xY.js", {{"Accept-Encoding", accept_encoding}})->body;
}

TEST(SiteTest, a_hashed_file_may_be_kept_for_ever_and_the_others_are_asked_for_again) {
  const auto script = ask("/assets/index-B4xY.js").value();
  EXPECT_EQ(script.status, 200);
  EXPECT_EQ(script.body, "run()");
  EXPECT_EQ(header(script, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(header(script, "Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(header(ask("/icon.svg").value(), "Cache-Control"), "no-cache");
  for (const char* path : {"/", "/index.html"}) {
    const auto page = ask(path).value();
    EXPECT_EQ(page.body, "<!doctype html>") << path;
    EXPECT_EQ(header(page, "Cache-Control"), "no-cache") << path;
  }
}

TEST(SiteTest, the_coding_is_the_best_that_is_accepted) {
  EXPECT_EQ(body_for("gzip, deflate, br, zstd"), "script in Brotli");
  EXPECT_EQ(body_for("gzip"), "script in gzip");
  EXPECT_EQ(body_for("br;q=0.5, gzip;q=0.8"), "script in gzip");
  EXPECT_EQ(body_for("br; q=0.55, gzip;q=0.551"), "script in gzip");
  EXPECT_EQ(body_for("br;q=0, gzip"), "script in gzip");
  EXPECT_EQ(body_for("br;q=0.000, *"), "script in gzip");
  EXPECT_EQ(body_for("*"), "script in Brotli");
  EXPECT_EQ(body_for("*;q=0"), "run()");
  EXPECT_EQ(body_for("identity"), "run()");
  EXPECT_EQ(body_for(""), "run()");
  EXPECT_EQ(body_for("deflate,,"), "run()");
  EXPECT_EQ(ask("/assets/index-B4xY.js")->body, "run()");
}

TEST(SiteTest, each_coding_says_what_it_is_and_has_a_tag_of_its_own) {
  const auto packed = ask("/assets/index-B4xY.js", {{"Accept-Encoding", "br"}}).value();
  EXPECT_EQ(header(packed, "Content-Encoding"), "br");
  EXPECT_EQ(header(packed, "ETag"), "\"bb-br\"");
  EXPECT_EQ(header(packed, "Vary"), "Accept-Encoding");
  const auto plain = ask("/assets/index-B4xY.js").value();
  EXPECT_EQ(header(plain, "Content-Encoding"), "none");
  EXPECT_EQ(header(plain, "ETag"), "\"bb\"");
  EXPECT_EQ(header(plain, "Vary"), "Accept-Encoding");
  // Too small to shrink.
  const auto icon = ask("/icon.svg", {{"Accept-Encoding", "br, gzip"}}).value();
  EXPECT_EQ(icon.body, "<svg/>");
  EXPECT_EQ(header(icon, "Content-Encoding"), "none");
}

TEST(SiteTest, what_is_known_is_not_sent_again) {
  const auto same =
      ask("/", {{"Accept-Encoding", "br"}, {"If-None-Match", "\"xx\", \"aa-br\""}}).value();
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  EXPECT_EQ(header(same, "ETag"), "\"aa-br\"");
  EXPECT_EQ(header(same, "Cache-Control"), "no-cache");
  EXPECT_EQ(header(same, "Content-Type"), "none");
  EXPECT_EQ(ask("/", {{"Accept-Encoding", "gzip"}, {"If-None-Match", "\"aa-br\""}})->status, 200);
}

TEST(SiteTest, the_page_is_there_for_whoever_navigates) {
  for (const char* path : {"/today", "/category/a%20b", "/login", "/nothing.of.ours", "/apiary",
                           "/healthz2", "/mcp-setup", "/assetsx"}) {
    for (const Method method : {Method::get, Method::head}) {
      const auto page = ask(path, {{"Accept", browser_accepts}}, method);
      ASSERT_TRUE(page) << path;
      EXPECT_EQ(page->body, "<!doctype html>") << path;
      EXPECT_EQ(header(*page, "Vary"), "Accept, Accept-Encoding") << path;
    }
    EXPECT_FALSE(ask(path)) << path;
    EXPECT_FALSE(ask(path, {{"Accept", "*/*"}})) << path;
    EXPECT_FALSE(ask(path, {{"Accept", "application/json"}})) << path;
    EXPECT_FALSE(ask(path, {{"Accept", "text/html;q=0, */*"}})) << path;
    EXPECT_FALSE(ask(path, {{"Accept", browser_accepts}}, Method::post)) << path;
  }
}

TEST(SiteTest, the_programs_own_paths_and_lost_assets_are_never_the_page) {
  for (const char* path :
       {"/api", "/api/", "/api/v1/nothing", "/mcp", "/mcp/x", "/healthz/", "/readyz/x", "/assets",
        "/assets/", "/assets/index-old.js", "/assets/../index.html"}) {
    EXPECT_FALSE(ask(path, {{"Accept", browser_accepts}})) << path;
  }
}

TEST(SiteTest, a_file_is_for_reading) {
  const Site site{files};
  EXPECT_TRUE(site.has("/"));
  EXPECT_TRUE(site.has("/assets/index-B4xY.js"));
  EXPECT_FALSE(site.has("/today"));
  EXPECT_FALSE(ask("/icon.svg", {}, Method::post));
}

TEST(SiteTest, every_answer_keeps_the_page_to_itself) {
  for (const char* path : {"/", "/assets/index-B4xY.js"}) {
    const auto answer = ask(path).value();
    const std::string policy = header(answer, "Content-Security-Policy");
    EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
    EXPECT_THAT(policy, HasSubstr("frame-ancestors 'none'"));
    EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
    EXPECT_EQ(header(answer, "Referrer-Policy"), "same-origin");
    EXPECT_EQ(header(answer, "Cross-Origin-Opener-Policy"), "same-origin");
  }
}

TEST(SiteTest, what_was_built_has_a_page_whose_parts_are_all_there) {
  const Site site{built_site()};
  net::Request request;
  request.method = Method::get;
  request.path = "/";
  const std::string page = site.answer(request).value().body;
  std::size_t parts = 0;
  for (auto at = page.find("\"/"); at != std::string::npos; at = page.find("\"/", at + 1)) {
    const std::string path = page.substr(at + 1, page.find('"', at + 1) - at - 1);
    EXPECT_TRUE(site.has(path)) << path;
    ++parts;
  }
  EXPECT_GE(parts, 4U);  // script, style, icon, manifest
}

}  // namespace
}  // namespace todo::http
