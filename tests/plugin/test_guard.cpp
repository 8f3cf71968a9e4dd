#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <new>

#include "plugin/guard.h"

using namespace cairn;

TEST_CASE("a plugin that runs out of memory is told with how much and what to do", "[plugin]") {
  const auto complaint = [](auto call) {
    try {
      call_plugin("some.part", call);
    } catch (const PluginError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string large = complaint([] { at::empty({std::int64_t{1} << 48}, at::kByte); });
  CHECK_THAT(large, Catch::Contains("plugin 'some', component 'part'") && Catch::Contains("2.62e+05 GiB"));
  CHECK_THAT(large, Catch::Contains("train.batch_size") && !Catch::Contains("alloc_cpu"));
  CHECK_THAT(complaint([] { throw std::bad_alloc(); }), Catch::Contains("memory ran out; lower train.batch_size"));
}

TEST_CASE("a wrong option of an experiment's component is named with its table", "[plugin]") {
  const auto key = [](const std::string& option) {
    try {
      call_in_table("some.part", "masker", [&] { throw ConfigError(option, "is wrong"); });
    } catch (const ConfigError& error) {
      return error.key();
    }
    return std::string();
  };
  CHECK(key("share") == "masker.share");
  CHECK(key("") == "masker");
}
