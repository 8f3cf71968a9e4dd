#pragma once

/// Everything a plugin needs.
#include "cairn/batch.h"
#include "cairn/collective.h"
#include "cairn/encoder.h"
#include "cairn/error.h"
#include "cairn/file_set.h"
#include "cairn/masker.h"
#include "cairn/modality.h"
#include "cairn/objective.h"
#include "cairn/options.h"
#include "cairn/plan.h"
#include "cairn/plugin.h"
#include "cairn/predictor.h"
#include "cairn/progress.h"
#include "cairn/registry.h"
#include "cairn/rng.h"
#include "cairn/token_grid.h"
