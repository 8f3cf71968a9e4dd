# LibTorch as imported targets, without TorchConfig.cmake (a CUDA wheel's insists on nvcc even for CPU builds).
# Looks in LIBTORCH_ROOT, then CMAKE_PREFIX_PATH; a folder that holds include/torch and lib/libtorch_cpu.so.
# Gives LibTorch::torch (with CUDA where CAIRN_CUDA is on), LibTorch_VERSION (2.11.0+cu130), LibTorch_INCLUDE_DIR.
find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
          HINTS ${LIBTORCH_ROOT} PATH_SUFFIXES include torch/include NO_DEFAULT_PATH)
find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h PATH_SUFFIXES include torch/include)
if(LibTorch_INCLUDE_DIR)
  cmake_path(GET LibTorch_INCLUDE_DIR PARENT_PATH LibTorch_ROOT_DIR)
  set(LibTorch_LIBRARY_DIR ${LibTorch_ROOT_DIR}/lib)
  if(EXISTS ${LibTorch_ROOT_DIR}/version.py)
    file(STRINGS ${LibTorch_ROOT_DIR}/version.py line REGEX "^__version__")
    string(REGEX REPLACE ".*'(.*)'.*" "\\1" LibTorch_VERSION "${line}")
  elseif(EXISTS ${LibTorch_ROOT_DIR}/build-version)
    file(STRINGS ${LibTorch_ROOT_DIR}/build-version LibTorch_VERSION LIMIT_COUNT 1)
  endif()
endif()
include(FindPackageHandleStandardArgs)
string(REGEX MATCH "^[0-9.]+" version_number "${LibTorch_VERSION}")
set(LibTorch_FULL_VERSION "${LibTorch_VERSION}")
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_INCLUDE_DIR LibTorch_LIBRARY_DIR VERSION_VAR version_number
  REASON_FAILURE_MESSAGE "run ./dev setup, or pass -DLIBTORCH_ROOT=<folder with include/ and lib/>")

if(LibTorch_FOUND AND NOT TARGET LibTorch::torch)
  add_library(LibTorch::torch INTERFACE IMPORTED)
  target_include_directories(LibTorch::torch SYSTEM INTERFACE
    ${LibTorch_INCLUDE_DIR} ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include)
  target_link_directories(LibTorch::torch INTERFACE ${LibTorch_LIBRARY_DIR})
  target_compile_definitions(LibTorch::torch INTERFACE USE_C10D USE_C10D_GLOO USE_DISTRIBUTED USE_RPC USE_TENSORPIPE
                                                       FMT_HEADER_ONLY=1)
  target_link_libraries(LibTorch::torch INTERFACE torch_cpu c10)
  # The wheel finds CUDA's libraries by its own RPATH; the linker must not insist on seeing them.
  target_link_options(LibTorch::torch INTERFACE -Wl,--allow-shlib-undefined -Wl,--unresolved-symbols=ignore-in-shared-libs)
  if(CAIRN_CUDA)
    target_include_directories(LibTorch::torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
    # Without --no-as-needed the linker drops torch_cuda, and CUDA silently vanishes.
    target_link_libraries(LibTorch::torch INTERFACE -Wl,--no-as-needed torch_cuda c10_cuda -Wl,--as-needed)
  endif()
endif()
