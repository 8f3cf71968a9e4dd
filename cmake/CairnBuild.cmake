# How everything here is compiled: one language level, one optimisation level, one precompiled header.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CAIRN_PLUGIN_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/cairn/plugins)
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")

# A precompiled header is rejected when -fPIC and -fPIE mix, so programs are compiled -fPIC too.
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fPIC>)

# A clean build reads LibTorch's headers once for several sources instead of once for each.
option(CAIRN_UNITY "Compile several sources at a time: a clean build in less time, a changed file in more" OFF)
set(CMAKE_UNITY_BUILD ${CAIRN_UNITY})
set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)

# Compilers cannot reuse a precompiled header through ccache without these.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
                                  CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()

find_package(CUDAToolkit QUIET)
option(CAIRN_CUDA "Build for CUDA devices too" ${CUDAToolkit_FOUND})
if(CAIRN_CUDA)
  # Machine code for A100, H100 and B200; other GPUs that LibTorch knows compile the oldest one's PTX at first use.
  set(CMAKE_CUDA_ARCHITECTURES 75-virtual 80-real 90-real 100-real CACHE STRING "GPUs to compile for")
  set(CMAKE_CUDA_COMPILER ${CUDAToolkit_NVCC_EXECUTABLE} CACHE FILEPATH "")
  set(CMAKE_CUDA_EXTENSIONS OFF)
  set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
  enable_language(CUDA)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # which CMake 3.25 does not know yet
endif()
option(CAIRN_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
if(CAIRN_SANITIZE)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined;-fno-omit-frame-pointer;-g1>")
  add_link_options(-fsanitize=address,undefined)
endif()

find_package(LibTorch 2.11 REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Boost 1.74 REQUIRED)

add_library(cairn_warnings INTERFACE)
target_compile_options(cairn_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Werror -Wno-missing-field-initializers -Winvalid-pch>
  $<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror>)

# One precompiled header for every file that sees tensors: target_precompile_headers(x REUSE_FROM cairn_pch).
file(WRITE ${CMAKE_BINARY_DIR}/pch/pch.cpp "")
add_library(cairn_pch OBJECT ${CMAKE_BINARY_DIR}/pch/pch.cpp)
target_link_libraries(cairn_pch PRIVATE LibTorch::torch cairn_warnings)
target_precompile_headers(cairn_pch PRIVATE
  <algorithm> <array> <cmath> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string> <string_view>
  <utility> <variant> <vector>
  <ATen/ATen.h> <torch/nn/module.h> <torch/nn/modules/linear.h> <torch/nn/modules/normalization.h>)
