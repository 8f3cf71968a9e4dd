#pragma once

#include <string_view>

namespace cairn::cli {

// The files of sdk/template, which the build puts into the program.
extern const std::string_view kTemplateCompare, kTemplateCMake, kTemplateEncoder, kTemplateEncoderHeader, kTemplateMae,
    kTemplateMasker, kTemplateMaskerHeader, kTemplateModality, kTemplateModalityHeader, kTemplateObjective,
    kTemplateObjectiveHeader, kTemplatePlugin, kTemplatePredictor, kTemplatePredictorHeader, kTemplateReadme,
    kTemplateSimclr, kTemplateTest, kTemplateTrain;

}  // namespace cairn::cli
