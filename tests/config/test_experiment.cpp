#include <catch2/catch.hpp>

#include "config/load.h"
#include "support/temporary_folder.h"

namespace cairn {
namespace {

using test::TemporaryFolder;
using test::write_text;

constexpr const char* kValid = R"(
[modality]
type = "probe.data"
size = 64
[encoder]
type = "probe.net"
width = 64
[masker]
type = "probe.blocks"
[[objective]]
type = "probe.loss"
[train]
steps = 10
)";

Experiment load(const std::filesystem::path& file, const std::vector<std::string>& sets = {}) {
  PluginLoader loader({CAIRN_TEST_PLUGINS});
  return load_experiment(file, sets, loader);
}

/// The whole report of an experiment that cannot be loaded.
std::string report(const std::filesystem::path& file, const std::vector<std::string>& sets = {}) {
  try {
    load(file, sets);
  } catch (const ExperimentError& error) {
    return error.what();
  }
  return "no problem";
}

Value option(const ComponentSettings& component, const std::string& key) {
  for (const auto& [name, value] : component.options)
    if (name == key) return value;
  throw std::runtime_error("no option " + key);
}

/// A folder with valid.toml in it.
struct Folder : TemporaryFolder {
  Folder() { write("valid.toml", kValid); }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((path() / name).parent_path());
    write_text(path() / name, text);
    return path() / name;
  }
};

}  // namespace

TEST_CASE("an experiment is complete with defaults") {
  const Folder folder;
  const Experiment experiment = load(folder / "valid.toml");
  CHECK(experiment.name == "valid");
  CHECK(experiment.seed == 0);
  CHECK(experiment.train.steps == 10);
  CHECK(experiment.train.batch_size == 32);
  CHECK(experiment.modality.type == "probe.data");
  CHECK(experiment.modality.table == "modality");
  CHECK(option(experiment.modality, "size") == Value(std::int64_t{64}));
  CHECK(option(experiment.modality, "path") == Value(std::string()));
  CHECK(option(experiment.encoder, "depth") == Value(std::int64_t{2}));
  CHECK_FALSE(experiment.projector.has_value());
  CHECK_FALSE(experiment.predictor.has_value());
  REQUIRE(experiment.objectives.size() == 1);
  CHECK(experiment.objectives[0].table == "objective[0]");
  CHECK(experiment.objectives[0].weight == 1.0);
  CHECK(option(experiment.objectives[0], "norm") == Value(std::string("layer")));
}

TEST_CASE("bases merge left to right, then the file, then the overrides") {
  const Folder folder;
  folder.write("base/a.toml", "[optim]\nlr = 1.0\nclip = 1.0\n[ema]\nmomentum = [0.1, 0.2]\n");
  folder.write("base/b.toml", "extends = [\"deep/c.toml\"]\n[optim]\nlr = 2.0\n");
  folder.write("base/deep/c.toml", "[optim]\nepsilon = 0.5\nlr = 9.0\n");
  const auto file = folder.write(
      "x.toml", "extends = [\"valid.toml\", \"base/a.toml\", \"base/b.toml\"]\n[optim]\nweight_decay = 3\n");
  CHECK(load(file).optim.lr == 2.0);
  CHECK(load(file).optim.clip == 1.0);
  CHECK(load(file).optim.epsilon == 0.5);
  CHECK(load(file).optim.weight_decay == 3.0);
  CHECK(load(file, {"optim.lr=4", "optim.lr=5"}).optim.lr == 5.0);
  CHECK(load(file, {"ema.momentum=[0.3, 0.4]"}).ema.momentum == std::array<double, 2>{0.3, 0.4});
}

TEST_CASE("a base reached twice counts once") {
  const Folder folder;
  folder.write("common.toml", "[optim]\nlr = 1.0\n");
  folder.write("a.toml", "extends = [\"common.toml\"]\n[optim]\nlr = 2.0\n");
  folder.write("b.toml", "extends = [\"common.toml\"]\n");
  const auto file = folder.write("x.toml", "extends = [\"valid.toml\", \"a.toml\", \"b.toml\"]\n");
  CHECK(load(file).optim.lr == 2.0);
}

TEST_CASE("arrays and lists of tables replace whole") {
  const Folder folder;
  folder.write("groups.toml", "[[masker.groups]]\ncount = 1\n[[masker.groups]]\ncount = 2\n");
  const auto file = folder.write("x.toml",
                                 "extends = [\"valid.toml\", \"groups.toml\"]\n[[masker.groups]]\ncount = 3\n"
                                 "[[objective]]\ntype = \"probe.loss\"\nweight = 2\n"
                                 "[[objective]]\ntype = \"probe.loss\"\nbeta = 0.5\n");
  const Experiment experiment = load(file);
  const Value groups = option(experiment.masker, "groups");
  REQUIRE(std::get<Value::Array>(groups.data).size() == 1);
  CHECK(groups.text() == "[{ count = 3, scale = [0.15, 0.2] }]");
  REQUIRE(experiment.objectives.size() == 2);
  CHECK(experiment.objectives[0].weight == 2.0);
  CHECK(option(experiment.objectives[1], "beta") == Value(0.5));
}

TEST_CASE("another type drops what earlier layers said of the table") {
  const Folder folder;
  const auto file = folder.write("x.toml", "extends = [\"valid.toml\"]\n[modality]\ntype = \"other.data\"\n");
  CHECK(report(file).find("unknown key") == std::string::npos);
  CHECK(report(file).find("plugin 'other' not found") != std::string::npos);
  // size = 64 of the file goes with its type; what a --set says stays, in whatever order.
  const auto other = folder.write("y.toml", std::string(kValid) + "[predictor]\ntype = \"other.guess\"\nwide = 3\n");
  CHECK_FALSE(load(other, {"predictor.type=probe.guess"}).predictor->options.size());
  CHECK(report(other, {"predictor.wide=4", "predictor.type=probe.guess"})
            .find("--set #1:1:1: error: unknown key 'wide'") == 0);
}

TEST_CASE("the same type keeps them") {
  const Folder folder;
  const auto file = folder.write("x.toml", "extends = [\"valid.toml\"]\n[modality]\ntype = \"probe.data\"\n");
  CHECK(option(load(file).modality, "size") == Value(std::int64_t{64}));
}

TEST_CASE("unset removes what a base sets") {
  const Folder folder;
  const auto file = folder.write("x.toml", "extends = [\"valid.toml\"]\nunset = [\"modality.size\"]\n");
  CHECK(option(load(file).modality, "size") == Value(std::int64_t{32}));
}

TEST_CASE("--set takes words, numbers, arrays and elements of lists") {
  const Folder folder;
  const auto file = folder / "valid.toml";
  CHECK(load(file, {"name=one two"}).name == "one two");
  CHECK(load(file, {"name=2024-01-01"}).name == "2024-01-01");
  CHECK(load(file, {"name=\"quoted\""}).name == "quoted");
  CHECK(load(file, {"seed=7"}).seed == 7);
  CHECK(load(file, {"objective.0.weight=2"}).objectives[0].weight == 2.0);
  CHECK(load(file, {"objective.weight=3"}).objectives[0].weight == 3.0);
  CHECK(option(load(file, {"masker.spatial_scale=[0.1,0.2]"}).masker, "spatial_scale").text() == "[0.1, 0.2]");
  CHECK(load(file, {"optim.lr=1"}).optim.lr == 1.0);
  CHECK(option(load(file, {"modality.path="}).modality, "path") == Value(std::string()));
}

TEST_CASE("--set objective=[...] replaces the list") {
  const Folder folder;
  const auto experiment = load(folder / "valid.toml", {"objective=[{type=\"probe.loss\", beta=0.5}]"});
  REQUIRE(experiment.objectives.size() == 1);
  CHECK(option(experiment.objectives[0], "beta") == Value(0.5));
}

TEST_CASE("paths are made absolute against the current folder, plugin folders against the file") {
  const Folder folder;
  folder.write("sub/base.toml", "[plugins]\npath = [\"lib\"]\n");
  const auto file =
      folder.write("x.toml", "extends = [\"valid.toml\", \"sub/base.toml\"]\n[modality]\npath = \"../d\"\n");
  const Experiment experiment = load(file);
  const auto expected = std::filesystem::absolute("../d").lexically_normal().string();
  CHECK(option(experiment.modality, "path") == Value(expected));
  CHECK(experiment.plugins.path == std::vector<std::string>{(folder.path() / "sub/lib").string()});
  CHECK_THAT(report(file, {"plugins.path=[\"\"]"}), Catch::Contains("'plugins.path' holds an empty name"));
}

TEST_CASE("the resolved experiment loads alone and says the same") {
  const Folder folder;
  folder.write("base.toml", "[optim]\nlr = 1\n[[masker.groups]]\ncount = 3\n[modality]\npath = \"here\"\n");
  const auto file = folder.write("x.toml", "name = \"a \\\"b\\\"\"\nextends = [\"valid.toml\", \"base.toml\"]\n");
  const Experiment first = load(file, {"objective.weight=2", "seed=5"});
  const auto copy = folder.write("elsewhere/config.toml", first.document->toml(false));
  const Experiment second = load(copy);
  CHECK(second.document->toml(false) == first.document->toml(false));
  CHECK(second.name == "a \"b\"");
  CHECK(second.seed == 5);
  CHECK(second.objectives[0].weight == 2.0);
  CHECK(load(folder.write("again.toml", first.document->toml(true))).document->toml(false) ==
        first.document->toml(false));
}

TEST_CASE("every line of the resolved experiment names its origin") {
  const Folder folder;
  folder.write("base.toml", "[optim]\nlr = 1\n");
  const auto file = folder.write("x.toml", "extends = [\"valid.toml\", \"base.toml\"]\n[optim]\nclip = 2\n");
  const std::string text = load(file, {"seed=5"}).document->toml(true);
  const auto has = [&](const std::string& start, const std::string& end) {
    const std::size_t begin = text.find("\n" + start);
    if (begin == std::string::npos) return false;
    const std::string line = text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
    return line.ends_with("  # " + end);
  };
  CHECK(has("lr = 1.0", (folder / "base.toml").string() + ":2"));
  CHECK(has("clip = 2.0", file.string() + ":3"));
  CHECK(has("epsilon = 1e-08", "default"));
  CHECK(has("seed = 5", "--set #1"));
  CHECK(has("[optim]", file.string() + ":2"));
}

TEST_CASE("a later error of a component is shown where the experiment says it") {
  const Folder folder;
  const auto file = folder / "valid.toml";
  const Experiment experiment = load(file, {"encoder.depth=3"});
  const auto explain = [&](const char* key, const char* table) {
    return experiment.document->explain(ConfigError(key, "will not do", "try another"), table);
  };
  const std::string expected = file.string() + ":4:8: error: 'modality.size': will not do\n" +
                               "    4 | size = 64\n      |        ^~ try another";
  CHECK(explain("size", "modality") == expected);
  CHECK(explain("modality.size", "modality") == expected);
  CHECK(explain("modality.size", "") == expected);
  CHECK(explain("depth", "encoder") ==
        "--set #1:1:15: error: 'encoder.depth': will not do\n    1 | encoder.depth=3\n      |               ^ try "
        "another");
  // A default stands in no file: the table does.
  CHECK(explain("patch", "modality") == file.string() +
                                            ":2:1: error: 'modality.patch': will not do\n    2 | [modality]\n"
                                            "      | ^~~~~~~~~~ try another\n"
                                            "  note: 'modality.patch' has its default, [8, 8]");
  CHECK(explain("weight", "objective[0]").find("'objective[0].weight'") != std::string::npos);
  CHECK(explain("objective.0.type", "").find(file.string() + ":11:8: error: 'objective[0].type'") == 0);
  CHECK(explain("masker", "").find(file.string() + ":8:1: error: 'masker': will not do") == 0);
  CHECK(explain("size", "").find(file.string() + ":4:8: error: 'modality.size': will not do") == 0);
  CHECK(explain("nowhere", "").find(file.string() + ":1:1: error: 'nowhere': will not do") == 0);
}

TEST_CASE("files that cannot be read are problems, not crashes") {
  const Folder folder;
  CHECK(report(folder / "absent.toml").find("does not exist") != std::string::npos);
  CHECK(report(folder.path()).find("is not a file") != std::string::npos);
  CHECK(report(folder.write("empty.toml", "")).find("table [encoder] is missing") != std::string::npos);
  CHECK(report(folder.write("binary.toml", std::string("\x00\xff\xfe[\x01", 5))).find("not TOML") != std::string::npos);
  std::filesystem::create_symlink("loop.toml", folder / "loop.toml");
  CHECK(report(folder / "loop.toml").find("does not exist") != std::string::npos);
  CHECK(report(folder.write("x.toml", "extends = [\"loop.toml\"]\n")).find("does not exist") != std::string::npos);
  CHECK(report(folder.write("nested.toml", "a = " + std::string(5000, '['))).find("not TOML") != std::string::npos);
}

}  // namespace cairn
