#pragma once

/// Marks what crosses the border between libcairn_core.so and a plugin; everything else is hidden.
#define CAIRN_API __attribute__((visibility("default")))
