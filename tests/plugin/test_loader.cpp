#include <catch2/catch.hpp>
#include <cstdlib>

#include "cairn/error.h"
#include "cairn/registry.h"
#include "plugin/guard.h"
#include "plugin/loader.h"
#include "support/temporary_folder.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::read_text;
using test::TemporaryFolder;
using test::write_text;

const fs::path kProbe = fs::path(CAIRN_TEST_PLUGINS) / "cairn-probe.so";

/// What loading this plugin from this folder complains of.
std::string complaint(const fs::path& folder, const std::string& name) {
  PluginLoader loader({folder});
  try {
    loader.load(name);
  } catch (const PluginError& error) {
    return error.what();
  }
  return "no complaint";
}

/// A copy of a plugin in which every `from` reads `to`, of the same length.
fs::path doctored(const TemporaryFolder& folder, const std::string& plugin, const std::string& from,
                  const std::string& to) {
  std::string bytes = read_text(fs::path(CAIRN_TEST_PLUGINS) / ("cairn-" + plugin + ".so"));
  REQUIRE(from.size() == to.size());
  REQUIRE(bytes.find(from) != std::string::npos);
  for (std::size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1))
    bytes.replace(at, from.size(), to);
  const fs::path file = folder / ("cairn-" + plugin + ".so");
  write_text(file, bytes);
  return file;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct Empty {
  static Schema<Empty> schema() { return Schema<Empty>("nothing"); }
};

struct Nothing final : Masker {
  explicit Nothing(Empty) {}
  Plan plan(std::span<const ViewLayout>, std::int64_t, const Progress&, Rng&) const override { return {}; }
};

struct Misdeclared {
  std::int64_t size = 4;
  static Schema<Misdeclared> schema() {
    Schema<Misdeclared> s("a default that its own range refuses");
    s.option("size", &Misdeclared::size, "a size").at_least(8);
    return s;
  }
};

struct Other final : Masker {
  explicit Other(Misdeclared) {}
  Plan plan(std::span<const ViewLayout>, std::int64_t, const Progress&, Rng&) const override { return {}; }
};

}  // namespace

TEST_CASE("a plugin is found, checked, opened, and makes its components", "[plugin]") {
  PluginLoader loader({CAIRN_TEST_PLUGINS});
  const Plugin& plugin = loader.load("probe");
  CHECK(plugin.name == "probe");
  CHECK(plugin.version == "0.1.0");
  CHECK(plugin.torch_version == built_torch_version());
  CHECK(plugin.registry->components().size() == 6);
  CHECK(&loader.load("probe") == &plugin);

  const Component& data = loader.component(ComponentKind::modality, "probe.data");
  const auto modality = std::get<ModalityFactory>(data.factory)({{"size", Value(std::int64_t{64})}});
  CHECK(modality->views(Purpose::pretrain).at(0).grid.count() == 64);
  const Component& net = loader.component(ComponentKind::encoder, "probe.net");
  CHECK_THROWS_AS(std::get<EncoderFactory>(net.factory)({}, EncoderSetting{}), ConfigError);
  CHECK(loader.schema(ComponentKind::masker, "probe.blocks")->find("flavour") != nullptr);
}

TEST_CASE("a core error that a plugin throws is caught by its type", "[plugin]") {
  PluginLoader loader({CAIRN_TEST_PLUGINS});
  const Component& data = loader.component(ComponentKind::modality, "probe.data");
  const auto modality = std::get<ModalityFactory>(data.factory)(
      {{"patch", Value(Value::Array{Value(std::int64_t{7}), Value(std::int64_t{7})})}});
  CHECK_THROWS_AS(modality->views(Purpose::pretrain), ConfigError);
}

TEST_CASE("what a plugin throws names plugin, component and text", "[plugin]") {
  const auto thrown = [](auto&& call) -> std::string {
    try {
      call_plugin("probe", "probe.loss", call);
    } catch (const PluginError& error) {
      return error.what();
    }
    return "nothing";
  };
  CHECK(thrown([] { throw std::runtime_error("no"); }) == "plugin 'probe', component 'probe.loss': no");
  CHECK(thrown([] { TORCH_CHECK(false, "bad shape"); }) == "plugin 'probe', component 'probe.loss': bad shape");
  CHECK(thrown([] { throw 3; }) == "plugin 'probe', component 'probe.loss': threw something that is no std::exception");
  CHECK_THROWS_AS(call_plugin("a", "b", [] { throw ConfigError("key", "text"); }), ConfigError);
  CHECK(call_plugin("a", "b", [] { return 3; }) == 3);
  CHECK(contains(complaint(CAIRN_TEST_PLUGINS, "throwing"), "plugin 'throwing': no licence today"));
}

TEST_CASE("a plugin that is not there is looked for aloud", "[plugin]") {
  const std::string text = complaint(CAIRN_TEST_PLUGINS, "prob");
  CHECK(contains(
      text, "plugin 'prob' not found; did you mean 'probe'? looked in: 1. " CAIRN_TEST_PLUGINS " (--plugin-path) 2. "));
  CHECK(contains(complaint(CAIRN_TEST_PLUGINS, "../plugins/probe"), "not found"));
}

TEST_CASE("a folder of the path that cannot be read is named with the reason", "[plugin]") {
  const TemporaryFolder folder;
  fs::create_directory_symlink("loop", folder / "loop");
  CHECK(contains(complaint(folder / "loop", "probe"), "loop (--plugin-path; Too many levels of symbolic links) 2. "));
  CHECK(contains(complaint("/absent", "probe"), "not found; looked in: 1. /absent (--plugin-path; No such file"));
}

TEST_CASE("components that are not there", "[plugin]") {
  PluginLoader loader({CAIRN_TEST_PLUGINS});
  const auto ask = [&](ComponentKind kind, const char* name) -> std::string {
    try {
      loader.component(kind, name);
    } catch (const PluginError& error) {
      return error.what();
    }
    return "found";
  };
  CHECK(ask(ComponentKind::masker, "probe.block") ==
        "plugin 'probe' has no masker 'probe.block'; did you mean 'probe.blocks'?");
  CHECK(ask(ComponentKind::masker, "probe.net") == "'probe.net' is of kind encoder, not masker");
  CHECK(contains(ask(ComponentKind::masker, "probe.zzzzzzzzzzzz"), "it has: probe.blocks"));
  CHECK(contains(ask(ComponentKind::masker, "blocks"), "a type is written plugin.component"));
  CHECK(contains(ask(ComponentKind::masker, "probe."), "a type is written plugin.component"));
}

TEST_CASE("a plugin of another build is refused before any of its code runs", "[plugin]") {
  const TemporaryFolder folder;
  SECTION("SDK ABI") {
    doctored(folder, "probe", "cairn_abi_1__", "cairn_abi_9__");
    CHECK(contains(complaint(folder.path(), "probe"),
                   "was built for SDK ABI 9; this cairn has SDK ABI 1; rebuild the plugin against this cairn's SDK"));
  }
  SECTION("LibTorch") {
    const std::string ours(build_stamp());
    const std::string part = ours.substr(ours.find("__torch_"), 10);
    doctored(folder, "probe", part, "__torch_7_");
    CHECK(contains(complaint(folder.path(), "probe"), "was built with LibTorch 7."));
    CHECK(contains(complaint(folder.path(), "probe"), "this cairn runs LibTorch " + std::string(built_torch_version()) +
                                                          "; rebuild the plugin with LibTorch"));
  }
  SECTION("cxx11 ABI and C++ standard, both named") {
    doctored(folder, "probe", "__cxx11_1__cpp20", "__cxx11_0__cpp17");
    CHECK(contains(complaint(folder.path(), "probe"),
                   "was built with cxx11 ABI 0; this cairn has cxx11 ABI 1, "
                   "was built as C++17; this cairn is C++20"));
  }
  SECTION("its enroll never runs") {
    doctored(folder, "throwing", "cairn_abi_1__", "cairn_abi_2__");
    CHECK_FALSE(contains(complaint(folder.path(), "throwing"), "no licence"));
  }
}

TEST_CASE("a plugin that wants what is not there is refused with the name of what it wants", "[plugin]") {
  const TemporaryFolder folder;
  doctored(folder, "probe", "_ZN5cairn7EncoderC2Ev", "_ZN5cairn7EncoderC9Ev");
  const std::string text = complaint(folder.path(), "probe");
  CHECK(contains(text, "_ZN5cairn7EncoderC9Ev"));
  CHECK(contains(text, "cairn-probe.so"));
}

TEST_CASE("files that are no plugins are refused with a sentence", "[plugin]") {
  const TemporaryFolder folder;
  SECTION("a text file") {
    write_text(folder / "cairn-x.so", "hello");
    CHECK(contains(complaint(folder.path(), "x"), "is not a shared library of this system, or is cut short"));
  }
  SECTION("an empty file") {
    write_text(folder / "cairn-x.so", "");
    CHECK(contains(complaint(folder.path(), "x"), "is not a shared library"));
  }
  SECTION("a library without a stamp") {
    fs::create_symlink(CAIRN_CORE_LIBRARY, folder / "cairn-x.so");
    CHECK(contains(complaint(folder.path(), "x"), "is not a Cairn plugin (it has no stamp)"));
  }
  SECTION("a plugin under another name") {
    fs::copy_file(kProbe, folder / "cairn-x.so");
    CHECK(contains(complaint(folder.path(), "x"), "calls itself 'probe'"));
  }
  SECTION("a stripped plugin is one all the same") {
    fs::copy_file(kProbe, folder / "cairn-probe.so");
    REQUIRE(std::system(("strip " + (folder / "cairn-probe.so").string()).c_str()) == 0);
    CHECK(complaint(folder.path(), "probe") == "no complaint");
  }
  SECTION("a plugin cut short") {
    const std::string bytes = read_text(kProbe);
    for (const std::size_t size :
         {std::size_t{16}, std::size_t{64}, std::size_t{4096}, bytes.size() / 2, bytes.size() - 1}) {
      write_text(folder / "cairn-probe.so", bytes.substr(0, size));
      CHECK(contains(complaint(folder.path(), "probe"), "is not a"));
    }
  }
  SECTION("a folder") {
    fs::create_directory(folder / "cairn-x.so");
    CHECK(contains(complaint(folder.path(), "x"), "is not a file"));
  }
  SECTION("a circle of links") {
    fs::create_symlink("cairn-x.so", folder / "cairn-x.so");
    CHECK(contains(complaint(folder.path(), "x"), "cannot be read: "));
    fs::create_directory_symlink(folder.path(), folder / "itself");
    CHECK(PluginLoader({folder.path(), folder / "itself"}).scan().size() >= 2);
  }
}

TEST_CASE("the first folder wins, and the search path is in order", "[plugin]") {
  const TemporaryFolder first;
  write_text(first / "cairn-probe.so", "not the real one");
  ::setenv("CAIRN_PLUGIN_PATH", "/from/a::/from/b", 1);
  PluginLoader loader({first.path()});
  loader.set_experiment_folders({CAIRN_TEST_PLUGINS});
  const auto folders = loader.folders();
  ::unsetenv("CAIRN_PLUGIN_PATH");
  REQUIRE(folders.size() == 5);
  CHECK(folders[0].named_by == "--plugin-path");
  CHECK(folders[1].named_by == "[plugins] path");
  CHECK(folders[2].path == "/from/a");
  CHECK(folders[3].path == "/from/b");
  CHECK(folders[4].path == fs::path(CAIRN_CORE_LIBRARY).parent_path() / "cairn/plugins");

  CHECK_THROWS_AS(loader.load("probe"), PluginError);
  const auto files = loader.scan();
  const auto count =
      std::count_if(files.begin(), files.end(), [](const PluginFile& file) { return file.name == "probe"; });
  REQUIRE(count == 2);
  const auto probe =
      std::find_if(files.begin(), files.end(), [](const PluginFile& file) { return file.name == "probe"; });
  CHECK_FALSE(probe->is_shadowed);
  CHECK_FALSE(probe->fault.empty());
  CHECK((probe + 1)->is_shadowed);
  CHECK((probe + 1)->fault.empty());
}

TEST_CASE("a registry refuses what is enrolled twice or badly declared", "[plugin]") {
  Registry registry("mine");
  registry.masker<Nothing, Empty>("a");
  CHECK(registry.find(ComponentKind::masker, "a")->full_name() == "mine.a");
  CHECK(registry.find(ComponentKind::encoder, "a") == nullptr);
  CHECK_THROWS_WITH((registry.masker<Nothing, Empty>("a")), Catch::Contains("is enrolled twice"));
  CHECK_THROWS_WITH((registry.masker<Nothing, Empty>("Not A Name")), Catch::Contains("not a lower-case identifier"));
  CHECK_THROWS_WITH((registry.masker<Other, Misdeclared>("b")),
                    Catch::Contains("option 'size' has a default that must be at least 8, is 4"));
}

}  // namespace cairn
