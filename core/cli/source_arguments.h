#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "model/network_source.h"

namespace cairn::cli {

/// The weights a command is given: a run, a checkpoint, or a published folder, and which copy of them.
struct SourceArguments {
  std::string path;
  std::string weights;
  bool partial = false;

  /// `name` is the positional argument's: "SRC".
  void add_to(CLI::App& command, const std::string& name) {
    command
        .add_option(name, path,
                    "a run, its checkpoints/step-N, a folder of cairn convert, a Hugging Face folder, or an original "
                    ".pth.tar")
        ->required();
    command.add_option("--weights", weights, "the student, or its moving average; default: teacher where there is one")
        ->check(CLI::IsMember({"student", "teacher"}));
    command.add_flag("--partial", partial, "accept missing and left over tensors, and list them");
  }

  SourceOptions options() const {
    SourceOptions options{std::nullopt, partial};
    if (!weights.empty()) options.weights = weights == "student" ? WeightsOf::student : WeightsOf::teacher;
    return options;
  }
};

}  // namespace cairn::cli
