#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cairn/options.h"

namespace cairn {

// The tables of an experiment that belong to the core, one struct each. Defaults are the member initialisers.

struct TopSettings {
  std::string name;
  std::int64_t seed = 0;
  static Schema<TopSettings> schema() {
    Schema<TopSettings> s("What stands above the first table");
    s.option("name", &TopSettings::name,
             "what reports call the experiment; the file's name without its ending if empty");
    s.option("seed", &TopSettings::seed, "every random number of a run follows from it").at_least(0);
    return s;
  }
};

struct InitialSettings {
  std::string path;
  std::string copy = "both";
  std::vector<std::string> parts = {"encoder", "projector", "predictor"};
  bool partial = false;
  static Schema<InitialSettings> schema() {
    Schema<InitialSettings> s("Weights to begin with, instead of random ones");
    s.option("path", &InitialSettings::path,
             "a run, a checkpoint, or any other source of weights (docs/exchange.md); empty: none")
        .path();
    s.option("copy", &InitialSettings::copy,
             "of a source with two copies of its weights: student from student and teacher from teacher, or all from "
             "one")
        .choices({"both", "student", "teacher"});
    s.option("parts", &InitialSettings::parts, "what is taken, where source and experiment have it")
        .choices({"encoder", "projector", "predictor"});
    s.option("partial", &InitialSettings::partial, "take what fits, name the rest, and do not compare outputs");
    return s;
  }
};

struct EmaSettings {
  std::array<double, 2> momentum = {0.996, 1.0};
  std::string schedule = "linear";
  std::string buffers = "copy";
  static Schema<EmaSettings> schema() {
    Schema<EmaSettings> s("The teacher: an exponential moving average of the student");
    s.option("momentum", &EmaSettings::momentum,
             "share the teacher keeps at each step, from the first to the last step")
        .range(0, 1);
    s.option("schedule", &EmaSettings::schedule, "how momentum gets from one to the other: I-JEPA linear, BYOL cosine")
        .choices({"linear", "cosine"});
    s.option(
         "buffers", &EmaSettings::buffers,
         "running means and the like: copied, averaged, or the teacher's own, whose batch norms then use the batch's "
         "statistics, as in BYOL and MoCo v3")
        .choices({"copy", "ema", "own"});
    return s;
  }
};

/// Parameters that are not treated as the rest.
struct OptimRule {
  std::vector<std::string> match;
  double lr_factor = 1.0;
  double decay_factor = 1.0;
  bool constant_lr = false;
  std::int64_t freeze_steps = 0;
  static Schema<OptimRule> schema() {
    Schema<OptimRule> s("Parameters that are not treated as the rest; the first rule that matches counts");
    s.option("match", &OptimRule::match, "names as in checkpoints, with * for any text: encoder.patch_embed.*")
        .required();
    s.option("lr_factor", &OptimRule::lr_factor, "factor of the learning rate").range(0, 1000);
    s.option("decay_factor", &OptimRule::decay_factor, "factor of the weight decay").range(0, 1000);
    s.option("constant_lr", &OptimRule::constant_lr, "no schedule: optim.lr throughout, times lr_factor");
    s.option("freeze_steps", &OptimRule::freeze_steps, "steps without an update; -1: never updated").at_least(-1);
    return s;
  }
};

struct OptimSettings {
  std::string type = "adamw";
  double lr = 1e-3;
  std::string lr_scaling = "none";
  std::int64_t lr_base_batch = 256;
  std::array<double, 2> betas = {0.9, 0.95};
  double epsilon = 1e-8;
  std::string moments = "float32";
  double momentum = 0.9;
  double trust = 1e-3;
  bool clip_trust = false;
  double weight_decay = 0.05;
  double clip = 0.0;
  std::vector<OptimRule> rule;
  static Schema<OptimSettings> schema() {
    Schema<OptimSettings> s("The optimizer");
    s.option("type", &OptimSettings::type, "algorithm").choices({"adamw", "sgd", "lars"});
    s.option("lr", &OptimSettings::lr, "highest learning rate").range(0, 100);
    s.option("lr_scaling", &OptimSettings::lr_scaling,
             "optim.lr is for batches of lr_base_batch: others have it times their ratio, or its root")
        .choices({"none", "linear", "sqrt"});
    s.option("lr_base_batch", &OptimSettings::lr_base_batch, "batch size that optim.lr is for").at_least(1);
    s.option("betas", &OptimSettings::betas, "decay of the first and second moment, of adamw").range(0, 0.9999999);
    s.option("epsilon", &OptimSettings::epsilon, "added to the root of the second moment, of adamw").range(1e-30, 1);
    s.option("moments", &OptimSettings::moments,
             "how adamw keeps its moments; bfloat16, rounded up or down at random, takes 4 bytes a parameter less")
        .choices({"float32", "bfloat16"});
    s.option("momentum", &OptimSettings::momentum, "of sgd and lars").range(0, 1);
    s.option("trust", &OptimSettings::trust, "lars: length of an update over that of its weights, at learning rate 1")
        .range(0, 1);
    s.option("clip_trust", &OptimSettings::clip_trust,
             "lars: no matrix moves further than sgd would move it, as in clipped LARC");
    s.option("weight_decay", &OptimSettings::weight_decay,
             "decay of matrices; biases, norms and 1-d parameters have none")
        .range(0, 10);
    s.option("clip", &OptimSettings::clip, "largest norm of the whole gradient; 0 leaves it alone").range(0, 1e30);
    s.option("rule", &OptimSettings::rule, "tables [[optim.rule]]: parameters that are not treated as the rest");
    return s;
  }
};

struct ScheduleSettings {
  std::string type = "cosine";
  std::int64_t total_steps = 0;
  double stretch = 1.0;
  std::int64_t warmup_steps = 0;
  double warmup_share = 0.0;
  double start_factor = 0.0;
  double final_factor = 0.001;
  double weight_decay_end = -1.0;
  double cooldown_share = 0.2;
  static Schema<ScheduleSettings> schema() {
    Schema<ScheduleSettings> s("How learning rate and weight decay run over the steps");
    s.option("type", &ScheduleSettings::type, "shape after the warm-up: cosine, or constant with a linear cooldown")
        .choices({"cosine", "constant"});
    s.option("total_steps", &ScheduleSettings::total_steps, "horizon of every schedule; 0 means train.steps")
        .at_least(0);
    s.option("stretch", &ScheduleSettings::stretch,
             "lengthens the horizon beyond the steps trained, as ipe_scale does (V-JEPA: 1.25)")
        .range(0.01, 100);
    s.option("warmup_steps", &ScheduleSettings::warmup_steps, "steps of linear warm-up").at_least(0);
    s.option("warmup_share", &ScheduleSettings::warmup_share, "the same as a share of the steps; the longer one counts")
        .range(0, 1);
    s.option("start_factor", &ScheduleSettings::start_factor, "learning rate at step 0, as a factor of optim.lr")
        .range(0, 1);
    s.option("final_factor", &ScheduleSettings::final_factor, "learning rate at the horizon, as a factor of optim.lr")
        .range(0, 1);
    s.option("weight_decay_end", &ScheduleSettings::weight_decay_end,
             "weight decay at the horizon, reached along a cosine; negative keeps optim.weight_decay")
        .range(-1, 10);
    s.option("cooldown_share", &ScheduleSettings::cooldown_share,
             "share of the steps over which type \"constant\" falls linearly to final_factor at the end")
        .range(0, 1);
    return s;
  }
};

struct TrainSettings {
  std::int64_t steps = 0;
  std::int64_t stop_at = 0;
  std::int64_t batch_size = 32;
  std::int64_t accumulate = 1;
  bool stack = true;
  std::int64_t workers = 2;
  std::int64_t threads = 0;
  std::int64_t queue = 4;
  std::string precision = "float32";
  bool graphs = false;
  std::string recompute = "none";
  std::string on_spike = "ignore";
  double spike_deviations = 10.0;
  static Schema<TrainSettings> schema() {
    Schema<TrainSettings> s("The training loop");
    s.option("steps", &TrainSettings::steps, "optimizer steps").required().at_least(1);
    s.option("stop_at", &TrainSettings::stop_at,
             "stop after this step with a checkpoint, schedules unchanged; 0: never")
        .at_least(0);
    s.option("batch_size", &TrainSettings::batch_size, "samples of one optimizer step").range(1, 1 << 20);
    s.option("accumulate", &TrainSettings::accumulate, "parts a batch is cut into, one forward and backward each")
        .range(1, 1 << 16);
    s.option(
        "stack", &TrainSettings::stack,
        "one forward pass for all views of equal shape, so that batch norms see them together, as in SimCLR; false: "
        "one for each view, as in BYOL, SimSiam, Barlow Twins and VICReg");
    s.option("workers", &TrainSettings::workers, "loader threads; the result does not depend on it").range(1, 1024);
    s.option("threads", &TrainSettings::threads,
             "compute threads on the CPU; 0: as many as OMP_NUM_THREADS says, or one per core")
        .range(0, 1024);
    s.option("queue", &TrainSettings::queue, "batches loaded ahead").range(1, 1024);
    s.option("precision", &TrainSettings::precision, "bfloat16 runs the forward pass under autocast")
        .choices({"float32", "bfloat16"});
    s.option(
        "graphs", &TrainSettings::graphs,
        "on a GPU, record a step of each shape and replay it: far less to launch; masker.round_to keeps shapes few. "
        "Needs accumulate = 1 and an objective that can be recorded (others are computed plainly)");
    s.option(
         "recompute", &TrainSettings::recompute,
         "blocks: keep only what enters each transformer block and compute the rest again on the way back, for less "
         "memory; the result is the same")
        .choices({"none", "blocks"});
    s.option("on_spike", &TrainSettings::on_spike,
             "when the loss leaps or is not finite: ignore (stop if not finite), skip the update, or roll_back to the "
             "newest checkpoint's weights and go on")
        .choices({"ignore", "skip", "roll_back"});
    s.option("spike_deviations", &TrainSettings::spike_deviations,
             "robust deviations above the median of the last 64 losses from which on a loss is a spike")
        .range(1, 1000);
    return s;
  }
};

struct CheckpointSettings {
  std::int64_t every = 500;
  std::int64_t keep = 2;
  bool best = true;
  static Schema<CheckpointSettings> schema() {
    Schema<CheckpointSettings> s("When the run is saved");
    s.option("every", &CheckpointSettings::every, "steps between checkpoints; the last step always has one")
        .at_least(1);
    s.option("keep", &CheckpointSettings::keep, "newest checkpoints kept").at_least(1);
    s.option("best", &CheckpointSettings::best, "keep the checkpoint with the best probe as well");
    return s;
  }
};

struct EvaluateSettings {
  std::int64_t every = 0;
  std::int64_t train_samples = 2000;
  std::int64_t test_samples = 1000;
  std::int64_t final_train_samples = 10000;
  std::int64_t final_test_samples = 10000;
  std::int64_t batch_size = 64;
  std::vector<std::int64_t> segments;
  std::int64_t neighbours = 10;
  std::int64_t lidar_samples = 128;
  std::int64_t lidar_views = 4;
  bool baselines = true;
  static Schema<EvaluateSettings> schema() {
    Schema<EvaluateSettings> s("Probes during and after training; they need labels, and never touch the weights");
    s.option("every", &EvaluateSettings::every, "steps between online probes; 0 probes only at the end").at_least(0);
    s.option("train_samples", &EvaluateSettings::train_samples, "labelled samples an online probe learns from")
        .at_least(1);
    s.option("test_samples", &EvaluateSettings::test_samples, "samples an online probe is tested on").at_least(1);
    s.option("final_train_samples", &EvaluateSettings::final_train_samples, "the same for the last probe").at_least(1);
    s.option("final_test_samples", &EvaluateSettings::final_test_samples, "the same for the last probe").at_least(1);
    s.option("batch_size", &EvaluateSettings::batch_size, "samples of one forward pass of a probe").at_least(1);
    s.option("segments", &EvaluateSettings::segments,
             "probe tokens averaged within this many segments of each axis of the grid, side by side, instead of the "
             "pooled feature: [4, 1] keeps the order of four parts of a spectrogram; [] probes the pooled feature")
        .range(1, 1024);
    s.option("neighbours", &EvaluateSettings::neighbours, "k of the nearest-neighbour probe").at_least(1);
    s.option("lidar_samples", &EvaluateSettings::lidar_samples,
             "training samples LiDAR is measured on, more than the rank expected; 0: not at all")
        .at_least(0);
    s.option("lidar_views", &EvaluateSettings::lidar_views, "augmented views of each").range(2, 1000);
    s.option("baselines", &EvaluateSettings::baselines,
             "also probe the untrained encoder and the raw input at the end");
    return s;
  }
};

struct LogSettings {
  std::int64_t every = 20;
  bool tensorboard = true;
  static Schema<LogSettings> schema() {
    Schema<LogSettings> s("What is written while training");
    s.option("every", &LogSettings::every, "steps between lines of metrics.jsonl").at_least(1);
    s.option("tensorboard", &LogSettings::tensorboard, "write TensorBoard event files");
    return s;
  }
};

struct DistributedSettings {
  std::string backend = "auto";
  static Schema<DistributedSettings> schema() {
    Schema<DistributedSettings> s("Several processes");
    s.option("backend", &DistributedSettings::backend, "collective library").choices({"auto", "gloo", "nccl"});
    return s;
  }
};

struct PluginSettings {
  std::vector<std::string> path;
  static Schema<PluginSettings> schema() {
    Schema<PluginSettings> s("Where plugins are looked for");
    s.option("path", &PluginSettings::path, "folders, relative to the file that names them, before CAIRN_PLUGIN_PATH");
    return s;
  }
};

}  // namespace cairn
