#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "cairn/error.h"
#include "checkpoint/step_folders.h"
#include "conformance/checks.h"
#include "conformance/scratch.h"
#include "train/trainer.h"

namespace cairn::conformance {
namespace {

namespace fs = std::filesystem;

/// Notes the losses; everything else passes it by.
class Losses : public Watcher {
 public:
  void stepped(std::int64_t, double) override {}
  void logged(const StepRecord& record) override { all.push_back(record.loss); }
  void guarded(std::int64_t, const std::string&) override {}
  void unreadable(const BadSample&) override {}
  std::optional<double> evaluate(std::int64_t) override { return std::nullopt; }
  void saved(std::int64_t, const fs::path&) override {}

  std::vector<double> all;
};

/// Trains from the newest checkpoint in `run` on, up to `last`.
fs::path train(const Rig& rig, const fs::path& run, std::int64_t last, Losses& losses) {
  Experiment experiment = rig.experiment();
  experiment.train.stop_at = last;
  const auto parts = rig.compose();
  Trainer trainer(experiment, *parts, run, at::kCPU);
  return trainer.run(losses).checkpoint;
}

std::string bytes(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string check_resume(const Rig& rig, const fs::path& unbroken, const fs::path& run) {
  Losses losses;
  train(rig, run, rig.experiment().train.steps / 2, losses);
  const fs::path resumed = train(rig, run, rig.experiment().train.steps, losses);
  for (const auto& entry : fs::directory_iterator(unbroken))
    if (entry.path().extension() == ".safetensors")
      require(bytes(entry.path()) == bytes(resumed / entry.path().filename()),
              entry.path().filename().string() + " differs from that of a run that was not interrupted");
  return {};
}

}  // namespace

void check_training(const Trial& trial, std::vector<Part> parts, Findings& findings) {
  const Rig rig(trial.situation, trial.levels, std::move(parts));
  const Scratch scratch;
  fs::path checkpoint;
  const bool trained = findings.check(
      "20 steps of training",
      "the message names the part that failed; cairn check and cairn preview show more of an experiment", [&] {
        Losses losses;
        checkpoint = train(rig, scratch.path() / "whole", rig.experiment().train.steps, losses);
        return fmt::format("loss from {:.4g} to {:.4g}", losses.all.front(), losses.all.back());
      });
  if (!trained) return;
  findings.check(
      "saved after 10 steps and resumed, it ends with the same bits",
      "state outside of parameters and buffers is lost, and random numbers must come from the Rng handed in or, in "
      "networks, from torch's own generator",
      [&] { return check_resume(rig, checkpoint, scratch.path() / "halves"); });
}

}  // namespace cairn::conformance
